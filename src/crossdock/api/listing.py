"""Lists: filtered, sorted, paged by cursor, or written out whole; by the same query in each form.

    {"items": [...], "next": cursor}      JSON, a page; `next` is absent on the last
    ?format=csv, ?format=ndjson           all rows of the filtered view, streamed

A page begins after the last row of the one before, by the values that it is sorted by: rows that come or
go meanwhile move nothing. Written out, each piece is read in a transaction of its own, so that a slow reader
holds no snapshot open; and only as long as who asks may still see it: else the file breaks off.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from crossdock.api.ground import PIECE, Call
from crossdock.api.strict import near, shown
from crossdock.errors import Refused
from crossdock.store import TenantTransaction

Row = Any
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
MOST = 200  # of one page
_NOT_ASKED = frozenset({"cursor", "limit", "fields", "expand", "format"})  # change no row of the view
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def expanding(*parts: str) -> Any:
    """The parameter that says which parts are written out."""
    some = "|".join(parts)
    return Field(
        None,
        description=f"With: {', '.join(parts)}; apart by commas",
        json_schema_extra={"anyOf": [{"type": "string", "pattern": f"^({some})(,({some}))*$"}]},
    )


class View(BaseModel):
    """What every look at something takes."""

    model_config = ConfigDict(frozen=True)

    fields: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        None, description="Only these fields, apart by commas; dots lead into objects: `id,document.number`"
    )


class Paged(View):
    """What every list takes."""

    limit: int = Field(50, ge=1, le=MOST, description="Rows of a page")
    cursor: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="`next` of the page before"
    )
    format: Literal["json", "csv", "ndjson"] = Field(
        "json", description="`csv` and `ndjson` stream all rows of the filtered view, not a page of it"
    )


class Out(BaseModel):
    """What an answer holds, for its description. With `fields` any of it may be left out."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=lambda schema: schema.pop("required", None) and None
    )


