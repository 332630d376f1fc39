"""Loads offered to carriers through the planner of the sandbox, while its answers are lost, doubled, late or out of order.

A load has one tender that stands at the end, by the planner's own ledger, and no truck more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from crossdock.assemble import System, opened
from crossdock.cli.place import settings_in
from crossdock.cli.serving import pages
from crossdock.demo.partners import Partners, partners
from crossdock.engine import Arrival, idle_until
from crossdock.store import EmbeddedServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = {"zone": "UTC", "hours": {"mon-fri": "08:00-18:00"}}
CALENDARS = {
    "default": {"name": "default", **DAY},
    "oldbridge": {"name": "oldbridge", "zone": "UTC", "hours": {"mon-fri": "10:00-18:00"}},
}
A_LOAD = """
process: a-load
title: A load that is to go
owner: transport-desk
document: Shipment
key: ${ shipment.number }
start: { on: shipment.created }
steps:
  tendered: { run: tender-shipment }
output: { carrier: "${ steps.tendered.output.carrier }" }
"""
WITHIN_ONE = timedelta(minutes=10)


@dataclass
class Desk:
    """A transport desk: our system, the partners, and one clock over both."""

    system: System
    partners: Partners
    now: datetime

    async def load(self, number: str, *scripts: dict[str, Any], hours: float = 8, **more: Any) -> None:
        """A load comes up, the carriers answer as scripted, and so much time passes."""
        await self.partners.post(
            "tms", "/script", {"scripts": [{"shipment": number, **one} for one in scripts]}
        )
        shipment = {
            "number": number,
            "mode": "road",
            "ship_to": {"city": "Chicago", "postal_code": "60601", "country": "US"},
            "packages": [{"id": f"{number}-1", "weight": {"value": "400", "unit": "KGM"}}],
            **more,
        }
        await self.put("shipment.created", shipment)
        await self.wait(hours)

    async def put(self, type_: str, data: Any, **about: str) -> None:
        keys = about or {"shipment": data["number"]}
        one = Arrival(id=f"{type_}/{keys}", source="tests", type=type_, time=self.now, data=data, about=keys)
        await self.system.inbox.put(self.system.tenant, [one])

    async def at(self, hour: float) -> None:
        """Let it become that hour: of this day, or of the next."""
        await self.wait((hour - self.now.hour - self.now.minute / 60) % 24)

    async def wait(self, hours: float) -> None:
        """Let time pass on both sides, ten minutes at a time, so that what comes is decided before it goes on."""
        until = self.now + timedelta(hours=hours)
        while self.now < until:
            await self._quiet()
            self.now += WITHIN_ONE
            await self.partners.step_to(self.now)
            await self._quiet()
            await self.system.clock.step_to(self.now)
        await self._quiet()

    async def _quiet(self) -> None:
        async with asyncio.timeout(60):
            while (await idle_until(self.system.database)).busy:
                await asyncio.sleep(0.01)

    async def run(self, number: str) -> Any:
        """The run of `tender-shipment` for that load."""
        rows = await self.system.history.find(self.system.tenant, number, kind="shipment")
        (row,) = [row for row in rows if row.process == "tender-shipment"]
        return await self.system.history.run(self.system.tenant, row.id)

    async def ended(self, number: str) -> tuple[str, str, int]:
        """How the run stands, who has the load, and how many carriers think that they have it."""
        detail = await self.run(number)
        output = detail.state.steps["next"].output or {}
        trucks = [state for _, state in await self.tenders(number) if state in ("accepted", "pending")]
        return detail.run.status, output.get("carrier", ""), len(trucks)

    async def tenders(self, number: str) -> list[tuple[str, str]]:
        """Whom the planner was asked to offer it to, and what it says of each."""
        url = f"{self.partners.services['tms']['url']}/v2/tenders?shipment={number}"
        headers = {"Authorization": "Token crossdock:waypost-demo"}
        async with self.partners.session.get(url, headers=headers) as answer:
            found = (await answer.json())["tenders"]
        return [(one["carrier"], one["status"]) for one in found]

    async def fault(self, kind: str, operation: str, **more: Any) -> None:
        await self.partners.post(
            "tms", "/faults", {"fault": kind, "operation": operation, "count": 1, **more}
        )

    async def exceptions(self, number: str) -> list[str]:
        rows = await self.system.history.exceptions(self.system.tenant, most=1000)
        return sorted(row.type for row in rows if row.key == number)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """One installation and one sandbox for all loads."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database tendering template template strategy file_copy")
    here: Path = tmp_path_factory.mktemp("tendering")
    settings = settings_in(
        here, data=str(here), database_url=server.url("tendering"), connections=str(here / "connections.yaml")
    )
    async with contextlib.AsyncExitStack() as stack:
        system = await stack.enter_async_context(opened(settings, set_up=True))
        await system.clock.set(MONDAY, rate=0)
        by = system.whoever("test")
        await system.acts.settings.change(by, settings={"freight_limit": "100000"}, calendars=CALENDARS)
        await system.acts.processes.publish(by, {"a-load.yaml": A_LOAD})
        sandbox = await stack.enter_async_context(partners(MONDAY))
        await system.acts.connections.put(by, sandbox.connections(), where="test")
        url = await stack.enter_async_context(pages(system, port=0, fallback=True))
        await sandbox.post("tms", "/configure", {"webhook_url": f"{url}/hooks/{system.tenant.name}/tms"})
        await stack.enter_async_context(system.worker())
        yield Desk(system, sandbox, MONDAY)
    await owner.execute("drop database tendering with (force)")
    await owner.close()


