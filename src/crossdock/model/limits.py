"""How large and how deep a JSON value may be, counted without recursion, so that a hostile one cannot win."""

from __future__ import annotations

from typing import Any

from crossdock.errors import Refused


def check_limits(value: Any, max_bytes: int, max_depth: int, *, where: str = "") -> None:
    """Refuse a JSON value larger than `max_bytes` as compact UTF-8 JSON, or nested deeper than `max_depth`.

    A plain value has depth 0, a list or object one more than what it holds. Escapes are not counted, so the
    size is a lower bound. Stops at the first excess. Raises `Refused`.
    """
    size = 0
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, dict | list | tuple):
            if depth >= max_depth:
                raise Refused(
                    f"is nested deeper than {max_depth} levels", where=where, mend="send a flatter document"
                )
            size += 2 + max(len(part) - 1, 0)
            if isinstance(part, dict):
                size += sum(_text_size(key) + 1 for key in part)
                waiting.extend((inner, depth + 1) for inner in part.values())
            else:
                waiting.extend((inner, depth + 1) for inner in part)
        elif isinstance(part, str):
            size += _text_size(part)
        elif part is None or part is True:
            size += 4
        elif part is False:
            size += 5
        else:
            size += len(str(part))
        if size > max_bytes:
            raise Refused(
                f"is larger than {max_bytes} bytes",
                where=where,
                mend="send less at once, or large parts as files that the document refers to",
            )


def _text_size(text: object) -> int:
    written = str(text)
    return 2 + (len(written) if written.isascii() else len(written.encode("utf-8", "surrogatepass")))
