"""One round: everything is set up, put to work, broken, healed, brought to rest and judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import yaml

from crossdock.assemble import System, opened
from crossdock.demo.partners import Partners
from crossdock.errors import CrossdockError, Unreachable
from crossdock.settings import Settings
from torture import house as at_house
from torture.ground import TESTS, Ground, Hand, runs
from torture.house import House
from torture.line import Line
from torture.people import People
from torture.plan import SPEED, Plan
from torture.post import Post
from torture.sandbox import sandbox
from torture.troubles import Troubles
from torture.verdict import Verdict, judge
from torture.work import Work

LEASE = 2.0
REST_SECONDS = 240.0  # within which all must have come to rest, once nothing is broken any more
_CALENDARS = {
    name: {"name": name, "zone": "UTC", "hours": {"mon-sun": "00:00-24:00"}}
    for name in ("default", "RDC", "DIRECT")
}
_HEALED_RATE = 300.0  # a real clock goes on so much faster, so that waits between tries end


@dataclass(slots=True)
class Outcome:
    """What a round did and found."""

    plan: Plan
    struck: Counter[str]
    acts: Counter[str]
    verdict: Verdict
    seconds: float
    folder: Path | None = None  # kept where something is wrong


@dataclass(slots=True)
class Round:
    """One round in a folder of its own. `tell` takes lines for a person."""

    plan: Plan
    tell: Callable[[str], None]
    keep: bool = False
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="crossdock-torture-")))

    async def play(self) -> Outcome:
        """From nothing to the verdict."""
        begun = time.monotonic()
        ground = Ground(self.folder)
        hands: list[Hand] = []
        outcome: Outcome | None = None
        try:
            await ground.start()
            line = Line(self.folder / "line", ground.socket)
            await line.start()
            try:
                outcome = await self._play(ground, line, hands)
                if outcome.verdict.wrong or self.keep:
                    outcome.folder = self.folder
                    ledgers = json.dumps(outcome.verdict.ledgers, indent=1)
                    (self.folder / "ledgers.json").write_text(ledgers)
            finally:
                await asyncio.gather(*(hand.end() for hand in hands))
                await line.close()
        finally:
            # Beside its files, where `crossdock runs --dir` and others look for it.
            await ground.close(
                self.folder / "crossdock-data" if outcome is not None and outcome.folder else None
            )
        outcome.seconds = time.monotonic() - begun
        if outcome.folder is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return outcome

    async def _play(self, ground: Ground, line: Line, hands: list[Hand]) -> Outcome:
        ports = [_free_port() for _ in range(2)]
        post = Post(self.plan.seed, [f"http://127.0.0.1:{port}/hooks/default" for port in ports])
        house = House(self.plan.seed, lambda port: self._kill_at(hands, port))
        async with contextlib.AsyncExitStack() as stack:
            for service in (post, house):
                await service.start()
                stack.push_async_callback(service.close)
            start = datetime.now(UTC)
            partners = await stack.enter_async_context(sandbox(start, seed=self.plan.seed))
            self._install(partners, house)
            paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
            environment = {**os.environ, "DATABASE_URL": line.url(), "PYTHONPATH": paths}
            commands: list[tuple[str, ...]] = [
                ("serve", "--json", "--port", str(port), "-C", str(self.folder)) for port in ports
            ]
            commands.append(("worker", "--json", "-C", str(self.folder)))
            for number, arguments in enumerate(commands):
                hands.append(Hand(number, self.folder, arguments, environment, self.plan.skews, Counter()))
            for hand in hands[:-1]:
                hand.begin()  # two at once set up an empty database
            await self._until_up(hands[:-1])
            hands[-1].begin()
            settings = replace(Settings.read(self.folder, {}), database_url=ground.url())
            system = await stack.enter_async_context(opened(settings))
            return await self._torture(ground, line, hands, system, partners, post, house)

    async def _torture(
        self,
        ground: Ground,
        line: Line,
        hands: list[Hand],
        system: System,
        partners: Partners,
        post: Post,
        house: House,
    ) -> Outcome:
        plan = self.plan
        theirs = datetime.fromisoformat((await partners.get("erp", "/clock"))["now"])
        await system.library.set_reference(
            system.tenant, settings={"approval_limit": "250000"}, calendars=_CALENDARS, by="torture"
        )
        if plan.clock == "fast":
            await system.clock.set(theirs, rate=SPEED)
        work = Work(plan, theirs)
        for name in partners.services:
            if name != "postbox":
                await partners.post(name, "/configure", {"webhook_url": f"{post.url}/{name}"})
        await work.prepare(partners)
        people = People(system, house)
        troubles = Troubles(plan, ground, line, hands, partners, house, self.tell)
        putting = asyncio.create_task(work.put_in(system))
        desk = asyncio.create_task(self._desk(system, people, work))
        try:
            await troubles.run()
            await putting
        finally:
            putting.cancel()
            desk.cancel()
            await asyncio.gather(putting, desk, return_exceptions=True)
        self.tell(f"{plan.seconds:5.1f} s  all is mended; waiting for rest")
        await troubles.heal()
        await post.settle()
        if plan.clock == "real":
            await system.clock.set(await system.clock.now(), rate=_HEALED_RATE)
        verdict = Verdict()
        rested = await self._rest(system, partners, post, people, work)
        fell = [fall for hand in hands for fall in hand.fell]
        await asyncio.gather(*(hand.end() for hand in hands))
        verdict = await judge(system, partners, house, post, work, people)
        if rested:
            verdict.wrong.insert(0, rested)
        verdict.wrong += ground.wrong + fell + [f for hand in hands for f in hand.fell if f not in fell]
        verdict.wrong += self._faults_of_ours(hands)
        return Outcome(plan, troubles.struck + post.struck + work.put, people.acts, verdict, 0.0)

    # -- setting up ------------------------------------------------------------------------------------

    def _install(self, partners: Partners, house: House) -> None:
        """The files of an installation, as somebody would write them."""
        for name, text in (("house", at_house.CONNECTOR), ("claims", at_house.CLAIMS)):
            path = self.folder / "connectors" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        for name, text in (("chain", at_house.CHAIN), ("glutton", at_house.GLUTTON)):
            path = self.folder / "processes" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        connections = partners.connections()
        connections["house"] = {"connector": "counting_house", "settings": {"url": house.url}}
        connections["claims"] = {"connector": "claims_office", "settings": {"url": house.url}}
        (self.folder / "connections.yaml").write_text(yaml.safe_dump(connections))
        (self.folder / "crossdock.toml").write_text(f"lease = {LEASE}\n")
        (self.folder / "crossdock-data").mkdir()

    @staticmethod
    def _kill_at(hands: list[Hand], port: int) -> bool:
        for hand in hands:
            if hand.has_port(port):
                hand.struck["worker killed after its call"] += 1
                return hand.kill()
        return False

    async def _until_up(self, hands: list[Hand]) -> None:
        until = time.monotonic() + 60
        for hand in hands:
            while not any(runs(path) for path in self.folder.glob(f"crossdock-{hand.number}.*.out")):
                if time.monotonic() > until:
                    raise TimeoutError(f"crossdock has not started: {hand.log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    # -- meanwhile and after ---------------------------------------------------------------------------

    async def _desk(self, system: System, people: People, work: Work) -> None:
        """People work while things break, at their own pace."""
        while True:
            await asyncio.sleep(1.0)
            with contextlib.suppress(CrossdockError, asyncpg.PostgresError):
                await people.turn(share=0.4)
                await work.follow_up(system, await self._completed(system))

    async def _completed(self, system: System) -> set[str]:
        async with system.database.engine() as transaction:
            rows = await transaction.fetch(
                "select key from crossdock.run where process = 'order-to-cash' and status = 'completed'"
            )
        return {row["key"] for row in rows}

    async def _rest(self, system: System, partners: Partners, post: Post, people: People, work: Work) -> str:
        """Until nothing is open anywhere; '' or what is still open when the time is up."""
        until = time.monotonic() + REST_SECONDS
        told = time.monotonic()
        still = 0
        left = ""
        while time.monotonic() < until:
            await asyncio.sleep(0.5)
            try:
                await partners.post("erp", "/webhooks/retry", None)
                open_ = await people.turn()
                await work.follow_up(system, await self._completed(system))
                left = await self._left(system, open_, post, work)
            except Unreachable as error:
                left = str(error)
            still = 0 if left else still + 1
            if still >= 3:
                return ""
            if time.monotonic() - told > 5:
                told = time.monotonic()
                self.tell(f"         {left or 'at rest'}")
        return f"it does not come to rest within {REST_SECONDS:g} s: {left}"

    async def _left(self, system: System, open_: int, post: Post, work: Work) -> str:
        async with system.database.engine() as transaction:
            row = await transaction.row(
                "select (select count(*) from crossdock.run where ended is null) as runs, "
                "(select count(*) from crossdock.outbox) as calls, "
                "(select count(*) from crossdock.inbox) as events, "
                "(select count(*) from crossdock.run where process = 'order-to-cash') as orders"
            )
            open_runs = await transaction.fetch(
                "select process, key, status, error is not null as stopped from crossdock.run "
                "where ended is null order by id limit 3"
            )
        assert row is not None
        names = ", ".join(f"{one['process']}/{one['key']} {one['status']}" for one in open_runs)
        words = [
            f"{row['runs']} runs open ({names})" if row["runs"] else "",
            f"{row['calls']} calls" if row["calls"] else "",
            f"{row['events']} events" if row["events"] else "",
            f"{open_} cases" if open_ else "",
            f"{post.waiting} messages to bring" if post.waiting else "",
            f"{work.plan.orders - row['orders']} orders to come" if row["orders"] < work.plan.orders else "",
        ]
        return ", ".join(word for word in words if word)

    def _faults_of_ours(self, hands: list[Hand]) -> list[str]:
        """What the processes themselves call a fault of ours, in their logs."""
        found: Counter[str] = Counter()
        for hand in hands:
            for text in hand.log.read_text(errors="replace").splitlines():
                plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
                for word in (
                    "worker.turn_failed",
                    "worker.caller_failed",
                    "poll.turn_failed",
                    "Exception in ASGI",
                ):
                    if word in plain:
                        found[word] += 1
        return [f"in the logs: {word}, {count} times" for word, count in found.items()]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
