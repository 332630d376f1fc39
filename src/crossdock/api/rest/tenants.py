"""Tenants, for those who run the installation; and for each the tenant that is its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from crossdock.access.tenants import TenantRow
from crossdock.api.acting import Given
from crossdock.api.description import PREFIX
from crossdock.api.ground import Asked
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, chosen_fields, pick
from crossdock.api.route import router
from crossdock.store import TenantTransaction

routes = router("tenants")

Note = Annotated[str, StringConstraints(max_length=2000)]


class Tenant(Out):
    """One of those who share the installation."""

    name: str
    title: str | None = None
    created: datetime
    suspended: datetime | None = Field(
        None, description="Since then it takes nothing in and sends nothing out"
    )
    suspended_by: str | None = None
    suspended_why: str | None = None


class TenantPage(Out):
    """A page of tenants."""

    items: list[Tenant]
    next: str | None = Field(None, description="Cursor of the next page")


class Create(Given):
    """A tenant to make."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    note: Note = Field("", description="Why: it stays in the audit")


class Reason(Given):
    """Why: what its people read."""

    why: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class TenantQuery(Paged):
    """Which tenants, by name."""

    q: Text | None = Field(None, description="With this in their name or title")
    suspended: bool | None = Field(None, description="Whether they are suspended")


class Because(Given):
    """Why."""

    note: Note = Field("", description="Why: it stays in the audit")


class DeleteQuery(View):
    """Why a tenant is deleted."""

    why: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(description="Why")


class Proof(Out):
    """What a deletion took, signed."""

    name: str
    rows: int
    tables: dict[str, int]
    statement: str = Field(description="What was signed")
    signature: str
    key: str


NAMES = tuple(Tenant.model_fields)


@routes.get("/tenant", responses={200: {"model": Tenant}})
async def read_own_tenant(call: Asked) -> Response:
    """Read the tenant whose key this is."""
    async with call.look() as transaction:
        row = await transaction.row(
            "select name, title, created, suspended, suspended_by, suspended_why from crossdock.tenant "
            "where tenant = crossdock.tenant()"
        )
    value = {name: row[name] or None for name in NAMES} if row is not None else {}
    return call.answer(pick(value, ()), tag=f"{value}")


@routes.get("/tenants", responses={200: {"model": TenantPage}})
async def list_tenants(call: Asked, query: Annotated[TenantQuery, Query()]) -> Response:
    """List the tenants of the installation, by name."""
    await call.allow("tenant.read")
    known = [
        one
        for one in await call.ground.tenants.list()
        if (query.q is None or query.q.lower() in f"{one.name}\n{one.title}".lower())
        and query.suspended in (None, one.suspended is not None)
    ]

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        return [one for one in known if place is None or one.name > place[0]][:most]

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_shown(row) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row.name], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.get("/tenants/{tenant}", responses={200: {"model": Tenant}})
async def read_tenant(call: Asked, tenant: str, query: Annotated[View, Query()]) -> Response:
    """Read one tenant."""
    await call.allow("tenant.read")
    chosen = chosen_fields(query.fields, NAMES)
    row = await call.ground.tenants.find(tenant)
    return call.answer(pick(_shown(row), chosen), tag=_tag(row))


@routes.post("/tenants", status_code=201, responses={201: {"model": Tenant, "description": "Made"}})
async def create_tenant(call: Asked, given: Create) -> Response:
    """Make a tenant."""
    if call.done is None:
        await call.ground.acts.tenants.create(call.principal, given.name, title=given.title, note=given.note)
    row = await call.ground.tenants.find(given.name)
    value = pick(_shown(row), ())
    return call.answer(value, 201, tag=_tag(row), headers={"location": f"{PREFIX}/tenants/{given.name}"})


@routes.post(
    "/tenants/{tenant}/suspend",
    responses={200: {"model": Tenant, "description": "Suspended"}},
    openapi_extra={"x-changes": "maybe"},
)
async def suspend_tenant(call: Asked, tenant: str, given: Reason) -> Response:
    """Let nothing in or out of a tenant, until it is resumed."""
    await call.allow("tenant.change")
    call.seen(_tag(await call.ground.tenants.find(tenant)), must=False)
    if call.done is None:
        await call.ground.acts.tenants.suspend(call.principal, tenant, why=given.why)
    row = await call.ground.tenants.find(tenant)
    return call.answer(pick(_shown(row), ()), tag=_tag(row))


@routes.post(
    "/tenants/{tenant}/resume",
    responses={200: {"model": Tenant, "description": "Resumed"}},
    openapi_extra={"x-changes": "maybe"},
)
async def resume_tenant(call: Asked, tenant: str, given: Because) -> Response:
    """Let a tenant go on."""
    await call.allow("tenant.change")
    call.seen(_tag(await call.ground.tenants.find(tenant)), must=False)
    if call.done is None:
        await call.ground.acts.tenants.resume(call.principal, tenant, why=given.note)
    row = await call.ground.tenants.find(tenant)
    return call.answer(pick(_shown(row), ()), tag=_tag(row))


@routes.delete(
    "/tenants/{tenant}", responses={200: {"model": Proof, "description": "Deleted, with the proof"}}
)
async def delete_tenant(call: Asked, tenant: str, query: Annotated[DeleteQuery, Query()]) -> Response:
    """Delete a suspended tenant and all its rows; gives the signed proof of what went."""
    await call.allow("tenant.change")
    call.seen(_tag(await call.ground.tenants.find(tenant)))
    proof = await call.ground.acts.tenants.delete(call.principal, tenant, why=query.why)
    return call.answer(
        {
            "name": proof.name,
            "rows": proof.rows,
            "tables": dict(proof.tables),
            "statement": proof.statement,
            "signature": proof.signature,
            "key": proof.key,
        }
    )


@routes.get(
    "/tenants/{tenant}/export",
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def export_tenant(call: Asked, tenant: str) -> Response:
    """Write all rows of a tenant out, as of one moment; secrets stay sealed."""
    await call.allow("tenant.change")
    await call.ground.tenants.find(tenant)
    lines = await call.ground.acts.tenants.export(call.principal, tenant)

    headers = {"content-disposition": f'attachment; filename="{tenant}.ndjson"'}
    allowed = call.as_long_as_allowed(lines)
    return StreamingResponse(allowed, headers=headers, media_type="application/x-ndjson")


def _shown(row: TenantRow) -> dict[str, Any]:
    return {name: getattr(row, name) or None for name in NAMES}


def _tag(row: TenantRow) -> str:
    return f"{row.id}/{row.name}/{row.suspended}"
