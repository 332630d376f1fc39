"""What a server gives. A newer server may give more: what is not known here is passed over.

What stands in a state is text, so that a state that comes later is a value too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What all of them are: frozen, and equal where all they hold is."""


class Page(Shape, Generic[T], frozen=True, kw_only=True):
    """A page of a list; `next` leads to the one after it."""

    items: list[T]
    next: str | None = None


class Alias(Shape, frozen=True, kw_only=True):
    """A number by which events find a run. `live` is false for one that it had before."""

    kind: str
    value: str
    live: bool = True


class Run(Shape, frozen=True, kw_only=True):
    """A run. `id` is its name at that server, `next` when something falls due."""

    id: str
    process: str
    key: str
    generation: int
    status: str
    version: str
    decisions: int
    created: datetime
    changed: datetime
    ended: datetime | None = None
    next: datetime | None = None
    parent: str | None = None
    stopped: str | None = None
    open_exceptions: int = 0
    open_tasks: int = 0
    aliases: list[Alias] = []
    document: Any = None


class Proposal(Shape, frozen=True, kw_only=True):
    """What is proposed: a deed with what it is given, on a run, a task or an exception."""

    id: str
    status: str
    deed: str
    on: str
    run: str
    process: str
    key: str
    generation: int
    given: dict[str, Any]
    why: str
    by: str
    seen: str
    at: datetime
    model: str | None = None
    person: str | None = None
    decided: datetime | None = None
    decided_by: str | None = None
    note: str | None = None


class Decision(Shape, frozen=True, kw_only=True):
    """One decision of a run: the event, and what was told."""

    seq: int
    at: datetime
    event: dict[str, Any]
    records: list[dict[str, Any]]


class Outcome(Shape, frozen=True, kw_only=True):
    """What came of an act on a run. `outcome` is `done`, or `pending` while it has not decided yet."""

    run: str
    outcome: str
    event: str = ""
    records: list[dict[str, Any]] = []


class Wrong(Shape, frozen=True, kw_only=True):
    """Why one of many was refused."""

    detail: str = ""
    where: str = ""
    mend: str = ""


class Sent(Shape, frozen=True, kw_only=True):
    """What became of an event. `fate` is `duplicate` where it was accepted before: nothing changed."""

    id: str
    fate: str
    runs: list[str] = []
    reason: str = ""
    problem: Wrong | None = None


class SentMany(Shape, frozen=True, kw_only=True):
    """What became of each of many events."""

    items: list[Sent]


class Kept(Shape, frozen=True, kw_only=True):
    """An event that no run has: not claimed yet, or refused with a reason."""

    id: str
    at: datetime
    type: str
    reason: str = ""
    event: Any = None


class Unread(Shape, frozen=True, kw_only=True):
    """What a partner sent and nobody could read; `body` is its beginning."""

    id: str
    at: datetime
    connection: str
    reason: str
    feed: str = ""
    message: str = ""  # what its sender calls it
    body: str = ""


class Task(Shape, frozen=True, kw_only=True):
    """Something that a person decides. `seen` is the digest of `content`; a decision sends it back."""

    id: str
    kind: str
    status: str
    role: str
    run: str
    process: str
    key: str
    step: str
    opened: datetime
    title: str = ""
    due: datetime | None = None
    ended: datetime | None = None
    content: Any = None
    seen: str | None = None
    excluded: list[str] = []


class Case(Shape, frozen=True, kw_only=True):
    """An exception: something that went otherwise. `holds` tells whether the step waits for it."""

    id: str
    type: str
    severity: str
    status: str
    message: str
    run: str
    process: str
    key: str
    count: int
    holds: bool
    opened: datetime
    owner: str = ""
    step: str = ""
    connection: str = ""
    repeated: datetime | None = None
    closed: datetime | None = None


