"""The shapes that JSON values have, as expressions, forms and connectors speak of them.

A type is a frozen value. Scalars are named by constants (`STRING`, `MONEY`); lists, maps and records are
built from others. Money is {"amount": "12.50", "currency": "EUR"}, a quantity {"value": "10", "unit": "EA"};
a decimal is a string, an instant an RFC 3339 string, a duration a string such as "3600s". `DYN` is whatever
comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts that an expression could name; `name` is its word in the notation."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items all have one type."""

    item: Type

    def __str__(self) -> str:
        return f"list({self.item})"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map from any string to values of one type."""

    value: Type

    def __str__(self) -> str:
        return f"map({self.value})"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record.

    `optional`: whoever writes the record may leave it out. `filled`: it is left out only in writing, because
    the reader of the document fills in a default, so that an expression always finds it.
    """

    type: Type
    optional: bool = False
    doc: str = ""
    filled: bool = False

    @property
    def absent(self) -> bool:
        """Whether one who reads the record has to reckon with nothing here."""
        return self.optional and not self.filled


@dataclass(frozen=True, eq=False)
class Record:
    """A map with named fields. Records may contain themselves, so equality is identity.

    `literal` marks a record that was written out in place: a field in it that nobody wants is a mistake.
    """

    name: str
    fields: Mapping[str, Field] = field(repr=False)
    literal: bool = False

    def __str__(self) -> str:
        if self.name:
            return self.name
        inner = ", ".join(f"{key}{'?' if f.optional else ''}: {f.type}" for key, f in self.fields.items())
        return "{" + inner + "}"


Type: TypeAlias = Scalar | ListOf | MapOf | Record

STRING = Scalar("string")
BOOL = Scalar("bool")
INT = Scalar("int")
DOUBLE = Scalar("double")
DECIMAL = Scalar("decimal")
TIMESTAMP = Scalar("timestamp")
DURATION = Scalar("duration")
MONEY = Scalar("money")
QUANTITY = Scalar("quantity")
DYN = Scalar("any")

SCALARS: Mapping[str, Scalar] = {
    scalar.name: scalar
    for scalar in (STRING, BOOL, INT, DOUBLE, DECIMAL, TIMESTAMP, DURATION, MONEY, QUANTITY, DYN)
}
