"""How deep JSON is nested, found out without reading it: at the speed of the memory, and bounded."""

from __future__ import annotations

import re

_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ALIKE = bytes.maketrans(b"{}", b"[]")


def deeper_than(text: bytes, most: int) -> bool:
    """Whether arrays and objects stand in each other more than `most` deep.

    Of what is no JSON at all, it says so where more than `most` brackets are never closed.
    """
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    left = _STRINGS.sub(b"", text).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(most):
        if not left:
            return False
        less = left.replace(b"[]", b"")  # all that are innermost: one level
        if len(less) == len(left):
            return len(left) > most
        left = less
    return bool(left)
