"""A page of runs walks an index, whatever it is asked for, where 200,000 runs are.

The statements are those of the list itself; what PostgreSQL says of how it carries them out is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from crossdock.api.rest import runs
from crossdock.store import Database, Tenant

RUNS = 200_000
MOST_READ = 1000  # rows that a page of 50 may cost

_FILL = """
insert into crossdock.run (tenant, version, process, key, created, ended, status, carrier)
select $1, $2, case when n % 10 = 1 then 'returns' else 'order' end, 'K-' || n,
  timestamptz '2026-01-01' + n * interval '10 seconds',
  case when n % 20 <> 0 then timestamptz '2026-02-01' end,
  case when n % 20 = 0 then 'active' when n % 1000 = 1 then 'cancelled' else 'completed' end,
  case when n % 500 = 0 then 'quayline' when n % 2 = 0 then 'farrow' end
from generate_series(1, $3) n
"""


class Explaining:
    """A transaction that tells how a statement is carried out, in place of its rows."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    async def fetch(self, sql: str, *values: Any) -> Sequence[Any]:
        (row,) = await self._transaction.fetch(f"explain (analyze, format json) {sql}", *values)
        return [json.loads(row[0])[0]["Plan"]]


@pytest.fixture
async def filled(database: Database, tenant: Tenant) -> tuple[Database, Tenant]:
    async with database.owner() as transaction:
        version = await transaction.value(
            "insert into crossdock.process_version (tenant, name, version, source) "
            "values ($1, 'order', 'v1', '') returning id",
            tenant.id,
        )
        await transaction.execute(_FILL, tenant.id, version, RUNS)
    async with database.owner() as transaction:
        await transaction.execute("analyze crossdock.run")
    return database, tenant


def rows_read(plan: dict[str, Any]) -> float:
    """The rows of runs that a plan has read, also those that it has thrown away."""
    mine = 0.0
    if plan.get("Relation Name") == "run":
        thrown = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        mine = (plan["Actual Rows"] + thrown) * plan["Actual Loops"]
    return mine + sum(rows_read(inner) for inner in plan.get("Plans", ()))


ASKED: list[dict[str, Any]] = [
    {},
    {"created_from": "2026-01-10T00:00:00Z"},
    {"created_to": "2026-01-02T00:00:00Z"},
    {"created_from": "2026-01-10T00:00:00Z", "created_to": "2026-01-11T00:00:00Z", "sort": "created"},
    {"created_to": "2026-01-10T00:00:00Z", "process": ["order"]},
    {"status": ["completed"]},
    {"status": ["cancelled"]},
    {"status": ["active"]},
    {"status": ["active", "held"], "process": ["order"]},
    {"process": ["returns"]},
    {"process": ["order", "returns"]},
]


async def _as_they_are(_transaction: Any, rows: Sequence[Any]) -> Sequence[Any]:
    return rows


async def test_a_page_is_an_index_walk(filled):
    database, tenant = filled
    for partners in ((), ("quayline",), ("farrow",)):
        call: Any = SimpleNamespace(partners=partners, number=lambda *_: 1, with_open=_as_they_are)
        for asked in ASKED:
            if partners and asked not in ({}, {"status": ["active"]}):
                continue  # with more conditions, the partner's own runs are looked through
            query = runs.RunQuery(**asked)
            place = None
            for _page in range(2):
                async with database.of(tenant) as transaction:
                    explaining: Any = Explaining(transaction)
                    (plan,) = await runs.fetch(call, explaining, query, place, 51)
                    rows = await runs.fetch(call, transaction, query, place, 51)
                assert len(rows) == 51, asked
                assert rows_read(plan) <= MOST_READ, (partners, asked, place, json.dumps(plan, indent=1))
                place = json.loads(msgspec.json.encode(runs.place_of(rows[-1])))
