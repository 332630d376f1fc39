"""Whether an audit is what was recorded: the chain, its checkpoints, and what both say about each other.

This reads values and nothing else, so the same holds for a database and for an export without one. What can
be found, by kind:

    changed     an entry is not what its hash was taken over, or does not follow from the one before it
    removed     a number is missing between others
    swapped     an entry stands in another's place
    truncated   the newest entries are gone: the head, a checkpoint or the end of an export names later ones
    head        the row that names the newest entry does not fit
    checkpoint  a checkpoint is missing, is not signed by a known key, or contradicts another one
    history     rows of the history are not those that a checkpoint was signed over
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crossdock.access.audit_checkpoints import FIRST, Checkpoint
from crossdock.access.audit_form import GENESIS, Entry, entry_hash

Kind = Literal["changed", "removed", "swapped", "truncated", "head", "checkpoint", "history"]
MOST_FAULTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong. `number` is of the entry, or of the checkpoint where `kind` says so."""

    kind: Kind
    number: int
    what: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What was found. `signed` is the newest entry that a checkpoint covers, and `unsigned_rows` counts those
    of the history that none covers yet. `faults` holds the first hundred, `count` all of them.
    """

    tenant: int
    entries: int = 0
    signed: int = 0
    checkpoints: int = 0
    rows: int = 0
    unsigned_rows: int = 0
    last: str = ""  # the hash of the newest entry
    keys: tuple[str, ...] = ()  # names of the keys that have signed
    outside: bool = False  # whether checkpoints outside of the database were compared
    faults: list[Fault] = field(default_factory=list)
    count: int = 0

    @property
    def good(self) -> bool:
        """Whether everything is as it was recorded, as far as it is signed."""
        return self.count == 0

    @property
    def first(self) -> Fault | None:
        """The first bad entry; else the first other fault."""
        entries = [one for one in self.faults if one.kind in {"changed", "removed", "swapped", "truncated"}]
        return min(entries, key=lambda one: one.number, default=next(iter(self.faults), None))

    def find(self, kind: Kind, number: int, what: str) -> None:
        """Add a fault."""
        self.count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(kind=kind, number=number, what=what))


class Verifier:
    """Takes entries and checkpoints in their order, `take` and `sign`, and says at the `end` what was wrong.

    A checkpoint is given before any entry that comes after the one it signs.
    """

    def __init__(self, tenant: int, keys: Mapping[str, bytes]) -> None:
        """Of that tenant; `keys` are the public halves that are trusted, by name."""
        self.report = Report(tenant=tenant)
        self._keys = dict(keys)
        self._number = 0
        self._hash: bytes | None = GENESIS  # of the entry before; None where it is missing
        self._bad: list[Entry] = []
        self._gaps: list[tuple[int, int]] = []
        self._late: list[int] = []  # numbers that came behind a higher one
        self._agreed = 0  # the newest entry whose hash is the one that was signed
        self._checkpoint: Checkpoint | None = None
        self._named: list[Checkpoint] = []  # those that sign an entry which has not come yet
        self._signers: set[str] = set()

    def take(self, entry: Entry) -> None:
        """The next entry."""
        report = self.report
        report.entries += 1
        if entry.number <= self._number:
            self._late.append(entry.number)
            report.find("swapped", entry.number, f"entry {entry.number} stands behind entry {self._number}")
            if entry.digest() != entry.hash:
                self._bad.append(entry)
            return
        if entry.number != self._number + 1:
            self._gaps.append((self._number + 1, entry.number - 1))
            self._hash = None
        if entry.tenant != report.tenant:
            report.find("changed", entry.number, f"entry {entry.number} is of tenant {entry.tenant}")
        elif entry.digest() != entry.hash:
            self._bad.append(entry)
        elif self._hash is not None and entry.previous != self._hash:
            report.find(
                "changed",
                entry.number,
                f"entry {entry.number} does not follow from entry {entry.number - 1}: one was replaced",
            )
        self._number, self._hash = entry.number, entry.hash
        self._compare()

    def sign(self, checkpoint: Checkpoint) -> bool:
        """The next checkpoint; whether a known key has signed it."""
        report, last = self.report, self._checkpoint
        report.checkpoints += 1
        number = checkpoint.number
        expected = 1 if last is None else last.number + 1
        if checkpoint.tenant != report.tenant:
            report.find("checkpoint", number, f"checkpoint {number} is of tenant {checkpoint.tenant}")
            return False
        if checkpoint.key not in self._keys:
            report.find(
                "checkpoint", number, f"checkpoint {number} is signed by an unknown key, {checkpoint.key}"
            )
            return False
        if not checkpoint.is_signed(self._keys):
            report.find("checkpoint", number, f"checkpoint {number} has a bad signature")
            return False
        self._signers.add(checkpoint.key)
        if number != expected:
            report.find("checkpoint", expected, f"checkpoint {expected} is missing")
        elif checkpoint.previous != (FIRST if last is None else last.fingerprint):
            report.find("checkpoint", number, f"checkpoint {number} does not follow from the one before it")
        self._checkpoint = checkpoint
        report.signed = max(report.signed, checkpoint.entries)
        self._named.append(checkpoint)
        self._compare()
        return True

    def _compare(self) -> None:
        """Hold checkpoints against the entry that they sign, when it has come."""
        while self._named and self._named[0].entries <= self._number:
            one = self._named.pop(0)
            if one.entries == self._number:
                reached = self._hash
            elif one.entries == 0:
                reached = GENESIS
            else:
                continue  # its entry is missing, which was said, or it comes late
            if reached is None:
                continue
            if reached.hex() != one.hash:
                self.report.find(
                    "changed",
                    self._agreed + 1,
                    f"entries {self._agreed + 1} to {one.entries} are not those that checkpoint {one.number} "
                    "was signed over: they were written anew",
                )
            self._agreed = one.entries

    def end(
        self, *, number: int | None = None, newest: bytes | None = None, named: str = "the head"
    ) -> Report:
        """No more comes. `number` and `newest` are the last entry and its hash, as `named` says."""
        report = self.report
        self._say_missing()
        self._say_bad()
        if self._named:
            one = self._named[-1]
            report.find(
                "truncated",
                self._number + 1,
                f"entries {self._number + 1} to {one.entries} are gone: checkpoint {one.number} was signed "
                "over them",
            )
        elif number is not None and number > self._number:
            report.find(
                "truncated",
                self._number + 1,
                f"entries {self._number + 1} to {number} are gone: {named} says that there are {number}",
            )
        if number is not None and number < self._number:
            report.find(
                "head", number, f"{named} says that entry {number} is the last, and it is {self._number}"
            )
        elif number == self._number and newest is not None and self._hash not in {None, newest}:
            report.find("head", self._number, f"{named} gives another hash for entry {self._number}")
        report.last = (self._hash or b"").hex()
        report.keys = tuple(sorted(self._signers))
        return report

    def _say_missing(self) -> None:
        for first, last in self._gaps:
            late = [n for n in self._late if first <= n <= last]
            start = first
            for n in (*sorted(late), last + 1):
                if n > start:
                    words = f"entry {start} is" if n == start + 1 else f"entries {start} to {n - 1} are"
                    self.report.find("removed", start, f"{words} missing")
                start = n + 1

    def _say_bad(self) -> None:
        """Tell entries that stand in another's place from those that were changed."""
        some = self._bad[:MOST_FAULTS]
        for entry in self._bad:
            place = next((one.number for one in some if _is_of(entry, one)), None)
            if place is None:
                self.report.find("changed", entry.number, f"entry {entry.number} is not what was recorded")
            else:
                words = f"what stands as entry {entry.number} was recorded as entry {place}"
                self.report.find("swapped", entry.number, words)