@dataclass(slots=True, kw_only=True)
class Listing:
    """One list: how its rows are read after a place, what place a row has, how rows are shown.

    `names` are the fields of a row that is shown; `columns` those of a CSV. `sees` keeps the rows that who
    asks may see, where that is decided about each: a page may be shorter for it, and goes on after the last
    row that was read.
    """

    fetch: Callable[[TenantTransaction, list[Any] | None, int], Awaitable[Sequence[Row]]]
    place: Callable[[Row], list[Any]]
    show: Callable[[TenantTransaction, Sequence[Row]], Awaitable[list[dict[str, Any]]]]
    names: Sequence[str]
    columns: Sequence[str] = field(default_factory=tuple)
    sees: Callable[[Sequence[Row]], Awaitable[Sequence[Row]]] | None = None

    async def answer(self, call: Call, query: Paged) -> Response:
        """A page, or all of it."""
        chosen = chosen_fields(query.fields, self.names)
        if query.format == "json":
            return await self._page(call, query, chosen)
        if query.cursor is not None:
            raise Refused("a file holds all rows", where="query.cursor", mend="leave it out")
        name = call.request.url.path.rsplit("/", 1)[-1]
        lines = self._csv(call, chosen) if query.format == "csv" else self._ndjson(call, chosen)
        media = "text/csv; charset=utf-8" if query.format == "csv" else "application/x-ndjson"
        said = {"content-disposition": f'attachment; filename="{name}.{query.format}"'}
        return StreamingResponse(await _begun(lines), headers=said, media_type=media)

    async def _page(self, call: Call, query: Paged, chosen: Sequence[str]) -> Response:
        asked = _asked(call)
        place = call.names.place(asked, query.cursor) if query.cursor is not None else None
        async with call.look() as transaction:
            rows = await self.fetch(transaction, place, query.limit + 1)
            more = len(rows) > query.limit
            items = await self._shown(transaction, rows[: query.limit])
        value: dict[str, Any] = {"items": [pick(item, chosen) for item in items]}
        headers = {}
        if more:
            value["next"] = call.names.cursor(asked, self.place(rows[query.limit - 1]))
            kept = [(k, v) for k, v in call.request.query_params.multi_items() if k != "cursor"]
            address = urlencode([*kept, ("cursor", value["next"])])
            headers["link"] = f'<{call.request.url.path}?{address}>; rel="next"'
        return call.answer(value, headers=headers)

    async def _shown(self, transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return await self.show(transaction, rows if self.sees is None else await self.sees(rows))

    async def _pieces(self, call: Call) -> AsyncIterator[list[dict[str, Any]]]:
        place: list[Any] | None = None
        while True:
            async with call.look() as transaction:
                rows = await self.fetch(transaction, place, PIECE)
                items = await self._shown(transaction, rows)
            yield items
            if len(rows) < PIECE:
                return
            await call.still()
            # As a cursor has it, which went through JSON.
            place = msgspec.json.decode(msgspec.json.encode(self.place(rows[-1])))

    async def _ndjson(self, call: Call, chosen: Sequence[str]) -> AsyncIterator[bytes]:
        async for items in self._pieces(call):
            yield b"".join(msgspec.json.encode(pick(item, chosen)) + b"\n" for item in items)

    async def _csv(self, call: Call, chosen: Sequence[str]) -> AsyncIterator[bytes]:
        columns = chosen or self.columns or self.names
        yield _line(columns)
        async for items in self._pieces(call):
            yield b"".join(_line([_at(item, column) for column in columns]) for item in items)


async def _begun(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same lines, the first of them made already: what is wrong shows before an answer has begun."""
    first = await anext(lines, b"")

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for line in lines:
            yield line

    return rest()


def _asked(call: Call) -> str:
    """What a cursor is bound to: the list and everything that chooses or sorts its rows."""
    query = call.request.query_params.multi_items()
    return f"{call.request.url.path}?{urlencode(sorted(pair for pair in query if pair[0] not in _NOT_ASKED))}"


def chosen_fields(given: str | None, names: Sequence[str]) -> tuple[str, ...]:
    """The fields that somebody wants; none is all. Raises `Refused` for one that is not there."""
    found = tuple(dict.fromkeys(part.strip() for part in (given or "").split(",") if part.strip()))
    for one in found:
        top = one.partition(".")[0]
        if top not in names:
            raise Refused(f"there is no field {shown(top)}", where="query.fields", mend=near(top, names))
    return found


def chosen_parts(given: str | None, known: Sequence[str]) -> frozenset[str]:
    """The parts that somebody wants written out. Raises `Refused` for one that is not there."""
    found = frozenset(part.strip() for part in (given or "").split(",") if part.strip())
    for one in sorted(found - set(known)):
        raise Refused(f"{shown(one)} cannot be expanded", where="query.expand", mend=near(one, known))
    return found


def pick(item: Mapping[str, Any], chosen: Sequence[str]) -> dict[str, Any]:
    """What is chosen of an item, without what is absent."""
    if not chosen:
        return {name: value for name, value in item.items() if value is not None}
    found: dict[str, Any] = {}
    for name in chosen:
        value = _at(item, name)
        if value is None:
            continue
        into = found
        *way, last = name.split(".")
        for part in way:
            inner = into.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            into = inner
        else:
            into[last] = value
    return found


def _at(item: Any, name: str) -> Any:
    for part in name.split("."):
        if isinstance(item, msgspec.Raw):
            item = msgspec.json.decode(item)
        item = item.get(part) if isinstance(item, Mapping) else None
    return item


def _line(values: Sequence[Any]) -> bytes:
    """One line of CSV. A text that a spreadsheet would take for a formula is written as text."""
    out = io.StringIO()
    csv.writer(out).writerow([_cell(value) for value in values])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return msgspec.json.encode(value).decode().strip('"')
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple | msgspec.Raw):
        value = msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class Where:
    """Conditions of a statement: only those that were asked for, each with its values in order.

    So the planner sees what is asked, and takes the index for it.
    """

    def __init__(self, *values: Any) -> None:
        """Values that the statement has before."""
        self.values: list[Any] = list(values)
        self._parts: list[str] = []

    def add(self, condition: str, *values: Any) -> None:
        """One more condition; `{}` stands for each value."""
        places = []
        for value in values:
            self.values.append(value)
            places.append(f"${len(self.values)}")
        self._parts.append(condition.format(*places))

    def maybe(self, condition: str, value: Any) -> None:
        """One more condition, where the value is given."""
        if value is not None and value != []:
            self.add(condition, value)

    def next(self, value: Any) -> str:
        """The place of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def sql(self) -> str:
        """All of them, to stand behind a `where` that is true."""
        return "".join(f"\n  and {part}" for part in self._parts)
