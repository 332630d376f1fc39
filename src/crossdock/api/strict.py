"""JSON that all readers read alike, and words about what somebody sent."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crossdock.api.problems import Unreadable
from crossdock.errors import Refused

MOST_DEPTH = 40


def strict_json(body: bytes, where: str = "body") -> Any:
    """The value in a text of JSON that all readers read alike. Raises `Refused`."""
    try:
        msgspec.json.decode(body)  # which refuses lone surrogates and NaN
        value = json.loads(body, object_pairs_hook=_each_once)  # which keeps large numbers as they are
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"this is not JSON: {error}", where=where, mend="mend this place") from None
    waiting: list[tuple[Any, str, int]] = [(value, where, 0)]
    while waiting:
        part, place, depth = waiting.pop()
        if isinstance(part, dict | list):
            if depth >= MOST_DEPTH:
                raise Refused(f"nested deeper than {MOST_DEPTH} levels", where=place, mend="send it flatter")
            items = part.items() if isinstance(part, dict) else enumerate(part)
            for name, inner in items:
                waiting.append((inner, f"{place}.{shown(str(name))}", depth + 1))
                if isinstance(name, str) and "\0" in name:
                    raise Refused("a name holds a NUL character", where=place, mend="leave it out")
        elif isinstance(part, str):
            if "\0" in part:
                raise Refused("a text holds a NUL character", where=place, mend="leave it out")
        elif isinstance(part, int) and not -(2**63) <= part < 2**63:
            raise Refused("this number is too large to be exact", where=place, mend="send it as a text")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{shown(next(n for n in names if names.count(n) > 1))} stands twice in an object")
    return found


def shown(text: str) -> str:
    """A name that somebody sent, fit to be said back."""
    cut = text[:80]
    return cut if cut.isprintable() else repr(cut)


def near(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """A mend that names the nearest name, or all where they are few."""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are: {', '.join(sorted(known))}" if known else "leave it out"
