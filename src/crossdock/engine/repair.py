"""Repair: of one run, or of all that have the same cause.

A repair of many is a row with a frozen set: selected by cause, counted before anything happens. A few go
first (the trial); when a person has seen what became of them, the rest follows at a rate. Each item has its
outcome. It lives in the database, so it goes on whatever restarts. What repairs a run is an event like any
other.

    trial ──► waiting ──► running ──► done         stopped: by a person, at any time; what was sent stays sent

A `move` lets the runs go on under another version of their process: the newest, unless one is named. Each run
is in its set once, whatever holds it. Its outcomes are `moved`, and `stayed` with what stands against it.

A run that a broken decision has stopped has its events set aside; `release` lets it try them again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, LiteralString

import msgspec

from crossdock.engine.library import Library
from crossdock.engine.moves import movable
from crossdock.engine.release import release
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.process.messages import Actor
from crossdock.store import Database, EngineTransaction, Last, Tenant

Act = Literal["close", "retry", "supply", "skip", "redo", "move", "cancel", "release"]
MOST_ITEMS = 1_000_000
Those = Callable[[Sequence[Any]], Awaitable[list[Any]]]


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the runs of a repair have in common; empty matters not. `error`: a part of the text."""

    process: str = ""
    step: str = ""
    exception: str = ""  # its type
    connection: str = ""
    error: str = ""
    runs: tuple[int, ...] = ()
    stopped: bool = False  # runs that a broken decision has stopped, instead of runs with open exceptions


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is done to each: `step` where it is not the step of the exception, `output` for supply.

    `version` for move: of the process of all these runs, by its content; the newest, without.
    """

    act: Act
    step: str = ""
    note: str = ""
    output: Any = None
    version: str = ""
    actor: Actor | None = None  # who does it, as each run hears of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a repair stands: how many are in the set, were sent, and came to which outcome."""

    id: int
    status: str
    counted: int
    sent: int
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one run of a repair; `outcome` is None while it is at work."""

    n: int
    process: str
    key: str
    generation: int
    step: str
    outcome: str | None
    detail: str


_SELECT: LiteralString = """
select x.run, x.step, x.id as exception, x.process, x.type, x.owner, x.connection
from crossdock.exception x
where x.tenant = $1 and x.closed is null
  and ($2 = '' or x.process = $2) and ($3 = '' or x.step = $3) and ($4 = '' or x.type = $4)
  and ($5 = '' or x.connection = $5) and ($6 = '' or position(lower($6) in lower(x.message)) > 0)
  and ($7::bigint[] = '{}' or x.run = any ($7))
order by x.opened, x.id limit $8
"""

_RESULTS: LiteralString = """
select i.n, r.process, r.key, r.generation, i.step, i.outcome, i.detail
from crossdock.repair_item i join crossdock.run r on r.tenant = i.tenant and r.id = i.run
where i.repair = $1 and i.sent is not null order by i.n limit $2
"""

_SELECT_STOPPED: LiteralString = """
select r.id as run, '' as step, '' as exception, r.process, '' as type, '' as owner, '' as connection
from crossdock.run r
where r.tenant = $1 and r.status = 'held' and r.error is not null
  and ($2 = '' or r.process = $2) and ($3 = '' or position(lower($3) in lower(r.error)) > 0)
  and ($4::bigint[] = '{}' or r.id = any ($4))
