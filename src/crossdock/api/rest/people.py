"""The people of a tenant: seen, invited, given roles, shut out and let in again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.access.people import Account, Link
from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.route import router
from crossdock.store import TenantTransaction

routes = router("people")

Note = Annotated[str, StringConstraints(max_length=2000)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Person(Out):
    """Somebody who signs in."""

    id: str
    name: str | None = None
    email: str | None = None
    roles: list[str]
    made: datetime
    made_by: str | None = None
    seen: datetime | None = Field(None, description="Signed in last")
    suspended: datetime | None = Field(None, description="Shut out since")
    suspended_by: str | None = None
    provider: str | None = Field(None, description="The identity provider that knows them")
    two_factors: bool = Field(description="Whether a code is asked for besides the password")


class PersonPage(Out):
    """A page of people."""

    items: list[Person]
    next: str | None = Field(None, description="Cursor of the next page")


class PersonQuery(Paged):
    """Which people, by id."""

    q: Text | None = Field(None, description="With this in their id, name or address")
    role: Text | None = Field(None, description="With this role")
    suspended: bool | None = Field(None, description="Whether they are shut out")


class Invite(Given):
    """Somebody to invite."""

    email: Annotated[str, StringConstraints(max_length=254)] = Field(description="Their address")
    roles: list[Word] = Field(max_length=50, description="What they may do")
    name: Annotated[str, StringConstraints(max_length=100)] = ""
    note: Note = Field("", description="Why: it stays in the audit")


class Roles(Given):
    """What a person may do from now on."""

    roles: list[Word] = Field(max_length=50, description="These roles and no others")
    note: Note = Field("", description="Why: it stays in the audit")


class Because(Given):
    """Why."""

    note: Note = Field("", description="Why: it stays in the audit")


class OneTimeLink(Out):
    """A link that works once. Who is to use it is given it by a way that you trust: nothing is sent."""

    email: str
    link: str | None = Field(
        None, description="Given this once, to whoever asked; not even the same request again gives it"
    )
    expires: datetime


PEOPLE = tuple(Person.model_fields)
_PERSON = """
select id, name, email, roles, made, made_by, seen, suspended, suspended_by, issuer, totp_on
from crossdock.person where tenant = crossdock.tenant()"""


@routes.get("/people", responses={200: {"model": PersonPage}})
async def list_people(call: Asked, query: Annotated[PersonQuery, Query()]) -> Response:
    """List the people of the tenant, by id."""
    await call.allow("person.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        if query.q is not None:
            where.add("strpos(lower(concat_ws(chr(10), id, name, email)), {}) > 0", query.q.lower())
        where.maybe("{} = any(roles)", query.role)
        if query.suspended is not None:
            where.add(f"suspended is {'not ' if query.suspended else ''}null")
        if place is not None:
            where.add("id > {}", place[0])
        return await transaction.fetch(
            f"{_PERSON}{where.sql} order by id limit {where.next(most)}", *where.values
        )

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_shown(Account(**{**dict(row), "roles": tuple(row["roles"])})) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row["id"]], show=show, names=PEOPLE)
    return await listing.answer(call, query)


@routes.get("/people/{person}", responses={200: {"model": Person}})
async def read_person(call: Asked, person: str, query: Annotated[View, Query()]) -> Response:
    """Read one of the people. Its ETag changes with what they may do."""
    await call.allow("person.read", person)
    chosen = chosen_fields(query.fields, PEOPLE)
    account = await _found(call, person)
    return call.answer(pick(_shown(account), chosen), tag=_tag(account))


@routes.post("/people", status_code=201, responses={201: {"model": OneTimeLink, "description": "Invited"}})
async def invite_person(call: Asked, given: Invite) -> Response:
    """Make a link by which somebody gets an account. It works once, for three days."""
    link = await call.ground.acts.people.invite(
        call.principal, email=given.email, roles=given.roles, name=given.name, note=given.note
    )
    return _once(call, given.email.strip().lower(), link)


@routes.patch("/people/{person}", responses={200: {"model": Person, "description": "Changed"}})
async def change_person(call: Asked, person: str, given: Roles) -> Response:
    """Give a person these roles and no others. Their sessions end."""
    await call.allow("person.change", person)
    seen = await _found(call, person)
    call.seen(_tag(seen))
    changed = await call.ground.acts.people.change(
        call.principal, seen.id, roles=given.roles, seen=seen.roles, note=given.note
    )
    return _told(call, changed)


@routes.post(
    "/people/{person}/suspend",
    responses={200: {"model": Person, "description": "Shut out"}},
    openapi_extra={"x-changes": "maybe"},
)
async def suspend_person(call: Asked, person: str, given: Because) -> Response:
    """Let a person in no more. Their sessions end, their keys fall silent."""
    account = await _see(call, person)
    if call.done is None:
        account = await call.ground.acts.people.suspend(call.principal, person, note=given.note)
    return _told(call, account)


@routes.post(
    "/people/{person}/resume",
    responses={200: {"model": Person, "description": "Let in again"}},
    openapi_extra={"x-changes": "maybe"},
)
async def resume_person(call: Asked, person: str, given: Because) -> Response:
    """Let somebody in again who was shut out."""
    account = await _see(call, person)
    if call.done is None:
        account = await call.ground.acts.people.resume(call.principal, person, note=given.note)
    return _told(call, account)


@routes.post(
    "/people/{person}/reset",
    status_code=201,
    responses={201: {"model": OneTimeLink, "description": "Made"}},
    openapi_extra={"x-changes": "maybe"},
)
async def reset_person(call: Asked, person: str, given: Because) -> Response:
    """Make a link by which a person sets another password. It works once, for two hours."""
    account = await _see(call, person)
    link = await call.ground.acts.people.reset(call.principal, person, note=given.note)
    return _once(call, account.email, link)


async def _found(call: Call, person: str) -> Account:
    if "\0" in person:
        raise missing("person", person)
    return await call.ground.identity.people.find(call.tenant, person)


async def _see(call: Call, person: str) -> Account:
    """The person as they are now, which an `If-Match` must name where one is sent."""
    await call.allow("person.change", person)
    account = await _found(call, person)
    call.seen(_tag(account), must=False)
    return account


def _told(call: Call, account: Account) -> Response:
    return call.answer(pick(_shown(account), ()), tag=_tag(account))


def _once(call: Call, email: str, link: Link) -> Response:
    value = {"email": email, "expires": link.expires}
    base = call.ground.address or str(call.request.base_url.replace(path="")).rstrip("/")
    response = call.answer(value | {"link": base + link.path}, 201)
    response.crossdock_kept = msgspec.json.encode(value)  # type: ignore[attr-defined] # what a replay gives
    return response


def _tag(account: Account) -> str:
    return f"{account.id}/{account.roles}/{account.suspended}"


def _shown(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name or None,
        "email": account.email or None,
        "roles": list(account.roles),
        "made": account.made,
        "made_by": account.made_by or None,
        "seen": account.seen,
        "suspended": account.suspended,
        "suspended_by": account.suspended_by or None,
        "provider": account.issuer or None,
        "two_factors": account.totp_on,
    }
