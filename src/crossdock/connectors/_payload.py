"""A payload read part by part; what is missing or of another shape is refused with its place.

`Part` reads JSON and XML alike, since several carriers answer the same in both: a key is a member or a child
element, and one thing where a list was meant is a list of one. XML has text only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from crossdock.connect.contract import Notice
from crossdock.connectors import _markup
from crossdock.errors import Refused

_BLANKS = " \t\r\n\x00"


class Part:
    """A value in a payload, and its path, which is put together when somebody asks for it."""

    __slots__ = ("_above", "_name", "value")

    def __init__(self, value: Any, name: str | int = "", above: Part | None = None) -> None:
        """The value of that name, or at that place in a list, in the part above; None where there is none."""
        self.value = value
        self._name = name
        self._above = above

    def __bool__(self) -> bool:
        return self.value not in (None, "", [], {})

    def __str__(self) -> str:
        return self.path

    def __getitem__(self, name: str) -> Part:
        """The part of that name; an empty one where there is none. Raises `Refused` where none can be."""
        value = self.value
        if type(value) is dict or isinstance(value, Mapping):  # asking the type first is much quicker
            return Part(value.get(name), name, self)
        if isinstance(value, ET.Element):
            found = value.find(name)
            return Part(None if found is None else _plain(found), name, self)
        if value in (None, "", []):
            return Part(None, name, self)
        if isinstance(value, list) and len(value) == 1:
            return Part(value[0], 0, self)[name]
        raise Refused(f"{self.name} is {_kind(value)} and has no `{name}`", where=self.where)

    def each(self, name: str) -> Iterator[Part]:
        """The parts of that name: of a list each, of a single one that alone, of nothing none."""
        if isinstance(self.value, ET.Element):
            listed = Part(None, name, self)
            for n, element in enumerate(self.value.findall(name)):
                yield Part(_plain(element), n, listed)
            return
        inner = self[name]
        value = inner.value
        if isinstance(value, list):
            for n, one in enumerate(value):
                if one is not None:
                    yield Part(one, n, inner)
        elif value not in (None, "", {}):
            yield inner

    def text(self, *names: str) -> str:
        """The text at that path, or of this part itself; "" where there is none. Numbers are texts too."""
        value = self.value
        for name in names:  # most are plain texts: they are found without making parts
            if type(value) is dict:
                value = value.get(name)
            elif type(value) is ET.Element:
                found = value.find(name)
                value = None if found is None else _plain(found)
            else:
                return self._text(names)
        return value.strip(_BLANKS) if type(value) is str else self._text(names)

    def _text(self, names: Sequence[str]) -> str:
        part = self
        for name in names:
            part = part[name]
        value = part.value
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip(_BLANKS)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | Decimal):
            return str(value)
        if isinstance(value, ET.Element) or value in ([], {}):
            return ""
        raise Refused(f"{part.name} is {_kind(value)}, not a text", where=part.where)

    def needed(self, *names: str) -> str:
        """That text. Raises `Refused` where there is none."""
        found = self.text(*names)
        if not found:
            part = self
            for name in names:
                part = part[name]
            where = part.where if part.value is not None else self.where or part.path
            raise Refused(f"`{'.'.join(names) or part.name}` is missing", where=where)
        return found

    @property
    def path(self) -> str:
        """Where it stands, such as `shipments[0].id`; "" for the whole."""
        above = self._above.path if self._above is not None else ""
        if isinstance(self._name, int):
            return f"{above}[{self._name}]"
        return f"{above}.{self._name}" if above else self._name

    @property
    def where(self) -> str:
        """The path, for an error."""
        return self.path

    @property
    def name(self) -> str:
        """The path, for a message."""
        return f"`{self.path}`" if self.path else "the payload"


def payload(notice: Notice) -> Part:
    """The body as JSON, or as XML below an element of its root's name. Raises `Refused` for neither."""
    start = notice.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not start:
        raise Refused("the body is empty", mend="see what was sent")
    if start == b"<":
        root = _markup.read(notice.body.lstrip(b" \t\r\n"))
        return Part({root.tag: root})
    return Part(notice.json())


def unfolded(part: Part) -> Part:
    """What stands as JSON in a text, or stands there as it is. Raises `Refused` for a text that is none."""
    if not isinstance(part.value, str):
        return part
    try:
        return Part(msgspec.json.decode(part.value), part.path)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"what was sent is not JSON: {error}", where=part.path) from None


def below(part: Part, name: str) -> Iterator[Part]:
    """The XML elements of that name, at any depth below a payload."""
    roots = part.value.values() if isinstance(part.value, Mapping) else [part.value]
    for root in roots:
        if isinstance(root, ET.Element):
            for n, element in enumerate(root.iter(name)):
                yield Part(_plain(element), f"{root.tag}..{name}[{n}]")


def _plain(element: ET.Element) -> Any:
    """Its text, where it is an element of nothing else."""
    return element if len(element) or element.attrib else (element.text or "").strip(_BLANKS)


def _kind(value: Any) -> str:
    names = ((dict, "an object"), (list, "a list"), (str, "a text"), (ET.Element, "an element"))
    return next((name for kind, name in names if isinstance(value, kind)), "a number")
