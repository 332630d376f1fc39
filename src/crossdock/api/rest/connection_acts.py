"""Connections set, tested, stopped, started and removed; their secrets set, replaced and dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Out, Text, pick
from crossdock.api.names import missing
from crossdock.api.problems import Changed
from crossdock.api.rest import connections
from crossdock.api.rest.connections import Connection
from crossdock.api.route import router
from crossdock.errors import NotFound

routes = router("connections")


class Stop(Given):
    """How a connection is stopped."""

    stand_still: bool = Field(False, description="Deadlines of runs that wait for it stand still meanwhile")


class StartAgain(Given):
    """How a connection is started."""

    drain_rate: float | None = Field(
        None, gt=0, le=10_000, description="Calls a second, until what waited has left"
    )


class Line(Given):
    """A connection, as `connections.yaml` has it."""

    connector: Text
    system: Text | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, str | list[str]] = Field(
        default_factory=dict, description="Sealed when they come; never shown"
    )
    mapping: Text | None = Field(None, description="A mapping by name, through which all of it passes")
    concurrency: int | None = Field(None, ge=1, le=10_000)
    rate: float | None = Field(None, gt=0, le=10_000)
    environment: Literal["production", "sandbox"] = Field(
        "production", description="`sandbox`: only runs that are in test call it"
    )


class Record(Given):
    """How long traffic is recorded."""

    seconds: float = Field(
        600, ge=0, le=86_400, description="From now on; 0 ends it, and keeps what there is"
    )


class Recording(Out):
    """Requests and answers as HAR 1.2 has them, without secrets and personal data."""

    log: dict[str, Any]


class SecretGiven(Given):
    """A secret's text, and how long others hold beside it."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=65_536)] = Field(
        description="Sealed when it comes; never shown"
    )
    keep_old: bool = Field(False, description="What comes in is believed with the one before as well")
    old_until: datetime | None = Field(None, description="Until then; without it, until that is dropped")
    expires: datetime | None = Field(None, description="When it has to be replaced")


class SecretSet(Out):
    """Whether a secret is another one now."""

    connection: str
    name: str
    changed: bool


class SecretDropped(Out):
    """How many texts of a secret were forgotten."""

    connection: str
    name: str
    dropped: int


class SecretKnown(Out):
    """A secret that is set, without any part of its text."""

    connection: str
    name: str
    in_use: bool = Field(description="False: it holds on for what comes in")
    set: datetime
    set_by: str
    expires: datetime | None = Field(None, description="Replaced by then, or believed until then")


class SecretsKnown(Out):
    """The secrets of a connection."""

    items: list[SecretKnown]


class Finding(Out):
    """What came of one step of a test."""

    step: Literal["address", "name", "connection", "certificate", "sign in", "health"]
    good: bool
    detail: str
    mend: str | None = None
    seconds: float


class Tested(Out):
    """Whether a connection works, and the steps that were taken; the last one says what is wrong."""

    connection: str
    good: bool
    findings: list[Finding]


@routes.post(
    "/connections/{connection}/stop",
    responses={200: {"model": Connection, "description": "Stopped"}},
    openapi_extra={"x-changes": "maybe"},
)
async def stop_connection(call: Asked, connection: str, given: Stop) -> Response:
    """Let no call of a connection leave: they wait, in their order."""
    call.seen(connections.tag_of(await connections.found(call, connection)), must=False)
    if call.done is None:
        await call.ground.acts.connections.stop(
            call.principal, connection, deadlines_run=not given.stand_still
        )
    return await _told(call, connection)


@routes.post(
    "/connections/{connection}/start",
    responses={200: {"model": Connection, "description": "Started"}},
    openapi_extra={"x-changes": "maybe"},
)
async def start_connection(call: Asked, connection: str, given: StartAgain) -> Response:
    """Let its calls leave again, those that waited in their order, and so many a second."""
    call.seen(connections.tag_of(await connections.found(call, connection)), must=False)
    if call.done is None:
        await call.ground.acts.connections.start(call.principal, connection, drain_rate=given.drain_rate)
    return await _told(call, connection)


@routes.put(
    "/connections/{connection}",
    responses={
        200: {"model": Connection, "description": "Changed"},
        201: {"model": Connection, "description": "Made"},
    },
    openapi_extra={"x-changes": "make"},
)
async def put_connection(call: Asked, connection: str, given: Line) -> Response:
    """Set a connection. One that is there needs its ETag as `If-Match`; a new one `If-None-Match: *`."""
    try:
        before = await connections.found(call, connection)
    except NotFound as error:
        if call.request.headers.get("if-none-match", "").strip() != "*":
            error.mend = "to make it, send `If-None-Match: *`"
            raise
        before = None
    if before is not None:
        if call.request.headers.get("if-none-match", "").strip() == "*":
            raise Changed(f"there is a connection {connection} already", mend="change it, or name another")
        call.seen(connections.tag_of(before))
    if not connection.replace("-", "").replace("_", "").isalnum() or not connection.isascii():
        raise missing("connection", connection)
    said = given.model_dump(exclude_none=True)
    await call.ground.acts.connections.put(call.principal, {connection: said}, was=before, where="body")
    return await _told(call, connection, 201 if before is None else 200)


