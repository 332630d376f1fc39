"""What an expression's value is taken for: a condition, a text, an instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from crossdock.errors import Refused
from crossdock.expressions import EvaluationError, Expression, Template

Values = Mapping[str, object]
"""What the names in expressions stand for."""


def holds(condition: Expression, values: Values) -> bool:
    """Whether a condition holds; one that speaks of what is not there does not."""
    try:
        return condition.evaluate(values) is True
    except EvaluationError:
        return False


def text(value: object) -> str:
    """A value where a text is needed. Raises `EvaluationError` for nothing, a list or a map."""
    if value is None:
        raise EvaluationError(
            "nothing stands where a text is needed", mend="give a fallback: default(..., ...)"
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise EvaluationError("a list or map cannot stand where a text is needed", mend="name one of its parts")


def texts(template: Template | None, values: Values) -> dict[str, str]:
    """The texts of a template of named ones; those that come to nothing are left out."""
    if template is None:
        return {}
    return {name: text(value) for name, value in template.evaluate(values).items() if value is not None}


def instant(value: object) -> datetime:
    """When something happened. Raises `Refused` for what is no instant, or has no zone."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise Refused(f"{value!r} is not an instant", where="time", mend="write it with its zone") from None
    if found.tzinfo is None:
        raise Refused(f"{value!r} has no zone", where="time", mend="say in which zone the sender writes")
    return found
