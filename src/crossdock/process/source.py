"""YAML as written: plain values that remember where they stood.

YAML 1.1 reads `on:` as true and `1:30` as 90. A process is read by people, so here only what looks like a
number, `true`, `false` or `null` is one; everything else is text. A key given twice and a document too large
or too deep (anchors expanded) are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from crossdock.errors import Refused

MOST_BYTES = 512 * 1024
MOST_DEPTH = 24
MOST_NODES = 50_000
MOST_DIGITS = 100

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

_TOO_DEEP = ("this is nested too deeply or too large", "write it flatter")
_UNQUOTED = re.compile(r"[{\[].*[:,\[]\s*\$\{")
_TEXT = "tag:yaml.org,2002:str"
_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge", "value")
}

# libyaml reads ten times as fast; where PyYAML was built without it, its own reader does.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in the file: line and column from 1."""

    line: int
    column: int


class Source:
    """The plain value of a YAML text (`value`) and the position of each part of it (`at`)."""

    def __init__(self, text: str, *, file: str = "") -> None:
        """Read `text`; `file` names it in messages. Raises Refused where it is not YAML as we take it."""
        self.file = file
        self.text = text
        self._positions: dict[Path, Position] = {}
        self._nodes = 0
        self._letters = 0
        if len(text.encode()) > MOST_BYTES:
            raise Refused(
                f"the file is larger than {MOST_BYTES // 1024} kB",
                where=file,
                mend="split it: shared parts belong in processes of their own, run with `run:`",
            )
        try:
            self._refuse_depth(text)
            node = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
            said, mend = _explained(text, error, mark.line if mark else 0)
            raise Refused(f"this is not YAML: {said}", where=at, mend=mend) from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            at = f"{file}:{before.count(chr(10)) + 1}:{error.position - before.rfind(chr(10))}"
            raise Refused(
                f"this is not YAML: {error.reason}", where=at, mend="take the character out"
            ) from None
        except (yaml.YAMLError, RecursionError) as error:
            raise Refused(f"this is not YAML: {error}".splitlines()[0], where=file) from None
        self.value: Any = None if node is None else self._read(node, ())

    def at(self, path: Path) -> Position:
        """Where `path` stands; the nearest part above it where it is not written itself."""
        while path:
            found = self._positions.get(path)
            if found:
                return found
            path = path[:-1]
        return self._positions.get((), Position(1, 1))

    def _refuse_depth(self, text: str) -> None:
        """Stop at the first part that is too deep: what reads YAML takes time by the square of the depth."""
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MOST_DEPTH + 1:
                    raise self._refuse(event, *_TOO_DEEP)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _refuse(self, part: yaml.Node | yaml.Event, message: str, mend: str) -> Refused:
        mark = part.start_mark
        at = f"{self.file}:{mark.line + 1}:{mark.column + 1}" if mark else self.file
        return Refused(message, where=at, mend=mend)

    def _read(self, node: yaml.Node, path: Path) -> Any:
        if node.tag not in _TAGS:
            raise self._refuse(node, f"the tag {node.tag} is not used here", "write the value without a tag")
        self._nodes += 1
        self._letters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if len(path) > MOST_DEPTH or self._nodes > MOST_NODES or self._letters > MOST_BYTES:
            raise self._refuse(node, *_TOO_DEEP)
        mark = node.start_mark
        self._positions.setdefault(path, Position(mark.line + 1, mark.column + 1))
        if isinstance(node, yaml.ScalarNode):
            value = _scalar(node)
            if isinstance(value, int | float) and len(node.value) > MOST_DIGITS:
                raise self._refuse(node, "this number has too many digits", "quote it, if it is a text")
            return value
        if isinstance(node, yaml.SequenceNode):
            return [self._read(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - the three kinds of YAML
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._refuse(key_node, "a key must be a word", "write `name: value`")
            key = str(key_node.value)
            if key == "<<":
                raise self._refuse(key_node, "merge keys are not used here", "write the fields out")
            if key in result:
                raise self._refuse(key_node, f"`{key}` is given twice", "keep one of them")
            mark = key_node.start_mark
            self._positions[(*path, key)] = Position(mark.line + 1, mark.column + 1)
            result[key] = self._read(value_node, (*path, key))
            if isinstance(value_node, yaml.ScalarNode):
                start = value_node.start_mark
                self._positions[(*path, key, "=")] = Position(start.line + 1, start.column + 1)
        return result


def _explained(text: str, error: yaml.MarkedYAMLError, line: int) -> tuple[str, str]:
    """What is wrong, in words for those who do not know the grammar of YAML, and what mends it."""
    lines = text.split("\n")
    here = next(iter(lines[line:]), "")
    said = str(error.problem or error.context)
    for shown in lines[max(line - 1, 0) : line + 1]:
        margin = shown[: len(shown) - len(shown.lstrip())]
        if "\t" in margin:
            return "a line begins with a tab", "indent with spaces"
        if margin.strip(" "):
            return "a line begins with a space that is none", "indent with plain spaces"
    if re.search("[\u201c\u201d\u201e]", here):
        return said, 'write plain quotes: "'
    if "another document" in said:
        return "a second document begins here (`---`)", "write one process in a file"
    if "undefined alias" in said:
        return "no anchor has this name", "put a text that begins with `*` in quotes"
    if "mapping values" in said and "${" in here:
        return said, 'put an expression that has a colon in it in quotes: "${ ... }"'
    if _UNQUOTED.search(here):
        return said, 'within { } and [ ] put an expression in quotes: "${ ... }"'
    return said, "look at indentation, colons followed by a space, and quotes, here and a line before"


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style or (node.tag == _TEXT and _INT.match(text)):
        return text
    if text.lower() in _WORDS and text in {*_WORDS, "True", "False"}:
        return _WORDS[text.lower()]
    if _INT.match(text):
        return int(text[: MOST_DIGITS + 1])  # one that is cut is refused
    if _FLOAT.match(text):
        return float(text)
    return text
