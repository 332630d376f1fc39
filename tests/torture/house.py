"""The counting house: the other side of the chain process. It enters each line when told, and counts.

Nothing is recognised by itself: the same line told twice is two lines. `enter` can be looked up, `mark` cannot.
It fails in its ways while `troubled`, and kills the process that calls it when asked to: after it has entered
the line, before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CONNECTOR = """
connector: counting_house
title: The counting house
version: 1
serves: house
settings:
  url: { doc: Where it answers }
operations:
  enter:
    doc: Enter a line.
    input: { chain: string, n: int }
    output: { line: string }
    changes: true
    idempotency: find
    undo: strike
    post: /lines
    json: { key: "${ key }", chain: "${ input.chain }", n: "${ input.n }" }
    result: { line: "${ reply.line }" }
    find:
      get: /lines
      query: { key: "${ key }" }
      found: ${ size(reply.lines) > 0 }
      result: { line: "${ reply.lines[0] }" }
  strike:
    doc: Strike a line out.
    input: { line: string }
    output: {}
    changes: true
    idempotency: natural
    post: /strikes
    json: { line: "${ input.line }" }
    result: {}
  mark:
    doc: Make a mark; nobody can look up whether it was made.
    input: { chain: string }
    output: { line: string }
    changes: true
    idempotency: none
    post: /lines
    json: { key: "${ key }", chain: "${ input.chain }", n: 0 }
    result: { line: "${ reply.line }" }
"""

# Claims go to the same house: the carriers of the sandbox take none.
CLAIMS = """
connector: claims_office
title: The claims office of all carriers
version: 1
serves: carrier
settings:
  url: { doc: Where it answers }
operations:
  file_claim:
    idempotency: find
    post: /lines
    json: { key: "${ key }", chain: "${ input.shipment }", n: 0 }
    result: { claim: "${ reply.line }" }
    find:
      get: /lines
      query: { key: "${ key }" }
      found: ${ size(reply.lines) > 0 }
      result: { claim: "${ reply.lines[0] }" }
  withdraw_claim:
    idempotency: natural
    post: /strikes
    json: { line: "${ input.claim }" }
    result: {}
"""

CHAIN = """
process: chain
title: Lines entered one after the other
owner: counting
document: Chain
key: ${ chain.number }
declare:
  documents:
    Chain: { number: string }
  events:
    chain.asked: { data: Chain, about: { chain: number } }
    chain.stamped: { data: { chain: string, n: int }, about: { chain: chain } }
start:
  - on: chain.asked
steps:
  first:
    call: house.enter
    with: { chain: "${ chain.number }", n: 1 }
    retry: { attempts: 40, first: 1s, most: 2s }
    undo: house.strike
  second:
    needs: first
    call: house.enter
    with: { chain: "${ chain.number }", n: 2 }
    retry: { attempts: 40, first: 1s, most: 2s }
    undo: house.strike
  stamped:
    needs: first
    await: chain.stamped
    until: ${ size(steps.stamped.events) >= 3 }
    within: 900 days
    late: { escalate: chief }
  mark:
    needs: [second, stamped]
    call: house.mark
    with: { chain: "${ chain.number }" }
    retry: { attempts: 40, first: 1s, most: 2s }
    undo: none
  last:
    needs: mark
    call: house.enter
    with: { chain: "${ chain.number }", n: 3 }
    retry: { attempts: 40, first: 1s, most: 2s }
    undo: house.strike
"""

GLUTTON = """
process: glutton
title: It keeps all that it is fed, until that is too much
owner: counting
document: Glutton
key: ${ glutton.number }
declare:
  documents:
    Glutton: { number: string }
  events:
    glutton.asked: { data: Glutton, about: { glutton: number } }
    glutton.fed: { data: { glutton: string, food: string }, about: { glutton: glutton } }
start:
  - on: glutton.asked
steps:
  first:
    call: house.enter
    with: { chain: "${ glutton.number }", n: 1 }
    retry: { attempts: 40, first: 1s, most: 2s }
    undo: house.strike
  eaten:
    await: glutton.fed
    until: ${ size(steps.eaten.events) >= 100 }
    within: 900 days
    late: { escalate: chief }
"""


@dataclass(slots=True)
class House:
    """The service. `kill` ends the process whose connection has that port, and says whether it did."""

    seed: int
    kill: Callable[[int], bool]
    lines: Counter[str] = field(default_factory=Counter)  # by key: how often it was entered
    struck_out: set[str] = field(default_factory=set)  # keys of lines that were struck out
    by_chain: dict[str, list[str]] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)
    troubled: bool = True
    kills: int = 0  # so many callers are still to be killed
    url: str = ""
    _chance: random.Random = field(init=False)
    _runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        """Draw from the seed."""
        self._chance = random.Random(f"house/{self.seed}")

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/lines", self._enter),
                web.get("/lines", self._find),
                web.post("/strikes", self._strike),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        told: dict[str, Any] = await request.json()
        lot = self._chance.random() if self.troubled else 1.0
        if lot < 0.05:
            self.struck["counting house: 503"] += 1
            return web.Response(status=503)
        await asyncio.sleep(self._chance.random() * 0.02)
        key = str(told["key"])
        self.lines[key] += 1
        self.by_chain.setdefault(str(told["chain"]), []).append(key)
        if self.kills > 0 and request.transport is not None:
            peer = request.transport.get_extra_info("peername")
            if peer and self.kill(peer[1]):
                self.kills -= 1
        if lot < 0.10 and request.transport is not None:  # entered, but nobody is told
            self.struck["counting house: entered, connection closed"] += 1
            request.transport.abort()
        return web.json_response({"line": key})

    async def _find(self, request: web.Request) -> web.StreamResponse:
        key = request.query["key"]
        return web.json_response({"lines": [key] if self.lines[key] else []})

    async def _strike(self, request: web.Request) -> web.StreamResponse:
        told: dict[str, Any] = await request.json()
        self.struck_out.add(str(told["line"]))
        return web.json_response({})
