"""Events sent in, and what is done with those that no run has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Out
from crossdock.api.problems import TYPES, kind_of
from crossdock.api.route import raw, router
from crossdock.api.strict import strict_json
from crossdock.engine import Receipt
from crossdock.gateway import Taken

routes = router("events")

Note = Annotated[str, StringConstraints(max_length=2000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Sent(Out):
    """What became of one event."""

    id: str = Field(description="Its own id")
    fate: Literal["routed", "parked", "quarantined", "duplicate", "unwanted", "refused"] = Field(
        description="`duplicate`: it was accepted before, and this changes nothing"
    )
    runs: list[str] | None = Field(None, description="The runs that have it now")
    reason: str | None = Field(None, description="Why it is in quarantine")
    problem: dict[str, Any] | None = Field(
        None, description="Why it was refused: type, detail, where and mend"
    )


class SentMany(Out):
    """What became of each event."""

    taken: int
    refused: int
    items: list[Sent]


class Attach(Given):
    """The run that a parked event is for."""

    run: Name = Field(description="The run by its name here")


class Dismiss(Given):
    """Why nobody needs it."""

    note: Note = Field("", description="Stays with it")


class DismissUnread(Given):
    """Why nobody needs it."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="Stays with it"
    )


class Settled(Out):
    """What became of it."""

    outcome: str
    events: int | None = Field(None, description="That came of what was read")
    runs: list[str] | None = Field(None, description="The runs that have it now")
    reason: str | None = None


_EVENT = {"$ref": "#/components/schemas/CloudEvent"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": _EVENT},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": 500}
            },
            "application/json": {"schema": {"anyOf": [_EVENT, {"type": "array", "items": _EVENT}]}},
        },
    }
}
_DONE: dict[int | str, dict[str, Any]] = {200: {"model": Settled, "description": "Done"}}


@routes.post(
    "/events",
    responses={200: {"model": SentMany, "description": "What became of each"}},
    openapi_extra=_BODY,
)
@raw
async def send_events(call: Asked) -> Response:
    """Send CloudEvents in: one, many, or one in headers. One that is refused stops none of the others.

    The same source and id again changes nothing. One that comes alone and is refused is a problem, 422.
    """
    body = await call.request.body()
    strict_json(body)
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    taken = await call.ground.acts.events.take(call.principal, headers, body)
    if len(taken) == 1 and taken[0].error is not None:
        raise taken[0].error
    items = [_sent(call, one) for one in taken]
    refused = sum(one["fate"] == "refused" for one in items)
    return call.answer({"taken": len(items) - refused, "refused": refused, "items": items})


def _sent(call: Call, one: Taken) -> dict[str, Any]:
    if one.receipt is None:
        error = one.error
        assert error is not None  # noqa: S101 - it is one or the other
        told = {"type": TYPES + kind_of(error).name, "detail": error.message}
        told |= {"where": error.where} if error.where else {}
        told |= {"mend": error.mend} if error.mend else {}
        return {"id": one.id, "fate": "refused", "problem": told}
    return {"id": one.id, **_fate(call, one.receipt)}


def _fate(call: Call, receipt: Receipt) -> dict[str, Any]:
    found: dict[str, Any] = {"fate": receipt.fate}
    if receipt.runs:
        found["runs"] = [call.names.name("run", run) for run in receipt.runs]
    if receipt.reason:
        found["reason"] = receipt.reason
    return found


@routes.post("/events/parked/{event}/attach", responses=_DONE)
async def attach_event(call: Asked, event: str, given: Attach) -> Response:
    """Give a parked event to a run, which decides what comes of it."""
    number, run = call.number("parked", event), call.number("run", given.run)
    if call.done is None:
        await call.ground.acts.events.attach(call.principal, number, run)
    return call.answer({"outcome": "attached", "runs": [given.run]})


@routes.post("/events/parked/{event}/dismiss", responses=_DONE)
async def dismiss_event(call: Asked, event: str, given: Dismiss) -> Response:
    """Say that a parked event needs no run."""
    if call.done is None:
        await call.ground.acts.events.dismiss(call.principal, call.number("parked", event), note=given.note)
    return call.answer({"outcome": "dismissed"})


@routes.post("/events/quarantined/{event}/release", responses=_DONE)
async def release_event(call: Asked, event: str) -> Response:
    """Let an event try again that was refused, after what stood against it was mended."""
    if call.done is not None:
        return call.answer({"outcome": "released"})
    receipt = await call.ground.acts.events.release(call.principal, call.number("quarantined", event))
    fate = _fate(call, receipt)
    return call.answer({"outcome": fate.pop("fate"), **fate})


@routes.post("/events/unread/{delivery}/replay", responses=_DONE)
async def replay_delivery(call: Asked, delivery: str) -> Response:
    """Read again what nobody could read, as if it came now; where that fails still, it stays."""
    if call.done is not None:
        return call.answer({"outcome": "read"})
    receipt = await call.ground.acts.deliveries.replay(call.principal, call.number("unread", delivery))
    value = {"outcome": receipt.outcome, "events": receipt.events}
    return call.answer(value | ({"reason": receipt.reason} if receipt.reason else {}))


@routes.post("/events/unread/{delivery}/dismiss", responses=_DONE)
async def dismiss_delivery(call: Asked, delivery: str, given: DismissUnread) -> Response:
    """Say that nobody needs what could not be read; it stays, with the reason."""
    number = call.number("unread", delivery)
    if call.done is None:
        await call.ground.acts.deliveries.dismiss(call.principal, number, reason=given.reason)
    return call.answer({"outcome": "dismissed"})
