"""Processes: proved on the past, published, for all new runs or a share, and taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import LiteralString

from crossdock.access import Principal, Resource
from crossdock.desk.ground import Ground
from crossdock.engine import Library
from crossdock.engine.backtest import Part, prove
from crossdock.engine.library import Read
from crossdock.errors import NotFound
from crossdock.process import Process
from crossdock.process.problems import NotAProcess, Problem
from crossdock.process.publish import name_in
from crossdock.store import EngineTransaction

Problems = Callable[[Mapping[str, str], Sequence[str]], list[Problem]]

_CURRENT: LiteralString = """
select v.version, n.version as next, c.share
from crossdock.process_current c
join crossdock.process_version v on v.tenant = c.tenant and v.id = c.id
left join crossdock.process_version n on n.tenant = c.tenant and n.id = c.next_id
where c.tenant = crossdock.tenant() and c.name = $1
"""


class Processes:
    """What is done with processes. `problems` says what stands against texts that may run each other."""

    def __init__(self, ground: Ground, library: Library, *, read: Read, problems: Problems) -> None:
        """On that ground."""
        self._ground = ground
        self._library = library
        self._read = read
        self._problems = problems

    async def publish(
        self, by: Principal, texts: Mapping[str, str], *, share: float = 1.0, note: str = ""
    ) -> list[Process]:
        """Publish processes that may run each other, all or none; what is current already stays as it is.

        `share` is the part of new runs that take it. Raises `NotAProcess` with all that stands against them.
        """
        await self._ground.policies.require(by, "process.publish", Resource(kind="process"))
        tenant = await self._ground.tenant(by)
        others = await self._library.others(tenant, *texts.values())
        found = self._problems(texts, others)
        if found:
            raise NotAProcess(found)
        # Of two with one name the later one counts: an own process replaces a packaged one.
        current = {name_in(text): text for text in texts.values()}
        made = {name: self._read(text, *others, *_but(current, name)) for name, text in current.items()}
        for name in current:
            await self._ground.policies.require(by, "process.publish", _resource(name))
        new, notes = [], []
        for name, text in current.items():
            before = await self._before(by, name)
            after = {"version": made[name].version, "share": share}
            if before == after:
                continue
            new.append(text)
            notes.append(
                self._ground.noted(
                    by, "process.publish", _resource(name), why=note, before=before, after=after
                )
            )

        async def last(transaction: EngineTransaction) -> None:
            for one in notes:
                await one(transaction)

        if new:
            await self._library.publish_all(tenant, new, by=by.id, share=share, last=last)
        return list(made.values())

    async def others(self, by: Principal, text: str) -> list[str]:
        """The texts of the tenant's processes that this one may run."""
        return await self._library.others(await self._ground.tenant(by), text)

    async def backtest(
        self,
        by: Principal,
        text: str,
        *,
        of: str,
        within: timedelta | None = None,
        before: int | None = None,
        most: int = 200,
        seconds: float = 5.0,
        assume: bool = False,
    ) -> tuple[Process, Part]:
        """What runs of the process `of` would have come to under the one in `text`. Nothing is changed.

        Raises `NotAProcess` where the text may not be published.
        """
        about = Resource(kind="run", attributes={"process": of})
        await self._ground.policies.require(by, "process.read", _resource(of))
        await self._ground.policies.require(by, "run.read", about)
        tenant = await self._ground.tenant(by)
        others = await self._library.others(tenant, text)
        found = self._problems({"source": text}, others)
        if found:
            raise NotAProcess(found)
        process = self._read(text, *others)
        part = await prove(
            self._ground.database,
            self._library,
            tenant,
            process,
            of=of,
            within=within,
            before=before,
            most=most,
            seconds=seconds,
            assume=assume,
        )
        return process, part

    async def roll_back(self, by: Principal, name: str, version: str, *, note: str = "") -> None:
        """Let new runs take an older version again, all of them."""
        await self._ground.policies.require(by, "process.publish", _resource(name))
        before = await self._before(by, name)
        if before is None:
            raise NotFound(f"there is no process {name}", mend="see the processes")
        after = {"version": version, "share": 1.0}
        last = self._ground.noted(
            by, "process.publish", _resource(name), why=note, before=before, after=after
        )
        await self._library.roll_back(await self._ground.tenant(by), name, version, last=last)

    async def _before(self, by: Principal, name: str) -> dict[str, str | float] | None:
        async with self._ground.look(by) as transaction:
            row = await transaction.row(_CURRENT, name)
        if row is None:
            return None
        if row["next"] is not None:
            return {"version": row["next"], "share": row["share"], "else": row["version"]}
        return {"version": row["version"], "share": 1.0}


def _but(texts: Mapping[str, str], name: str) -> list[str]:
    return [text for other, text in texts.items() if other != name]


def _resource(name: str) -> Resource:
    return Resource(kind="process", id=name, attributes={"process": name})
