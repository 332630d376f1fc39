"""Which events a record is: a rule for each, of a declarative connector and of a mapping alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import Expression, Template
from crossdock.translate.shape import Shape
from crossdock.translate.values import Values, holds, instant, text, texts
from crossdock.translate.work import Reject, Work

_NEVER = datetime(1, 1, 1, tzinfo=UTC)  # of what is rejected for its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something that happened, as a record tells it; without an `id` its place in the delivery names it."""

    type: str
    time: datetime
    data: Any
    about: Mapping[str, str]
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a record means, when the condition holds."""

    condition: Expression | None
    type: str = ""  # '' where it is ignored
    each: Expression | None = None
    time: Shape | None = None
    id: Template | None = None
    about: Template | None = None
    data: Shape | None = None

    def holds(self, values: Values) -> bool:
        """Whether a record is what this rule is about."""
        return self.condition is None or holds(self.condition, values)

    def told(self, values: Values) -> Iterable[Told]:
        """The events of one record. Raises `Refused` for the first thing that cannot be worked out."""
        for known in self._items(values):
            yield Told(
                type=self.type,
                time=instant(self.time.evaluate(known) if self.time else None),
                data={} if self.data is None else self.data.evaluate(known),
                about=texts(self.about, known),
                id="" if self.id is None else text(self.id.evaluate(known)),
            )

    def worked_out(self, values: Values, work: Work) -> Iterable[tuple[Told, Work]]:
        """The same, each with where its fields came from and what is rejected of it."""
        for n, known in enumerate(self._items(values)):
            sources = dict(work.sources)
            if self.each is not None:
                sources["item"] = work.item(self.each, values, known["item"], n)
            own = Work(rows=work.rows, way=work.way, sources=sources)
            data = {} if self.data is None else self.data.fill(known, own, at="data")
            time = _NEVER if self.time is None else self._time(self.time, known, own)
            about: dict[str, str] = {}
            id_ = ""
            for template in (self.about, self.id):
                try:
                    if template is self.about:
                        about = texts(template, known)
                    elif template is not None:
                        id_ = text(template.evaluate(known))
                except Refused as error:
                    field = "about" if template is self.about else "id"
                    source = ", ".join(own.source(one) for one in template.expressions) if template else ""
                    own.rejects.append(
                        Reject(field=field, source=source, message=error.message, mend=error.mend)
                    )
            yield Told(type=self.type, time=time, data=data, about=about, id=id_), own

    def _time(self, shape: Shape, values: Values, work: Work) -> datetime:
        value = shape.fill(values, work, at="time")
        try:
            return instant(value)
        except Refused as error:
            if not any(one.field == "time" for one in work.rejects):
                sources = [one.source for one in work.origins if one.field == "time"]
                work.rejects.append(
                    Reject(field="time", source=", ".join(sources), message=error.message, mend=error.mend)
                )
            return _NEVER

    def _items(self, values: Values) -> list[Values]:
        if not self.type:
            return []
        if self.each is None:
            return [values]
        return [{**values, "item": item} for item in self.each.evaluate(values)]


def meaning(rules: tuple[Rule, ...], values: Values) -> list[Told]:
    """Every event that a record is. Raises `Refused` for a record that no rule knows."""
    known = [rule for rule in rules if rule.holds(values)]
    if not known:
        raise Refused("no rule of `events` knows this record", mend="add a rule, or one with `ignore`")
    return [one for rule in known for one in rule.told(values)]
