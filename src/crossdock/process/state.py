"""What a run is between two decisions: everything that is needed to go on, and no more.

The state is bounded by the process, not by the length of its history: events are kept while a step may still
ask for them, children as counts and the open ones. It is stored as canonical JSON (`encode_state`), and
replaying a run's events gives the same bytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

StepStatus = Literal[
    "pending", "running", "waiting", "succeeded", "skipped", "failed", "held", "cancelled", "undone"
]
RunStatus = Literal["active", "held", "cancelling", "completed", "cancelled", "failed"]

ENDED_STEP: frozenset[str] = frozenset({"succeeded", "skipped", "failed", "cancelled", "undone"})
MET: frozenset[str] = frozenset({"succeeded", "skipped"})
ENDED_RUN: frozenset[str] = frozenset({"completed", "cancelled", "failed"})


class Parent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run that started this one: its process, key and generation, and which child of it this is."""

    process: str
    key: str
    generation: int
    step: str
    item: str = ""
    redo: int = 0


class PendingCall(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A call that has left and has not been decided, or was given up and may be taken up again."""

    id: str
    attempt: int = 1
    doubt: bool = False  # a try may have done it, and nobody has found out
    dark: bool = False  # in doubt, and only a person can find out
    out: bool = True  # with the driver; False: given up
    undo: bool = False
    via: str = ""
    input: Any = None  # of an undo; a step's own input is kept with the step
    then: Literal["", "skip", "fail"] = ""  # what becomes of the step when it is taken back
    handler: str = ""  # with `fail`: the step that takes its place
    error: str = ""


class Children(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The child runs of a step. `open` holds those that run; the others are counted.

    A child is told from earlier runs for the same item by its life: the `redo` that it was started with.
    """

    life: int = 0  # of the children, but for those in `lives`
    open: dict[str, int] = {}  # item key -> life
    lives: dict[str, int] = {}  # children started once more, and ended since
    started: list[str] = []  # every item key seen, while the list may still change
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    supplied: int = 0  # whose result a person found by hand
    outputs: dict[str, Any] = {}  # kept only where an expression asks for them
    again: dict[str, str] = {}  # children that did not succeed and hold the step: their status
    final: bool = False
    undoing: int = 0  # children asked to undo that have not answered
    stays: str = ""  # why what one of them did cannot be taken back
    refusing: list[str] = []  # open ones that would not be cancelled, and go on


class StepState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step of a run. Times are the engine's, but `at`, which is when it happened where that is known."""

    status: StepStatus = "pending"
    redo: int = 0
    auto_redo: int = 0  # redos that no person asked for
    triggered: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    at: datetime | None = None
    order: int = 0  # rises with every success of the run: the order in which to undo
    input: Any = None
    via: str = ""  # the connection its call goes to, where the process chose one
    output: Any = None
    events: list[Any] = []
    by: str = ""
    reason: str = ""
    call: PendingCall | None = None
    task: str = ""
    escalated: list[str] = []  # roles that may decide the task as well by now
    children: Children | None = None
    due: datetime | None = None
    climbed: list[int] = []  # the rungs of the ladder that were climbed
    rung: int = 0  # the one that is due next
    next: datetime | None = None  # when that is
    stood: float = 0.0  # seconds that its deadline was put off by, while a system was stopped
    tries: int = 0  # how often the work was taken up again by a person


class OpenException(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An exception that nobody has closed. One for each step and type: a repeat raises `count`."""

    type: str
    step: str = ""
    message: str = ""
    severity: str = ""  # the gravest that the process says; empty: as its type is
    count: int = 1
    raised: datetime
    holds: bool = False  # the step does not go on before it is closed
    late: bool = False  # opened by a deadline: closed by itself when the step ends
    wanted: dict[str, str] = {}  # aliases that another run held, by kind: claimed again by a retry


class KeptEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event that came before the step that waits for it."""

    type: str
    view: Any
    time: datetime
    received: datetime
    past: list[str] = []  # steps that were told to be done again after it came: it is not for them


class Waited(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a step stood that was waiting, or held, when it was taken down."""

    held: bool = False
    call: PendingCall | None = None  # that was given up
    reason: str = ""
    climbed: list[int] = []
    raised: list[OpenException] = []  # about it, and still open then


class Unwind(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Steps being taken back: by a redo (they return to pending) or by the end of the run."""

    steps: list[str]
    end: Literal["", "cancelled", "failed"] = ""
    reason: str = ""
    by: str = ""
    down: list[str] = []  # steps that had not ended: given back when the taking back is refused after all
    waited: dict[str, Waited] = {}  # of these, those that waited or were held: so they are again then
    merged: bool = False  # began while another taking back was under way
    undoing: bool = False  # everything is taken down and found out


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A run. `seq` counts its decisions; `wake` is the next time at which something is due."""

    process: str
    version: str
    tenant: str
    key: str
    generation: int = 1
    status: RunStatus = "active"
    seq: int = 0
    started: datetime | None = None
    at: datetime | None = None  # when the event that started it happened, where that differs
    started_by: str = ""
    ended: datetime | None = None
    reason: str = ""
    parent: Parent | None = None
    document: Any = None
    document_time: datetime | None = None
    document_received: datetime | None = None
    calendar: str = ""
    steps: dict[str, StepState] = {}
    kept: list[KeptEvent] = []
    alias: dict[str, str] = {}
    exceptions: dict[str, OpenException] = {}
    opened: int = 0  # exceptions ever opened: names the next
    successes: int = 0
    emitted: int = 0
    seen: list[str] = []  # fingerprints of the last events that are not harmless when they come twice
    milestones: list[Any] = []  # told of its goods, as `model.journey` compares them: the last ones
    unwind: Unwind | None = None
    measured: dict[str, bool] = {}
    test: bool = False  # only connections of a sandbox are called for it
    stood: datetime | None = None  # up to then all that it stood still is put off
    wake: datetime | None = None

    @property
    def id(self) -> str:
        """The run's name within its tenant."""
        return f"{self.process}/{self.key}/{self.generation}"


_encoder = msgspec.json.Encoder(order=None)
_decoder = msgspec.json.Decoder(State)


def encode_state(state: State) -> bytes:
    """The state as canonical JSON: the same state gives the same bytes."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> State:
    """The state that `encode_state` wrote."""
    return _decoder.decode(data)