order by r.id limit $5
"""

_ITEMS: LiteralString = """
insert into crossdock.repair_item (tenant, repair, n, run, step, exception)
select $1, $2, k.n, k.run, k.step, k.exception
from unnest($3::bigint[], $4::text[], $5::text[]) with ordinality as k(run, step, exception, n)
"""


class Repairs:
    """Repairs of many runs, and the release of stopped ones."""

    def __init__(self, database: Database, library: Library) -> None:
        """Of that database."""
        self._database = database
        self._library = library

    async def count(
        self, tenant: Tenant, cause: Cause, action: Action | None = None, *, those: Those | None = None
    ) -> int:
        """How many a repair of that cause would touch now; for a move, refused as `begin` would."""
        async with self._database.engine() as transaction:
            found = await _select(transaction, tenant, cause, those)
            if found and action is not None and action.act == "move":
                found, _ = await movable(transaction, tenant, found, action.version)
            return len(found)

    async def chosen(
        self, tenant: Tenant, cause: Cause, *, those: Those | None = None
    ) -> list[tuple[int, str]]:
        """The runs, with their steps, that a repair of that cause would touch now."""
        async with self._database.engine() as transaction:
            return [(row["run"], row["step"]) for row in await _select(transaction, tenant, cause, those)]

    async def begin(
        self,
        tenant: Tenant,
        cause: Cause,
        action: Action,
        *,
        by: str,
        trial: int = 3,
        rate: float = 10.0,
        seen: int | None = None,
        those: Those | None = None,
        last: Callable[[int], Last] | None = None,
    ) -> Progress:
        """Freeze the set of that cause and send the first `trial`; the rest waits for `proceed`.

        `rate` is runs a second of the real clock. `seen` is the count that a person was shown before.
        `those` keeps of the set what is theirs to repair, or refuses it: its rows have run, step, exception,
        process, type, owner and connection. `last` is done in the same transaction, about that repair.
        Raises `Refused` when nothing has that cause, `Conflict` when it is not `seen` any more.
        """
        if not 0 < rate < inf:
            raise Refused(f"{rate} is no rate", mend="give runs a second, such as 10")
        async with self._database.engine() as transaction:
            found = await _select(transaction, tenant, cause, those)
            if not found:
                raise Refused("nothing has that cause", mend="widen the filter; see the open exceptions")
            if seen is not None and seen != len(found):
                raise Conflict(
                    f"it would touch {len(found)} by now, not {seen}", mend="look at them again, then begin"
                )
            if action.act == "move":
                found, version = await movable(transaction, tenant, found, action.version)
                action = msgspec.structs.replace(action, version=version)
            id_: int = await transaction.value(
                "insert into crossdock.repair (tenant, by, action, filter, trial, rate, counted, status) "
                "values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
                tenant.id,
                by,
                msgspec.json.encode(action),
                msgspec.json.encode(cause),
                trial,
                rate,
                len(found),
                "trial" if trial else "running",
            )
            await transaction.execute(
                _ITEMS,
                tenant.id,
                id_,
                [row["run"] for row in found],
                [row["step"] for row in found],
                [row["exception"] for row in found],
            )
            if last is not None:
                await last(id_)(transaction)
        return Progress(
            id=id_, status="trial" if trial else "running", counted=len(found), sent=0, outcomes={}
        )

    async def proceed(self, tenant: Tenant, repair: int, *, last: Last | None = None) -> None:
        """The trial was right: send the rest. Raises `Conflict` when it does not wait for that."""
        await self._turn(tenant, repair, "running", ("waiting", "stopped"), last)

    async def stop(self, tenant: Tenant, repair: int, *, last: Last | None = None) -> None:
        """Send no more. Raises `Conflict` when it has ended."""
        await self._turn(tenant, repair, "stopped", ("trial", "waiting", "running"), last)

    async def _turn(
        self, tenant: Tenant, repair: int, to: str, of: tuple[str, ...], last: Last | None
    ) -> None:
        async with self._database.engine() as transaction:
            done = await transaction.execute(
                "update crossdock.repair set status = $3, last = statement_timestamp() "
                "where tenant = $1 and id = $2 and status = any ($4)",
                tenant.id,
                repair,
                to,
                list(of),
            )
            if not done:
                raise Conflict(f"repair {repair} is not {' or '.join(of)}", mend="see its progress")
            if last is not None:
                await last(transaction)

    async def progress(self, tenant: Tenant, repair: int) -> Progress:
        """Where it stands. Raises `NotFound`."""
        async with self._database.of(tenant) as transaction:
            row = await transaction.row(
                "select status, counted, sent from crossdock.repair where id = $1", repair
            )
            if row is None:
                raise NotFound(f"there is no repair {repair}", mend="see the repairs")
            outcomes = await transaction.fetch(
                "select coalesce(outcome, 'open') as outcome, count(*)::int as n from crossdock.repair_item "
                "where repair = $1 and sent is not null group by 1",
                repair,
            )
        return Progress(
            id=repair,
            status=row["status"],
            counted=row["counted"],
            sent=row["sent"],
            outcomes={one["outcome"]: one["n"] for one in outcomes},
        )

    async def results(self, tenant: Tenant, repair: int, *, most: int = 1000) -> list[Result]:
        """What came of each that was sent, in the order of the set."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_RESULTS, repair, most)
        return [Result(**dict(row)) for row in rows]

    async def release(
        self, tenant: Tenant, run: int, *, again: bool = True, last: Last | None = None
    ) -> None:
        """Let a stopped run go on: with the event that stopped it, or without (that goes to quarantine).

        Raises `Conflict` when the run is not stopped.
        """
        async with self._database.engine() as transaction:
            await release(transaction, tenant.id, run, again=again)
            if last is not None:
                await last(transaction)


async def _select(
    transaction: EngineTransaction, tenant: Tenant, cause: Cause, those: Those | None
) -> list[Any]:
    found = await _all(transaction, tenant, cause)
    return found if those is None else await those(found)


async def _all(transaction: EngineTransaction, tenant: Tenant, cause: Cause) -> list[Any]:
    if cause.stopped:
        return await transaction.fetch(
            _SELECT_STOPPED, tenant.id, cause.process, cause.error, list(cause.runs), MOST_ITEMS
        )
    return await transaction.fetch(
        _SELECT,
        tenant.id,
        cause.process,
        cause.step,
        cause.exception,
        cause.connection,
        cause.error,
        list(cause.runs),
        MOST_ITEMS,
    )
