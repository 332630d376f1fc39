"""Identity providers: where people of the tenant sign in, and what groups there mean here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.access.providers import MOST_GROUPS, SCOPES, Provider
from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Out, View, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.problems import Changed
from crossdock.api.route import router
from crossdock.errors import NotFound

routes = router("people")

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Note = Annotated[str, StringConstraints(max_length=2000)]


class ShownProvider(Out):
    """An identity provider, without its secret."""

    name: str
    title: str | None = Field(None, description="What stands on the button")
    issuer: str = Field(description="As it writes it")
    client_id: str = Field(description="What it calls us")
    scopes: list[str] = Field(description="What is asked for")
    claim: str = Field(description="The claim that lists the groups of a person")
    groups: dict[str, list[str]] = Field(
        description="The roles of each group; `*` is everybody who is known there"
    )


class ProviderList(Out):
    """All providers of the tenant, by name."""

    items: list[ShownProvider]


class GivenProvider(Given):
    """An identity provider."""

    issuer: Line = Field(description="As it writes it: https://...")
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] = Field(
        description="What it calls us"
    )
    secret: Annotated[str, StringConstraints(min_length=1, max_length=65_536)] | None = Field(
        None, description="Sealed when it comes; never shown. Without, the one that is kept stays"
    )
    title: Annotated[str, StringConstraints(max_length=100)] = Field(
        "", description="What stands on the button"
    )
    scopes: list[Word] = Field(list(SCOPES), max_length=50, description="What is asked for")
    claim: Word = Field("groups", description="The claim that lists the groups of a person")
    groups: dict[Word, list[Word]] = Field(
        {},
        max_length=MOST_GROUPS,
        description="The roles of each group; `*` is everybody who is known there. Without any, roles are "
        "given here to each person",
    )
    note: Note = Field("", description="Why: it stays in the audit")


class DropProvider(Given):
    """Why a provider is believed no more."""

    note: Note = Field("", description="Why: it stays in the audit")


NAMES = tuple(ShownProvider.model_fields)


@routes.get("/providers", responses={200: {"model": ProviderList}})
async def list_providers(call: Asked) -> Response:
    """List identity providers, and what their groups mean here. No secrets."""
    await call.allow("person.read")
    found = await call.ground.identity.providers.of(call.tenant)
    return call.answer({"items": [pick(_shown(one), ()) for one in found]})


@routes.get("/providers/{provider}", responses={200: {"model": ShownProvider}})
async def read_provider(call: Asked, provider: str, query: Annotated[View, Query()]) -> Response:
    """Read one identity provider, without its secret."""
    chosen = chosen_fields(query.fields, NAMES)
    one = await _found(call, "person.read", provider)
    return call.answer(pick(_shown(one), chosen), tag=_tag(one))


@routes.put(
    "/providers/{provider}",
    responses={
        200: {"model": ShownProvider, "description": "Changed"},
        201: {"model": ShownProvider, "description": "Made"},
    },
    openapi_extra={"x-changes": "make"},
)
async def put_provider(call: Asked, provider: str, given: GivenProvider) -> Response:
    """Set a provider. One that is there needs its ETag as `If-Match`; a new one `If-None-Match: *`."""
    new = call.request.headers.get("if-none-match", "").strip() == "*"
    try:
        before = await _found(call, "person.change", provider)
    except NotFound as error:
        if not new:
            error.mend = "to make it, send `If-None-Match: *`"
            raise
        before = None
    if before is not None:
        if new:
            raise Changed(f"there is a provider {provider} already", mend="change it, or name another")
        call.seen(_tag(before))
    one = Provider(
        name=provider,
        title=given.title,
        issuer=given.issuer,
        client_id=given.client_id,
        scopes=tuple(given.scopes),
        claim=given.claim,
        groups={group: tuple(roles) for group, roles in given.groups.items()},
    )
    await call.ground.acts.providers.put(
        call.principal, one, secret=given.secret, note=given.note, new=before is None
    )
    one = await call.ground.identity.providers.find(call.tenant, provider)
    return call.answer(pick(_shown(one), ()), 201 if before is None else 200, tag=_tag(one))


@routes.delete(
    "/providers/{provider}", responses={200: {"model": ShownProvider, "description": "As it was dropped"}}
)
async def drop_provider(call: Asked, provider: str, query: Annotated[DropProvider, Query()]) -> Response:
    """Believe a provider no more. Sessions that it began end."""
    one = await _found(call, "person.change", provider)
    call.seen(_tag(one))
    await call.ground.acts.providers.drop(call.principal, provider, note=query.note)
    return call.answer(pick(_shown(one), ()))


async def _found(call: Call, action: str, provider: str) -> Provider:
    """A provider that who asks may see, or change. Raises `NotFound`, `Forbidden`."""
    await call.allow(action, f"provider/{provider}")
    try:
        return await call.ground.identity.providers.find(call.tenant, provider)
    except NotFound:
        raise missing("provider", provider) from None


def _shown(one: Provider) -> dict[str, Any]:
    groups = {group: list(roles) for group, roles in one.groups.items()}
    return {**asdict(one), "title": one.title or None, "scopes": list(one.scopes), "groups": groups}


def _tag(one: Provider) -> str:
    """What changes with anything that is shown."""
    return f"{_shown(one)}"
