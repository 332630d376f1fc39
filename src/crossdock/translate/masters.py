"""Master data as a system keeps it, against the cross references that there are. Pure.

Each record of theirs has an id that stays, and a code by which their documents name it. Our code is what the
system says it is; where it says nothing, the same code is taken for ours. A new pair is set. What a person
has to decide changes nothing, and waits:

    taken    their code means another of ours already
    doubled  two of theirs are for one of ours, or have one code
    renamed  it has another code there now
    gone     it is in use no more there, or is not there any more
    unknown  nothing says which of ours it is, or its code cannot be kept

What a person has set stands: a code of theirs that is mapped, and for which the system names no code of ours,
is as it should be. Several units of theirs for one of ours are read so; which one is written, a person says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from shlex import quote
from typing import Literal, TypeAlias

import msgspec

from crossdock.errors import Refused
from crossdock.translate.codes import Code, checked
from crossdock.translate.work import Kind

Finding: TypeAlias = Literal["taken", "doubled", "renamed", "gone", "unknown"]


class Master(msgspec.Struct, frozen=True, kw_only=True):
    """A record of theirs. `was`: the code that it had before, which a person has not dealt with yet."""

    id: str
    code: str
    ours: str = ""
    active: bool = True
    was: str = ""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has to decide: how it stands here and there, and what would mend it."""

    finding: Finding
    here: str
    there: str
    mend: str


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of records, by id; `added` are the cross references to set."""

    records: dict[str, Master]
    added: list[Code]
    same: int
    inactive: int  # not in use there, and of no concern here
    waiting: dict[str, Waiting]


def settle(
    kind: Kind,
    connection: str,
    read: Iterable[Master],
    *,
    known: Mapping[str, Master],
    waits: Collection[str],
    codes: Iterable[Code],
    same_code: bool = True,
) -> Settled:
    """What becomes of what was `read`, and of those that wait already.

    `known` is what was read before, by id; `codes` are the cross references of that connection and kind.
    `same_code`: where a record says no code of ours, its own is ours too.
    """
    fresh = {one.id: _renamed(one, known.get(one.id)) for one in read}
    after = {**known, **fresh}
    table = _Table(kind, connection, after.values(), codes, same_code=same_code)
    added: list[Code] = []
    waiting: dict[str, Waiting] = {}
    records: dict[str, Master] = {}
    same = inactive = 0
    for name in sorted({*fresh, *(one for one in waits if one in after)}):
        one = after[name]
        found = table.outcome(one)
        if isinstance(found, Waiting):
            waiting[name] = found
        else:
            one = msgspec.structs.replace(one, was="")
            inactive += found is None and not one.active
            same += found is None and one.active
            if isinstance(found, Code):
                added.append(found)
                table.take(found)
        records[name] = one
    return Settled(records=records, added=added, same=same, inactive=inactive, waiting=waiting)


def _renamed(one: Master, before: Master | None) -> Master:
    if before is None:
        return one
    was = before.was or (before.code if before.code != one.code else "")
    return msgspec.structs.replace(one, was="" if was == one.code else was)


class _Table:
    """The cross references of one kind, and who claims what."""

    def __init__(
        self,
        kind: Kind,
        connection: str,
        records: Iterable[Master],
        codes: Iterable[Code],
        *,
        same_code: bool,
    ) -> None:
        self._kind, self._connection, self._same_code = kind, connection, same_code
        self._read: dict[str, Code] = {}
        self._written: dict[str, Code] = {}
        self._named: defaultdict[str, set[str]] = defaultdict(set)
        self._claimed: defaultdict[str, set[str]] = defaultdict(set)
        for one in records:
            if one.active:
                self._named[one.code].add(one.id)
                self._claimed[self._ours(one)].add(one.id)
        for code in codes:
            self.take(code)

    def take(self, code: Code) -> None:
        if code.direction != "out":
            self._read[code.theirs] = code
        if code.direction != "in":
            self._written.setdefault(code.ours, code)

    def outcome(self, one: Master) -> Code | Waiting | None:
        """A pair to set, what waits, or nothing where all is as it should be."""
        if one.was and not self._named[one.was] and one.active:
            old, new = self._mapped(one.was), self._mapped(one.code)
            if old is not None and new is None:
                return self._renamed(one, old)
        if not one.active:
            left = self._mapped(one.code) or (self._mapped(one.was) if one.was else None)
            return self._gone(left) if left is not None and not self._named[left.theirs] else None
        ours, there = self._ours(one), self._mapped(one.code)
        if there is not None:
            return self._taken(one, there) if one.ours and there.ours != one.ours else None
        if not ours:
            return self._unknown(one, f"nothing says which of ours {one.code} is")
        try:
            code = checked(self._kind, ours, one.code)
        except Refused as error:
            return self._unknown(one, error.message)
        other = self._written.get(ours)
        alone = other is None and len(self._claimed[ours]) == 1
        if not alone and self._kind == "unit":
            return msgspec.structs.replace(code, direction="in")
        if alone and len(self._named[one.code]) == 1:
            return code
        return self._doubled(one, ours, f"{other.theirs if other else 'nothing'} is {ours}")

    def _ours(self, one: Master) -> str:
        return one.ours or (one.code if self._same_code else "")

    def _mapped(self, theirs: str) -> Code | None:
        return self._read.get(theirs)

    def _set(self, ours: str, theirs: str, more: str = "") -> str:
        return self._command("set", f"{quote(ours)} {quote(theirs)}{more}")

    def _command(self, verb: str, rest: str) -> str:
        return f"crossdock codes {verb} {self._connection} {self._kind} {rest}"

    def _renamed(self, one: Master, old: Code) -> Waiting:
        return Waiting(
            finding="renamed",
            here=f"{old.theirs} is {old.ours}",
            there=f"{old.theirs} is called {one.code} now",
            mend=self._set(old.ours, one.code, " --replace"),
        )

    def _gone(self, left: Code) -> Waiting:
        return Waiting(
            finding="gone",
            here=f"{left.theirs} is {left.ours}",
            there=f"{left.theirs} is in use no more",
            mend=self._command("drop", f"--theirs {quote(left.theirs)}"),
        )

    def _taken(self, one: Master, there: Code) -> Waiting:
        return Waiting(
            finding="taken",
            here=f"{one.code} is {there.ours}",
            there=f"{one.code} is {one.ours}",
            mend=self._set(one.ours, one.code, " --replace"),
        )

    def _doubled(self, one: Master, ours: str, here: str) -> Waiting:
        namesakes, others = self._named[one.code], self._claimed[ours] - {one.id}
        if len(namesakes) > 1:
            there = f"{one.code} is the code of several (its records {_listed(namesakes)})"
        else:
            beside = f" (beside its record {_listed(others)})" if others else ""
            there = f"{one.code} is {ours} as well{beside}"
        more = " --direction in" if others - namesakes or ours in self._written else ""
        return Waiting(finding="doubled", here=here, there=there, mend=self._set(ours, one.code, more))

    def _unknown(self, one: Master, why: str) -> Waiting:
        return Waiting(
            finding="unknown", here="nothing", there=why, mend=self._set("OURS", one.code or "THEIRS")
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:5])
