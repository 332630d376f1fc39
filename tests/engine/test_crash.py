"""Workers are killed at random points, the other side fails in its ways: at the end the accounts must balance."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from played import chain, order

ORDERS = 40
STEPS = 5
LEASE = 1.0


class Ledger:
    """The other side: does each thing when it is told, and writes down what it was told twice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.asked = 0
        self.faults = True

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/do", self.do), web.get("/find", self.find)])
        return app

    async def do(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        fault = self.random.random() if self.faults else 1.0
        if fault < 0.05:
            return web.Response(status=503)
        await asyncio.sleep(self.random.random() * 0.02)
        self.done[request.query["key"]] += 1
        if fault < 0.10:  # done, but nobody is told
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"ok": True})

    async def find(self, request: web.Request) -> web.StreamResponse:
        known = self.done[request.query["key"]]
        return web.json_response({"ok": True}) if known else web.Response(status=404)


async def _spawn(url: str, ledger: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("crash_worker.py")),
        *(url, ledger, str(LEASE)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"at work"
    return process


@pytest.mark.parametrize("seed", [1])
async def test_killed_workers_lose_nothing_and_repeat_nothing(engine, seed):
    chance = random.Random(seed)
    ledger = Ledger(seed)
    await engine.publish(
        chain(steps=STEPS).replace(
            "undo: none", "undo: none\n    retry: { first: 1s, most: 2s, attempts: 30 }"
        )
    )
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(ledger.app())
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        workers = [await _spawn(engine.database.url, url) for _ in range(2)]
        try:
            putting = asyncio.create_task(_put_in_parts(engine, chance))
            for _ in range(4):
                await asyncio.sleep(0.2 + chance.random() * 0.6)
                victim = chance.randrange(len(workers))
                workers[victim].kill()
                await workers[victim].wait()
                workers[victim] = await _spawn(engine.database.url, url)
            await putting
            ledger.faults = False

            async def all_ended():
                rows = await engine.sql("select count(*) as n from crossdock.run where status = 'completed'")
                return rows[0]["n"] == ORDERS

            async with asyncio.timeout(60):
                while not await all_ended():
                    await asyncio.sleep(0.1)
        finally:
            for worker in workers:
                worker.kill()
                await worker.wait()
    assert len(ledger.done) == ORDERS * STEPS
    twice = {key: n for key, n in ledger.done.items() if n > 1}
    assert twice == {}, f"seed {seed}"
    await engine.assert_sound()


async def _put_in_parts(engine, chance):
    numbers = [f"SO-{n}" for n in range(ORDERS)]
    while numbers:
        part, numbers = numbers[:5], numbers[5:]
        receipts = await engine.inbox.put(engine.tenant, [order(number) for number in part])
        assert [r.fate for r in receipts] == ["routed"] * len(part)
        again = await engine.inbox.put(engine.tenant, [order(number) for number in part])
        assert [r.fate for r in again] == ["duplicate"] * len(part)
        await asyncio.sleep(chance.random() * 0.2)
