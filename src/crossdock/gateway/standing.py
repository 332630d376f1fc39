"""What stands here of the facts that systems tell: runs by their numbers, and what they have billed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from crossdock.engine.payloads import put_back
from crossdock.gateway.compare import Bill, Here, Run, What, bills
from crossdock.gateway.facts import Facts
from crossdock.process import decode_state
from crossdock.process.messages import Record
from crossdock.store import Database, EngineTransaction, Tenant

_records = msgspec.json.Decoder(list[Record]).decode

_RUNS = 5_000  # of a window, that are looked at besides those which facts name

_ABOUT: LiteralString = """
select id from crossdock.process_version where tenant = $1
  and substring(source from '(?n)^document:[ \\t]*["'']?([A-Za-z0-9_]+)') = $2
"""
_BY_ALIAS: LiteralString = """
select distinct on (a.value) a.value as number, r.id, r.process, r.key, r.status, r.created, r.state
from crossdock.alias a join crossdock.run r on r.tenant = a.tenant and r.id = a.run
where a.tenant = $1 and a.kind = any($2::text[]) and a.value = any($3::text[])
  and ($4::bigint[] is null or r.version = any($4))
order by a.value, r.id desc
"""
_LATELY: LiteralString = """
select r.key as number, r.id, r.process, r.key, r.status, r.created, r.state
from crossdock.run r where r.tenant = $1 and r.version = any($2::bigint[]) and r.changed >= $3
order by r.id desc limit $4
"""
_DELIVERED: LiteralString = """
select distinct h.run from crossdock.history h
where h.tenant = $1 and h.run = any($2::bigint[]) and h.type = 'shipment.delivered'
"""
_BILLED: LiteralString = """
select h.run, h.at, h.records from crossdock.history h
where h.tenant = $1 and h.run = any($2::bigint[])
  and (position('"invoice"'::bytea in h.records) > 0 or position('"step.started"'::bytea in h.records) > 0)
order by h.run, h.seq
"""
_FOLLOWED: LiteralString = """
select t.connection, t.number, t.booked from crossdock.tracking t
where t.tenant = $1 and t.what = 'tracking' and t.booked >= $2
order by t.booked desc limit $3
"""


async def versions_about(transaction: EngineTransaction, tenant: Tenant, document: str) -> list[int]:
    """The versions of processes that are about such a document."""
    return [row["id"] for row in await transaction.fetch(_ABOUT, tenant.id, document)]


async def standing(database: Database, tenant: Tenant, what: What, facts: Facts, since: datetime) -> Here:
    """What stands here of the numbers that were told, and of what came about since."""
    async with database.engine() as transaction:
        if what == "shipments":
            by_number = await transaction.fetch(
                _BY_ALIAS, tenant.id, ["tracking", "booking"], list(facts.carried), None
            )
            versions = await versions_about(transaction, tenant, "Shipment")
            by_shipment = await transaction.fetch(
                _BY_ALIAS, tenant.id, ["shipment"], list(facts.packed), versions
            )
            ids = [row["id"] for row in by_number]
            told = {row["run"] for row in await transaction.fetch(_DELIVERED, tenant.id, ids)}
            followed = await transaction.fetch(_FOLLOWED, tenant.id, since, _RUNS)
            return Here(
                shipments={row["number"]: _run(row) for row in by_shipment},
                numbers={row["number"]: _run(row, delivered=row["id"] in told) for row in by_number},
                followed=[(row["connection"], row["number"], row["booked"]) for row in followed],
            )
        versions = await versions_about(transaction, tenant, "Order")
        numbers = {*facts.orders, *(one.order for one in facts.invoices.values())}
        rows = await transaction.fetch(_BY_ALIAS, tenant.id, ["order"], sorted(numbers), versions)
        if what == "invoices":
            rows = [*await transaction.fetch(_LATELY, tenant.id, versions, since, _RUNS), *rows]
            states = [row["state"] or b"{}" for row in rows]
            whole = await put_back(transaction, tenant.id, *states)
            billed = await _billed(transaction, tenant, [row["id"] for row in rows])
            return Here(
                orders={
                    row["number"]: _run(
                        row, whole=text if row["state"] else None, billed=billed.get(row["id"], {})
                    )
                    for row, text in zip(rows, whole, strict=True)
                }
            )
        return Here(orders={row["number"]: _run(row) for row in rows})


async def _billed(
    transaction: EngineTransaction, tenant: Tenant, runs: list[int]
) -> dict[int, dict[str, Bill]]:
    """What each run has billed, as its history tells it: a state keeps only what it still needs."""
    rows = await transaction.fetch(_BILLED, tenant.id, runs)
    whole = await put_back(transaction, tenant.id, *(row["records"] for row in rows))
    told: dict[int, list[tuple[datetime, list[Record]]]] = {}
    for row, text in zip(rows, whole, strict=True):
        told.setdefault(row["run"], []).append((row["at"], _records(text)))
    return {run: bills(decisions) for run, decisions in told.items()}


def _run(
    row: Any,
    *,
    whole: bytes | None = None,
    billed: Mapping[str, Bill] | None = None,
    delivered: bool = False,
) -> Run:
    return Run(
        number=row["key"],
        process=row["process"],
        status=row["status"],
        created=row["created"],
        state=decode_state(whole) if whole is not None else None,
        bills=billed or {},
        delivered=delivered,
    )
