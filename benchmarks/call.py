"""What a call costs in the worker: by a connector, beside a POST with aiohttp alone, to one local server.

The server answers at once, from a process of its own. Each sends the same JSON with the same headers, 32 at a
time, in turns of some hundred calls; the CPU that this process spends in a turn is divided by its calls.

python_us        a connector in Python: input and output checked, request built, answer read, counted
declarative_us   the same in YAML
recorded_us      the Python one while its traffic is recorded, without secrets and personal data
*_ratio          over the POST alone, taken in the same turns
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from benchmarks import Figure
from benchmarks._ground import ground, order, scaled
from benchmarks.engine.processes import StubProcess
from crossdock.connect import Calls, Connector, Lines, Registry, Watch, Wire, from_yaml
from crossdock.connect.contract import Context, Operation, Request, Response, Setting, exchange
from crossdock.connect.secret import Secret
from crossdock.connect.sign_in import secret_headers
from crossdock.engine import Connections, LeasedCall
from crossdock.process.messages import Call

AT_ONCE = 32
LONG = aiohttp.ClientTimeout(total=None, sock_connect=5)
KINDS = {"python": "written", "declarative": "declared", "recorded": "written"}
TURN = 640  # calls
DECLARED = """
connector: declared
title: Declared
version: 1
serves: bench
settings:
  url: { doc: Where it answers }
secrets:
  key: Its key
sign_in:
  headers: { X-Key: "${ secrets.key }" }
operations:
  book:
    doc: Book it.
    input: { number: string, customer: string }
    output: { reference: string }
    changes: true
    idempotency: key
    post: /book
    json: { reference: "${ key }", number: "${ input.number }", customer: "${ input.customer }" }
    result: { reference: "${ reply.reference }" }
"""
HEADERS = {"X-Key": "a-key-of-some-length", "User-Agent": "Crossdock", "Accept": "application/json, */*"}
Once = Callable[[int], Awaitable[None]]


def _build(data: Any, context: Context) -> Request:
    return Request(
        "POST",
        "/book",
        json={"reference": context.key, "number": data["number"], "customer": data["customer"]},
    )


def _read(response: Response, _: Context) -> Any:
    return {"reference": response.json()["reference"]}


WRITTEN = Connector(
    name="written",
    version="1",
    serves=("bench",),
    settings={"url": Setting()},
    secrets={"key": "its key"},
    sign_in=secret_headers({"X-Key": "{key}"}),
    operations=(
        Operation(
            name="book",
            do=exchange(_build, _read),
            idempotency="key",
            changes=True,
            input={"number": "string", "customer": "string"},
            output={"reference": "string"},
        ),
    ),
)


class _Keeps:
    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:  # noqa: ARG002
        return {"key": (Secret("a-key-of-some-length"),)}


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """In turns: alone, in Python, in YAML, recorded."""
    async with StubProcess() as stub:
        spent = await _turns(stub.url, scale)
    alone = spent["alone"]
    for name in KINDS:
        yield Figure(figure=f"{name}_us", unit="us of CPU", ours=spent[name], peers={"aiohttp": alone})
        yield Figure(figure=f"{name}_ratio", unit="times", ours=spent[name] / alone, peers={"aiohttp": 1.0})


def bare() -> aiohttp.ClientSession:
    """A client as lean as ours: no cookies, no limit."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), timeout=LONG
    )


async def _turns(url: str, scale: float) -> dict[str, float]:
    data = {"number": "SO-1", "customer": order("SO-1")["customer"]["name"]}
    async with ground(scale) as place, place.station() as engine, bare() as http:
        tenant = await engine.add_tenant("acme")
        connections = Connections(engine.database)
        registry = Registry.of([WRITTEN, from_yaml(DECLARED)])
        for name, connector in KINDS.items():
            await connections.put(tenant, name, system="bench", connector=connector, settings={"url": url})
        await connections.record(tenant, "recorded", 3600)
        watch = Watch(engine.database)
        wire = Wire(watch)
        calls = Calls(Lines(engine.database, registry, _Keeps()), wire)

        async def alone(_: int) -> None:
            sent = {"reference": "R", **data}
            async with http.post(f"{url}/book", json=sent, headers=HEADERS) as answer:
                await answer.json()

        def through(connection: str) -> Once:
            async def once(number: int) -> None:
                ended = await calls.call(
                    LeasedCall(
                        tenant=tenant.id,
                        run=number,
                        command="book",
                        connection=connection,
                        key=f"acme/bench/SO-{number}/1/book",
                        attempt=1,
                        find_first=False,
                        only_find=False,
                        seconds=20.0,
                        token=number,
                        call=Call(id="book", step="book", system="bench", operation="book", input=data),
                    )
                )
                if ended.outcome != "done":
                    raise AssertionError(ended.reason)

            return once

        kinds = {"alone": alone} | {name: through(name) for name in KINDS}
        spent: defaultdict[str, list[float]] = defaultdict(list)
        for turn in range(scaled(20, scale, least=2) + 1):
            for name, once in kinds.items():
                took = await _turn(once, scaled(TURN, min(1.0, scale * 20), least=AT_ONCE))
                if turn:  # the first one warms up
                    spent[name].append(took)
            await watch.write()
        await wire.close()
    return {name: statistics.median(found) for name, found in spent.items()}


async def _turn(once: Once, number: int) -> float:
    """Microseconds of CPU for each of so many calls."""

    async def some(first: int) -> None:
        for n in range(first, number, AT_ONCE):
            await once(n)

    began = time.process_time()
    await asyncio.gather(*(some(first) for first in range(AT_ONCE)))
    return (time.process_time() - began) / number * 1e6
