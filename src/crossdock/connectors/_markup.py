"""XML, read with suspicion: no document type (so no entities), of a limited size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

from crossdock.errors import Refused

MOST_BYTES = 1 << 20

Content: TypeAlias = "str | Mapping[str, Content] | Sequence[Content]"
"""Of an element: text, its children by name, or a list for several of that name."""


def read(body: bytes) -> ET.Element:
    """The root of a document; names without their namespaces. Raises `Refused` for what is not plain XML."""
    if len(body) > MOST_BYTES:
        raise Refused(f"the XML is larger than {MOST_BYTES} bytes")
    if b"\x00" in body:
        raise Refused("the XML is in an encoding of two bytes a letter, or binary", mend="send it in UTF-8")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Refused("the XML has a document type, which could hold entities")
    try:
        root = ET.fromstring(body)  # noqa: S314 - see above
    except ET.ParseError as error:
        line, column = error.position
        raise Refused(
            f"the XML cannot be read: {error.msg.partition(':')[0]}",
            where=f"line {line}, column {column + 1}",
        ) from None
    except (ValueError, LookupError) as error:
        raise Refused(f"the XML cannot be read: {error}") from None
    for element in root.iter():
        if element.tag[0] == "{":
            element.tag = element.tag.rpartition("}")[2]
    return root


def write(root: str, content: Content) -> bytes:
    """A document; what is empty is left out."""
    element = ET.Element(root)
    _fill(element, content)
    written: bytes = ET.tostring(element, encoding="utf-8", xml_declaration=True)
    return written


def text(element: ET.Element, path: str) -> str:
    """The text at a path below an element; "" where there is none."""
    return (element.findtext(path) or "").strip()


def needed(element: ET.Element, path: str) -> str:
    """The text at a path. Raises `KeyError` where there is none."""
    found = text(element, path)
    if not found:
        raise KeyError(path)
    return found


def _fill(element: ET.Element, content: Content) -> None:
    if isinstance(content, str):
        element.text = content
    elif isinstance(content, Mapping):
        for name, inner in content.items():
            for one in [inner] if isinstance(inner, str | Mapping) else inner:
                if one:
                    _fill(ET.SubElement(element, name), one)
