"""What the graph reads: in one transaction of one tenant, each level of a query with one statement.

Whatever asks for the runs, exceptions or tasks of one thing is gathered with all that ask for the same of
others. Each row is decided about as REST does it for one; what may not be seen is left out of lists.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, LiteralString, NamedTuple

import msgspec
from strawberry.dataloader import DataLoader

from crossdock.api.cases import EXCEPTION, TASK
from crossdock.api.ground import Call
from crossdock.api.listing import Row, Where
from crossdock.api.rest import runs
from crossdock.engine.milestones import Happened, stories
from crossdock.store import TenantTransaction

DOCUMENTS = {"Order": "order", "Shipment": "shipment"}

_VERSIONS: LiteralString = """
select id, name, substring(source from '(?n)^document:[ \\t]*["'']?([A-Za-z0-9_]+)') as document
from crossdock.process_version where tenant = crossdock.tenant()
"""
_CHILDREN: LiteralString = """
select c.id, k.run as parent from unnest($1::bigint[]) as k(run) cross join lateral (
  select r.id from crossdock.run r where r.tenant = crossdock.tenant() and r.parent = k.run
    and ($3::bigint[] is null or r.version = any($3)) and ($4::bigint is null or r.id > $4)
  order by r.id limit $2) c
"""
_ALIASES: LiteralString = """
select k.run, a.kind, a.value, a.live from unnest($1::bigint[]) as k(run) cross join lateral (
  select a.kind, a.value, a.live from crossdock.alias a
  where a.tenant = crossdock.tenant() and a.run = k.run and a.kind <> 'exception'
    and ($3::text is null or (a.kind, a.value) > ($3, $4))
  order by a.kind, a.value limit $2) a
