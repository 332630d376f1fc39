"""Moves of many runs to another version of their process: which of a set, and what came of each."""

from __future__ import annotations

from typing import Any, LiteralString

import msgspec

from crossdock.engine.payloads import put_back
from crossdock.errors import NotFound, Refused
from crossdock.process import State
from crossdock.process.messages import Record
from crossdock.store import EngineTransaction, Tenant

# The runs of a set that are not under the wanted version, and that version. `next_id`: being rolled out.
_MOVABLE: LiteralString = """
select r.id as run, r.process, v.version, r.version = v.id as there
from unnest($2::bigint[]) as k(run)
join crossdock.run r on r.tenant = $1 and r.id = k.run
left join crossdock.process_current c on c.tenant = r.tenant and c.name = r.process
left join crossdock.process_version v on v.tenant = r.tenant and v.name = r.process
  and ($3 = '' and v.id = coalesce(c.next_id, c.id) or $3 <> '' and v.version = $3)
"""

_WHY_NOT: LiteralString = """
select records from crossdock.history where tenant = $1 and run = $2 and type = 'run.move'
order by seq desc limit 1
"""


async def movable(
    transaction: EngineTransaction, tenant: Tenant, found: list[Any], version: str
) -> tuple[list[Any], str]:
    """Each run of a set once, without those that are under the version already, and that version."""
    rows = await transaction.fetch(_MOVABLE, tenant.id, sorted({row["run"] for row in found}), version)
    names = sorted({row["process"] for row in rows})
    if len(names) > 1:
        raise Refused(
            f"these are runs of {', '.join(names)}, and a move is to one version",
            mend="name the process as well",
        )
    wanted = next((row["version"] for row in rows), None)
    if wanted is None:
        raise NotFound(f"{names[0]} has no version {version}".rstrip(), mend="see its versions")
    left = {row["run"] for row in rows if not row["there"]}
    chosen = {row["run"]: row for row in reversed(found) if row["run"] in left}
    if not chosen:
        raise Refused(
            f"all of them go under version {wanted[:10]} already", mend="publish the mended process first"
        )
    return [row for row in found if chosen.get(row["run"]) is row], wanted


async def came_of(
    transaction: EngineTransaction, row: Any, version: str, state: State | None
) -> tuple[str, str] | None:
    """Whether a run goes on under the version it was to, or what stands against it."""
    if row["error"] is not None:
        return "stopped", row["error"]
    if state is None:
        return None
    if state.version == version:
        held = [f"{name}: {step.reason}" for name, step in state.steps.items() if step.status == "held"]
        return "moved", f"still held: {held[0]}" if held else state.status
    told = await transaction.value(_WHY_NOT, row["tenant"], row["run"])
    (told,) = await put_back(transaction, row["tenant"], told or b"[]")
    records = msgspec.json.decode(told, type=list[Record])
    reasons = [
        f"{record.step}: {record.data.get('reason', '')}" if record.step else str(record.data.get("reason"))
        for record in records
        if record.what == "run.move_refused"
    ]
    return "stayed", "; ".join(reasons)
