"""Values made up from their types: whatever a process is told when nobody has said what.

The same questions in the same order give the same values. A text comes from its field's name (`booking` is
`BOOKING-1`), a number that the run already knows stays the same (`order` in an event is the order's own),
money is in the document's currency, and quantities are those that are still to come. Of the optional fields
those are given that the processes name, or that people expect to see; enumerations and flags only where they
must.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from crossdock.errors import Refused
from crossdock.expressions import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    MONEY,
    QUANTITY,
    STRING,
    TIMESTAMP,
    Field,
    ListOf,
    MapOf,
    Record,
    Type,
)
from crossdock.model import DOCUMENTS, EVENTS, parse_document, to_json
from crossdock.process.turn import text_of

_DEEPEST = 6
_EXPECTED = frozenset({"lines", "quantity", "total", "customer", "item"})
_OWN_NUMBER = frozenset({"number", "id", "key", "code"})
_TEXTS = frozenset({"text", "reason", "note", "notes", "message", "description", "comment", "instructions"})
_FIXED = {
    "country": "DE",
    "currency": "EUR",
    "unit": "EA",
    "language": "en",
    "zone": "UTC",
    "time_zone": "UTC",
    "email": "somebody@example.org",
    "date": "2026-01-05",
}
_IDLE = frozenset({"version", "changed", "source", "raw"})
_WEIGHTS = {"weight": "KGM", "volume": "MTQ", "length": "CMT", "width": "CMT", "height": "CMT"}
# How far ahead of now a time lies, by a part of its field's name; others have just happened.
_AHEAD = (
    ("cut_off", timedelta(hours=8)),
    ("appointment", timedelta(hours=8)),
    ("slot", timedelta(hours=8)),
    ("eta", timedelta(days=2)),
    ("delivery_by", timedelta(days=2)),
    ("estimated", timedelta(days=2)),
    ("promised", timedelta(days=5)),
    ("requested_delivery", timedelta(days=5)),
    ("expected", timedelta(days=5)),
    ("until", timedelta(days=30)),
    ("deadline", timedelta(days=30)),
    ("expires", timedelta(days=30)),
    ("ends", timedelta(days=30)),
    ("due", timedelta(days=5)),
    ("planned", timedelta(days=1)),
)
_PATH = re.compile(r"\.([a-z][a-z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What is known where a value is made up.

    `document` is the run's own and of the type `kind_of_document`; `known` are texts by the name of a field;
    `lines` and `quantity` are what is still to come of the document's.
    """

    now: datetime
    document: Any = None
    kind_of_document: str = ""
    known: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Mapping[str, Any], ...] = ()
    quantity: Mapping[str, Any] | None = None
    currency: str = "EUR"


class Samples:
    """Makes values up. `sources` are the texts of the processes, which say what they name."""

    def __init__(self, sources: tuple[str, ...] = ()) -> None:
        """Read which fields are named."""
        self._named = frozenset(name for text in sources for name in _PATH.findall(text))
        self._counted: Counter[str] = Counter()
        self._choices = _choices()

    def document(self, name: str, type_: Type, now: datetime) -> Any:
        """A document of that name. A canonical one is completed as its model does (totals, units)."""
        made = self.value(type_, name, Here(now=now))
        if name not in DOCUMENTS:
            return made
        try:
            return to_json(parse_document(name, made))
        except Refused:
            return made

    def value(self, type_: Type, name: str, here: Here) -> Any:
        """A value of that type, for a field of that name."""
        return self._value(type_, name, here, "", 0)

    # -- by type ---------------------------------------------------------------------------------------

    def _value(self, type_: Type, name: str, here: Here, owner: str, depth: int) -> Any:
        if isinstance(type_, Record):
            return self._record(type_, here, depth)
        if isinstance(type_, MapOf):
            return {}
        if isinstance(type_, ListOf):
            if name == "lines" and here.lines and isinstance(type_.item, Record):
                return [self._line(type_.item, line, here, depth) for line in here.lines]
            return [self._value(type_.item, name.removesuffix("s"), here, owner, depth + 1)]
        if type_ == STRING:
            return self._text(name, here, owner)
        if type_ == TIMESTAMP:
            ahead = next((ahead for part, ahead in _AHEAD if part in name), timedelta(0))
            return text_of(here.now + ahead)
        if type_ == MONEY:
            return {"amount": "10.00" if name == "price" else "100.00", "currency": here.currency}
        if type_ == QUANTITY:
            if name in _WEIGHTS:
                return {"value": "5", "unit": _WEIGHTS[name]}
            return dict(here.quantity or {"value": "10", "unit": "EA"})
        plain: dict[Any, Any] = {BOOL: True, INT: 1, DOUBLE: 1.0, DECIMAL: "1", DURATION: "3600s", DYN: {}}
        return plain.get(type_)

    def _record(self, record: Record, here: Here, depth: int) -> dict[str, Any]:
        if record.name and record.name == here.kind_of_document and isinstance(here.document, dict):
            return copy.deepcopy(here.document)
        choices = self._choices.get(record.name, {})
        made: dict[str, Any] = {}
        for name, inner in record.fields.items():
            if name in choices:
                if not inner.optional:
                    made[name] = choices[name]
            elif not inner.optional or (self._wanted(name, inner, depth) and not _idle(name, record)):
                made[name] = self._value(inner.type, name, here, record.name, depth + 1)
        return made

    def _wanted(self, name: str, inner: Field, depth: int) -> bool:
        """Whether an optional field is worth having: a process names it, or people expect it."""
        if depth >= _DEEPEST or inner.type in (BOOL, DYN) or isinstance(inner.type, MapOf):
            return False
        if isinstance(inner.type, ListOf):
            return name == "lines"
        if isinstance(inner.type, Record) and depth > 1:
            return name in _EXPECTED
        return name in _EXPECTED or name in self._named

    def _line(self, record: Record, line: Mapping[str, Any], here: Here, depth: int) -> dict[str, Any]:
        """A line of what is made up, for a line of the document."""
        made = self._record(record, here, depth + 1)
        same = {name: line[name] for name in ("number", "item", "name", "quantity") if name in line}
        if "number" in line:
            same |= {"line": line["number"], "order_line": line["number"]}
        made |= {name: copy.deepcopy(value) for name, value in same.items() if name in record.fields}
        return made

    def _text(self, name: str, here: Here, owner: str) -> str:
        if name in here.known:
            return here.known[name]
        if name in _FIXED:
            return here.currency if name == "currency" else _FIXED[name]
        if name in _TEXTS:
            return "made up"
        if name.endswith("_by"):
            return "clerk"
        word = _words(owner) if name in _OWN_NUMBER and owner else name
        for ending in ("_number", "_id"):
            word = word.removesuffix(ending) or word
        if name == "name":
            return f"Some {_words(owner).replace('_', ' ') or 'name'}"
        self._counted[word] += 1
        if word.endswith("_line"):
            return str(self._counted[word])
        return f"{word.upper()}-{self._counted[word]}"


