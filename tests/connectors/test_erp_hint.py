"""A push of Odoo proves who sends it and no more: it is a hint, and the feed tells what there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from erp_world import World, house_of, world_of

from crossdock.connect.signatures import NotVerified
from crossdock.gateway import Poller, Receiver, Unverified
from crossdock.store import Clock, Database

pytestmark = pytest.mark.asyncio(loop_scope="module")

HINT = b'{"_action": "Tell(#3)", "_id": 7, "_model": "sale.order", "name": "S00001", "state": "sale"}'
TOLD = "select type from crossdock.parked where tenant = crossdock.tenant() order by id"


@pytest_asyncio.fixture(loop_scope="module")
async def odoo(ground: Database) -> AsyncIterator[World]:
    """An Odoo whose feeds were read, at a time that stands still: they are not due again."""
    clock = Clock(ground)
    await clock.set(datetime(2026, 3, 2, 10, tzinfo=UTC), rate=0)
    async with world_of("odoo", ground) as world:
        await read(world)
        yield world
    await clock.follow_real()


def ordered(world: World, *numbers: str) -> None:
    house = house_of(world)
    house.begin()
    for number in numbers:
        house.order(number)


async def read(world: World) -> int:
    """How many feeds were due; all of them are read."""
    poller = Poller(world.database, world.inbox, world.lines, world.calls, world.registry)
    found = 0
    while due := await poller.turn():
        found += due
    return found


async def push(world: World, key: str = "hook") -> Any:
    senders: Any = None  # nobody shows a token here
    receiver = Receiver(world.database, world.inbox, world.lines, senders)
    message = Unverified(
        tenant=world.tenant.name, connection="erp", headers=[], body=HINT, query=[("key", key)], origin=""
    )
    return await receiver.receive(message)


async def test_what_was_pushed_is_read_at_once_and_what_push_lost_is_read_with_it(odoo: World) -> None:
    ordered(odoo, "S00001", "S00002")
    assert await read(odoo) == 0
    assert (await push(odoo)).events == 0
    assert await read(odoo) == 2  # both of its feeds
    assert await odoo.fetch(TOLD) == [("order.released",)] * 2
    await push(odoo)  # a second delivery of the same
    await read(odoo)
    assert await odoo.fetch(TOLD) == [("order.released",)] * 2


async def test_one_that_is_not_theirs_hints_at_nothing(odoo: World) -> None:
    ordered(odoo, "S00001")
    with pytest.raises(NotVerified):
        await push(odoo, key="guess")
    assert await read(odoo) == 0


async def test_a_hint_while_it_is_read_has_it_read_once_more(odoo: World) -> None:
    ordered(odoo, "S00001")
    await push(odoo)
    pushes: list[asyncio.Task[Any]] = []

    def meanwhile(what: str) -> web.Response | None:
        if what == "after sale.order.search_read" and not pushes:  # it has been asked already
            pushes.append(asyncio.create_task(push(odoo)))
        return None

    odoo.erp.trouble = meanwhile
    poller = Poller(odoo.database, odoo.inbox, odoo.lines, odoo.calls, odoo.registry)
    assert await poller.turn() == 2
    await asyncio.gather(*pushes)
    assert len(pushes) == 1
    assert await read(odoo) == 2


async def test_a_feed_that_fails_keeps_its_pause(odoo: World) -> None:
    async with odoo.database.engine() as transaction:
        await transaction.execute("update crossdock.feed set failures = 3 where tenant = $1", odoo.tenant.id)
    await push(odoo)
    assert await read(odoo) == 0
