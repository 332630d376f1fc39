"""Whole numbers in what browsers send: in addresses, and in fields of forms."""

from __future__ import annotations

MOST = 2**63 - 1  # what a column of the database holds


def whole(text: str, *, most: int = MOST) -> int | None:
    """The number from 0 to `most` that a text is, or None. Digits are ASCII; spaces around do not count."""
    text = text.strip()
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None


def page_of(text: str) -> int:
    """The page that an address asks for: the first one where it says nothing that makes sense."""
    return max(1, whole(text, most=99_999) or 1)