def _is_of(entry: Entry, other: Entry) -> bool:
    """Whether an entry was recorded under the other's number: with its own hash, or with the other's."""
    if other.number == entry.number:
        return False
    there = entry_hash(other.previous, other.tenant, other.number, entry.at, entry.body())
    return entry.digest(number=other.number) == entry.hash or there == other.hash


LEAF = 32


def compare_leaves(report: Report, checkpoint: Checkpoint, kept: bytes, found: bytes, *, whole: bool) -> None:
    """Say which rows of the history differ: `kept` are the leaves beside a checkpoint, `found` those that the
    rows give now. `whole` tells whether the kept ones are what was signed.
    """
    if not whole:
        report.find(
            "history",
            checkpoint.number,
            f"rows of the history, and the leaves that would name them, are not what checkpoint "
            f"{checkpoint.number} was signed over",
        )
        return
    then, now = _leaves(kept), _leaves(found)
    said = False
    for place in sorted(then.keys() | now.keys()):
        before, after = then.get(place), now.get(place)
        if before != after:
            what = "removed" if after is None else "added" if before is None else "changed"
            words = f"step {place[1]} of run {place[0]} in the history was {what}"
            report.find("history", checkpoint.number, words)
            said = True
    if not said:
        words = (
            f"rows of the history are in another order than checkpoint {checkpoint.number} was signed over"
        )
        report.find("history", checkpoint.number, words)


def _leaves(data: bytes) -> dict[tuple[int, int], list[bytes]]:
    found: dict[tuple[int, int], list[bytes]] = {}
    for start in range(0, len(data), LEAF):
        leaf = data[start : start + LEAF]
        place = (int.from_bytes(leaf[:8], "big"), int.from_bytes(leaf[8:12], "big"))
        found.setdefault(place, []).append(leaf[12:])
    return found
