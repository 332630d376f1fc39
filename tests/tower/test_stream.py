"""Open pages hear of changes: one look at the database for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from crossdock.errors import Forbidden
from held import Held
from played_orders import event, order


@contextlib.asynccontextmanager
async def listening(tower):
    """An open stream; gives a function that waits for the next event of a name."""
    async with tower.http.get(tower.url + "/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def hear(name: str):
            async with asyncio.timeout(15):
                found = ""
                while True:
                    line = (await answer.content.readline()).decode().rstrip("\n")
                    assert answer.content.at_eof() is False, "the stream has ended"
                    if line.startswith("event: "):
                        found = line.removeprefix("event: ")
                    elif line.startswith("data: ") and found == name:
                        return json.loads(line.removeprefix("data: "))

        yield hear


async def test_a_change_names_the_runs_it_concerns(tower):
    async with tower.working(), listening(tower) as hear:
        assert await hear("clock") == "Mon 4 May 2026 10:00"
        await tower.put(order("SO-1"))
        detail = await tower.steps("SO-1", packed="waiting")
        assert await hear("change") == {"runs": [detail.run.id], "more": False}


async def test_an_event_that_no_run_claims_is_a_change_too(tower):
    async with listening(tower) as hear:
        await hear("clock")
        await tower.put(event("shipment.delivered", {"shipment": "S-404"}, shipment="S-404"))
        assert await hear("change") == {"runs": [], "more": False}


async def test_many_open_pages_ask_the_database_no_more_than_one(tower):
    async with contextlib.AsyncExitStack() as stack:
        hears = [await stack.enter_async_context(listening(tower)) for _ in range(20)]
        stream = tower.site.state.stream
        await hears[0]("clock")
        before, loop = stream.looks, asyncio.get_running_loop()
        start = loop.time()
        await tower.put(event("shipment.delivered", {"shipment": "S-1"}, shipment="S-1"))
        assert await asyncio.gather(*(hear("change") for hear in hears)) == [{"runs": [], "more": False}] * 20
        assert stream.looks - before <= 2 + (loop.time() - start) / 0.5


async def test_nobody_listening_costs_nothing(tower):
    stream = tower.site.state.stream
    async with listening(tower) as hear:
        await hear("clock")

    async def is_quiet():
        return stream.idle

    await tower.until(is_quiet)
    looks = stream.looks
    await tower.put(event("shipment.delivered", {"shipment": "S-1"}, shipment="S-1"))
    assert stream.looks == looks


async def test_closing_the_stream_ends_it_for_all_pages(tower):
    async with tower.http.get(tower.url + "/stream") as answer:
        await answer.content.readline()
        await tower.site.state.stream.close()
        async with asyncio.timeout(10):
            assert b"event" not in (await answer.content.read()).replace(b"event: clock", b"")


async def test_who_may_see_nothing_any_more_hears_nothing_more(tower):
    tower.seen_by("vera", "viewer")
    async with tower.http.get(tower.url + "/stream") as answer:
        heard = b""
        while b"event: clock" not in heard:
            heard += await answer.content.readany()
        tower.seen_by("vera", "operator-admin")  # which is nothing in this tenant
        await tower.put(event("shipment.delivered", {"shipment": "S-404"}, shipment="S-404"))
        async with asyncio.timeout(15):
            rest = await answer.content.read()  # to the end of the answer
        assert b"event: change" not in rest
    await tower.get("/stream", status=403)


async def test_a_table_as_a_file_breaks_off_when_who_reads_it_may_not_any_more(tower):
    await tower.put(*(order(f"SO-{n}") for n in range(1001)))

    async def taken() -> None:
        tower.seen_by("vera", "operator-admin")

    tower.seen_by("vera", "viewer")
    file = Held(tower.site, "/runs.csv", host="here")
    with pytest.raises(RuntimeError) as broken:  # of the server, whose answer has begun
        await file.meanwhile(taken)
    assert isinstance(broken.value.__cause__, Forbidden)
    assert (file.whole, file.body.count(b"SO-0,")) == (False, 0)  # the oldest comes last
