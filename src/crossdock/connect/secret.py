"""A text that must never be seen."""

from __future__ import annotations

from hmac import compare_digest
from typing import NoReturn


class Secret:
    """A text that is never printed, logged, compared in variable time, or pickled. `reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for a header or a signature, nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment] # a hash would tell equal ones apart

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
