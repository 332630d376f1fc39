from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from order_values import ORDER, STEPS, ea, usd

from crossdock.expressions import DYN, TIMESTAMP, Environment


@pytest.fixture(scope="session")
def env() -> Environment:
    return Environment({"order": ORDER, "steps": STEPS, "event": DYN, "now": TIMESTAMP})


@pytest.fixture
def values() -> dict[str, Any]:
    return {
        "order": {
            "number": "SO-1",
            "total": usd("5000.00"),
            "quantity": ea(10),
            "lines": [
                {"item": "A", "quantity": ea(4), "price": usd("10.50"), "due": "2026-01-01T00:00:00Z"},
                {"item": "B", "quantity": ea(6), "note": "x", "packing": {"code": "c"}, "tags": ["t"]},
            ],
            "dates": ["2026-11-23T11:00:00+01:00"],
            "weight": "2.5",
            "count": 3,
            "rate": 2,
            "custom": {"a": {"b": 1, "nothing": None}},
            "labels": {"z": "1", "b": "3", "a": "2"},
        },
        "steps": {
            "picked": {
                "events": [
                    {"data": {"quantity": ea(4)}},
                    {"data": {"lines": [{"quantity": ea(5)}, {"quantity": ea("1.0")}]}},
                ],
                "output": {"ok": True},
            }
        },
        "event": {"type": "x", "data": {"k": 1, "items": [{"n": 1}, {"n": 2}]}},
        "now": datetime(2026, 11, 23, 10, tzinfo=UTC),
    }
