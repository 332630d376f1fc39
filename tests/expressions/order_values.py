"""One order's shape, for all tests of expressions."""

from __future__ import annotations

from crossdock.expressions import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DYN,
    INT,
    MONEY,
    QUANTITY,
    STRING,
    TIMESTAMP,
    Field,
    ListOf,
    MapOf,
    Record,
)

SUB = Record("Packing", {"code": Field(STRING), "colour": Field(STRING, optional=True)})
LINE = Record(
    "OrderLine",
    {
        "item": Field(STRING),
        "quantity": Field(QUANTITY),
        "note": Field(STRING, optional=True),
        "due": Field(TIMESTAMP, optional=True),
        "price": Field(MONEY, optional=True),
        "tags": Field(ListOf(STRING), optional=True),
        "packing": Field(SUB, optional=True),
    },
)
ORDER = Record(
    "Order",
    {
        "number": Field(STRING),
        "total": Field(MONEY),
        "quantity": Field(QUANTITY),
        "customer": Field(
            Record("Customer", {"id": Field(STRING), "name": Field(STRING, optional=True)}), optional=True
        ),
        "lines": Field(ListOf(LINE)),
        "due": Field(TIMESTAMP, optional=True),
        "dates": Field(ListOf(TIMESTAMP), optional=True),
        "weight": Field(DECIMAL, optional=True),
        "count": Field(INT),
        "rate": Field(DOUBLE),
        "custom": Field(DYN, optional=True),
        "labels": Field(MapOf(STRING), optional=True),
    },
)
STEPS = Record(
    "steps",
    {
        "picked": Field(
            Record(
                "picked",
                {
                    "events": Field(ListOf(DYN)),
                    "output": Field(Record("credit", {"ok": Field(BOOL)}), optional=True),
                },
            )
        )
    },
)


def ea(value: object) -> dict[str, str]:
    return {"value": str(value), "unit": "EA"}


def usd(amount: object) -> dict[str, str]:
    return {"amount": str(amount), "currency": "USD"}
