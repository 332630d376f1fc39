"""Where something stands in a payload: paths such as `trackResponse.shipment[0].package`, and their lines."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_BLANK = re.compile(r"[ \t\r\n]*")
_value = JSONDecoder().raw_decode


def line_of(payload: bytes, where: str) -> str:
    """`where` with its line in a JSON payload before it; as it is where that cannot be told.

    A path is followed as far as it goes: what is missing is looked for in the part above it.
    """
    steps = [name or int(n) for name, n in _STEP.findall(where)]
    text = payload.decode("utf-8-sig", errors="replace")
    if not steps or " " in where or not text.lstrip().startswith(("{", "[")):
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
