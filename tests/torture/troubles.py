"""The plan, carried out: each fault at its time, counted where it really struck."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from crossdock.demo.partners import Partners
from crossdock.errors import CrossdockError
from torture.ground import Ground, Hand
from torture.house import House
from torture.line import CUTS, Line
from torture.plan import SERVICES, SPEED, Fault, Plan

# Faults of partners whose count is told at the end, by what the partner says.
_SLOW_SECONDS = 1.2


@dataclass(slots=True)
class Troubles:
    """Carries faults out, one after the other where they concern the same thing."""

    plan: Plan
    ground: Ground
    line: Line
    hands: list[Hand]
    partners: Partners
    house: House
    tell: Callable[[str], None]
    struck: Counter[str] = field(default_factory=Counter)
    _chance: random.Random = field(init=False)
    _base: asyncio.Lock = field(default_factory=asyncio.Lock)  # one trouble of the database at a time
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw from the seed."""
        self._chance = random.Random(f"troubles/{self.plan.seed}")

    async def run(self) -> None:
        """All of the plan; returns when the last has been begun."""
        begun = time.monotonic()
        for fault in self.plan.faults:
            await asyncio.sleep(max(0.0, fault.at - (time.monotonic() - begun)))
            self.tell(str(fault))
            task = asyncio.create_task(self._strike(fault))
            self._tasks.append(task)
        await asyncio.sleep(max(0.0, self.plan.seconds - (time.monotonic() - begun)))

    async def heal(self) -> None:
        """End all faults, and wait for those that are under way."""
        self.house.troubled = False
        self.house.kills = 0
        self.line.disarm()
        await asyncio.gather(*self._tasks)
        self.line.disarm()
        await self.ground.ensure()
        for service in SERVICES:
            for fault in (await self.partners.get(service, "/faults"))["faults"]:
                if fault["struck"]:
                    self.struck[f"partner: {fault['fault']}"] += fault["struck"]
            await self.partners._ask("DELETE", service, "/faults", None)
        self.struck += self.line.struck + self.house.struck + self.ground.struck
        for hand in self.hands:
            self.struck += hand.struck

    async def _strike(self, fault: Fault) -> None:
        try:
            await self._strike_now(fault)
        except CrossdockError as error:
            self.tell(f"        {fault.kind} could not be done: {error}")

    async def _strike_now(self, fault: Fault) -> None:
        kind = fault.kind
        if kind.startswith("partner "):
            await self._partner(fault, kind.removeprefix("partner "))
        elif kind in CUTS:
            self.line.arm(kind, fault.count)
        elif kind == "connections cut":
            self.struck["connections cut"] += self.line.cut()
        elif kind == "connections stalled":
            self.struck[kind] += 1
            await self.line.stall(fault.seconds)
        elif kind == "worker killed":
            self.struck[kind] += self.hands[int(fault.target)].kill()
        elif kind == "worker killed after its call":
            self.house.kills += 1
        elif kind == "worker killed while a partner works":
            await self._kill_while_slow(fault)
        elif kind == "worker frozen beyond its lease":
            self.struck[kind] += await self.hands[int(fault.target)].freeze(fault.seconds)
        else:
            async with self._base:
                await self._database(fault)

    async def _database(self, fault: Fault) -> None:
        if fault.kind == "disk full":
            await self.ground.fill_disk(1.0 + fault.seconds)
            return
        if fault.kind == "database backend killed":
            self.struck[fault.kind] += self.ground.kill_backend(self._chance.choice)
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "database killed":
            self.ground.kill()
            self.struck[fault.kind] += 1
            await asyncio.sleep(fault.seconds)
        else:
            await self.ground.stop_at_once()
            self.struck["database stopped (immediate)"] += 1
            await asyncio.sleep(fault.seconds)
        await self.ground.ensure()

    async def _partner(self, fault: Fault, kind: str) -> None:
        body: dict[str, object] = {"fault": kind}
        if kind == "outage":
            body["seconds"] = fault.seconds * SPEED
            body["drop"] = self._chance.random() < 0.5
        elif kind == "slow":
            body |= {"seconds": fault.seconds, "count": 2}
        elif kind == "timeout_after":
            body |= {"seconds": 0.3 + 2 * self._chance.random(), "count": fault.count}
        else:
            body["count"] = fault.count
        await self.partners.post(fault.target, "/faults", body)

    async def _kill_while_slow(self, fault: Fault) -> None:
        """The partner has done it and holds its answer: whoever waits for that is killed."""
        service = fault.target
        await self.partners.post(service, "/faults", {"fault": "slow", "seconds": _SLOW_SECONDS})
        number = len((await self.partners.get(service, "/faults"))["faults"]) - 1
        until = time.monotonic() + 10
        while time.monotonic() < until:
            faults = (await self.partners.get(service, "/faults"))["faults"]
            if number < len(faults) and faults[number]["struck"]:
                port = int(self.partners.services[service]["url"].rpartition(":")[2])
                for hand in self.hands:
                    if hand.calls_port(port):
                        self.struck[fault.kind] += hand.kill()
                return
            await asyncio.sleep(0.03)
