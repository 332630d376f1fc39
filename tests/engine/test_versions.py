"""Canonical versions: what was kept in an older version of its type is decided in the current one."""

from __future__ import annotations

from typing import Any

import pytest
from played import event, order
from test_routing import WAITS, books

from crossdock.model import EVENTS

TOLD = "shipment.delivered"


def renamed(data: dict[str, Any]) -> dict[str, Any]:
    """As a second version might: what the first called `signed` is the proof's `received_by`."""
    return {**{k: v for k, v in data.items() if k != "signed"}, "proof": {"received_by": data["signed"]}}


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calling it gives what an upgrade of Crossdock brings: a second version of the type, with its upgrade."""

    def upgrade() -> None:
        newer = EVENTS[TOLD]._replace(version=2, upgrades=(renamed,))
        monkeypatch.setitem(EVENTS, TOLD, newer)

    return upgrade


async def test_an_event_that_was_parked_before_an_upgrade_is_decided_in_the_current_version(
    engine, second_version
):
    await engine.publish(WAITS)
    books(engine)
    (receipt,) = await engine.inbox.put(engine.tenant, [event(TOLD, {"signed": "J. Doe"}, tracking="T-1")])
    assert receipt.fate == "parked"
    second_version()
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        detail = await engine.ended("SO-1")
    (line,) = [line for line in detail.lines if line.event.type == TOLD]
    assert (line.event.data, line.event.schema) == ({"proof": {"received_by": "J. Doe"}}, 2)
    await engine.assert_sound()


async def test_what_was_decided_before_an_upgrade_replays_as_it_was(engine, second_version):
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        await engine.inbox.put(engine.tenant, [event(TOLD, {"signed": "J. Doe"}, tracking="T-1")])
        detail = await engine.ended("SO-1")
    second_version()
    (line,) = [line for line in detail.lines if line.event.type == TOLD]
    assert (line.event.data, line.event.schema) == ({"signed": "J. Doe"}, 0)
    await engine.assert_sound()  # which replays it


async def test_what_is_kept_after_an_upgrade_is_not_converted_again(engine, second_version):
    second_version()
    await engine.publish(WAITS)
    books(engine)
    data = {"proof": {"received_by": "J. Doe"}}
    await engine.inbox.put(engine.tenant, [event(TOLD, data, tracking="T-1")])
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        detail = await engine.ended("SO-1")
    (line,) = [line for line in detail.lines if line.event.type == TOLD]
    assert (line.event.data, line.event.schema) == (data, 2)


async def test_what_a_newer_installation_kept_stops_its_run_alone_and_says_what_mends_it(
    engine, second_version, monkeypatch
):
    await engine.publish(WAITS)
    books(engine)
    first = EVENTS[TOLD]
    second_version()
    await engine.inbox.put(engine.tenant, [event(TOLD, {"signed": "J. Doe"}, tracking="T-1")])
    monkeypatch.setitem(EVENTS, TOLD, first)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1"), order("SO-2")])

        async def stopped():
            return (await engine.run_of("SO-1")).run.error

        assert "version 2 of shipment.delivered is not known" in await engine.until(stopped)
        assert (await engine.run_of("SO-2")).run.error is None
