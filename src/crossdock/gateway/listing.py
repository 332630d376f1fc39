"""What lies where and what is promised: listed by the ERP and by the warehouse, and compared (`shelves`).

Every connection that has `list_stock` takes part, page by page, and with `list_allocations` where it has it.
Items, sites and units are told in our codes: by the master data of the connection, else as they come. A
`unit` row may say how many of another unit one is: `unit,12 EA,KIT-30/XCT,in`.

Two systems are never read at the same moment. So whatever differs is asked for again, and counts only where
both sides then tell the same as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, LiteralString

import msgspec

from crossdock.connect import Calls, Lines
from crossdock.connect.lines import Line
from crossdock.connect.references import References
from crossdock.engine.payloads import put_back
from crossdock.errors import CrossdockError, Refused
from crossdock.gateway import shelves
from crossdock.gateway.compare import LIVE, Difference, bills
from crossdock.gateway.shelves import NONE, Amount, Progress, Shelf
from crossdock.process.messages import Record
from crossdock.store import Database, EngineTransaction, Tenant
from crossdock.translate.work import Sought

PAGE_SECONDS = 60.0
READ_SECONDS = 300.0  # for all pages of one connection
MOST_PAGES = 5_000
_FEW = 200  # items that are asked for by name; of more, all is read again
_RUNS = 500  # that are looked at in one statement
_PACKED, _SHORT = "warehouse.shipment_packed", "warehouse.pick_short"
_records = msgspec.json.Decoder(list[Record]).decode

_OF_ORDERS: LiteralString = """
select distinct on (a.value) a.value as number, r.id, r.status
from crossdock.alias a join crossdock.run r on r.tenant = a.tenant and r.id = a.run
where a.tenant = $1 and a.kind = 'order' and a.value = any($2::text[]) and r.version = any($3::bigint[])
order by a.value, r.id desc
"""
_HISTORY: LiteralString = """
select h.run, h.at, h.type, h.event, h.records from crossdock.history h
where h.tenant = $1 and h.run = any($2::bigint[])
  and (h.type in ('warehouse.shipment_packed', 'warehouse.pick_short')
    or position('"step.started"'::bytea in h.records) > 0
    or position('"step.succeeded"'::bytea in h.records) > 0
    or position('"step.undone"'::bytea in h.records) > 0 or position('"step.redone"'::bytea in h.records) > 0)
