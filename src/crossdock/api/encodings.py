"""Bodies that were packed for the way: `Content-Encoding`, gzip and deflate, one of them at once.

What is in such a body is counted as it comes out, in pieces: a few bytes that would become gigabytes are
refused once they are more than is taken. All other encodings are refused, and several at once: nobody behind
this reads what is still packed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

TAKEN = ("gzip", "deflate")
PIECE = 64 * 2**10  # bytes that come out at once
_WAYS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class NotTaken(Exception):
    """An encoding that is not taken here."""


class NotPacked(Exception):
    """The body is not what its encoding says, or ends too early."""


class Unpacking:
    """One body of such an encoding, as it comes."""

    def __init__(self, encoding: str) -> None:
        """Of that encoding."""
        self._way = _WAYS[encoding]
        self._open = zlib.decompressobj(self._way)
        self._begun = False

    def unpack(self, data: bytes, *, last: bool) -> Iterator[bytes]:
        """What comes of the next bytes, in pieces of `PIECE` at most. Raises `NotPacked`."""
        try:
            while data or self._begun:
                if self._open.eof:  # gzip may be several, one after the other
                    if not data:
                        break
                    self._open = zlib.decompressobj(self._way)
                self._begun = True
                out = self._open.decompress(data, PIECE)
                data = self._open.unused_data if self._open.eof else self._open.unconsumed_tail
                if out:
                    yield out
                elif not data:
                    break
        except zlib.error:
            raise NotPacked from None
        if last and self._begun and not self._open.eof:
            raise NotPacked


def unpacking(headers: list[tuple[bytes, bytes]]) -> Unpacking | None:
    """How the body of a request with these headers is unpacked; None where it comes as it is.

    Raises `NotTaken`, with what is not.
    """
    text = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1")
    named = [one for part in text.split(",") if (one := part.strip().lower()) not in ("", "identity")]
    if not named:
        return None
    if len(named) > 1 or named[0] not in _WAYS:
        raise NotTaken(", ".join(named))
    return Unpacking(named[0])
