"""What all documents share: frozen values, references, where each field came from, and their sparse JSON.

In JSON an absent optional and an empty list or map are simply not there; both read back as absent or empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from crossdock.model.codes import Instant, JsonObject, Key, Name, decimal_text, instant_text

PERSONAL = "x-personal"
BUYER = ("name", "tax_number")  # of a party that may be a person as well as a firm


def maybe(description: str) -> Any:
    """Declare a field that may be absent."""
    return Field(default=None, description=description)


def many(description: str) -> Any:
    """Declare a list field; absent is empty."""
    return Field(default=(), description=description)


def personal(description: str, *, of: tuple[str, ...] = (), listed: bool = False) -> Any:
    """Declare a field that tells of a person, or of a party that may be one: `x-personal` in its schema.

    `of`: these fields of what stands in it do, as the name of a party that buys and may be a person.
    `listed`: it is a list; absent is empty.
    """
    mark: dict[str, Any] = {PERSONAL: list(of) or True}
    return Field(default=() if listed else None, description=description, json_schema_extra=mark)


_SILENT: tuple[Any, ...] = (None, (), [], {})


def _json_of(part: Any) -> Any:
    if isinstance(part, str):  # also a member of one of our enumerations
        return str(part)
    if isinstance(part, datetime):
        return instant_text(part)
    if isinstance(part, Decimal):
        return decimal_text(part)
    if isinstance(part, Value):
        return part.as_json()
    if isinstance(part, BaseModel):  # money, a quantity
        return {name: _json_of(inner) for name, inner in part.__dict__.items()}
    if isinstance(part, tuple):
        return [_json_of(one) for one in part]
    if isinstance(part, date):
        return part.isoformat()
    return part  # a number, yes or no, or JSON that was let through


class Value(BaseModel):
    """A frozen value of the model. Unknown fields are refused, JSON is sparse."""

    # Built when one is first read: there are many, and a command needs few or none.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
    schema_version: ClassVar[int] = 1  # of its published JSON Schema

    @model_serializer
    def as_json(self) -> dict[str, Any]:
        """The sparse JSON of it and of all that stands in it.

        Written in one go: pydantic takes what a serializer gives apart again, at each level anew, and that
        costs ten times as much as the rest.
        """
        written = {}
        for name, part in self.__dict__.items():
            if type(part) is str:
                written[name] = part
            elif part is not None and (part or part not in _SILENT):
                written[name] = _json_of(part)
        return written

    def _derive(self, **fields: Any) -> None:
        """Set fields that follow from others; only for validators, before anyone else has seen the value."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)
            self.model_fields_set.add(name)


class Reference(Value):
    """How somebody else calls the same thing (X12 REF, EDIFACT RFF)."""

    kind: Key = Field(
        description="What the number is: `customer_po`, `erp`, `shop`, `bill_of_lading`, `pro` ..."
    )
    value: Key = Field(description="The number as its issuer writes it")
    party: Key | None = maybe("Who issued it: id of a party or connection")


class Part(Value):
    """A line or other part of a document, with room for partners' own fields."""

    references: tuple[Reference, ...] = many("How others call this part")
    custom: JsonObject = Field(default_factory=dict, description="Partners' own fields, JSON values by name")


class Document(Part):
    """A business document: what all of them keep besides their content."""

    id: Key | None = maybe("Our id; where none was given, the document's number")
    version: Key | None = maybe("Its version at its source, opaque; with `changed` it tells newer from older")
    changed: Instant | None = maybe("When it last changed at its source")
    source: Name | None = maybe("Where it comes from: the connection or system, such as `erp-main`")
    raw: Key | None = maybe("Reference to the raw payload that it was read from")
    origins: dict[str, str] = Field(
        default_factory=dict,
        description="Field path to where its value came from, such as `total` to `erp: sale.total`",
    )

    @model_validator(mode="after")
    def _id_from_number(self) -> Document:
        if self.id is None and isinstance(number := self.__dict__.get("number"), str):
            self._derive(id=number)
        return self


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type names, however deep in lists, maps and alternatives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)
