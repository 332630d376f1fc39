"""Calls of real runs, by a real worker, to a partner over HTTP that fails in each way: done once, always."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest
from aiohttp import web
from partner_depot import depot

from crossdock.connect import catalogue
from crossdock.engine import Arrival, History, Inbox, Library, Pace, Worker
from crossdock.process.publish import reopen

PROCESS = """
process: picking
title: One pick
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  pick:
    call: wms.create_pick
    with: { order: "${ order }" }
    retry: { attempts: 6, backoff: fixed, first: 1s }
    undo: none
"""


def released(number):
    data = {
        "number": number,
        "customer": {"id": "C1"},
        "lines": [{"number": "1", "item": "KIT", "quantity": {"value": "2", "unit": "EA"}}],
    }
    return Arrival(
        id=number,
        source="tests",
        type="order.released",
        time=datetime(2026, 3, 2, tzinfo=UTC),
        data=data,
        about={"order": number},
    )


class Faulty:
    """Does as asked, but for the first requests that change something: those meet a fault each."""

    def __init__(self, partner, faults) -> None:
        self.partner = partner
        self.faults = list(faults)
        self.posts = 0
        partner.answer = self.answer

    async def answer(self, request):
        if request.method == "GET":
            return await self.partner.do(request)
        self.posts += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault in ("429", "503"):
            return web.Response(status=int(fault), headers={"Retry-After": "1"})
        if fault == "500":
            return web.Response(status=500)
        reply = await self.partner.do(request)
        if fault == "500 after":
            return web.Response(status=500)
        if fault == "cut after":
            request.transport.abort()
        if fault == "half after":
            return web.Response(status=201, body=b'{"id": "P')
        return reply


@contextlib.asynccontextmanager
async def working(bench, connector):
    names = catalogue([connector])
    library = Library(bench.database, lambda text, *_: reopen(text, names))
    calls = await bench.calls(connector)
    await library.publish(bench.tenant, PROCESS)
    inbox = Inbox(bench.database, library)
    worker = Worker(bench.database, library, calls, Pace(look=0.05))
    inbox.hear = worker.hear
    running = asyncio.create_task(worker.run())
    yield inbox
    worker.stop()
    await running


async def ended(bench, number):
    history = History(bench.database)
    async with asyncio.timeout(30):
        while True:
            found = await history.find(bench.tenant, number)
            if found:
                detail = await history.run(bench.tenant, found[0].id)
                if detail.run.status != "active":
                    return detail.run.status
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("faults", "posts"),
    [
        ([], 1),
        (["429", "503"], 3),
        (["500 after"], 1),
        (["cut after"], 1),
        (["half after"], 1),
        (["500", "500 after"], 2),
    ],
)
async def test_whatever_happens_on_the_way_it_is_done_once(bench, faults, posts):
    faulty = Faulty(bench.partner, faults)
    async with working(bench, depot()) as inbox:
        await inbox.put(bench.tenant, [released("SO-1")])
        assert await ended(bench, "SO-1") == "completed"
    assert len(bench.partner.things) == 1
    assert faulty.posts == posts


async def test_what_cannot_be_found_out_goes_to_a_person_and_is_not_repeated(bench):
    faulty = Faulty(bench.partner, ["500 after"])
    async with working(bench, depot(pick={"idempotency": "none", "find": None})) as inbox:
        await inbox.put(bench.tenant, [released("SO-1")])
        assert await ended(bench, "SO-1") == "held"
    assert faulty.posts == 1
    (case,) = await History(bench.database).exceptions(bench.tenant)
    assert case.type == "unknown_outcome"