order by h.run, h.seq
"""


@dataclass(slots=True)
class Listed:
    """What listing came to: what differs; what changed while it was looked at; who was read, and who not."""

    found: list[Difference] = field(default_factory=list)
    moving: set[str] = field(default_factory=set)  # numbers that are neither found nor gone
    read: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Side:
    """A connection that lists, and what its items are called there."""

    line: Line
    system: str
    shelf: Shelf
    theirs: dict[str, set[str]] = field(default_factory=dict)


class Listing:
    """Lists, and compares what is listed."""

    def __init__(self, database: Database, lines: Lines, calls: Calls) -> None:
        """Through these connections."""
        self._database = database
        self._lines = lines
        self._calls = calls
        self._references = References(database)

    async def compare(
        self, tenant: Tenant, whats: Sequence[str], connections: Iterable[str], orders: Sequence[int]
    ) -> Listed:
        """Compare what these connections list; `orders` are the versions of processes about orders."""
        told = Listed(counts=dict.fromkeys(whats, 0))
        sides: dict[str, list[_Side]] = {"erp": [], "wms": []}
        for name in connections:
            side = await self._side(tenant, name, told)
            if side is not None:
                sides[side.system].append(side)
        if not all(sides.values()):
            told.counts = dict.fromkeys(whats, 0)
            return told
        for side in [*sides["erp"], *sides["wms"]]:
            await self._read(tenant, side, whats, told)
        for books in sides["erp"]:
            for floor in sides["wms"]:
                if books.shelf.connection in told.read and floor.shelf.connection in told.read:
                    await self._pair(tenant, books, floor, whats, orders, told)
        return told

    async def _side(self, tenant: Tenant, name: str, told: Listed) -> _Side | None:
        try:
            line = await self._lines.line(tenant.id, name)
        except CrossdockError as error:
            told.failed[name] = str(error)
            return None
        lists = [system for system in ("erp", "wms") if (system, "list_stock") in line.operations]
        return _Side(line, lists[0], Shelf(connection=name)) if lists else None

    async def _read(self, tenant: Tenant, side: _Side, whats: Sequence[str], told: Listed) -> None:
        name = side.shelf.connection
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._fill(tenant, side, None)
        except CrossdockError as error:
            told.failed[name] = side.line.hide(str(error))
            return
        except TimeoutError:
            told.failed[name] = f"{name} takes more than {READ_SECONDS:g} s to list its stock"
            return
        except Exception as error:  # noqa: BLE001 - a connector reads what others send
            told.failed[name] = side.line.hide(f"{type(error).__name__}: {error}")
            return
        told.read.append(name)
        if side.system == "wms":
            looked = {"stock": len(side.shelf.lies), "allocations": len(side.shelf.promised or ())}
            for what in whats:
                told.counts[what] = told.counts.get(what, 0) + looked[what]

    async def _pair(
        self,
        tenant: Tenant,
        books: _Side,
        floor: _Side,
        whats: Sequence[str],
        orders: Sequence[int],
        told: Listed,
    ) -> None:
        """What differs between two, after asking both again about it."""
        sites = shelves.common(books.shelf, floor.shelf)
        first = await self._differences(tenant, books, floor, whats, orders, sites)
        if not first:
            return
        items = {one.item for one in first}
        again = []
        for side in (books, floor):
            other = _Side(side.line, side.system, Shelf(connection=side.shelf.connection))
            theirs = sorted({code for item in items for code in side.theirs.get(item, {item})})
            try:
                await self._fill(tenant, other, theirs if len(theirs) <= _FEW else None)
            except CrossdockError as error:
                told.failed[side.shelf.connection] = side.line.hide(str(error))
                told.moving |= {one.number for one in first}
                return
            again.append(other)
        second = await self._differences(tenant, again[0], again[1], whats, orders, sites)
        now = {one.number: (one.here, one.there) for one in second}
        for one in first:
            if now.get(one.number) == (one.here, one.there):
                told.found.append(one)
            elif one.number in now:
                told.moving.add(one.number)

    async def _differences(
        self,
        tenant: Tenant,
        books: _Side,
        floor: _Side,
        whats: Sequence[str],
        orders: Sequence[int],
        sites: set[str],
    ) -> list[Difference]:
        numbers = {order for shelf in (books.shelf, floor.shelf) for order, *_ in shelf.promised or ()}
        async with self._database.engine() as transaction:
            now: datetime = await transaction.value("select crossdock.now()")
            runs = await _progress(transaction, tenant.id, sorted(numbers), orders)
        found: list[Difference] = []
        if "stock" in whats:
            found += shelves.stock(books.shelf, floor.shelf, runs, sites, now)
        if "allocations" in whats:
            found += shelves.allocations(books.shelf, floor.shelf, runs, sites, now)
        return found

    # -- reading --------------------------------------------------------------------------------------------

    async def _fill(self, tenant: Tenant, side: _Side, items: Sequence[str] | None) -> None:
        """Read all pages of what it lists. Raises as asking does, `Refused` for too many pages."""
        known: dict[Sought, str] = {}
        promises = (side.system, "list_allocations") in side.line.operations
        for row in await self._rows(tenant, side, "list_stock", "stock", items, known):
            place, amount = _placed(row, "on_hand", side, known)
            changed = row.get("changed")
            at = datetime.fromisoformat(changed) if changed else None
            side.shelf.put(place, str(row.get("lot") or ""), amount, at)
        if promises:
            side.shelf.promised = {}
            for row in await self._rows(tenant, side, "list_allocations", "allocations", items, known):
                (item, site), amount = _placed(row, "quantity", side, known)
                side.shelf.promise((row["order"], item, site), amount)

    async def _rows(
        self,
        tenant: Tenant,
        side: _Side,
        operation: str,
        name: str,
        items: Sequence[str] | None,
        known: dict[Sought, str],
    ) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        connection, cursor = side.shelf.connection, ""
        asked = {} if items is None else {"items": list(items)}
        for _ in range(MOST_PAGES):
            page = await self._calls.read(
                tenant.id,
                connection,
                (side.system, operation),
                {**asked, **({"cursor": cursor} if cursor else {})},
                seconds=PAGE_SECONDS,
            )
            rows += page[name]
            following = page.get("next") or ""
            if not following or following == cursor:
                break
            cursor = following
        else:
            raise Refused(f"{connection} lists more than {MOST_PAGES:,} pages of {name}")
        wanted = _sought(rows) - known.keys()
        scopes = (connection, side.line.system)
        known |= await self._references.find(tenant.id, scopes, wanted)
        return rows


def _sought(rows: Iterable[Mapping[str, Any]]) -> set[Sought]:
    found: set[Sought] = set()
    for row in rows:
        unit = (row.get("on_hand") or row.get("quantity") or {}).get("unit", "")
        found |= {("item", "ours", row["item"]), ("unit", "ours", unit), ("unit", "ours", _pack(row, unit))}
        if row.get("site"):
            found.add(("location", "ours", row["site"]))
    return found


def _pack(row: Mapping[str, Any], unit: str) -> str:
    return f"{row['item']}/{unit}"


def _placed(
    row: Mapping[str, Any], field_: str, side: _Side, known: Mapping[Sought, str]
) -> tuple[shelves.Place, Amount]:
    """Where it lies and how much, in our codes."""
    item, site, told = row["item"], row.get("site") or "", row[field_]
    ours = known.get(("item", "ours", item), item)
    side.theirs.setdefault(ours, set()).add(item)
    unit = told["unit"]
    means = known.get(("unit", "ours", _pack(row, unit)), known.get(("unit", "ours", unit), unit))
    number, _, of = means.rpartition(" ")
    try:
        factor = Decimal(number) if number else Decimal(1)
    except InvalidOperation:
        factor, of = Decimal(1), unit
    place = (ours, known.get(("location", "ours", site), site))
    return place, Amount({of: Decimal(str(told["value"])) * factor})


# -- what the runs know -------------------------------------------------------------------------------------


async def _progress(
    transaction: EngineTransaction, tenant: int, numbers: Sequence[str], versions: Sequence[int]
) -> dict[str, Progress]:
    """How far the runs of these orders are."""
    found: dict[str, Progress] = {}
    for begin in range(0, len(numbers), _RUNS):
        rows = await transaction.fetch(
            _OF_ORDERS, tenant, list(numbers[begin : begin + _RUNS]), list(versions)
        )
        live = {row["id"]: row["number"] for row in rows if row["status"] in LIVE}
        found |= {row["number"]: Progress(live=False) for row in rows if row["status"] not in LIVE}
        told: dict[int, list[Any]] = {run: [] for run in live}
        history = await transaction.fetch(_HISTORY, tenant, list(live))
        events = await put_back(transaction, tenant, *(row["event"] for row in history))
        records = await put_back(transaction, tenant, *(row["records"] for row in history))
        for row, event, kept in zip(history, events, records, strict=True):
            told[row["run"]].append((row["at"], row["type"], event, _records(kept)))
        found |= {live[run]: _progressed(rows) for run, rows in told.items()}
    return found


def _progressed(rows: Sequence[tuple[datetime, str, bytes, list[Record]]]) -> Progress:
    """What a live run has seen packed and has not billed, and whether its pick stands."""
    packed: dict[tuple[str, str, str], tuple[str, str, Decimal]] = {}  # by shipment, line and item
    short: set[str] = set()
    picks: set[str] = set()
    for _, type_, event, records in rows:
        if type_ in (_PACKED, _SHORT):
            data = msgspec.json.decode(event).get("data") or {}
            short |= {str(line.get("item")) for line in data.get("lines") or () if type_ == _SHORT}
            shipment = data.get("shipment") or {} if type_ == _PACKED else {}
            for n, line in enumerate(shipment.get("lines") or ()):
                quantity = line["quantity"]
                key = (str(shipment.get("number")), str(line.get("line") or n), line["item"])
                packed[key] = (line["item"], quantity["unit"], Decimal(str(quantity["value"])))
        for record in records:
            output = record.data.get("output")
            if record.what == "step.succeeded" and isinstance(output, Mapping):
                picks |= {record.step} if {"pick", "allocation"} & output.keys() else set()
            elif record.what in ("step.undone", "step.redone"):
                picks.discard(record.step)
    out: dict[str, Amount] = {}
    for item, unit, value in packed.values():
        out[item] = out.get(item, NONE) + Amount({unit: value})
    billed = bills([(at, records) for at, _, _, records in rows])
    if any(not bill.lines for bill in billed.values()):  # all of the order
        out = {}
    items = {line: one for (_, line, _), one in packed.items()}
    for bill in billed.values():
        for line, value in bill.lines.items():
            if line in items:
                item, unit, _ = items[line]
                out[item] = (out.get(item, NONE) - Amount({unit: value})).above()
    return Progress(live=True, picked=bool(picks), out=out, short=frozenset(short))
