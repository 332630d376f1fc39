"""Stackyard WMS: picks packed in parts, shortages and back-orders, returns received and inspected."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from crossdock.sandbox.amounts import Positive, exact
from crossdock.sandbox.clock import Clock, stamp
from crossdock.sandbox.service import Call, Rejected, Reply, Route, Service
from crossdock.sandbox.webhooks import Sealed
from crossdock.sandbox.wms.returns import Returns
from crossdock.sandbox.wms.shapes import NewLine, NewPick, Pack, Script
from crossdock.sandbox.wms.stock import Stock

BACK_ORDER = timedelta(hours=48)
CODES = {
    "malformed": "MALFORMED",
    "unauthenticated": "NO_CREDENTIALS",
    "forbidden": "BAD_CREDENTIALS",
    "not_found": "NOT_FOUND",
    "duplicate": "DUPLICATE_REFERENCE",
    "packed": "ALREADY_PACKED",
    "wrong_state": "WRONG_STATE",
    "too_large": "TOO_LARGE",
    "invalid": "INVALID",
    "refused": "REFUSED",
    "busy": "THROTTLED",
    "internal": "INTERNAL",
}


@dataclass(slots=True)
class Line:
    """A line of a pick: what is wanted, packed, and short for good."""

    new: NewLine
    packed: Decimal = Decimal(0)
    short: Decimal = Decimal(0)

    @property
    def open(self) -> Decimal:
        """Neither packed nor given up."""
        return self.new.qty - self.packed - self.short


@dataclass(slots=True)
class Pick:
    """A pick order as it stands."""

    id: str
    new: NewPick
    lines: list[Line]
    state: str = "OPEN"
    shipments: list[dict[str, Any]] = field(default_factory=list)
    call_off: list[Callable[[], None]] = field(default_factory=list)
    waiting: bool = False  # for stock

    @property
    def open(self) -> Decimal:
        """What is left over all lines."""
        return sum((line.open for line in self.lines), Decimal(0))


class Wms(Service):
    """The warehouse."""

    name = "wms"
    title = "Stackyard WMS"
    credentials: ClassVar = {"client": "crossdock", "secret": "stackyard-demo"}
    webhook_secret = "stackyard-hook-secret"  # noqa: S105 - a published toy
    script_shape = Script
    statuses: ClassVar = {**Service.statuses, "packed": 409}

    def __init__(self, clock: Clock, *, seed: int = 0, calm: bool = False) -> None:
        """Begin with no picks and uncounted stock."""
        self.returns = Returns(self)
        self.stock = Stock(self)
        super().__init__(clock, seed=seed, calm=calm)

    def begin(self) -> None:
        """Forget picks, returns, stock and scripts."""
        self.picks: dict[str, Pick] = {}
        self.references: dict[str, Pick] = {}
        self.returns.begin()
        self.stock.begin()
        self.scripts: dict[tuple[str, str], Script] = {}
        self.shipments: set[str] = set()

    def routes(self) -> list[Route]:
        """Picks, stock, returns, events."""
        return [
            Route("pick.create", "POST", "/api/pickOrders", self.create_pick),
            Route("pick.find", "GET", "/api/pickOrders", self.find_picks),
            Route("pick.get", "GET", "/api/pickOrders/{id}", self.get_pick),
            Route("pick.cancel", "POST", "/api/pickOrders/{id}/cancel", self.cancel_pick),
            *self.stock.routes(),
            *self.returns.routes(),
            Route("events", "GET", "/api/events", self.events),
        ]

    def authenticate(self, call: Call) -> None:
        """Client and secret in headers of their own."""
        headers = call.request.headers
        client, secret = headers.get("X-Stackyard-Client"), headers.get("X-Stackyard-Secret")
        if client is None or secret is None:
            raise Rejected("unauthenticated", "X-Stackyard-Client and X-Stackyard-Secret are needed")
        if {"client": client, "secret": secret} != self.credentials:
            raise Rejected("forbidden", "Client or secret is wrong")

    def error(self, rejected: Rejected) -> Any:
        """A list of errors, of which there is ever one."""
        error = {"code": CODES.get(rejected.kind, "WRONG_STATE"), "detail": rejected.message, **rejected.more}
        if rejected.field:
            error["pointer"] = rejected.field
        return {"errors": [error]}

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """HMAC-SHA256 of the raw body in base64."""
        mac = hmac.new(secret.encode(), sealed.body, hashlib.sha256).digest()
        return {
            "X-Stackyard-Topic": sealed.event,
            "X-Stackyard-Message-Id": sealed.id,
            "X-Stackyard-Hmac": base64.b64encode(mac).decode(),
        }

    def script(self, item: Script) -> None:
        """Keep what will happen to an order's picks or to a return."""
        if bool(item.order) == bool(item.return_):
            raise ValueError("a script is about an order or about a return")
        about = ("order", item.order) if item.order else ("return", item.return_)
        self.scripts[about] = item

    # Picks.

    def create_pick(self, call: Call) -> Reply:
        """Take a pick order; its client reference must be free."""
        new = call.read(NewPick)
        taken = self.references.get(new.client_reference)
        if taken is not None:
            raise Rejected("duplicate", "clientReference is taken", "clientReference", pickOrderId=taken.id)
        pick = Pick(self.number("PO-"), new, [Line(line) for line in new.lines])
        self.picks[pick.id] = self.references[new.client_reference] = pick
        order = new.order_number
        self.stock.take_up(order)
        self._allocate(pick, 1)
        self._plan(pick)
        self.did(call, order, reference=new.client_reference, id=pick.id, kind="pick", change=1)
        return Reply(201, self.show(pick))

    def get_pick(self, call: Call) -> Reply:
        """One pick order."""
        return Reply(200, self.show(self._pick(call)))

    def find_picks(self, call: Call) -> Reply:
        """Pick orders by client reference or order number."""
        reference, order = call.query("clientReference"), call.query("orderNumber")
        if reference:
            found = [self.references[reference]] if reference in self.references else []
        else:
            found = [pick for pick in self.picks.values() if pick.new.order_number == order]
        return Reply(200, {"items": [self.show(pick) for pick in found], "count": len(found)})

    def cancel_pick(self, call: Call) -> Reply:
        """Cancel while nothing is packed."""
        pick = self._pick(call)
        if pick.shipments:
            raise Rejected("packed", f"Pick order {pick.id} has been packed in part or whole")
        if pick.state != "CANCELLED":
            pick.state = "CANCELLED"
            for call_off in pick.call_off:
                call_off()
            self._allocate(pick, -1)
            del self.references[pick.new.client_reference]
            reference = pick.new.client_reference
            self.did(call, pick.new.order_number, reference=reference, id=pick.id, kind="pick", change=-1)
        return Reply(200, self.show(pick))

    def show(self, pick: Pick) -> dict[str, Any]:
        """A pick order on the wire."""
        return {
            "pickOrderId": pick.id,
            "clientReference": pick.new.client_reference,
            "orderNumber": pick.new.order_number,
            "warehouse": pick.new.warehouse,
            "state": pick.state,
            "lines": [
                {
                    "lineRef": line.new.line_ref,
                    "sku": line.new.sku,
                    "qty": exact(line.new.qty),
                    "packedQty": exact(line.packed),
                    "shortQty": exact(line.short),
                }
                for line in pick.lines
            ],
            "shipments": pick.shipments,
        }

    def _pick(self, call: Call) -> Pick:
        pick = self.picks.get(call.path("id"))
        if pick is None:
            raise Rejected("not_found", f"No pick order {call.path('id')}")
        return pick

    def _plan(self, pick: Pick) -> None:
        order, now = pick.new.order_number, self.now
        script = self.scripts.get(("order", order))
        luck = self.luck(order)
        start = now + timedelta(hours=script.start_after_hours if script else 1)
        packs = script.packs if script else []
        short = script.short if script else Decimal(0)
        if not packs:
            packs = [Pack(after_hours=luck.uniform(2, 9))]
            fate = luck.random()
            if script is None and not self.calm and pick.open > 1:
                if fate < 0.02:  # short: the rest comes as a back-order
                    packs[0].quantity = Positive(max(Decimal(1), (pick.open * 6) // 10))
                elif fate < 0.145:  # two parts
                    packs[0].quantity = Positive(max(Decimal(1), pick.open // 2))
                    packs.append(Pack(after_hours=luck.uniform(12, 30)))
        whens = [
            now + timedelta(hours=pack.after_hours or 0) if pack.at is None else pack.at for pack in packs
        ]

        def begin() -> None:
            pick.state = "PICKING" if pick.state == "OPEN" else pick.state
            self._tell("PICK_STARTED", pick)

        pick.call_off.append(self.plan(min([start, *whens]), begin))
        last = len(packs) - 1
        for n, (when, pack) in enumerate(zip(whens, packs, strict=True)):
            given_up = short if n == last else Decimal(0)

            def run(pack: Pack = pack, given_up: Decimal = given_up, *, final: bool = n == last) -> None:
                self._pack(pick, pack.quantity, pack.shipment, given_up, final=final)

            pick.call_off.append(self.plan(when, run))

    def _pack(
        self, pick: Pick, quantity: Decimal | None, name: str, given_up: Decimal, *, final: bool
    ) -> None:
        """Give up what is short for good, pack what is wanted and there, put the rest on back-order."""
        if given_up:
            self._give_up(pick, given_up)
        wanted = pick.open if quantity is None else min(quantity, pick.open)
        contents, lacking = [], False
        for line in pick.lines:
            place = (pick.new.warehouse, line.new.sku)
            take = min(line.open, wanted)
            if take > self.stock.on_hand.get(place, take):
                take, lacking = self.stock.on_hand[place], True
            if take <= 0:
                continue
            wanted -= take
            line.packed += take
            self.stock.allocated[place] -= take
            if place in self.stock.on_hand:
                self.stock.put(place, self.stock.on_hand[place] - take)
            contents.append((line, take))
        if contents:
            self._ship(pick, contents, name)
        if pick.open and (lacking or final):
            expected = self.now + BACK_ORDER
            pick.waiting = True
            self._tell(
                "PICK_SHORT",
                pick,
                lines=self._open_lines(pick),
                backOrder={"expectedAt": stamp(expected)},
                complete=False,
            )
            pick.call_off.append(self.plan(expected, lambda: self._restocked(pick)))

    def _ship(self, pick: Pick, contents: list[tuple[Line, Decimal]], name: str) -> None:
        order = pick.new.order_number
        running = 1
        while not name or name in self.shipments:
            name, running = f"{order}-{running}", running + 1
        self.shipments.add(name)
        weight = sum((line.new.unit_weight_kg * take for line, take in contents), Decimal("0.4"))
        shipment = {
            "shipmentId": name,
            "packedAt": stamp(self.now),
            "packages": [
                {
                    "sscc": _sscc(int(self.number("", 1))),
                    "weightKg": exact(weight),
                    "dims": {"l": 40, "w": 30, "h": 20},
                    "contents": [
                        {"lineRef": line.new.line_ref, "sku": line.new.sku, "qty": exact(take)}
                        for line, take in contents
                    ],
                }
            ],
        }
        pick.shipments.append(shipment)
        pick.state = "PARTIALLY_PACKED" if pick.open else "PACKED"
        self._tell(
            "SHIPMENT_PACKED", pick, shipment=shipment, remainingQty=exact(pick.open), complete=not pick.open
        )

    def _give_up(self, pick: Pick, quantity: Decimal) -> None:
        lines = []
        for line in reversed(pick.lines):
            less = min(line.open, quantity)
            if less > 0:
                line.short += less
                quantity -= less
                self.stock.allocated[pick.new.warehouse, line.new.sku] -= less
                lines.append({"lineRef": line.new.line_ref, "sku": line.new.sku, "qty": exact(less)})
        if not pick.open:
            pick.state = "PACKED"
        self._tell("PICK_SHORT", pick, lines=lines, backOrder=None, complete=not pick.open)

    def _restocked(self, pick: Pick) -> None:
        """The replenishment is there: what was counted as lacking no longer is."""
        if not pick.waiting:
            return
        pick.waiting = False
        for line in pick.lines:
            place = (pick.new.warehouse, line.new.sku)
            if place in self.stock.on_hand:
                self.stock.put(place, max(self.stock.on_hand[place], line.open))
        self._pack(pick, None, "", Decimal(0), final=True)

    def _open_lines(self, pick: Pick) -> list[dict[str, Any]]:
        return [
            {"lineRef": line.new.line_ref, "sku": line.new.sku, "qty": exact(line.open)}
            for line in pick.lines
            if line.open
        ]

    def _allocate(self, pick: Pick, sign: int) -> None:
        for line in pick.lines:
            self.stock.allocated[pick.new.warehouse, line.new.sku] += sign * line.open

    def _tell(self, event: str, pick: Pick, **more: Any) -> None:
        about = {
            "orderNumber": pick.new.order_number,
            "pickOrderId": pick.id,
            "clientReference": pick.new.client_reference,
        }
        self.publish(event, pick.new.order_number, {**about, **more})

    def publish(self, event: str, lane: str, data: dict[str, Any]) -> None:
        """Put an event in the feed and send it."""
        seq = len(self.feed) + 1
        payload = {"eventId": f"sy-{seq}", "eventType": event, "occurredAt": stamp(self.now), **data}
        self.feed.append({"seq": seq, **payload})
        self.post_webhook(event, f"sy-{seq}", lane, payload)

    def events(self, call: Call) -> Reply:
        """The feed, for what webhooks lost."""
        events, end = self.feed_page(call)
        return Reply(200, {"events": events, "next": end})

    def restock(self, sku: str) -> None:
        """Picks that wait for an item go on."""
        for pick in self.picks.values():
            if pick.waiting and any(line.open and line.new.sku == sku for line in pick.lines):
                pick.waiting = False
                self._pack(pick, None, "", Decimal(0), final=True)


def _sscc(serial: int) -> str:
    """A serial shipping container code with its check digit."""
    digits = f"0034000{serial:010d}"
    total = sum(int(digit) * (3 if n % 2 == 0 else 1) for n, digit in enumerate(digits))
    return digits + str(-total % 10)
