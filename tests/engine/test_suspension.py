"""A tenant that is suspended: nothing enters, nothing is decided, nothing leaves, and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest
from played import Engine, chain, event, order

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.tenants import Tenants
from crossdock.engine import History, Inbox, Library
from crossdock.engine.inbox import Suspended
from crossdock.process.messages import CallEnded

WHY = "the contract has ended"


@pytest.fixture
async def tenants(database) -> Tenants:
    await database.create_tenant("operator")
    return Tenants(database, Audit(database))


@pytest.fixture
async def operator(database, tenants) -> Principal:
    return Principal(tenant=(await database.tenant("operator")).id, id="root", kind="human")


async def entered(engine: Engine, number: str) -> None:
    """Put an order in as soon as it is taken."""
    until = time.monotonic() + 10
    while True:
        try:
            await engine.inbox.put(engine.tenant, [order(number)])
        except Suspended:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        else:
            return


async def refused(engine: Engine) -> str:
    """What is said when nothing is taken in any more."""
    n = 0
    while True:
        try:
            await engine.inbox.put(engine.tenant, [event("nothing", {}, order=f"N-{n}")])
        except Suspended as error:
            return error.message
        n += 1
        assert n < 200
        await asyncio.sleep(0.05)


async def test_nothing_enters_and_people_are_told_why(engine, tenants, operator):
    await engine.publish(chain(steps=1))
    await tenants.suspend("acme", operator, why=WHY)
    assert await refused(engine) == f"the tenant acme is suspended: {WHY}"
    assert await engine.history.runs(engine.tenant) == []
    await tenants.resume("acme", operator)
    async with engine.working():
        await entered(engine, "SO-1")
        await engine.ended("SO-1")


async def test_what_waits_is_neither_decided_nor_called_until_the_tenant_is_resumed(
    engine, tenants, operator
):
    await engine.publish(chain(steps=2))
    await engine.inbox.put(engine.tenant, [order("SO-1"), order("SO-2")])
    await tenants.suspend("acme", operator, why=WHY)
    async with engine.working() as worker:
        for _ in range(20):  # looks of the worker
            await asyncio.sleep(0.05)
        assert (worker.decisions, engine.world.calls) == (0, [])
        await tenants.resume("acme", operator)
        await engine.ended("SO-1")
        await engine.ended("SO-2")
    await engine.assert_sound()


async def test_a_call_that_is_out_comes_back_and_its_answer_waits(engine, tenants, operator):
    out, go = asyncio.Event(), asyncio.Event()

    async def slow(leased) -> CallEnded:
        out.set()
        await go.wait()
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = slow
    await engine.publish(chain(steps=2))
    async with engine.working() as worker:
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await out.wait()
        await tenants.suspend("acme", operator, why=WHY)
        await refused(engine)
        await asyncio.sleep(0.2)  # some turns of the worker: it has heard of it
        decided = worker.decisions
        go.set()
        for _ in range(20):
            await asyncio.sleep(0.05)
        assert (worker.decisions, len(engine.world.calls)) == (decided, 1)
        (row,) = await engine.history.find(engine.tenant, "SO-1")
        assert (await engine.history.run(engine.tenant, row.id)).waiting == 1
        await tenants.resume("acme", operator)
        await engine.ended("SO-1")
    assert set(engine.world.done.values()) == {1}
    await engine.assert_sound()


async def test_others_go_on_as_before(engine, tenants, operator, database):
    await engine.publish(chain(steps=2))
    other = await database.create_tenant("zeta")
    library = Library(database, engine.library._read)
    theirs = Engine(
        database, other, library, Inbox(database, library), History(database), engine.clock, engine.world
    )
    await theirs.connect()
    await theirs.publish(chain(steps=2))
    await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(40)])
    await tenants.suspend("acme", operator, why=WHY)
    async with engine.working():
        for n in range(5):
            await theirs.inbox.put(other, [order(f"Z-{n}")])
        for n in range(5):
            await theirs.ended(f"Z-{n}")
        assert {call.tenant for call in engine.world.calls} == {other.id}
