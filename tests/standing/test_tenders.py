"""A planner that neither pushes nor lists is asked how each open tender stands, until it is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from standing_world import World
from structlog.testing import capture_logs

from crossdock.connect import Registry, Wire, from_yaml
from crossdock.engine import Arrival
from crossdock.installed import Installed, pack
from crossdock.store import Database, EmbeddedServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLANNER = """
connector: plain_tms
title: A planner that only answers
version: 1
doc: The planner of the sandbox, as one would see it that neither pushes nor lists.
serves: tms
settings:
  url: { doc: Where it answers }
secrets:
  key: Its key
  secret: Its secret
sign_in:
  headers: { Authorization: "Token ${ secrets.key }:${ secrets.secret }" }
operations:
  rate:
    post: /v2/rate-requests
    json:
      reference: ${ input.shipment.number }
      to: { country: "${ input.shipment.ship_to.country }" }
      packages: [{ weight_g: 400000 }]
    result:
      offers:
        each: ${ reply.quotes }
        as: quote
        give:
          carrier: ${ quote.carrier }
          service: ${ quote.service }
          price: { amount: "100", currency: USD }
          offer: ${ quote.quote_id }
  tender:
    idempotency: key
    post: /v2/tenders
    json: { client_id: "${ key }", quote_id: "${ input.offer }", shipment: "${ input.shipment.number }" }
    result: { tender: "${ reply.tender_id }", state: offered }
  tender_state:
    get: /v2/tenders/${ input.tender }
    result:
      state: '${ reply.status == "pending" ? "offered" : reply.status }'
      reason: '${ reply.reason == "" ? null : reply.reason }'
      carrier: ${ reply.carrier }
  withdraw:
    idempotency: natural
    post: /v2/tenders/${ input.tender }/withdraw
    json: {}
    accept: [409]
    result: {}
"""
LOAD = """
process: a-load
title: A load that is to go
owner: transport-desk
document: Shipment
key: ${ shipment.number }
start: { on: shipment.created }
steps:
  tendered: { run: tender-shipment }
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(server: EmbeddedServer, sandbox: dict[str, Any]) -> AsyncIterator[World]:
    """One in which that planner is installed."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database tenders template template strategy file_copy")
    database, wire = await Database.open(server.url("tenders")), Wire()
    found = Installed.find()
    plain = from_yaml(PLANNER, file="plain_tms.yaml")
    found.connectors = Registry.of([*found.connectors.connectors.values(), plain])
    async with aiohttp.ClientSession() as http:
        world = World(database, sandbox, http, wire, found, {**pack("distribution"), "a-load": LOAD})
        async with world.working():
            yield world
    await wire.close()
    await database.close()
    await owner.execute("drop database tenders with (force)")
    await owner.close()


async def load(
    world: World, number: str, *scripts: dict[str, Any], connector: str = "plain_tms", slot: str = "none"
) -> None:
    """A load comes up, and is offered to the first carrier. Of a planner without slots, a run that asks for one stays."""
    await world.connections.put(
        world.tenant, "tms", system="tms", connector=connector, settings={"url": world.services["tms"]["url"]}
    )
    await world.library.set_reference(world.tenant, settings={"appointment": slot}, calendars={})
    for script in scripts:
        await world.script("tms", shipment=number, **script)
    shipment = {
        "number": number,
        "mode": "road",
        "ship_to": {"city": "Chicago", "postal_code": "60601", "country": "US"},
    }
    await put(world, "shipment.created", shipment, shipment=number)


async def put(world: World, type_: str, data: Any, **about: str) -> None:
    one = Arrival(id=f"{type_}/{about}", source="tests", type=type_, data=data, about=about)
    await world.inbox.put(world.tenant, [one])
    await world.rest()


async def ask(world: World, **delta: float) -> int:
    """Time passes, and open tenders are asked for; nothing is pushed and no feed is read."""
    await world.advance(poll=False, **delta)
    asked = await world.tracker.turn()
    await world.rest()
    return asked


async def told(world: World) -> list[tuple[str, str]]:
    """What was decided of tenders and bookings, in order: type and carrier."""
    rows = await world.fetch(
        "select type, convert_from(event, 'UTF8')::json -> 'data' -> 'carrier' ->> 'id' as carrier "
        "from crossdock.history where tenant = crossdock.tenant() and type like 'tender.%' order by stored"
    )
    return [(row["type"], row["carrier"]) for row in rows]


async def test_a_tender_is_asked_for_until_it_is_answered(world: World) -> None:
    decline = {"carrier": "oldbridge", "answer": "decline", "reason": "no truck", "after_minutes": 12}
    await load(world, "L-1", decline, {"after_minutes": 20})
    for _ in range(2):
        assert await ask(world, minutes=5.5) == 1
    assert await told(world) == []
    await ask(world, minutes=5.5)
    assert await told(world) == [("tender.declined", "oldbridge")]
    for _ in range(5):
        await ask(world, minutes=5.5)
    run = await world.run("tender-shipment", "L-1")
    second = run.steps["next"].output["carrier"]
    assert await told(world) == [("tender.declined", "oldbridge"), ("tender.accepted", second)]
    assert run.steps["booked"].status == "succeeded"
    assert second != "oldbridge"
    before = len((await world.control("tms", "/ledger?detail=requests"))["requests"])
    assert [await ask(world, minutes=20) for _ in range(2)] == [0, 0]
    assert len((await world.control("tms", "/ledger?detail=requests"))["requests"]) == before


@pytest.mark.parametrize("pushed_first", [True, False])
async def test_an_answer_that_is_pushed_as_well_books_once(world: World, *, pushed_first: bool) -> None:
    await load(world, "L-2", {"after_minutes": 4}, slot="pickup")
    assert await ask(world, seconds=30) == 1
    number = (await world.run("tender-shipment", "L-2")).steps["tender"].output["tender"]
    await world.advance(poll=False, minutes=4)
    pushed = {"number": number, "carrier": {"id": "oldbridge"}}
    if pushed_first:
        await put(world, "tender.accepted", pushed, tender=number)
    assert await ask(world, minutes=5) == 1
    assert await told(world) == [("tender.accepted", "oldbridge")]
    if not pushed_first:
        await put(world, "tender.accepted", pushed, tender=number)
    run = await world.run("tender-shipment", "L-2")
    assert (run.status, run.steps["answered"].redo, run.steps["booked"].status) == ("held", 0, "succeeded")
    assert await world.exceptions() == [("refused_by_partner", run.steps["slot"].reason, True)]
    assert await ask(world, minutes=6) == 0


async def test_a_planner_that_is_away_is_asked_again_later_and_one_that_lists_is_not_asked(
    world: World,
) -> None:
    await load(world, "L-3", {"after_minutes": 4})
    with capture_logs() as log:
        await world.control("tms", "/faults", {"fault": "outage"})
        for minutes in (5.5, 5.5, 11):
            assert await ask(world, minutes=minutes) == 1
        assert await told(world) == []
        await world.http.delete(world.services["tms"]["url"] + "/faults")
        for _ in range(3):
            await ask(world, minutes=21)
    of_it = [one["event"] for one in log if one["event"].startswith("tracking.")]
    assert of_it == ["tracking.failed", "tracking.answers_again"]  # once for the outage, not with each try
    assert [type_ for type_, _ in await told(world)] == ["tender.accepted"]
    await load(world, "L-4", {"after_minutes": 40}, connector="waypost_tms")
    assert [await ask(world, minutes=6) for _ in range(2)] == [0, 0]
