"""What is made up for a run: outputs and events with its own keys, over which goes what a script gives."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from crossdock.expressions import Record, Type
from crossdock.process.simulate.runs import Run
from crossdock.process.simulate.samples import Here, Samples, currency_of, remaining
from crossdock.process.simulate.world import World

# Texts of a document that say nothing about what is made up for it.
_NOT_KNOWN = frozenset(
    {"number", "id", "version", "text", "reason", "state", "kind", "name", "source", "type"}
)


@dataclass(frozen=True, slots=True)
class Values:
    """Makes up values for runs of a world. `bare`: nothing is made up, only what is given."""

    world: World
    samples: Samples
    bare: bool = False

    def made(self, run: Run, type_: Type | None, given: Any) -> Any:
        """A value of that type: what is given, over what is made up."""
        if type_ is None or (self.bare and given is not None):
            return {} if given is None else given
        return merged(self.samples.value(type_, "", self._here(run, "")), given)

    def event(self, run: Run | None, type_: str, step: str, given: Any) -> Any:
        """An event's data for a step: what is given, over what is made up, with the run's own keys."""
        shape = self.world.catalogue.events[type_]
        if run is None:
            here = Here(now=self.world.now)
            return merged({} if self.bare else self.samples.value(shape.data, _subject(type_), here), given)
        made = {} if self.bare else self.samples.value(shape.data, _subject(type_), self._here(run, step))
        if made == run.state.document:  # the event carries the document itself: its keys are in it
            return merged(made, given)
        keys: dict[str, Any] = {}
        named = bool(self.world.about(type_, given))
        fields = shape.data.fields if isinstance(shape.data, Record) else {}
        for kind, path in shape.about.items():
            first, *deeper = path.split(".")
            if isinstance(made, dict) and deeper and made.get(first) == run.state.document:
                continue  # the keys of the document itself are in it
            if named and first in fields and fields[first].optional:
                if not deeper:  # who names keys names all that are not needed
                    made.pop(first, None)
            elif kind in run.state.alias:
                _put(keys, [first, *deeper], run.state.alias[kind])
        return merged(merged(made, keys), given)

    def _here(self, run: Run, step: str) -> Here:
        document = run.state.document
        quantity, lines = remaining(document, run.state.steps[step].events if step else [])
        known = _texts(document)
        if step:  # an event speaks of what calls have given: the pick, the booking
            for other in run.state.steps.values():
                known |= _texts(other.output) if not other.events else {}
        for kind, value in run.state.alias.items():
            known |= {kind: value, f"{kind}_number": value}
        return Here(
            now=self.world.now,
            document=document,
            kind_of_document=run.process.document,
            known=known,
            lines=lines,
            quantity=quantity,
            currency=currency_of(document),
        )


def merged(made: Any, given: Any) -> Any:
    """What is given, over what is made up: maps field by field, all else whole; null leaves out."""
    if given is None:
        return made
    if not isinstance(given, dict) or not isinstance(made, dict):
        return copy.deepcopy(given)
    if {"amount", "currency"} <= given.keys() or {"value", "unit"} <= given.keys():
        return dict(given)
    both = {name: merged(made.get(name), value) for name, value in given.items() if value is not None}
    return {**{name: value for name, value in made.items() if name not in given}, **both}


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str) and name not in _NOT_KNOWN}


def _subject(type_: str) -> str:
    return type_.partition(".")[0]


def _put(into: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value
