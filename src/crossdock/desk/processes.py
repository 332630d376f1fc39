"""Processes: published, for all new runs or a share of them, and taken back to an older version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import LiteralString

from crossdock.access import Principal, Resource
from crossdock.desk.ground import Ground
from crossdock.engine import Library
from crossdock.errors import NotFound
from crossdock.process import Process
from crossdock.process.problems import NotAProcess, Problem

Read = Callable[[str], Process]
Problems = Callable[[Mapping[str, str]], list[Problem]]

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
        found = self._problems(texts)
        if found:
            raise NotAProcess(found)
        # Of two with one name the later one counts: an own process replaces a packaged one.
        current = {process.name: (process, text) for text in texts.values() for process in [self._read(text)]}
        for name in current:
            await self._ground.policies.require(by, "process.publish", _resource(name))
        tenant = await self._ground.tenant(by)
        for name, (process, text) in current.items():
            before = await self._before(by, name)
            after = {"version": process.version, "share": share}
            if before == after:
                continue
            last = self._ground.noted(
                by, "process.publish", _resource(name), why=note, before=before, after=after
            )
            await self._library.publish(tenant, text, by=by.id, share=share, last=last)
        return [process for process, _ in current.values()]

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


def _resource(name: str) -> Resource:
    return Resource(kind="process", id=name, attributes={"process": name})