class Repair(Shape, frozen=True, kw_only=True):
    """A repair of many runs; `outcomes` says what came of how many."""

    id: str
    status: str
    at: datetime
    by: str
    action: dict[str, Any]
    cause: dict[str, Any]
    trial: int
    rate: float
    counted: int
    sent: int
    outcomes: dict[str, int] = {}


class Item(Shape, frozen=True, kw_only=True):
    """One run of a repair. `outcome` is None while it is at work or waits."""

    n: int
    run: str
    process: str
    key: str
    generation: int
    step: str = ""
    sent: datetime | None = None
    outcome: str | None = None
    detail: str = ""


class Replayed(Shape, frozen=True, kw_only=True):
    """Whether a run, decided again, is what is stored; `differs_at` is the first decision that is not."""

    same: bool
    decisions: int
    differs_at: int | None = None


class Feed(Shape, frozen=True, kw_only=True):
    """How far a feed is read: when to its end, seconds since then, readings that failed in a row."""

    name: str
    read: datetime | None = None
    lag: float | None = None
    failures: int = 0


class Health(Shape, frozen=True, kw_only=True):
    """How calls went within the last hour. Lengths are seconds; `error_rate` is of calls, 0 to 1."""

    last_success: datetime | None = None
    last_failure: datetime | None = None
    calls: int = 0
    refused: int = 0
    failed: int = 0
    error_rate: float | None = None
    p50: float | None = None
    p95: float | None = None
    lag: float | None = None
    quota_left: float | None = None
    quota_limit: float | None = None
    quota_resets: datetime | None = None
    feeds: list[Feed] = []


class Connection(Shape, frozen=True, kw_only=True):
    """A connection, and how its calls stand. Rates are calls a second."""

    name: str
    system: str
    connector: str
    environment: str = "production"
    status: str
    settings: dict[str, Any] = {}
    mapping: str | None = None
    concurrency: int | None = None
    rate: float | None = None
    stopped: datetime | None = None
    stopped_by: str = ""
    stand_still: bool = False
    drain_rate: float | None = None
    record_until: datetime | None = None
    failures: int = 0
    open_until: datetime | None = None
    waiting: int = 0
    out: int = 0
    oldest: datetime | None = None
    health: Health = Health()


class Connector(Shape, frozen=True, kw_only=True):
    """A connector; `settings` is a JSON Schema of what a connection is told, `secrets` say what each is."""

    name: str
    title: str
    version: str
    serves: list[str]
    doc: str = ""
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    webhook: bool = False
    feeds: list[str] = []
    tested: bool = False


class Finding(Shape, frozen=True, kw_only=True):
    """What came of one step of a test of a connection, and the mend where it is not good."""

    step: str
    good: bool
    detail: str
    mend: str = ""
    seconds: float = 0.0


class Tested(Shape, frozen=True, kw_only=True):
    """Whether a connection works, and the steps that were taken: the last one says what is wrong."""

    connection: str
    good: bool
    findings: list[Finding]


class SecretKnown(Shape, frozen=True, kw_only=True):
    """A secret that is set, without any part of its text. Not `in_use`: it holds on for what comes in."""

    connection: str
    name: str
    in_use: bool
    set: datetime
    set_by: str
    expires: datetime | None = None


class SecretSet(Shape, frozen=True, kw_only=True):
    """Whether a secret is another one now."""

    connection: str
    name: str
    changed: bool


class SecretDropped(Shape, frozen=True, kw_only=True):
    """How many texts of a secret were forgotten."""

    connection: str
    name: str
    dropped: int


class Process(Shape, frozen=True, kw_only=True):
    """A process that new runs take; a `share` of them the next version, while that is rolled out."""

    name: str
    version: str
    published: datetime
    published_by: str = ""
    next_version: str | None = None
    share: float | None = None


class Version(Shape, frozen=True, kw_only=True):
    """A version of a process; `source` is its text, of one version, not in lists."""

    name: str
    version: str
    published: datetime
    published_by: str = ""
    current: bool = False
    source: str = ""