async def test_a_carrier_that_does_not_answer_by_its_calendar_loses_the_load_and_its_late_yes_books_nothing(
    desk: Desk,
) -> None:
    await desk.at(8)
    late = {"carrier": "oldbridge", "after_minutes": 300, "insists": True}
    await desk.load("L-1", late, {"carrier": "farrow", "after_minutes": 20}, hours=3.5)
    assert await desk.tenders("L-1") == [("oldbridge", "pending")]  # two hours of its day end at 12:00
    await desk.wait(2)
    assert await desk.tenders("L-1") == [("oldbridge", "withdrawn"), ("farrow", "accepted")]
    assert await desk.ended("L-1") == ("completed", "farrow", 1)


async def test_a_late_yes_that_comes_while_others_are_asked_is_shown_to_a_person(desk: Desk) -> None:
    await desk.at(13.5)
    late = {"carrier": "oldbridge", "after_minutes": 180, "insists": True}
    await desk.load("L-2", late, {"carrier": "farrow", "after_minutes": 100}, hours=5)
    assert await desk.ended("L-2") == ("completed", "farrow", 1)
    assert await desk.exceptions("L-2") == ["other_exception"]


async def test_a_tender_whose_answer_is_lost_is_found_and_not_sent_twice(desk: Desk) -> None:
    await desk.at(10.5)  # before the cut-offs
    await desk.fault("timeout_after", "tender.create", seconds=0.2)
    await desk.load("L-3", {"after_minutes": 20}, hours=2)
    assert await desk.tenders("L-3") == [("oldbridge", "accepted")]
    assert await desk.ended("L-3") == ("completed", "oldbridge", 1)


async def test_a_yes_that_is_said_twice_and_sent_twice_books_once(desk: Desk) -> None:
    await desk.at(12.5)
    await desk.fault("duplicate", "tender.accepted")
    await desk.load("L-4", {"after_minutes": 20, "times": 2}, hours=1)
    assert await desk.ended("L-4") == ("completed", "oldbridge", 1)
    assert (await desk.partners.ledger("tms"))["counts"]["appointment.create"]["L-4"] == 1
    assert await desk.exceptions("L-4") == []


async def test_a_no_that_comes_after_the_next_ones_yes_changes_nothing(desk: Desk) -> None:
    await desk.at(13.5)
    await desk.fault("out_of_order", "tender.declined")  # held until something else of this load is told
    no = {"carrier": "oldbridge", "answer": "decline", "after_minutes": 10, "reason": "no trucks"}
    await desk.load("L-5", no, {"carrier": "farrow", "after_minutes": 20}, hours=4)
    assert await desk.tenders("L-5") == [("oldbridge", "declined"), ("farrow", "accepted")]
    assert await desk.ended("L-5") == ("completed", "farrow", 1)


async def test_a_yes_that_never_arrives_by_webhook_is_read_from_the_feed(desk: Desk) -> None:
    await desk.at(17.5)
    await desk.fault("lost_webhook", "tender.accepted")
    await desk.load("L-6", {"after_minutes": 5}, hours=0.2)

    async def is_booked() -> bool:
        return (await desk.run("L-6")).run.status == "completed"

    async with asyncio.timeout(60):
        while not await is_booked():
            await desk.wait(1 / 6)
            await asyncio.sleep(0.2)
    assert await desk.ended("L-6") == ("completed", "oldbridge", 1)


async def test_where_nobody_takes_it_a_person_reads_who_said_what_and_books_one(desk: Desk) -> None:
    await desk.at(9)
    no = {"answer": "decline", "after_minutes": 10, "reason": "no trucks"}
    await desk.load("L-7", no, hours=3)
    detail = await desk.run("L-7")
    assert (detail.run.status, detail.state.steps["next"].status) == ("held", "held")
    assert detail.state.steps["next"].reason.count("declined: no trucks") == 4
    assert await desk.exceptions("L-7") == ["no_carrier"]
    assert set(await desk.tenders("L-7")) == {(c, "declined") for c in ("oldbridge", "farrow", "quayline")}


async def test_the_slot_is_asked_for_and_agreed_on_later(desk: Desk) -> None:
    await desk.at(12)
    await desk.load("L-8", {"dock": {"confirm_after_minutes": 40}}, hours=0.5)
    detail = await desk.run("L-8")
    assert (detail.run.status, detail.state.steps["slot_agreed"].status) == ("active", "waiting")
    await desk.wait(0.5)
    assert await desk.ended("L-8") == ("completed", "oldbridge", 1)