@routes.delete(
    "/connections/{connection}",
    responses={200: {"model": Connection, "description": "As it was removed"}},
    openapi_extra={"x-changes": "maybe"},
)
async def remove_connection(call: Asked, connection: str) -> Response:
    """Remove a connection with its secrets. Refused while calls wait for it or are out."""
    one = await connections.found(call, connection)
    call.seen(connections.tag_of(one), must=False)
    health = await connections.health_of(call)
    await call.ground.acts.connections.remove(call.principal, connection)
    return call.answer(pick(connections.shown(one, health.get(connection)), ()))


@routes.post("/connections/{connection}/test", responses={200: {"model": Tested, "description": "Tested"}})
async def test_connection(call: Asked, connection: str) -> Response:
    """Say whether a connection works, and what is wrong where not: name, TLS, secrets, answer.

    It asks what the connector's health asks; nothing is changed there.
    """
    found = await call.ground.acts.connections.test(call.principal, connection)
    value = {
        "connection": connection,
        "good": all(one.good for one in found),
        "findings": [
            pick(
                {
                    "step": one.step,
                    "good": one.good,
                    "detail": one.detail,
                    "mend": one.mend or None,
                    "seconds": one.seconds,
                },
                (),
            )
            for one in found
        ],
    }
    return call.answer(value)


@routes.post(
    "/connections/{connection}/record",
    responses={200: {"model": Connection, "description": "Recorded from now on, or no more"}},
    openapi_extra={"x-changes": "maybe"},
)
async def record_connection(call: Asked, connection: str, given: Record) -> Response:
    """Record its traffic for a while, without secrets and personal data; what was recorded is forgotten."""
    if call.done is None:
        await call.ground.acts.connections.record(call.principal, connection, given.seconds)
    return await _told(call, connection)


@routes.get("/connections/{connection}/recording", responses={200: {"model": Recording}})
async def read_recording(call: Asked, connection: str) -> Response:
    """Read what was recorded, as a HAR 1.2 file."""
    return call.answer(await call.ground.acts.connections.recording(call.principal, connection))


@routes.get("/connections/{connection}/secrets", responses={200: {"model": SecretsKnown}})
async def list_secrets(call: Asked, connection: str) -> Response:
    """List the secrets of a connection: names, since when, by whom. No part of any text."""
    known = await call.ground.acts.connections.known_secrets(call.principal, connection)
    items = [
        pick(
            {
                "connection": one.connection,
                "name": one.name,
                "in_use": one.place == 0,
                "set": one.set_at,
                "set_by": one.set_by,
                "expires": one.expires,
            },
            (),
        )
        for one in known
    ]
    return call.answer({"items": items})


@routes.put(
    "/connections/{connection}/secrets/{secret}",
    responses={200: {"model": SecretSet, "description": "Set"}},
    openapi_extra={"x-changes": "no"},
)
async def set_secret(call: Asked, connection: str, secret: str, given: SecretGiven) -> Response:
    """Set or replace a secret. With `keep_old`, what comes in is believed with either for a while."""
    changed = await call.ground.acts.connections.set_secret(
        call.principal,
        connection,
        secret,
        given.text,
        keep_old=given.keep_old,
        old_until=given.old_until,
        expires=given.expires,
    )
    return call.answer({"connection": connection, "name": secret, "changed": changed})


class Drop(Given):
    """Which texts of a secret are forgotten."""

    only_old: bool = Field(False, description="Those that hold on; the one in use stays")


@routes.delete(
    "/connections/{connection}/secrets/{secret}",
    responses={200: {"model": SecretDropped, "description": "Dropped"}},
    openapi_extra={"x-changes": "no"},
)
async def drop_secret(call: Asked, connection: str, secret: str, query: Annotated[Drop, Query()]) -> Response:
    """Forget a secret, or those texts of it that hold on."""
    gone = await call.ground.acts.connections.drop_secret(
        call.principal, connection, secret, only_old=query.only_old
    )
    return call.answer({"connection": connection, "name": secret, "dropped": gone})


async def _told(call: Call, name: str, status: int = 200) -> Response:
    one = await connections.found(call, name)
    health = await connections.health_of(call)
    return call.answer(
        pick(connections.shown(one, health.get(name)), ()), status, tag=connections.tag_of(one)
    )
