"""The parts of a script that are still to come."""

from __future__ import annotations

from dataclasses import dataclass

from crossdock.process.simulate.runs import Run
from crossdock.process.simulate.script import Item


@dataclass(slots=True)
class Pending:
    """An item of the script, and how often it has been used. `set`: its time has been planned."""

    item: Item
    used: int = 0
    set: bool = False

    @property
    def times(self) -> int:
        """How often it can be used."""
        said = self.item.said
        count = said.get("unreachable") if said.get("unreachable") is not True else None
        return int(count or said.get("times") or 1)

    @property
    def left(self) -> bool:
        """Whether it is still to come."""
        return self.used < self.times


def means(item: Item, run: Run, main: str) -> bool:
    """Whether an item may be about this run; `main` is the process that is meant where none is named."""
    if not item.whom:
        return item.kind in ("call", "event", "never") or run.process.name == main
    name = run.state.id
    return item.whom in (run.process.name, name, name.rpartition("/")[0])


def unused(pending: Pending) -> str:
    """Why it never came to pass."""
    item = pending.item
    if item.when is not None and not pending.set:
        return f"the moment never came: {item.when.step} of {item.when.process} was never {item.when.status}"
    if item.at is not None:
        return "its time lies beyond the end of the simulation"
    match item.kind:
        case "call":
            used = f" ({pending.used} of {pending.times} answers used)" if pending.times > 1 else ""
            return f"{item.name} was not called{' again' if pending.used else ''}{used}"
        case "child":
            return f"no child run of {item.name} was started"
        case "decide":
            return f"nobody was asked to decide {item.name}"
        case _:
            return f"there was nothing to {item.name}"
