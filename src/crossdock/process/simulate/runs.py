"""What a simulation consists of: runs, what is told of them, and whoever answers from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from crossdock.process.definition import Process
from crossdock.process.messages import Call, Event, Record, StartChild
from crossdock.process.state import ENDED_RUN, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call, or a child run of an unknown process, is answered, and how much later.

    `found`: the outcome is unknown to us, but it was done, and gave `output`. `never`: no answer comes.
    """

    outcome: Literal["done", "refused", "unreachable", "unknown", "never"] = "done"
    output: Any = None
    reason: str = ""
    retry_after: float | None = None
    resolvable: bool = True
    found: bool = False
    after: timedelta = timedelta(seconds=2)
    assumed: bool = False


@dataclass(slots=True, kw_only=True)
class Out:
    """A call that is out. `done`: a try has done it, whatever was answered; `output` is what it gave."""

    call: Call
    attempt: int = 0
    flying: bool = False
    silent: bool = False
    withdrawn: bool = False
    done: bool = False
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a step came to its end, or was held. The state of a run keeps only what it still needs."""

    at: datetime
    output: Any = None
    by: str = ""
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: its process, its state, and everything that was decided for it."""

    process: Process
    first: State
    state: State
    events: list[Event] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)  # types of exceptions, in the order they were raised
    called: list[str] = field(default_factory=list)  # operations, in the order they left
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: dict[str, End] = field(default_factory=dict)  # of steps: the last that was told of each
    output: Any = None
    stopped: str = ""  # why no further event is decided
    out: dict[str, Out] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it still takes events."""
        return self.state.status not in ENDED_RUN and not self.stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of what happened. `run` is empty for what concerns no run; `assumed`: it was made up."""

    at: datetime
    run: str
    what: str
    step: str = ""
    item: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    assumed: bool = False


class Partner(Protocol):
    """Whoever stands outside: answers what is asked, and hears what was decided."""

    def answer(self, run: Run, call: Call) -> Answer:
        """How this call is answered."""

    def child(self, run: Run, child: StartChild) -> Answer | None:
        """How this child run ends without being run; None to run it."""

    def decided(self, run: Run, records: list[Record]) -> None:
        """A decision was made for this run."""
