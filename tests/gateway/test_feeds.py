"""Feeds read with a cursor, from a partner over real HTTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from crossdock.engine import Connections
from crossdock.store import Clock


class Source:
    """A partner with a feed of records, three a page."""

    def __init__(self) -> None:
        self.records = []
        self.asked = []
        self.fails = 0

    async def handle(self, request):
        after = int(request.query["after"] or 0)
        self.asked.append(after)
        if self.fails:
            self.fails -= 1
            return web.Response(status=500)
        page = self.records[after : after + 3]
        following = after + len(page)
        return web.json_response({"records": page, "next": following, "more": following < len(self.records)})


def delivered(number, **more):
    return {
        "what": "delivered",
        "shipment": f"S-{number}",
        "at": "2026-03-02T10:00:00Z",
        "id": f"e{number}",
        **more,
    }


@pytest.fixture
async def source(doors):
    source = Source()
    app = web.Application()
    app.router.add_get("/feed", source.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await Connections(doors.database).put(
        doors.tenant, "depot", system="wms", connector="depot", settings={"url": url}
    )
    yield source
    await runner.cleanup()


async def later(doors):
    """Let time pass for the feeds."""
    await Clock(doors.database).step(timedelta(hours=1))


async def test_a_feed_is_read_page_by_page_to_its_end_and_on_from_there(doors, source):
    source.records = [delivered(n) for n in range(7)]
    assert await doors.poller.turn() == 1
    assert source.asked == [0, 3, 6]
    assert [e["id"] for e in await doors.parked()] == [f"e{n}" for n in range(7)]
    assert await doors.poller.turn() == 0
    source.records.append(delivered(7))
    await later(doors)
    await doors.poller.turn()
    assert source.asked == [0, 3, 6, 7]
    assert len(await doors.parked()) == 8


async def test_what_was_pushed_already_is_not_taken_again(doors, source):
    await doors.send(b'{"what": "delivered", "shipment": "S-0", "at": "2026-03-02T10:00:00Z", "id": "e0"}')
    source.records = [delivered(0), delivered(1)]
    await doors.poller.turn()
    assert [e["id"] for e in await doors.parked()] == ["e0", "e1"]


async def test_a_lost_cursor_reads_all_again_and_takes_nothing_twice(doors, source):
    source.records = [delivered(n) for n in range(4)]
    await doors.poller.turn()
    async with doors.database.engine() as transaction:
        await transaction.execute("delete from crossdock.feed")
    await doors.poller.turn()
    assert source.asked == [0, 3, 0, 3]
    assert len(await doors.parked()) == 4


async def test_one_record_that_cannot_be_read_stops_no_other(doors, source):
    source.records = [delivered(0), delivered(1, what="eaten", weight=4.10), delivered(2)]
    await doors.poller.turn()
    assert [e["id"] for e in await doors.parked()] == ["e0", "e2"]
    (found,) = await doors.quarantine.list(doors.tenant)
    assert (found.feed, found.connection) == ("feed", "depot")
    assert "unknown word 'eaten'" in found.reason
    shown = await doors.quarantine.show(doors.tenant, found.id)
    assert b'"weight":4.1' in shown.body
    assert (await doors.quarantine.replay(doors.tenant, found.id)).outcome == "quarantined"


async def test_a_feed_that_fails_keeps_its_cursor_and_is_tried_again_more_slowly(doors, source):
    source.records = [delivered(n) for n in range(5)]
    await doors.poller.turn()
    source.fails = 2
    for failures in (1, 2):
        await later(doors)
        await doors.poller.turn()
        (row,) = await doors.rows("select cursor, failures, error from crossdock.feed")
        assert (row["cursor"], row["failures"]) == ("5", failures)
        assert "answered 500" in row["error"]
    await later(doors)
    source.records.append(delivered(5))
    await doors.poller.turn()
    (row,) = await doors.rows("select cursor, failures, error from crossdock.feed")
    assert (row["cursor"], row["failures"], row["error"]) == ("6", 0, "")


async def test_a_connection_that_is_stopped_is_not_read(doors, source):
    await Connections(doors.database).stop(doors.tenant, "depot", by="jo")
    assert await doors.poller.turn() == 0
    assert source.asked == []


async def test_a_turn_that_fails_does_not_end_the_reading(doors, source):
    source.records = [delivered(1)]
    owner = await asyncpg.connect(doors.database.url)
    await owner.execute("alter table crossdock.feed rename to feed_away")
    reading = asyncio.create_task(doors.poller.run(look=0.02))
    with capture_logs() as told:
        async with asyncio.timeout(10):
            while not any(line["event"] == "poll.turn_failed" for line in told):
                await asyncio.sleep(0.01)
    await owner.execute("alter table crossdock.feed_away rename to feed")
    await owner.close()
    async with asyncio.timeout(10):
        while not source.asked:
            await asyncio.sleep(0.01)
    reading.cancel()
