"""Replay: the history of a run, decided again, must give its state byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import msgspec

from crossdock.engine.correlate import decode_event
from crossdock.engine.library import Library
from crossdock.engine.payloads import put_back
from crossdock.errors import NotFound
from crossdock.process import State, advance, encode_state, new_state
from crossdock.process.state import Parent
from crossdock.store import Database, Tenant

_RUN: LiteralString = """
select r.version, r.seq, r.key, r.generation, r.parent_step, r.parent_item, r.parent_redo, r.state,
       p.process as parent_process, p.key as parent_key, p.generation as parent_generation
from crossdock.run r left join crossdock.run p on p.tenant = r.tenant and p.id = r.parent
where r.tenant = $1 and r.id = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay gave. `same`: state and records are those that are stored, byte for byte."""

    same: bool
    decisions: int
    state: State
    differs_at: int | None = None  # the first decision whose records differ; None: only the state, or nothing


async def replay(database: Database, library: Library, tenant: Tenant, run: int) -> Replayed:
    """Decide a run's events again and compare. Raises `NotFound`."""
    async with database.engine() as transaction:
        row = await transaction.row(_RUN, tenant.id, run)
        if row is None:
            raise NotFound(f"there is no run {run}", mend="see the runs")
        process = await library.process(transaction, tenant.id, row["version"])
        lines = await transaction.fetch(
            "select seq, event, records from crossdock.history where tenant = $1 and run = $2 order by seq",
            tenant.id,
            run,
        )
        parent = None
        if row["parent_process"] is not None:
            parent = Parent(
                process=row["parent_process"],
                key=row["parent_key"],
                generation=row["parent_generation"],
                step=row["parent_step"],
                item=row["parent_item"],
                redo=row["parent_redo"],
            )
        state = new_state(
            process, tenant=tenant.name, key=row["key"], generation=row["generation"], parent=parent
        )
        differs_at: int | None = None
        for line in lines:
            whole, told = await put_back(transaction, tenant.id, line["event"], line["records"])
            event = decode_event(whole)
            reference = await library.reference(transaction, tenant.id, event.reference)
            decision = advance(process, state, event, reference)
            state = decision.state
            if differs_at is None and msgspec.json.encode(decision.records) != told:
                differs_at = line["seq"]
        stored = row["state"]
        if stored is not None:
            (stored,) = await put_back(transaction, tenant.id, stored)
    same = (encode_state(state) == stored if stored is not None else not lines) and differs_at is None
    return Replayed(same=same, decisions=len(lines), state=state, differs_at=differs_at)
