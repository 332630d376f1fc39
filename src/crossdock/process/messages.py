"""What goes into a decision and what comes out of it: events, records, commands. Values only.

`advance` takes one `Event` and answers with `Record`s (what is told: history) and `Command`s (what shall be
done: the outbox). Commands are a closed set; whoever drives the kernel carries out each of them exactly once
and answers with an event.

    command      the driver                                                   answers with
    Call         puts a call into its lane                                    call.ended
    Retry        lets the same call go again at a time                        call.ended
    Withdraw     takes a call back if it never left, else finds out           call.ended
    StartChild   starts a run of another process for one item                 child.ended, when it ends
    Tell         puts an event into one other run (parent or child)           -
    Emit         puts a business event before everybody                       -
    Claim        writes an alias, so that later events find this run          alias.refused, on a conflict
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

# Types of the events that the kernel itself understands. All other types are business events.
CALL_ENDED = "call.ended"  # data: CallEnded
TIMER_DUE = "timer.due"  # data: {"due": instant}
TASK_DECIDED = "task.decided"  # data: TaskDecided
CHILD_ENDED = "child.ended"  # data: ChildEnded
ALIAS_REFUSED = "alias.refused"  # data: {"kind", "value", "holder"}
EXCEPTION_CLOSE = "exception.close"  # data: {"exception": id, "action": close|retry|skip|cancel, "note"}
CLOSINGS = ("close", "retry", "skip", "cancel")  # what an exception.close may say
# With "item", the first three are about one child of a step with `each`, which did not succeed.
# Repairs of a step may name the `exception` that they answer: where it is closed, somebody was quicker.
STEP_RETRY = "step.retry"  # data: {"step", "item", "note"}: try again what failed
STEP_SUPPLY = "step.supply"  # data: {"step", "item", "output", "note"}: the result, found out by hand
STEP_SKIP = "step.skip"  # data: {"step", "item", "note"}
STEP_REDO = "step.redo"  # data: {"step", "note"}
RUN_START = "run.start"  # data: {"document", "process"}: a start by hand or by a parent run
RUN_CANCEL = "run.cancel"  # data: {"reason"}
RUN_STOOD_STILL = "run.stood_still"  # data: {"connection", "since", "until"}: deadlines did not run meanwhile
RUN_MOVE = "run.move"  # data: {"version", "note"}: go on under that version of its process

UNMAPPED = (
    "unmapped_value"  # the code of a call that is refused here: the partner's code for ours is not known
)
NO_CONNECTION = "no_connection"  # the code of a call that is refused here: there is no way to its system

_TEST = "test/"


# Bytes of what is looked up in an index. A run's key is shorter: the names of its exceptions are made of it.
MOST_KEY, MOST_NAME = 1_000, 2_000


def apart(name: str, *, test: bool) -> str:
    """A key or an alias as runs bear it: what is in test is kept apart, so that none meets the other."""
    return _TEST + name if test and not name.startswith(_TEST) else name


def unfit(name: str, most: int = MOST_NAME) -> str:
    """Why a text cannot be looked up, as keys and aliases are; empty where it can."""
    if "\0" in name:
        return "it holds a NUL character"
    size = len(name.encode(errors="replace"))
    return f"it has {size:,} bytes, and {most:,} is the most" if size > most else ""


def numbers_of(typed: str) -> list[str]:
    """How a number that a person types may stand in keys and aliases: as it is, in capitals, in test."""
    forms = (typed, typed.upper())
    return list(dict.fromkeys((*forms, *(apart(form, test=True) for form in forms))))


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is behind an event, as the door that let it in has established.

    `behind` is the person whose key or delegation it is: whoever may not decide may not by it either.
    """

    id: str
    kind: Literal["human", "key", "assistant", "system"] = "human"
    roles: tuple[str, ...] = ()
    behind: str = ""

    @property
    def person(self) -> str:
        """Who answers for it: the person behind, else itself."""
        return self.behind or self.id


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, as one run sees it.

    `source` and `id` together name it once for ever. `time` is when it happened, `received` when it was
    acknowledged, `now` when it is decided: the last two are the engine's clock, and `now` is the only clock
    that a decision knows.
    """

    id: str
    source: str
    type: str
    time: datetime
    received: datetime
    now: datetime
    data: Any = None
    about: dict[str, str] = {}  # business keys it names: {"order": "SO-1", "tracking": "1Z..."}
    actor: Actor | None = None
    trusted: bool = True  # measures use `time` where it is, else `received`
    reference: int = 0  # the version of the tenant's settings and calendars that decides it
    test: bool = (
        False  # it is in test, and so is the run that it starts: no production system is called for it
    )
    schema: int = 0  # the version of its type that `data` was kept in; 0: the first, or nothing is kept yet


class CallEnded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a call ended, in kinds that say what follows.

    done         the answer is `output`
    refused      the other side said no, and will again: `reason`, `code`
    unreachable  certainly not done; may be tried again, not before `retry_after` seconds
    unknown      may have been done; `resolvable` says whether a repeat is safe (an idempotency key, or a find
                 that goes first). When it is not, a person has to find out
    withdrawn    taken back, or found never to have been done
    """

    command: str
    outcome: Literal["done", "refused", "unreachable", "unknown", "withdrawn"]
    output: Any = None
    reason: str = ""
    code: str = ""
    retry_after: float | None = None
    resolvable: bool = True


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="call"):
    """Call an operation of a connected system.

    `id` is unique in the run and derived from step, item, redo count and purpose: with tenant, process, key
    and generation it is the idempotency key of the call for its whole life.
    """

    id: str
    step: str
    system: str  # what is called: erp, wms, carrier ...
    operation: str
    input: Any
    via: str = ""  # the connection by name, where the process chose one; else the tenant's for that system
    lane: str = ""  # the document it is about; calls of one lane and connection leave in order
    undo: bool = False
    doubt: bool = False  # an earlier life of this call, given up, may have done it: find out first
    only_find: bool = False  # do not do it: answer done where it was done, withdrawn where it was not


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="retry"):
    """Let the call `id` go again at `at`; `doubt` says that an earlier try may have done it."""

    id: str
    at: datetime
    doubt: bool = False


class Withdraw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="withdraw"):
    """Take the call `id` back if it never left; find out, without repeating it, if it may have."""

    id: str


class StartChild(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="start_child"
):
    """Start a run of `process` for one document; `item` is its key among the children of `step`."""

    step: str
    item: str
    redo: int = 0
    process: str
    document: Any


class Tell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="tell"):
    """Put an event into another run: the parent, or the child of `step` and `item`, of that `redo`.

    Without `item`: all children of the step that were started with that `redo`.
    """

    to: Literal["parent", "child"]
    type: str
    data: Any = None
    step: str = ""
    item: str = ""
    redo: int = 0


class Emit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="emit"):
    """A business event for whoever has a use for it; `id` is unique in the run."""

    id: str
    type: str
    data: Any = None
    about: dict[str, str] = {}


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do", tag="claim"):
    """From now on, events that name `kind` = `value` are this run's."""

    kind: str
    value: str


Command = Call | Retry | Withdraw | StartChild | Tell | Emit | Claim


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a decision tells about the run: a line of its history.

    `what` is a name of the closed list in `docs/reference/process-language.md`; the other fields are there
    where they mean something for it.
    """

    what: str
    step: str = ""
    item: str = ""
    data: dict[str, Any] = {}
