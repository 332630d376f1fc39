"""Events that programs send: CloudEvents, one or many, structured, batched or in headers (binary mode).

The extension attribute `environment` marks one: `sandbox` is in test, as what a sandbox sends is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from crossdock.engine import Arrival, Receipt
from crossdock.errors import Refused
from crossdock.model import CloudEvent, about
from crossdock.model.limits import check_limits
from crossdock.process.messages import Actor

MOST_BYTES = 1 * 2**20  # of one event
MOST_DEPTH = 40
MOST_EVENTS = 500  # in one batch
Put = Callable[[Sequence[Arrival]], Awaitable[Sequence[Receipt]]]
_OURS = ("connection/", "call/", "run/", "engine", "crossdock/", "desk/")  # sources that only we speak for
_ENVIRONMENTS = ("production", "sandbox")
_JSON = "application/json"
_BATCH = "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one event of a message: a receipt, or why it was refused."""

    id: str
    receipt: Receipt | None = None
    error: Refused | None = None


async def take_events(put: Put, headers: Mapping[str, str], body: bytes, *, actor: Actor) -> list[Taken]:
    """Take events of a program in; those that are refused stop none of the others.

    `put` keeps those that can be read. `headers` have their names in lower case. Raises `Refused` when the
    message as a whole cannot be read, and `Unreachable` when nothing could be kept: then it may be sent
    again.
    """
    found: list[Taken | Arrival] = []
    for value in _events(headers, body):
        id_ = str(value.get("id", "")) if isinstance(value, Mapping) else ""
        try:
            found.append(arrival_of(value, actor))
        except Refused as error:
            found.append(Taken(id=id_, error=error))
    good = [one for one in found if isinstance(one, Arrival)]
    receipts = iter(await put(good) if good else [])
    return [one if isinstance(one, Taken) else Taken(id=one.id, receipt=next(receipts)) for one in found]


def _events(headers: Mapping[str, str], body: bytes) -> list[Any]:
    """The events of a message as JSON values."""
    kind = headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}", mend="send CloudEvents as JSON") from None
    if "ce-specversion" in headers:
        attributes = {
            name.removeprefix("ce-"): text for name, text in headers.items() if name.startswith("ce-")
        }
        return [{**attributes, "datacontenttype": kind, "data": value}]
    if kind == _BATCH or isinstance(value, list):
        if not isinstance(value, list):
            raise Refused("a batch is a list of events", where="body", mend="put them between [ and ]")
        if len(value) > MOST_EVENTS:
            raise Refused(f"a batch has {len(value)} events, {MOST_EVENTS} is the most", mend="send several")
        return value
    return [value]


def arrival_of(value: Any, actor: Actor) -> Arrival:
    """The event in a CloudEvent that a program sends. Raises `Refused`."""
    check_limits(value, MOST_BYTES, MOST_DEPTH)
    event = CloudEvent.parse(value)
    if event.source.startswith(_OURS):
        raise Refused(
            f"{event.source} is a source that only Crossdock speaks for",
            where="source",
            mend="name your own system, such as /shop/berlin",
        )
    environment = event.extensions.get("environment", "production")
    if environment not in _ENVIRONMENTS:
        raise Refused(
            f"{environment!r} is no environment",
            where="environment",
            mend=f"write {' or '.join(_ENVIRONMENTS)}, or leave it out",
        )
    return Arrival(
        id=event.id,
        source=event.source,
        type=event.type,
        time=event.time,
        data=event.data,
        about=about(event.type, event.data),
        actor=actor,
        test=environment == "sandbox",
    )
