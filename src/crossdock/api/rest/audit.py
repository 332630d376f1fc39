"""The audit: who did what, when, why and from where; verified, and written out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from crossdock.access.audit import Filter
from crossdock.access.audit_form import Entry
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text
from crossdock.api.route import router
from crossdock.model.codes import Instant
from crossdock.store import TenantTransaction

routes = router("audit")

_NAMED = frozenset({"run", "repair"})  # kinds whose ids are numbers of rows


class AuditQuery(Paged):
    """Which entries, newest first."""

    actor: Text | None = Field(None, description="Of this one, also behind a key")
    action: Text | None = Field(None, description="This act, as `run.cancel`")
    kind: Text | None = Field(None, description="On a thing of this kind")
    on: Text | None = Field(None, description="With `kind`: on this one")
    outcome: Literal["done", "refused", "failed"] | None = Field(None, description="That came to this")
    since: Instant | None = Field(None, description="At this instant or later")
    until: Instant | None = Field(None, description="Before this instant")


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


class Verified(Out):
    """Whether the audit is whole."""

    good: bool
    entries: int
    signed: int
    problems: list[str]


NAMES = tuple(Act.model_fields)


@routes.get("/audit", responses={200: {"model": ActPage}})
async def list_acts(call: Asked, query: Annotated[AuditQuery, Query()]) -> Response:
    """List who did what, newest first."""
    await call.allow("audit.read")
    on = query.on
    if on is not None and query.kind in _NAMED:
        on = str(call.number(query.kind, on))
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
        cursor = place[0] if place is not None else None
        return (await call.ground.audit.entries(call.tenant, wanted, cursor, most=most)).items

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_act(call, row) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row.number], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.get("/audit/verify", responses={200: {"model": Verified}})
async def verify_audit(call: Asked) -> Response:
    """Compare all that is kept of the audit with what was hashed and signed."""
    await call.allow("audit.read")
    report = await call.ground.audit.verify(call.tenant)
    return call.answer(
        {
            "good": report.good,
            "entries": report.entries,
            "signed": report.signed,
            "problems": [one.what for one in report.faults],
        }
    )


@routes.get(
    "/audit/export",
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def export_audit(call: Asked) -> Response:
    """Write the audit out, in the form that verifies by itself."""
    await call.allow("audit.read")
    lines = call.ground.audit.export(call.tenant)

    async def written() -> AsyncIterator[bytes]:
        async for line in lines:
            yield line.rstrip("\n").encode() + b"\n"

    headers = {"content-disposition": 'attachment; filename="audit.ndjson"'}
    return StreamingResponse(written(), headers=headers, media_type="application/x-ndjson")


def _act(call: Call, entry: Entry) -> dict[str, Any]:
    on = entry.on_id or None
    if on is not None and entry.on_kind in _NAMED and on.isdigit():
        on = call.names.name(entry.on_kind, int(on))
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
        "before": msgspec.json.decode(entry.before) if entry.before else None,
        "after": msgspec.json.decode(entry.after) if entry.after else None,
        "hash": entry.hash.hex(),
    }
