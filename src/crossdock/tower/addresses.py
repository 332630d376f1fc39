"""The addresses of pages. A key may hold anything; in an address it holds nothing that a browser, a proxy or
a router would read as something else.

A key keeps its letters, digits, `-`, `_` and inner dots; each other byte of it is `~` and two hex digits.
So `PO 47/11` stands as `PO~2047~2F11`, and a key of two dots does not climb out of its folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_ESCAPE = re.compile(rb"~([0-9A-Fa-f]{2})")


def in_address(key: str) -> str:
    """A key as one segment of an address."""
    written = bytearray()
    for n, byte in enumerate(key.encode()):
        if byte in _PLAIN and not (byte == 0x2E and n == 0):
            written.append(byte)
        else:
            written += b"~%02X" % byte
    return written.decode()


def from_address(segment: str) -> str:
    """The key that `in_address` wrote; what it never writes stands for itself."""
    found = _ESCAPE.sub(lambda hit: bytes([int(hit[1], 16)]), segment.encode())
    return found.decode(errors="replace")


def run_page(process: str, key: str, generation: int) -> str:
    """The page of a run."""
    return f"/runs/{quote(process, safe='')}/{in_address(key)}/{generation}"


def run_page_of(name: str) -> str:
    """The page of the run named `process/key/generation`, as the kernel names runs."""
    process, _, rest = name.partition("/")
    key, _, generation = rest.rpartition("/")
    return run_page(process, key, int(generation)) if generation.isdecimal() else "/runs"


def with_query(path: str, values: Mapping[str, object]) -> str:
    """An address with those values that are not empty."""
    query = urlencode({name: value for name, value in values.items() if value not in ("", None)})
    return f"{path}?{query}" if query else path
