"""A run decided again from its history, through all the versions that it has gone through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, LiteralString

import msgspec

from crossdock.engine.correlate import decode_event
from crossdock.engine.library import Library
from crossdock.engine.payloads import put_back
from crossdock.errors import NotFound
from crossdock.process import Course, Decision, Event, Process, new_state
from crossdock.process.messages import RUN_MOVE, Record
from crossdock.process.state import Parent
from crossdock.store import EngineTransaction

_RUN: LiteralString = """
select r.process, r.version, r.key, r.generation, r.parent_step, r.parent_item, r.parent_redo,
       t.name as tenant_name,
       p.process as parent_process, p.key as parent_key, p.generation as parent_generation
from crossdock.run r join crossdock.tenant t on t.tenant = r.tenant
left join crossdock.run p on p.tenant = r.tenant and p.id = r.parent
where r.tenant = $1 and r.id = $2
"""

Hear = Callable[[int, Decision, bytes], None]  # a decision's number, what it gives now, the records it told


async def course_of(
    transaction: EngineTransaction,
    library: Library,
    tenant: int,
    run: int,
    *,
    since: Sequence[Event] = (),
    hear: Hear | None = None,
) -> Course:
    """The course of a run by its history, and by what was decided `since` and is not written yet.

    Raises `NotFound`, and what deciding raises.
    """
    row = await transaction.row(_RUN, tenant, run)
    if row is None:
        raise NotFound(f"there is no run {run}", mend="see the runs")
    lines = await transaction.fetch(
        "select seq, event, records from crossdock.history where tenant = $1 and run = $2 order by seq",
        tenant,
        run,
    )
    course: Course | None = None
    for line in lines:
        whole, told = await put_back(transaction, tenant, line["event"], line["records"])
        if course is None:
            course = await _begun(transaction, library, tenant, row, _first_version(told))
        decision = await _take(transaction, library, tenant, course, decode_event(whole))
        if hear is not None:
            hear(line["seq"], decision, told)
    if course is None:
        course = await _begun(transaction, library, tenant, row, "")
    for event in since:
        await _take(transaction, library, tenant, course, event)
    return course


async def version_of(
    transaction: EngineTransaction, library: Library, tenant: int, course: Course, event: Event
) -> tuple[int, Process] | None:
    """The version that a `run.move` names: of the run's process."""
    wanted = event.data.get("version") if isinstance(event.data, dict) else None
    if not isinstance(wanted, str):
        return None
    return await library.version(transaction, tenant, course.process.name, wanted)


async def _take(
    transaction: EngineTransaction, library: Library, tenant: int, course: Course, event: Event
) -> Decision:
    reference = await library.reference(transaction, tenant, event.reference)
    if event.type != RUN_MOVE:
        return course.take(event, reference)
    found = await version_of(transaction, library, tenant, course, event)
    return course.move(found[1] if found is not None else None, event, reference)


async def _begun(
    transaction: EngineTransaction, library: Library, tenant: int, row: Any, version: str
) -> Course:
    found = await library.version(transaction, tenant, row["process"], version) if version else None
    process = found[1] if found else await library.process(transaction, tenant, row["version"])
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
        process, tenant=row["tenant_name"], key=row["key"], generation=row["generation"], parent=parent
    )
    return Course(process, state)


def _first_version(told: bytes) -> str:
    """The version that a run began with, as its first line says."""
    records = msgspec.json.decode(told, type=list[Record])
    return next((str(r.data.get("version", "")) for r in records if r.what == "run.started"), "")
