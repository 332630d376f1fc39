"""What a reading of master data came to: how many records, what was added, and what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crossdock.translate.codes import Code
from crossdock.translate.masters import Finding, Master, Settled, Waiting
from crossdock.translate.work import Kind

MOST_TOLD = 1_000  # of what was added, and of what waits, that an outcome names
_AUDITED = 50  # of what was added, that the audit names


class MasterLine(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record: `added`, or what a person has to decide."""

    kind: Kind
    id: str
    theirs: str
    ours: str
    name: str
    finding: Finding | None = None
    here: str = ""
    there: str = ""
    mend: str = ""


class Count(msgspec.Struct, kw_only=True):
    """How many records of a kind were read, and what became of them."""

    read: int = 0
    added: int = 0
    same: int = 0
    inactive: int = 0
    waiting: int = 0


@dataclass(slots=True, kw_only=True)
class Imported:
    """What a reading came to. `more`: a part is left for the next one."""

    counts: dict[Kind, Count] = field(default_factory=dict)
    added: list[MasterLine] = field(default_factory=list)
    waiting: list[MasterLine] = field(default_factory=list)
    more: bool = False

    def told(self) -> dict[str, Any]:
        """As the audit keeps it: how many were added, and the first."""
        said = [f"{one.kind} {one.ours} = {one.theirs}" for one in self.added[:_AUDITED]]
        return {"count": sum(one.added for one in self.counts.values()), "codes": said}

    def name(self, kind: Kind, one: Settled, names: Mapping[str, str]) -> None:
        """Name what was added of a kind, and what waits. `names` are those of the records, by id."""
        by_code = {record.code: record for record in one.records.values() if record.active}
        for code in one.added[: MOST_TOLD - len(self.added)]:
            self.added.append(_told(kind, by_code[code.theirs], names, code))
        for name, waiting in list(one.waiting.items())[: MOST_TOLD - len(self.waiting)]:
            self.waiting.append(_told(kind, one.records[name], names, None, waiting))


def _told(
    kind: Kind, record: Master, names: Mapping[str, str], code: Code | None, waiting: Waiting | None = None
) -> MasterLine:
    return MasterLine(
        kind=kind,
        id=record.id,
        theirs=record.code,
        ours=code.ours if code is not None else record.ours,
        name=names.get(record.id, ""),
        finding=waiting.finding if waiting else None,
        here=waiting.here if waiting else "",
        there=waiting.there if waiting else "",
        mend=waiting.mend if waiting else "",
    )