"""


class Of(NamedTuple):
    """What is wanted of one run: so many, which, and after which place."""

    run: int
    first: int
    which: str = ""
    after: tuple[Any, ...] = ()


class Some(NamedTuple):
    """Of what one run has, a page: what of it may be seen, whether there is more, and where it ends."""

    rows: list[Any]
    places: list[tuple[Any, ...]]
    more: bool
    end: tuple[Any, ...]  # also where the last may not be seen


class Reader:
    """Reads for one query. `statements` counts what it asked the database."""

    def __init__(self, call: Call, transaction: TenantTransaction) -> None:
        """As whoever calls."""
        self.call = call
        self._transaction = transaction
        self._one_at_a_time = asyncio.Lock()
        self._allowed: dict[str, asyncio.Task[None]] = {}
        self._versions: asyncio.Task[dict[int, str]] | None = None
        self.statements = 0
        self.run: DataLoader[int, Row | None] = DataLoader(load_fn=self._runs)
        self.document: DataLoader[int, Any] = DataLoader(load_fn=self._documents)
        self.children: DataLoader[Of, Some] = DataLoader(load_fn=self._children)
        self.milestones: DataLoader[Of, Some] = DataLoader(load_fn=self._milestones)
        self.aliases: DataLoader[Of, Some] = DataLoader(load_fn=self._aliases)
        self.exceptions: DataLoader[Of, Some] = DataLoader(load_fn=self._exceptions)
        self.tasks: DataLoader[Of, Some] = DataLoader(load_fn=self._tasks)

    async def may(self, action: str) -> None:
        """Whether such things may be seen at all; found out once. Raises `Forbidden`."""
        if action not in self._allowed:
            self._allowed[action] = asyncio.ensure_future(self.call.allow_list(action))
        await asyncio.shield(self._allowed[action])

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """All rows; one statement after the other."""
        async with self._one_at_a_time:
            self.statements += 1
            return await self._transaction.fetch(sql, *values)

    async def listed(self, ask: Callable[[TenantTransaction], Awaitable[Sequence[Row]]]) -> list[Row]:
        """Rows of a list that another module knows how to read."""
        async with self._one_at_a_time:
            self.statements += 1
            return list(await ask(self._transaction))

    async def document_of(self, version: int) -> str:
        """Which document a version of a process is about: order, shipment, or another: ''."""
        return (await self.versions()).get(version, "")

    async def versions(self) -> dict[int, str]:
        """The versions that are about orders or shipments."""
        if self._versions is None:
            self._versions = asyncio.ensure_future(self._read_versions())
        return await asyncio.shield(self._versions)

    async def _read_versions(self) -> dict[int, str]:
        rows = await self.fetch(_VERSIONS)
        return {row["id"]: DOCUMENTS[row["document"]] for row in rows if row["document"] in DOCUMENTS}

    async def _runs(self, ids: list[int]) -> list[Row | None]:
        rows = await self.listed(lambda transaction: runs.rows_of(self.call, transaction, ids))
        found = {row["id"]: row for row in await self.call.visible("run.read", rows)}
        return [found.get(one) for one in ids]

    async def _documents(self, ids: list[int]) -> list[Any]:
        async with self._one_at_a_time:
            self.statements += 1
            found = await runs.documents(self._transaction, ids)
        return [msgspec.json.decode(found[one]) if one in found else None for one in ids]

    async def _children(self, keys: list[Of]) -> list[Some]:
        async def of(ids: list[int], one: Of) -> dict[int, list[Row]]:
            versions = None
            if one.which:
                versions = [n for n, document in (await self.versions()).items() if document == one.which]
            (after,) = one.after or (None,)
            named = await self.fetch(_CHILDREN, ids, one.first + 1, versions, after)
            return _by_run(named, "parent")

        async def seen(rows: list[Row]) -> list[Row]:
            return [row for row in await self.run.load_many([one["id"] for one in rows]) if row is not None]

        return await _gathered(keys, of, seen, lambda row: (row["id"],))

    async def _milestones(self, keys: list[Of]) -> list[Some]:
        async def of(ids: list[int], one: Of) -> dict[int, list[Happened]]:
            async with self._one_at_a_time:
                self.statements += 1
                found = await stories(self._transaction, ids)
            newest = {run: reversed(story) for run, story in found.items()}
            return {
                run: [told for told in story if not one.after or told.place < one.after][: one.first + 1]
                for run, story in newest.items()
            }

        return await _gathered(keys, of, _all, lambda one: one.place)

    async def _aliases(self, keys: list[Of]) -> list[Some]:
        async def of(ids: list[int], one: Of) -> dict[int, list[Row]]:
            kind, value = one.after or (None, None)
            return _by_run(await self.fetch(_ALIASES, ids, one.first + 1, kind, value))

        return await _gathered(keys, of, _all, lambda row: (row["kind"], row["value"]))

    async def _exceptions(self, keys: list[Of]) -> list[Some]:
        async def of(ids: list[int], one: Of) -> dict[int, list[Row]]:
            where = Where(ids, one.first + 1)
            where.add("e.run = k.run")
            if one.which != "any":
                where.add(f"e.closed is {'' if one.which == 'open' else 'not '}null")
            if self.call.partners:
                where.add("e.connection = any({}::text[])", list(self.call.partners))
            if one.after:
                where.add("(e.opened, e.id) > ({}::text::timestamptz, {})", *one.after)
            rows = await self.fetch(_each(f"{EXCEPTION}{where.sql} order by e.opened, e.id"), *where.values)
            return _by_run(rows)

        return await _gathered(keys, of, lambda rows: self.call.visible("exception.read", rows), _opened)

    async def _tasks(self, keys: list[Of]) -> list[Some]:
        async def of(ids: list[int], one: Of) -> dict[int, list[Row]]:
            where = Where(ids, one.first + 1)
            where.add("t.run = k.run")
            if one.which != "any":
                where.add("t.status = {}", one.which)
            if one.after:
                where.add("(t.opened, t.id) > ({}::text::timestamptz, {})", *one.after)
            rows = await self.fetch(_each(f"{TASK}{where.sql} order by t.opened, t.id"), *where.values)
            return _by_run(rows)

        return await _gathered(keys, of, lambda rows: self.call.visible("task.read", rows), _opened)


def _each(sql: str) -> str:
    """Of each run, the first ones."""
    return f"select x.* from unnest($1::bigint[]) as k(run) cross join lateral ({sql} limit $2) x"  # noqa: S608


def _by_run(rows: Sequence[Row], column: str = "run") -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found


def _opened(row: Row) -> tuple[Any, ...]:
    """The place of an exception or a task in a list, oldest first."""
    return (row["opened"].isoformat(), row["id"])


async def _all(rows: list[Any]) -> list[Any]:
    return rows


async def _gathered(
    keys: list[Of],
    of: Callable[[list[int], Of], Awaitable[dict[int, list[Any]]]],
    seen: Callable[[list[Any]], Awaitable[list[Any]]],
    place: Callable[[Any], tuple[Any, ...]],
) -> list[Some]:
    """One statement for all that ask for the same: so many, and one more that tells whether there is more."""
    groups: dict[tuple[int, str, tuple[Any, ...]], list[int]] = defaultdict(list)
    for key in keys:
        groups[key[1:]].append(key.run)
    found: dict[Of, Some] = {}
    for group, ids in groups.items():
        first = group[0]
        got = await of(list(dict.fromkeys(ids)), Of(0, *group))
        pages = {run: got.get(run, [])[:first] for run in ids}
        shown = await asyncio.gather(*(seen(page) for page in pages.values()))
        for (run, page), rows in zip(pages.items(), shown, strict=True):
            end = place(page[-1]) if page else ()
            more = len(got.get(run, [])) > first
            found[Of(run, *group)] = Some(rows, [place(row) for row in rows], more, end)
    return [found[key] for key in keys]
