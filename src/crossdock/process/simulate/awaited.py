"""Events that steps wait for, made up: some hours later, before the deadline, tried before they are sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from crossdock.errors import CrossdockError
from crossdock.process.advance import advance
from crossdock.process.definition import AwaitWork, EmitWork
from crossdock.process.messages import Event
from crossdock.process.simulate.pending import Pending, means
from crossdock.process.simulate.runs import Run
from crossdock.process.simulate.script import Script
from crossdock.process.simulate.values import Values
from crossdock.process.simulate.world import World
from crossdock.process.state import ENDED_STEP
from crossdock.process.views import StepsView

# What `match` compares with a value that is known: event.gate == transfer.from, event.kind in ["a", "b"]
_EQUALS = re.compile(r"""\bevent\.(\w+)\s*(?:==|in\s*\[)\s*(?:"([^"\\]*)"|'([^'\\]*)'|(\w+(?:\.\w+)+))""")
_MOST_TRIES = 5
_A_SCRIPT = "let a script say what it tells (`--script`)"
_FIRST, _NEXT = timedelta(hours=6), timedelta(hours=18)
_OVERDUE = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Awaited:
    """Makes up what waiting steps wait for, but for what the script says of it."""

    world: World
    values: Values
    script: Script
    pending: list[Pending]  # the script's events
    main: str = ""
    unsatisfied: dict[tuple[str, str], str] = field(default_factory=dict)  # run and step -> why
    _making: set[tuple[str, str, int]] = field(default_factory=set)
    _tries: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def look(self, run: Run) -> None:
        """Make up what waiting steps wait for."""
        if self.script.defaults != "all" or not run.live or run.state.status == "cancelling":
            return
        waiting = [name for name, step in run.state.steps.items() if step.status == "waiting"]
        for name in waiting:
            work = run.process.steps[name].work
            step = run.state.steps[name]
            key = (run.state.id, name, step.redo)
            if not isinstance(work, AwaitWork) or key in self._making or self._tries[key] >= _MOST_TRIES:
                continue
            if not self._free(run, work):
                continue
            before = sum(1 for other in self._making if other[0] == run.state.id)
            delay = _FIRST + before * _NEXT
            if step.due is not None:
                delay = min(delay, (step.due - self.world.now) / 2) if step.due > self.world.now else _OVERDUE
            self._making.add(key)
            self.world.plan(self.world.now + delay, lambda name=name, key=key: self._make(run, name, key))  # type: ignore[misc]

    def _free(self, run: Run, work: AwaitWork) -> list[str]:
        """The awaited types that the script says nothing of, and that no run here sends."""
        never = {i.name for i in self.script.items if i.kind == "never" and means(i, run, self.main)}
        for pending in self.pending:
            item = pending.item
            if pending.left and item.name in work.types and means(item, run, self.main):
                explicit = self.world.about(item.name, item.said.get("data") or {})
                if all(run.state.alias.get(kind, value) == value for kind, value in explicit.items()):
                    return []
        if any(self._sent_here(run, type_) for type_ in work.types):
            return []
        types = [type_ for type_ in work.types if type_ not in never]
        return sorted(types, key=lambda type_: type_ in run.process.on)

    def _sent_here(self, run: Run, type_: str) -> bool:
        """Whether a run of this world will send events of this type."""
        if type_.startswith("exception."):
            named = run.state.alias.get("exception", "")
            return any(named in other.state.exceptions for other in self.world.runs.values())
        return any(
            isinstance(step.work, EmitWork)
            and step.work.type == type_
            and other.live
            and other.state.steps[name].status not in ENDED_STEP
            for other in self.world.runs.values()
            for name, step in other.process.steps.items()
        )

    def _make(self, run: Run, name: str, key: tuple[str, str, int]) -> None:
        """Send the first event that ends the wait; else one that the step takes at least."""
        self._making.discard(key)
        step = run.state.steps[name]
        work = run.process.steps[name].work
        if not isinstance(work, AwaitWork) or step.status != "waiting" or step.redo != key[2] or not run.live:
            return
        taken: Event | None = None
        for type_ in self._free(run, work):
            given = _matching(run, work)
            event = self.world.about_event(type_, self.values.event(run, type_, name, given))
            status, more = self._tried(run, event, name)
            if status == "succeeded":
                self._tries[key] += 1
                self.world.send(event, assumed=True)
                return
            if more and taken is None and type_ not in run.process.on:
                taken = event
        took = taken is not None or self._tries[key] > 0
        self._tries[key] = self._tries[key] + 1 if taken is not None else _MOST_TRIES
        if self._tries[key] >= _MOST_TRIES:
            self.unsatisfied[run.state.id, name] = self._why(run, work, took=took)
        if taken is not None:
            self.world.send(taken, assumed=True)
            self.look(run)

    def _why(self, run: Run, work: AwaitWork, *, took: bool) -> str:
        """Why no made-up event ends the wait; `took`: some were taken, and were not enough."""
        types = " or ".join(work.types)
        shapes = [self.world.catalogue.events.get(type_) for type_ in work.types]
        known = {kind for shape in shapes if shape is not None for kind in shape.about}
        if not known & run.state.alias.keys():
            return f"{types} names no key of this run: add `about:` to its declaration, or send it with keys"
        if work.until is not None and (took or work.match is None):
            condition = f"`until: {work.until.text.strip()}`"
            return f"no made-up {types} satisfies {condition}: {_A_SCRIPT}"
        condition = f"`match: {work.match.text.strip()}`" if work.match is not None else "what it waits for"
        return f"no made-up {types} satisfies {condition}: {_A_SCRIPT}"

    def _tried(self, run: Run, event: Event, name: str) -> tuple[str, bool]:
        """What this event would do to the step, and whether it would take it."""
        if run not in self.world.named(event.about, event.type):
            return "", False
        try:
            after = advance(run.process, run.state, event, self.world.reference).state.steps[name]
        except CrossdockError:
            return "", False
        return after.status, len(after.events) > len(run.state.steps[name].events)


def _matching(run: Run, work: AwaitWork) -> dict[str, Any]:
    """What an event has to say for `match` to hold, as far as that is an equality with what is known."""
    text = work.match.text if work.match is not None else ""
    given: dict[str, Any] = {}
    for field_, double, single, path in _EQUALS.findall(text):
        value: Any = double or single
        if path:
            value = {run.process.variable: run.state.document, "steps": StepsView(run.state.steps)}
            for part in path.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            given.setdefault(field_, value)
    return given
