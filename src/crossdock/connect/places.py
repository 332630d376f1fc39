"""Where something stands in a payload: paths such as `trackResponse.shipment[0].package`, and their lines."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from json import JSONDecodeError, JSONDecoder
from xml.parsers import expat

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_BLANK = re.compile(r"[ \t\r\n]*")
_value = JSONDecoder().raw_decode


def line_of(payload: bytes, where: str) -> str:
    """`where` with its line in a payload of JSON or XML before it; as it is where that cannot be told.

    A path is followed as far as it goes: what is missing is looked for in the part above it.
    """
    steps = [name or int(n) for name, n in _STEP.findall(where)]
    text = payload.decode("utf-8-sig", errors="replace")
    if not steps or " " in where:
        return where
    if text.lstrip().startswith("<"):
        line = _line_in_xml(payload, steps)
        return f"line {line}, {where}" if line else where
    if not text.lstrip().startswith(("{", "[")):
        return where
    at = _start(text, 0)
    try:
        for step in steps:
            inner = _inner(text, at, step)
            if inner is None:
                break
            at = inner
    except (JSONDecodeError, IndexError, ValueError, RecursionError):
        return where
    return f"line {text.count(chr(10), 0, at) + 1}, {where}"


def _line_in_xml(payload: bytes, steps: Sequence[str | int]) -> int:
    """The line on which the element at that path begins; 0 where not even the first is there."""
    wanted: list[tuple[str, int]] = []
    for step in steps:
        if isinstance(step, int) and wanted:
            wanted[-1] = (wanted[-1][0], step)
        else:
            wanted.append((str(step), 0))
    parser = expat.ParserCreate(namespace_separator="}")
    line, depth, found = 0, 0, 0
    seen = [0] * (len(wanted) + 1)

    def start(tag: str, _: object) -> None:
        nonlocal line, depth, found
        if depth == found < len(wanted) and tag.rpartition("}")[2] == wanted[found][0]:
            if seen[found] == wanted[found][1]:
                line, found = parser.CurrentLineNumber, found + 1
                seen[found] = 0
            else:
                seen[found] += 1
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        if depth < found:
            raise _Found

    parser.StartElementHandler, parser.EndElementHandler = start, end
    with contextlib.suppress(_Found, expat.ExpatError):
        parser.Parse(payload, True)
    return line


class _Found(Exception):
    pass


def line_and_column(text: bytes, offset: int) -> str:
    """A byte's place, as people count: both from 1."""
    before = text[:offset]
    return f"line {before.count(10) + 1}, column {offset - before.rfind(10)}"


def _inner(text: str, at: int, step: str | int) -> int | None:
    """Where the value of a key, or the n-th of a list, begins; None where there is none."""
    opened = text[at]
    if opened not in "{[" or (opened == "{") != isinstance(step, str):
        return None
    at = _start(text, at + 1)
    n = 0
    while text[at] not in "}]":
        if opened == "{":
            key, at = _value(text, at)
            at = _start(text, _start(text, at) + 1)  # after the colon
            found = key == step
        else:
            found = n == step
        if found:
            return at
        _, at = _value(text, at)
        at = _start(text, at)
        if text[at] == ",":
            at = _start(text, at + 1)
        n += 1
    return None


def _start(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
