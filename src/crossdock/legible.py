"""Texts of others, shown in a terminal or written to a log: they may be read, and command nothing."""

from __future__ import annotations

import re

# All that is no sign, but tab and new line; and signs that turn the direction of writing.
_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with what commands a terminal, or turns the writing round, shown as its number. Lines stay."""
    return _COMMANDS.sub(lambda found: _number(found[0]), text)


def one_line(text: str) -> str:
    """The same on one line: in a log, nobody writes a line of their own."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _number(sign: str) -> str:
    number = ord(sign)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
