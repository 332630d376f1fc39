"""Lines of a file become events, or faults with their place. Pure, and no more than a record at a time.

    ndjson   each line is a CloudEvent, or an order
    csv      the first line names the fields, dots lead into objects: `customer.name`, `total.amount`

Of orders in CSV, columns such as `lines.item` are of one line of the order: rows that follow each other with
the same `number` are one order with so many lines. `lines.0.item` names a line by its place instead.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from crossdock.api.strict import near, shown, strict_json
from crossdock.engine import Arrival
from crossdock.errors import Refused
from crossdock.gateway import arrival_of
from crossdock.model import CloudEvent, about, parse_document, to_json
from crossdock.model.documents import Invalid
from crossdock.process.messages import Actor

What = Literal["events", "orders"]
Form = Literal["ndjson", "csv"]
_QUOTE = "end lines with LF or CR LF, and quote cells that hold either"
LONGEST = 1 * 2**20  # bytes of one record
MOST_COLUMNS = 500
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one line: its field, and the mend."""

    line: int
    field: str
    detail: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """The event that a line is."""

    line: int
    arrival: Arrival


Found = Good | Fault


@dataclass(slots=True)
class Reader:
    """Reads one file: `feed` it pieces, then `end`. `named` begins the ids of events that have none."""

    what: What
    form: Form
    type: str
    named: str
    now: datetime
    actor: Actor
    lines: int = 0
    _decoder: Any = field(default_factory=codecs.getincrementaldecoder("utf-8-sig"))
    _rest: str = ""
    _record: str = ""  # of a CSV record, while a quotation is open
    _began: int = 0
    _columns: list[tuple[str, ...]] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _delimiter: str = ","
    _order: dict[str, Any] | None = None
    _order_lines: list[int] = field(default_factory=list)

    def feed(self, data: bytes) -> Iterator[Found]:
        """What the whole lines in a piece of the file are. Raises `Refused` where it cannot be read on."""
        try:
            text = self._rest + self._decoder.decode(data)
        except UnicodeDecodeError:
            raise Refused(
                "this is not a text in UTF-8", where=f"line {self.lines + 1}", mend="save it as UTF-8"
            ) from None
        *lines, self._rest = text.split("\n")
        if len(self._rest) > LONGEST or len(self._record) > LONGEST:
            raise Refused(
                f"a line has more than {LONGEST:,} bytes",
                where=f"line {self.lines + 1}",
                mend="send less in one",
            )
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[Found]:
        """What is left at the end of the file."""
        try:
            self._rest += self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise Refused("this is not a text in UTF-8", where="its end", mend="save it as UTF-8") from None
        if self._rest:
            yield from self._line(self._rest)
        if self._record:
            yield Fault(line=self._began, field="", detail="a quotation does not end", mend="close it")
        yield from self._finish()

    def _line(self, line: str) -> Iterator[Found]:
        self.lines += 1
        line = line.removesuffix("\r")
        if self.form == "ndjson":
            if line.strip():
                yield from self._judged(self.lines, lambda: strict_json(line.encode(), ""))
            return
        if not self._record:
            self._began = self.lines
        self._record += line
        if self._record.count('"') % 2:
            self._record += "\n"
            return
        record, self._record = self._record, ""
        if not record.strip():
            return
        if not self._names:
            self._header(record)
            return
        try:
            cells = self._cells(record)
        except csv.Error as error:
            yield Fault(line=self._began, field="", detail=f"it is no CSV: {error}", mend=_QUOTE)
            return
        yield from self._row(self._began, cells)

    def _cells(self, record: str) -> list[str]:
        return next(csv.reader([record], delimiter=self._delimiter), [])

    def _header(self, record: str) -> None:
        self._delimiter = max(_DELIMITERS, key=record.count)
        try:
            self._names = [name.strip() for name in self._cells(record)]
        except csv.Error as error:
            raise Refused(f"it is no CSV: {error}", where="line 1", mend=_QUOTE) from None
        self._columns = [tuple(name.split(".")) for name in self._names]
        if len(self._names) > MOST_COLUMNS:
            raise Refused(f"more than {MOST_COLUMNS} columns", where="line 1", mend="leave some out")
        for name in self._names:
            if not name or self._names.count(name) > 1:
                said = f"the column {shown(name)} stands twice" if name else "a column has no name"
                raise Refused(said, where="line 1", mend="name each column once")
        for needed in ("number",) if self.what == "orders" else ("type", "source", "id"):
            if needed not in self._names:
                raise Refused(
                    f"there is no column {needed}", where="line 1", mend=near(needed, self._names) or "add it"
                )

    def _row(self, line: int, cells: list[str]) -> Iterator[Found]:
        if len(cells) != len(self._names):
            said = f"{len(cells)} cells where {len(self._names)} are named"
            yield Fault(line=line, field="", detail=said, mend="quote cells that hold the delimiter")
            return
        value: dict[str, Any] = {}
        own: dict[str, Any] = {}  # of the order's line that this row is
        for way, cell in zip(self._columns, cells, strict=True):
            if cell == "":
                continue
            if self.what == "orders" and way[0] == "lines" and len(way) > 1 and not way[1].isdecimal():
                _put(own, way[1:], cell)
            else:
                _put(value, way, cell)
        if self.what == "events":
            yield from self._judged(line, lambda: value)
            return
        number = value.get("number")
        if self._order is not None and own and number and number == self._order.get("number"):
            self._order["lines"].append(own)
            self._order_lines.append(line)
            return
        yield from self._finish()
        if own:
            self._order, self._order_lines = {**value, "lines": [own]}, [line]
        else:
            yield from self._judged(line, lambda: value)

    def _finish(self) -> Iterator[Found]:
        """The order whose rows have all been read."""
        if self._order is None:
            return
        order, lines = self._order, self._order_lines
        self._order, self._order_lines = None, []
        yield from self._judged(lines[0], lambda: order, lines)

    def _judged(self, line: int, read: Any, lines: list[int] | None = None) -> Iterator[Found]:
        try:
            yield Good(line=line, arrival=self._arrival(line, read()))
        except Invalid as error:
            for problem in error.problems:
                place, where = _place(problem.path, lines or [line])
                yield Fault(line=place, field=where, detail=problem.message, mend=problem.mend)
        except Refused as error:
            yield Fault(line=line, field=error.where.lstrip("."), detail=error.message, mend=error.mend)

    def _arrival(self, line: int, value: Any) -> Arrival:
        if self.what == "events":
            return arrival_of(value, self.actor)
        if not isinstance(value, dict):
            raise Refused("an order is an object", mend="send each as { ... } on a line of its own")
        data = to_json(parse_document("Order", value))
        event = CloudEvent.parse(
            {
                "specversion": "1.0",
                "id": f"{self.named}/{line}",
                "source": "/import",
                "type": self.type,
                "time": (data.get("released") or self.now),
                "data": data,
            }
        )
        return Arrival(
            id=event.id,
            source=event.source,
            type=event.type,
            time=event.time,
            data=event.data,
            about=about(event.type, event.data),
            actor=self.actor,
        )


def _put(value: dict[str, Any], way: tuple[str, ...], cell: str) -> None:
    """A cell at its place; what stands under numbers is a list."""
    into: Any = value
    for n, part in enumerate(way):
        last = n == len(way) - 1
        empty: Any = cell if last else [] if way[n + 1].isdecimal() else {}
        if isinstance(into, list):
            place = int(part) if part.isdecimal() and len(part) < 4 else -1
            if not 0 <= place <= len(into):
                return
            if place == len(into):
                into.append(empty)
            into = into[place]
        elif isinstance(into, dict):
            into = into.setdefault(part, empty)
        else:
            return


def _place(path: str, lines: list[int]) -> tuple[int, str]:
    """The line and the column of a field of an order whose lines are rows."""
    first, _, rest = path.partition(".")
    number, _, inner = rest.partition(".")
    if first == "lines" and number.isdecimal() and int(number) < len(lines) and len(lines) > 1:
        return lines[int(number)], f"lines.{inner}" if inner else "lines"
    return lines[0], path
