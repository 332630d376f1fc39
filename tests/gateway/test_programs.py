"""CloudEvents of programs: one, many, in headers; what is refused and why."""

from __future__ import annotations

import json

import pytest

from crossdock.errors import Refused
from crossdock.gateway import take_events
from crossdock.process.messages import Actor

SHOP = Actor(id="shop", kind="key")
JSON = {"content-type": "application/cloudevents+json"}


def event(number=1, **changed):
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/shop",
        "type": "shipment.delivered",
        "time": "2026-03-02T10:00:00Z",
        "data": {"shipment": f"S-{number}"},
        **changed,
    }


async def take(doors, value, headers=JSON):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()

    async def put(arrivals):
        return await doors.inbox.put(doors.tenant, arrivals)

    return await take_events(put, headers, body, actor=SHOP)


async def test_one_event_is_taken_with_its_keys_and_who_sent_it(doors):
    (taken,) = await take(doors, event())
    assert (taken.id, taken.error, taken.receipt.fate) == ("e1", None, "unwanted")
    (kept,) = await doors.parked()
    assert (kept["about"], kept["actor"]["id"]) == ({"shipment": "S-1"}, "shop")


async def test_the_same_event_again_is_a_duplicate(doors):
    await take(doors, event())
    (taken,) = await take(doors, event())
    assert taken.receipt.fate == "duplicate"


async def test_in_a_batch_those_that_are_refused_stop_no_others(doors):
    batch = [event(1), event(2, type="order.vanished"), "no event", event(3, time="yesterday"), event(4)]
    taken = await take(doors, batch, {"content-type": "application/cloudevents-batch+json; charset=utf-8"})
    assert [(t.id, t.receipt.fate if t.receipt else "refused") for t in taken] == [
        ("e1", "unwanted"),
        ("e2", "refused"),
        ("", "refused"),
        ("e3", "refused"),
        ("e4", "unwanted"),
    ]
    assert "order.vanished" in str(taken[1].error)
    assert [kept["id"] for kept in await doors.parked()] == ["e1", "e4"]


async def test_an_event_in_headers_is_taken(doors):
    headers = {"content-type": "application/json"}
    headers |= {f"ce-{name}": str(value) for name, value in event(7).items() if name != "data"}
    (taken,) = await take(doors, {"shipment": "S-7"}, headers)
    assert (taken.id, taken.receipt.fate) == ("e7", "unwanted")


@pytest.mark.parametrize("source", ["connection/depot", "engine", "run/7", "call/depot"])
async def test_nobody_speaks_for_our_own_sources(doors, source):
    (taken,) = await take(doors, event(source=source))
    assert "only Crossdock speaks for" in str(taken.error)


@pytest.mark.parametrize("type_", ["call.ended", "run.cancel", "task.decided", "step.supply"])
async def test_events_of_the_engine_cannot_be_sent(doors, type_):
    (taken,) = await take(doors, event(type=type_))
    assert taken.error is not None


@pytest.mark.parametrize("body", [b"{", b"", b"[" * 100_000, b"\xff"])
async def test_what_is_not_json_is_refused_whole(doors, body):
    with pytest.raises(Refused, match="not JSON"):
        await take(doors, body)


async def test_limits_are_said(doors):
    with pytest.raises(Refused, match="501 events"):
        await take(doors, [event(n) for n in range(501)])
    (taken,) = await take(doors, event(data={"shipment": "S-1", "custom": {"x": "y" * 1_100_000}}))
    assert "larger than" in str(taken.error)
