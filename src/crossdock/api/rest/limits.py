"""How often a tenant and its keys may ask: what holds for all, and what is agreed with them besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Out, Text
from crossdock.api.route import router
from crossdock.api.throttle_rules import WHOLE, Agreements, Limit
from crossdock.errors import NotFound
from crossdock.store import Tenant

routes = router("tenants")

Kind = Literal["read", "write", "search", "bulk", "graphql"]
Note = Annotated[str, StringConstraints(max_length=2000)]
_WHO = "The key, as `key:ID`, or a person; without it the tenant as a whole"


class Agreed(Out):
    """A limit that is agreed."""

    who: str | None = Field(None, description=_WHO)
    kind: Kind
    limit: str = Field(description="As `600/minute`, or `50/10 seconds`")


class Limits(Out):
    """How often a tenant and its keys may ask, by kind of request; a kind that is absent has no limit."""

    tenant: str
    each_key: dict[str, str] = Field(description="What holds for each key, where nothing else is agreed")
    whole: dict[str, str] = Field(description="And for a tenant as a whole")
    agreed: list[Agreed] = Field(description="What is agreed with this tenant; it comes before the others")


class Who(Given):
    """With whom."""

    who: Text | None = Field(None, description=_WHO)


class GivenLimit(Given):
    """A limit to agree on."""

    limit: Text = Field(description="As `600/minute`, or `50/10 seconds`")
    note: Note = Field("", description="Why: it stays in the audit")


class NoMore(Who):
    """With whom a limit is agreed no more, and why."""

    note: Note = Field("", description="Why: it stays in the audit")


@routes.get("/tenant/limits", responses={200: {"model": Limits}})
async def read_own_limits(call: Asked) -> Response:
    """Read how often the tenant whose key this is may ask, and its keys."""
    await call.allow("setting.read", "limits")
    return await _told(call, call.tenant)


@routes.get("/tenants/{tenant}/limits", responses={200: {"model": Limits}})
async def read_limits(call: Asked, tenant: str) -> Response:
    """Read how often a tenant and its keys may ask."""
    await call.allow("tenant.read", tenant)
    return await _told(call, await _tenant(call, tenant))


@routes.put("/tenants/{tenant}/limits/{kind}", responses={200: {"model": Limits, "description": "Agreed"}})
async def agree_limit(
    call: Asked, tenant: str, kind: Kind, query: Annotated[Who, Query()], given: GivenLimit
) -> Response:
    """Agree on a limit. It holds in every process within half a minute."""
    limit = Limit.read(given.limit, where="body.limit")
    return await _put(call, tenant, kind, query.who, limit, given.note)


@routes.delete(
    "/tenants/{tenant}/limits/{kind}",
    responses={200: {"model": Limits, "description": "As it holds from now on"}},
)
async def drop_limit(call: Asked, tenant: str, kind: Kind, query: Annotated[NoMore, Query()]) -> Response:
    """Go back to what holds for all."""
    return await _put(call, tenant, kind, query.who, None, query.note)


async def _put(
    call: Call, tenant: str, kind: str, who: str | None, limit: Limit | None, note: str
) -> Response:
    await call.allow("tenant.change", tenant)
    of = await _tenant(call, tenant)
    agreements = Agreements(call.ground.database, call.ground.audit)
    call.seen(_tag(await agreements.of(of)))
    await agreements.put(of, call.principal, who=who or WHOLE, kind=kind, limit=limit, why=note)
    call.ground.throttle.rules.forget(of.id)  # others look again within half a minute
    return await _told(call, of)


async def _told(call: Call, tenant: Tenant) -> Response:
    rules = call.ground.throttle.rules
    agreed = await Agreements(call.ground.database, call.ground.audit).of(tenant)
    value: dict[str, Any] = {
        "tenant": tenant.name,
        "each_key": _texts(rules.each_key),
        "whole": _texts(rules.whole),
        "agreed": [
            {**({"who": who} if who else {}), "kind": kind, "limit": str(limit)}
            for (who, kind), limit in sorted(agreed.items())
        ],
    }
    return call.answer(value, tag=_tag(agreed))


async def _tenant(call: Call, name: str) -> Tenant:
    """The tenant of that name. Raises `NotFound`."""
    if "\0" in name:
        raise NotFound("there is no such tenant", mend="see the tenants")
    return await call.ground.database.tenant(name)


def _texts(limits: Mapping[str, Limit]) -> dict[str, str]:
    return {kind: str(limit) for kind, limit in limits.items()}


def _tag(agreed: Mapping[tuple[str, str], Limit]) -> str:
    return f"{sorted((who, kind, str(limit)) for (who, kind), limit in agreed.items())}"
