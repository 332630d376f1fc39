"""What expressions refuse: at publish (`ExpressionError`) and at run time (`EvaluationError`)."""

from __future__ import annotations

from typing import Self

from crossdock.errors import Refused


class ExpressionError(Refused):
    """The text is not an expression, or does not fit the types; `line` and `column` count from 1 in it."""

    def __init__(self, message: str, *, text: str, line: int = 1, column: int = 1, mend: str = "") -> None:
        """Point at the place in `text`, which is without the `${` and `}` around it."""
        super().__init__(
            message, where=f"expression {text.strip()!r}, line {line}, column {column}", mend=mend
        )
        self.text = text
        self.line = line
        self.column = column


class EvaluationError(Refused):
    """The expression is sound; these values are not what it needs: nothing, another currency, too large."""

    def __init__(self, message: str, *, text: str = "", mend: str = "") -> None:
        """Name the expression, once it is known."""
        super().__init__(message, where=f"expression {text.strip()!r}" if text else "", mend=mend)
        self.text = text

    def within(self, text: str) -> Self:
        """The same, naming the expression it happened in."""
        return self if self.text else type(self)(self.message, text=text, mend=self.mend)


class Missing(EvaluationError):
    """Nothing stands where a value is asked for: what `default` has its second value for."""