def _idle(name: str, record: Record) -> bool:
    """Whether an optional field says nothing that others do not."""
    return name in _IDLE or name in _TEXTS or (name == "id" and "number" in record.fields)


def currency_of(document: Any) -> str:
    """The currency of a document's money; EUR where it has none."""
    return next(_currencies(document), "EUR")


def remaining(document: Any, events: list[Any]) -> tuple[dict[str, Any] | None, tuple[dict[str, Any], ...]]:
    """What of a document's quantity and lines these events have not told of; all, where that is nothing."""
    whole = document if isinstance(document, dict) else {}
    lines = tuple(line for line in whole.get("lines", ()) if isinstance(line, dict))
    quantity = whole.get("quantity")
    rest = _less(quantity, [event.get("quantity") for event in events if isinstance(event, dict)])
    told: dict[str, list[Any]] = {}
    for line in (line for event in events for line in _lines_of(event)):
        told.setdefault(str(line.get("line") or line.get("item")), []).append(line.get("quantity"))
    left = []
    for line in lines:
        name = line.get("number") if str(line.get("number")) in told else line.get("item")
        less = _less(line.get("quantity"), told.get(str(name), []))
        if less is not None:
            left.append({**line, "quantity": less})
    return rest or (dict(quantity) if isinstance(quantity, dict) else None), tuple(left) or lines


def _lines_of(event: Any) -> Iterator[dict[str, Any]]:
    for holder in (event, event.get("shipment")) if isinstance(event, dict) else ():
        if isinstance(holder, dict):
            yield from (line for line in holder.get("lines", ()) if isinstance(line, dict))


def _less(quantity: Any, taken: list[Any]) -> dict[str, Any] | None:
    """A quantity less others of its unit; None where nothing is left."""
    try:
        value = Decimal(quantity["value"])
        for one in taken:
            if isinstance(one, dict) and one.get("unit") == quantity.get("unit"):
                value -= Decimal(one["value"])
    except (TypeError, KeyError, InvalidOperation):
        return None
    return {**quantity, "value": format(value, "f")} if value > 0 else None


def _currencies(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        currency = value.get("currency")
        if isinstance(currency, str) and currency:
            yield currency
        for inner in value.values():
            yield from _currencies(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _currencies(inner)


def _words(name: str) -> str:
    """`ProofOfDelivery` is proof_of_delivery; of a dotted name the last part."""
    last = name.rpartition(".")[2].partition("_or_")[0]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).lower()


def _choices() -> dict[str, dict[str, str]]:
    """The fields of the model whose texts come from a list, with the first of each, by the model's name."""
    found: dict[str, dict[str, str]] = {}
    queue: list[Any] = [*DOCUMENTS.values(), *(event.data for event in EVENTS.values())]
    while queue:
        model = queue.pop()
        if model.__name__ in found:
            continue
        found[model.__name__] = {}
        for name, info in model.model_fields.items():
            for part in _parts(info.annotation):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    queue.append(part)
                elif get_origin(part) is Literal:
                    found[model.__name__][name] = str(get_args(part)[0])
                elif isinstance(part, type) and issubclass(part, StrEnum):
                    found[model.__name__][name] = str(next(iter(part)))
    return found


def _parts(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield annotation
        return
    yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)
