"""What happens in a simulation, written down: a list of happenings, each with what makes it happen.

    - at: 2h                           an event, at a time (since the start, or an instant) ...
      event: warehouse.shipment_packed
      data: { quantity: { value: "4", unit: EA } }
    - when: deliver-shipment/book succeeded    ... or when a step has come to a status
      event: order.cancelled
    - call: erp.check_credit           how a call (operation or step) is answered, in the order written
      gives: { ok: false }             or refuses: text, unreachable: 3, unknown: true, never: true
    - child: deliver-shipment          how a child run ends, without being run: gives, or fails: text
    - decide: approve_credit           what a person decides, when asked (or at a time)
      as: bob
      decision: refused
    - do: skip                         cancel, retry, skip, supply, redo or close; when its step is held
      step: proof_is_clean
      reason: agreed with the customer
    - never: shipment.delivered        an event that is not made up
    - expect: { run: completed, steps: { pick: succeeded }, exceptions: [pick_late] }

A script is that list, or a map with it under `happens:` and, besides, `title`, `process`, `start`, `until`,
`document`, `tenant` (settings), `calendars` (by name) and `defaults`: what is made up where the script says
nothing (all, answers, none).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from crossdock.errors import Refused
from crossdock.process.calendar import Calendar
from crossdock.process.problems import Problem

Defaults = Literal["none", "answers", "all"]
Repair = Literal["cancel", "retry", "skip", "supply", "redo", "close"]


class NotAScript(Refused):
    """The text is not a script that can be played; `problems` says why, in the order of the file."""

    def __init__(self, found: tuple[Problem, ...]) -> None:
        """Take every problem found."""
        self.problems = found
        super().__init__("\n".join(str(problem) for problem in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a step (`run`: the run) of the process has come to a status."""

    process: str
    step: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One happening: its kind, what it names, and the rest as written, checked. `line`: where it stands."""

    kind: str
    name: str
    line: int
    at: timedelta | datetime | None = None
    when: When | None = None
    after: timedelta | None = None
    whom: str = ""  # a run: its process, or its name
    said: Mapping[str, Any] = field(default_factory=dict)

    def time(self, start: datetime) -> datetime | None:
        """The instant it happens at, where it says one."""
        return start + self.at if isinstance(self.at, timedelta) else self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script, read."""

    title: str = ""
    process: str = ""
    start: datetime | None = None
    until: timedelta | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    defaults: Defaults = "all"
    items: tuple[Item, ...] = ()
