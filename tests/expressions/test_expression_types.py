from __future__ import annotations

import enum
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import jsonschema
import pytest
from order_values import LINE, ORDER, ea, usd
from pydantic import BaseModel, Field

from crossdock.errors import Refused
from crossdock.expressions import (
    DECIMAL,
    DURATION,
    DYN,
    INT,
    MONEY,
    STRING,
    TIMESTAMP,
    ListOf,
    MapOf,
    Record,
    assignable,
    json_schema,
    parse_type,
    problems,
    record_of,
)


class Cash(BaseModel):
    __crossdock_type__: ClassVar[str] = "money"
    amount: Decimal
    currency: str


class Colour(enum.StrEnum):
    RED = "red"


class Part(BaseModel):
    name: str = Field(description="What it is called")
    parts: tuple[Part, ...] = ()
    colour: Colour | None = None


class Thing(BaseModel):
    number: str
    price: Cash
    weight: Annotated[Decimal, Field(ge=0)] | None = None
    made: datetime
    day: date | None = None
    lasts: timedelta | None = None
    kind: Literal["a", "b"] = "a"
    mixed: Literal["a", 1] | None = None
    either: Cash | Part | None = None
    parts: list[Part]
    prices: dict[str, Cash] = {}
    extra: dict[str, Any] = {}
    sent_as: int = Field(default=0, alias="sentAs")


def test_a_model_is_a_record() -> None:
    thing = record_of(Thing)
    assert {key: str(field.type) for key, field in thing.fields.items()} == {
        "number": "string",
        "price": "money",
        "weight": "decimal",
        "made": "timestamp",
        "day": "string",
        "lasts": "duration",
        "kind": "string",
        "mixed": "any",
        "either": "any",
        "parts": "list(Part)",
        "prices": "map(money)",
        "extra": "map(any)",
        "sentAs": "int",
    }
    assert [key for key, field in thing.fields.items() if field.absent] == [
        "weight",
        "day",
        "lasts",
        "mixed",
        "either",
    ]
    assert [key for key, field in thing.fields.items() if field.filled] == [
        "kind",
        "prices",
        "extra",
        "sentAs",
    ]
    part = thing.fields["parts"].type.item  # type: ignore[union-attr]
    assert part.fields["parts"].type == ListOf(part)
    assert part.fields["name"].doc == "What it is called"


@pytest.mark.parametrize(
    ("notation", "written"),
    [
        ("string", "string"),
        ("any", "any"),
        (["money"], "list(money)"),
        ("list(map(int))", "list(map(int))"),
        ("map(Order)", "map(Order)"),
        ({"item": "string", "note?": ["Order"]}, "{item: string, note?: list(Order)}"),
        ([{"a": {"b": "timestamp"}}], "list({a: {b: timestamp}})"),
    ],
)
def test_types_are_read_from_their_notation(notation: object, written: str) -> None:
    assert str(parse_type(notation, {"Order": ORDER})) == written


@pytest.mark.parametrize(
    ("notation", "where", "mend"),
    [
        ("strng", "input", "did you mean 'string'?"),
        ({"a": {"b": "Ordr"}}, "input.a.b", "did you mean 'Order'?"),
        (["string", "int"], "input", "write one type between the brackets"),
        ({"a": [3]}, "input.a[]", "write a name, a list of one type, or a map of fields"),
        ({"a": "string", "a?": "int"}, "input.a", "keep one of them"),
        ({1: "string"}, "input", "put it in quotes"),
    ],
)
def test_a_type_that_is_none_is_refused_with_its_path(notation: object, where: str, mend: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_type(notation, {"Order": ORDER}, where="input")
    assert (refused.value.where, refused.value.mend) == (where, mend)


def test_problems_have_paths_and_plain_words(values: dict[str, Any]) -> None:
    assert problems(values["order"], ORDER) == []
    order = {**values["order"], "count": True, "total": {"amount": 5.0, "currency": "USD"}, "due": "tomorrow"}
    order["lines"] = [{"item": 7, "quantity": ea(1)}, "x", {"item": "A"}]
    del order["number"]
    assert problems(order, ORDER) == [
        "number: missing; a string is needed",
        'total: money ({"amount": "12.50", "currency": "EUR"}) is needed, not a map',
        "lines[0].item: a string is needed, not an int (7)",
        "lines[1]: an OrderLine is needed, not a string ('x')",
        "lines[2].quantity: missing; a quantity is needed",
        "due: an instant with its zone (2026-11-23T10:00:00Z) is needed, not a string ('tomorrow')",
        "count: an int is needed, not a bool (True)",
    ]
    assert problems(3, STRING) == ["the value: a string is needed, not an int (3)"]
    assert problems({"a": [1.5]}, MapOf(ListOf(DECIMAL))) == [
        'a[0]: a decimal as a string ("12.50") is needed, not a number with a fraction (1.5)'
    ]
    assert problems("P1DT2H", DURATION) == problems("3600s", DURATION) == problems(None, DYN) == []
    assert problems("2026-11-23T10:00:00", TIMESTAMP) != []


@pytest.mark.parametrize(
    ("actual", "wanted", "why"),
    [
        (STRING, STRING, None),
        (INT, DECIMAL, None),
        (DYN, MONEY, None),
        (MONEY, DYN, None),
        (STRING, MONEY, "money is needed, this is a string"),
        (ListOf(INT), ListOf(STRING), "[]: a string is needed, this is an int"),
        (ListOf(INT), INT, "an int is needed, this is a list of int"),
        (ORDER, parse_type({"number": "string", "lines": [{"item": "string"}]}), None),
        (ORDER, parse_type({"lines": [{"due": "string"}]}),
         "lines[].due: may be nothing where a value is needed; give a fallback: default(..., ...)"),
        (ORDER, parse_type({"lines": [{"sku": "string"}]}), "lines[].sku: missing; a string is needed"),
        (LINE, ORDER, "number: missing; a string is needed"),
        (Record("", {}), MapOf(STRING), None),
        (parse_type({"a": "int"}), MapOf(STRING), "a: a string is needed, this is an int"),
    ],
)  # fmt: skip
def test_assignable_says_why_not(actual: Any, wanted: Any, why: str | None) -> None:
    assert assignable(actual, wanted) == why


def test_the_json_schema_accepts_what_has_no_problems(values: dict[str, Any]) -> None:
    schema = json_schema(ORDER)
    jsonschema.validate(values["order"], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values["order"], "total": {"amount": 5, "currency": "USD"}}, schema)
    recursive = json_schema(record_of(Thing))
    jsonschema.validate(
        {
            "number": "1",
            "price": usd(1),
            "made": "2026-11-23T10:00:00Z",
            "parts": [{"name": "a", "parts": [{"name": "b"}]}],
        },
        recursive,
    )
    assert recursive["$defs"]["Part"]["properties"]["name"]["description"] == "What it is called"
