"""Operators as named functions: `a >= b` becomes `op_ge(a, b)`, which can be declared for money.

CEL does not let its operators be overloaded. So a text that does not check for that reason is rewritten and
checked again; each piece of the result remembers where it came from, so that errors point at the right place.
The grammar here is CEL's, as far as it takes to find the operands.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import TypeAlias

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>[rRbB]{0,2}(?:'{3}(?:\\.|[^\\])*?'{3}|"{3}(?:\\.|[^\\])*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\n]*`)
    |(?P<sign>&&|\|\||<=|>=|==|!=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS: tuple[dict[str, str], ...] = (
    {"||": ""},
    {"&&": ""},
    {"<": "op_lt", "<=": "op_le", ">": "op_gt", ">=": "op_ge", "==": "op_eq", "!=": "op_ne", "in": ""},
    {"+": "op_add", "-": "op_sub"},
    {"*": "op_mul", "/": "op_div", "%": "op_mod"},
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DEEPEST = 100

Piece: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The text to check, and where each of its pieces stood in the text that was written."""

    text: str
    _starts: tuple[int, ...]
    _sources: tuple[int, ...]

    def source(self, offset: int) -> int:
        """The offset in what was written, for one in `text`."""
        place = bisect.bisect_right(self._starts, offset) - 1
        return self._sources[max(place, 0)]


def rewrite(text: str) -> Rewritten | None:
    """Rewrite the operators of an expression; None if it is none that we can read."""
    try:
        pieces = _Reader(text).whole()
    except _Unreadable:
        return None
    starts: list[int] = []
    sources: list[int] = []
    out = ""
    for piece, source in pieces:
        starts.append(len(out))
        sources.append(source)
        out += piece
    return Rewritten(out, tuple(starts), tuple(sources))


class _Unreadable(Exception):
    pass


class _Reader:
    """A parser by precedence that writes while it reads."""

    def __init__(self, text: str) -> None:
        self._tokens: list[Piece] = []
        self._kinds: list[str] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise _Unreadable
            if found.lastgroup != "space":
                self._tokens.append((found.group(), position))
                self._kinds.append(found.lastgroup or "")
            position = found.end()
        self._tokens.append(("", len(text)))
        self._kinds.append("end")
        self._at = 0
        self._depth = 0

    def whole(self) -> list[Piece]:
        pieces = self._ternary()
        if self._kinds[self._at] != "end":
            raise _Unreadable
        return pieces

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._kinds[self._at] in ("sign", "name") else ""

    def _take(self, wanted: str = "") -> Piece:
        token = self._tokens[self._at]
        if self._kinds[self._at] == "end" or (wanted and token[0] != wanted):
            raise _Unreadable
        self._at += 1
        return token

    def _ternary(self) -> list[Piece]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unreadable
        pieces = self._binary(0)
        if self._peek() == "?":
            pieces = [*pieces, self._take(), *self._binary(0), self._take(":"), *self._ternary()]
        self._depth -= 1
        return pieces

    def _binary(self, level: int) -> list[Piece]:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in _LEVELS[level]:
            operator, source = self._take()
            right = self._binary(level + 1)
            function = _LEVELS[level][operator]
            if function:
                left = [(f"{function}(", source), *left, (", ", source), *right, (")", source)]
            else:
                left = [*left, (f" {operator} ", source), *right]
        return left

    def _unary(self) -> list[Piece]:
        if self._peek() == "!":
            return [self._take(), *self._unary()]
        if self._peek() == "-":
            minus = self._take()
            if self._kinds[self._at] == "number":
                return [minus, *self._member()]
            return [("op_neg(", minus[1]), *self._unary(), (")", minus[1])]
        return self._member()

    def _member(self) -> list[Piece]:
        pieces = self._primary()
        while True:
            sign = self._peek()
            if sign == ".":
                pieces += [self._take(), self._take()]
            elif sign in ("(", "[", "{") and sign:
                pieces += self._bracketed()
            else:
                return pieces

    def _primary(self) -> list[Piece]:
        sign = self._peek()
        if sign in ("(", "[", "{") and sign:
            return self._bracketed()
        if sign == ".":
            return [self._take(), self._take()]
        if self._kinds[self._at] in ("string", "number", "name"):
            return [self._take()]
        raise _Unreadable

    def _bracketed(self) -> list[Piece]:
        opening = self._take()
        closing = _CLOSING[opening[0]]
        pieces = [opening]
        while self._peek() != closing:
            pieces += self._ternary()
            if self._peek() in (",", ":"):
                sign, source = self._take()
                pieces.append((f"{sign} ", source))
            elif self._peek() != closing:
                raise _Unreadable
        return [*pieces, self._take()]