class PartnerMapping(Shape, frozen=True, kw_only=True):
    """A mapping, and the version in use; `source` is its text, of one, not in lists."""

    name: str
    version: str
    published: datetime
    published_by: str = ""
    connections: list[str] = []
    source: str = ""


class Code(Shape, frozen=True, kw_only=True):
    """A cross reference: one of our codes and one of theirs, of a connection or system (`scope`)."""

    scope: str
    kind: str
    ours: str
    theirs: str
    direction: str = "both"
    since: datetime | None = None
    by: str = ""


class OtherCode(Shape, frozen=True, kw_only=True):
    """A cross reference that another stands against, or that is forgotten."""

    ours: str
    theirs: str
    direction: str = "both"


class CodeLine(Shape, frozen=True, kw_only=True):
    """What became of a line: added, same, changed (it replaces `others`), or a conflict with them."""

    line: int
    kind: str
    ours: str
    theirs: str
    direction: str
    outcome: str
    reason: str = ""
    others: list[OtherCode] = []


class CodesSet(Shape, frozen=True, kw_only=True):
    """What became of all lines. Where one is a conflict, none was set."""

    done: bool
    added: int
    same: int
    changed: int
    conflicts: int
    lines: list[CodeLine] = []


class FetchedCode(Shape, frozen=True, kw_only=True):
    """A cross reference that was set by what a system says, or that would be."""

    kind: str
    ours: str
    theirs: str
    name: str = ""


class WaitingCode(Shape, frozen=True, kw_only=True):
    """Master data of theirs that a person has to decide about; `mend` is a command."""

    connection: str
    kind: str
    id: str
    theirs: str
    finding: str
    here: str
    there: str
    mend: str
    found: datetime | None = None


class FetchCount(Shape, frozen=True, kw_only=True):
    """What became of the records of a kind."""

    read: int
    added: int
    same: int
    inactive: int
    waiting: int


class CodesFetched(Shape, frozen=True, kw_only=True):
    """What reading master data came to. `more`: a part is left for the next reading."""

    done: bool
    more: bool
    counts: dict[str, FetchCount]
    added: list[FetchedCode] = []
    waiting: list[WaitingCode] = []


class Example(Shape, frozen=True, kw_only=True):
    """A case of a difference, by its run."""

    run: str
    key: str
    detail: str = ""


class Difference(Shape, frozen=True, kw_only=True):
    """What would have been otherwise, or is not known, in `count` cases; with the first of them."""

    kind: str
    what: str
    count: int
    step: str = ""
    examples: list[Example] = []


class Assumed(Shape, frozen=True, kw_only=True):
    """An answer that was assumed, and how often."""

    what: str
    count: int


class Proven(Shape, frozen=True, kw_only=True):
    """What past cases would have come to under a version. `left` older ones are not among them."""

    process: str
    version: str
    cases: int
    same: int
    different: int
    undecided: int
    differences: list[Difference] = []
    questions: list[Difference] = []
    assumed: list[Assumed] = []
    left: int = 0
    next: str | None = None


class Reconciled(Shape, frozen=True, kw_only=True):
    """How the last comparison of the systems with what stands here went."""

    compared: dict[str, int] = {}
    failed: dict[str, str] = {}
    differ: int = 0
    waiting: int = 0
    ran: datetime | None = None
    due: datetime | None = None
    since: datetime | None = None


class SystemsDiffer(Shape, frozen=True, kw_only=True):
    """Something that stands otherwise there than here; `takes_in`: taking in what was lost mends it."""

    id: str
    what: str
    kind: str
    about: str
    connection: str
    severity: str
    here: str
    there: str
    mend: str
    takes_in: bool
    since: datetime
    found: datetime
    seen: datetime
    against: str | None = None
    order: str | None = None
    shipment: str | None = None
    invoice: str | None = None
    item: str | None = None
    gone: datetime | None = None
    mended_by: str | None = None


class Mended(Shape, frozen=True, kw_only=True):
    """How many events were taken in."""

    events: int
