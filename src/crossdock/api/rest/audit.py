"""The audit: who did what, when, why and from where; verified, and written out."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from crossdock.access import Resource
from crossdock.access.audit import Filter
from crossdock.access.audit_form import Entry
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, pick
from crossdock.api.route import router
from crossdock.model.codes import Instant
from crossdock.store import TenantTransaction

routes = router("audit")

# Kinds whose ids are numbers of rows, and what these are called outside.
_NAMED = {"run": "run", "repair": "repair", "import": "import", "delivery": "unread"}
_SETTLED = ("parked", "quarantined")  # of events, the kind stands before the number: `parked/12`


class AuditQuery(Paged):
    """Which entries, newest first."""

    actor: Text | None = Field(None, description="Of this one, also behind a key")
    action: Text | None = Field(None, description="This act, as `run.cancel`")
    kind: Text | None = Field(None, description="On a thing of this kind")
    on: Text | None = Field(None, description="With `kind`: on this one")
    outcome: Literal["done", "refused", "failed"] | None = Field(None, description="That came to this")
    since: Instant | None = Field(None, description="At this instant or later")
    until: Instant | None = Field(None, description="Before this instant")
    before: int | None = Field(None, ge=1, lt=2**63, description="Before the entry of this number")


class Act(Out):
    """One entry."""

    number: int
    at: datetime
    actor: str
    kind: str = Field(description="human, key, assistant or system")
    behind: str | None = Field(None, description="The person whose key, link or delegation it was")
    roles: list[str]
    action: str
    on_kind: str
    on: str | None = None
    outcome: str
    why: str | None = None
    origin: str | None = Field(None, description="From where")
    count: int = Field(description="How many equal attempts it stands for")
    by_operator: bool = Field(description="Whether those who run the installation did it")
    before: Any = None
    after: Any = None
    hash: str = Field(description="Of the entry and all before it")


class ActPage(Out):
    """A page of entries."""

    items: list[Act]
    next: str | None = Field(None, description="Cursor of the next page")


class Fault(Out):
    """One thing that is not as it was recorded."""

    kind: str = Field(description="changed, removed, swapped, truncated, head, checkpoint or history")
    number: int = Field(description="Of the entry, or of the checkpoint")
    what: str


class Verified(Out):
    """Whether the audit is whole."""

    good: bool
    first: Fault | None = Field(None, description="The first bad entry, else the first other fault")
    entries: int
    signed: int = Field(description="The newest entry that a checkpoint covers")
    checkpoints: int
    rows: int = Field(description="Of the history, that were compared")
    unsigned_rows: int = Field(description="Of the history, that no checkpoint covers yet")
    keys: list[str] = Field(description="Names of those that have signed")
    outside: bool = Field(description="Whether checkpoints outside of the database were compared")
    count: int = Field(description="Of all faults")
    faults: list[Fault] = Field(description="The first hundred")
    problems: list[str] = Field(description="The faults, in words alone")


class Keys(Out):
    """What verifies signatures."""

    keys: dict[str, str] = Field(description="Public keys (Ed25519, base64) by name")


NAMES = tuple(Act.model_fields)


@routes.get("/audit", responses={200: {"model": ActPage}})
async def list_acts(call: Asked, query: Annotated[AuditQuery, Query()]) -> Response:
    """List who did what, newest first."""
    await call.allow("audit.read")
    on = query.on
    if on is not None and query.kind in _NAMED:
        on = str(call.number(_NAMED[query.kind], on))
    elif on is not None and query.kind == "event" and on.startswith(_SETTLED):
        kind = on.partition("_")[0]
        on = f"{kind}/{call.number(kind, on)}"
    wanted = Filter(
        actor=query.actor,
        action=query.action,
        on_kind=query.kind,
        on_id=on,
        outcome=query.outcome,
        since=query.since,
        until=query.until,
    )

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        cursor = place[0] if place is not None else query.before
        return (await call.ground.audit.entries(call.tenant, wanted, cursor, most=most)).items

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_act(call, row) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row.number], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.get("/audit/verify", responses={200: {"model": Verified}})
async def verify_audit(call: Asked) -> Response:
    """Compare all that is kept of the audit with what was hashed and signed."""
    await call.allow("audit.read")
    await call.ground.audit.settle()
    report = await call.ground.audit.verify(call.tenant)
    faults = [asdict(one) for one in report.faults]
    value = {
        "good": report.good,
        "first": None if report.first is None else asdict(report.first),
        "entries": report.entries,
        "signed": report.signed,
        "checkpoints": report.checkpoints,
        "rows": report.rows,
        "unsigned_rows": report.unsigned_rows,
        "keys": list(report.keys),
        "outside": report.outside,
        "count": report.count,
        "faults": faults,
        "problems": [one["what"] for one in faults],
    }
    return call.answer(pick(value, ()))


@routes.get("/audit/keys", responses={200: {"model": Keys}})
async def list_audit_keys(call: Asked) -> Response:
    """Tell the public keys that sign. Keep them where whoever may change the audit cannot."""
    await call.allow("audit.read")
    known = call.ground.audit.keys()
    return call.answer({"keys": {name: base64.b64encode(key).decode() for name, key in known.items()}})


@routes.get(
    "/audit/export",
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def export_audit(call: Asked) -> Response:
    """Write the audit out, in the form that verifies by itself. That it was is recorded as well."""
    await call.allow("audit.read")
    async with call.look() as transaction:
        on = Resource(kind="audit")
        await call.ground.audit.record(transaction, call.principal, "audit.read", on, why="export")
    await call.ground.audit.settle()
    lines = call.ground.audit.export(call.tenant)

    headers = {"content-disposition": 'attachment; filename="audit.ndjson"'}
    allowed = call.as_long_as_allowed(lines)
    return StreamingResponse(allowed, headers=headers, media_type="application/x-ndjson")


def _act(call: Call, entry: Entry) -> dict[str, Any]:
    on = entry.on_id or None
    kind, _, number = entry.on_id.rpartition("/")
    if entry.on_kind == "event" and kind in _SETTLED and number.isdecimal():
        on = call.names.name(kind, int(number))
    elif entry.on_kind in _NAMED and entry.on_id.isdecimal():
        on = call.names.name(_NAMED[entry.on_kind], int(entry.on_id))
    return {
        "number": entry.number,
        "at": entry.at,
        "actor": entry.actor,
        "kind": entry.kind,
        "behind": entry.behind or None,
        "roles": list(entry.roles),
        "action": entry.action,
        "on_kind": entry.on_kind,
        "on": on,
        "outcome": entry.outcome,
        "why": entry.why or None,
        "origin": entry.origin or None,
        "count": entry.count,
        "by_operator": entry.home != entry.tenant,
        "before": _value(call, entry.before),
        "after": _value(call, entry.after),
        "hash": entry.hash.hex(),
    }


def _value(call: Call, text: str | bytes | None) -> Any:
    """A value before or after, with the names of the runs in it."""
    value = msgspec.json.decode(text) if text else None
    if isinstance(value, dict):
        if isinstance(value.get("attached"), int):
            value["attached"] = call.names.name("run", value["attached"])
        cause = value.get("cause")
        if isinstance(cause, dict) and isinstance(cause.get("runs"), list):
            cause["runs"] = [call.names.name("run", run) for run in cause["runs"]]
    return value
