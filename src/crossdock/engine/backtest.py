"""A new version of a process proved on past runs: each is read, played under it in memory, and compared.

It is done in parts, so that nothing is held open for long: a part is some runs, newest first, and how many
are left. Nothing is written, and nobody is asked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from crossdock.engine.breath import Breath
from crossdock.engine.course import course_of
from crossdock.engine.library import Library
from crossdock.errors import CrossdockError, Unreachable
from crossdock.process import Process
from crossdock.process.backtest import Case, backtest, unreadable
from crossdock.store import Database, Tenant

_RUNS: LiteralString = """
select r.id, r.key, r.generation, crossdock.now() as now from crossdock.run r
where r.tenant = $1 and r.process = $2 and ($3::bigint is null or r.id < $3)
  and ($4::interval is null or r.created >= crossdock.now() - $4)
order by r.id desc limit $5
"""
_LEFT: LiteralString = """
select count(*)::int from crossdock.run r
where r.tenant = $1 and r.process = $2 and r.id < $3
  and ($4::interval is null or r.created >= crossdock.now() - $4)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A run of the past, and what came of its case."""

    run: int
    key: str
    generation: int
    case: Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some runs, newest first, and how many older ones there are."""

    proved: list[Proved]
    left: int


async def prove(
    database: Database,
    library: Library,
    tenant: Tenant,
    process: Process,
    *,
    of: str,
    within: timedelta | None = None,
    before: int | None = None,
    most: int = 200,
    seconds: float = 5.0,
    assume: bool = False,
) -> Part:
    """Prove a version on runs of the process `of` that began `within` so long, older than the run `before`.

    At most so many, and no more once so many seconds have gone.
    """
    async with database.engine() as transaction:
        rows = await transaction.fetch(_RUNS, tenant.id, of, before, within, most)
    proved: list[Proved] = []
    breath = Breath()
    until = time.monotonic() + seconds
    for row in rows:
        try:
            async with database.engine() as transaction:
                course = await course_of(transaction, library, tenant.id, row["id"])
        except Unreachable:
            raise
        except (CrossdockError, LookupError, TypeError, ValueError) as error:
            case = unreadable(str(error))
        else:
            case = (
                backtest(process, course, until=row["now"], assume=assume)
                if course.history
                else unreadable("nothing of it is kept")
            )
        proved.append(Proved(run=row["id"], key=row["key"], generation=row["generation"], case=case))
        await breath.take()
        if time.monotonic() > until:
            break
    left = 0
    if proved and (len(proved) < len(rows) or len(rows) == most):
        async with database.engine() as transaction:
            left = await transaction.value(_LEFT, tenant.id, of, proved[-1].run, within)
    return Part(proved=proved, left=left)
