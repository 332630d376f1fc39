"""Northway ERP: the system of record. Errors come with HTTP 200, creates are not safe to repeat."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import msgspec

from crossdock.sandbox.amounts import exact, read_plain
from crossdock.sandbox.clock import Clock, stamp
from crossdock.sandbox.erp.credit import Credit
from crossdock.sandbox.erp.finance import Finance, money, ok
from crossdock.sandbox.erp.shapes import (
    Cancel,
    Change,
    Import,
    Login,
    NewOrder,
    NewReturn,
    Script,
    Status,
)
from crossdock.sandbox.erp.stock import Stock
from crossdock.sandbox.service import Call, Rejected, Reply, Route, Service
from crossdock.sandbox.webhooks import Sealed

MOST_FOUND = 200
SESSION_SECONDS = 3600
PUSHED = {
    "SO_RELEASED",
    "SO_CHANGED",
    "SO_CANCELLED",
    "INV_POSTED",
    "INV_PAID",
    "CN_POSTED",
    "RMA_AUTHORISED",
}


class Order:
    """A sales order as it stands."""

    def __init__(self, new: NewOrder, now: datetime) -> None:
        """Enter an order."""
        self.new = new
        self.status = "ENTERED"
        self.revision = 1
        self.note = ""
        self.released_at: datetime | None = None
        self.changed_at = now

    @property
    def total(self) -> Decimal:
        """The sum of its lines."""
        return sum((line.amount for line in self.new.lines), Decimal(0))


class Erp(Service):
    """Orders; credit and finance documents are beside them."""

    name = "erp"
    title = "Northway ERP"
    credentials: ClassVar = {"user": "crossdock", "password": "northway-demo", "company": "ND"}
    webhook_secret = "northway-hook-secret"  # noqa: S105 - a published toy
    script_shape = Script
    statuses: ClassVar = {
        **dict.fromkeys(("not_found", "duplicate", "wrong_state", "invalid", "refused"), 200),
        "malformed": 400,
        "unauthenticated": 401,
        "too_large": 413,
        "busy": 429,
        "internal": 500,
    }

    def __init__(self, clock: Clock, *, seed: int = 0, calm: bool = False) -> None:
        """Begin with no customers and no orders."""
        self.credit = Credit(self)
        self.finance = Finance(self)
        self.stock = Stock(self)
        super().__init__(clock, seed=seed, calm=calm)

    def begin(self) -> None:
        """Forget sessions and documents."""
        self.sessions: dict[str, float] = {}
        self.orders: dict[str, Order] = {}
        self.credit.begin()
        self.finance.begin()
        self.stock.begin()

    def routes(self) -> list[Route]:
        """Customers, orders, credit, changes; then finance and stock."""
        return [
            Route("login", "POST", "/login", self.log_in, guarded=False),
            *self.credit.routes(),
            Route("order.create", "POST", "/orders", self.create_order),
            Route("order.find", "GET", "/orders", self.find_orders),
            Route("order.get", "GET", "/orders/{number}", self.get_order),
            Route("order.release", "POST", "/orders/{number}/release", self.release_order),
            Route("order.change", "POST", "/orders/{number}/change", self.change_order),
            Route("order.cancel", "POST", "/orders/{number}/cancel", self.cancel_order),
            Route("order.status", "POST", "/orders/{number}/status", self.set_status),
            Route("changes", "GET", "/changes", self.changes),
            Route("import", "POST", "/import", self.import_all, guarded=False, setup=True),
            *self.finance.routes(),
            *self.stock.routes(),
        ]

    def log_in(self, call: Call) -> Reply:
        """A session for a user; it lasts an hour of real time."""
        login = call.read(Login)
        if msgspec.to_builtins(login) != dict(self.credentials):
            raise Rejected("unauthenticated", "User, password or company is wrong")
        seconds = SESSION_SECONDS if self.token_seconds is None else self.token_seconds
        number = self.number("session", 1)
        session = hashlib.sha256(f"{self.seed}/{number}/{time.time()}".encode()).hexdigest()[:40]
        self.sessions[session] = time.monotonic() + seconds
        return ok({"session": session, "expires_in": seconds})

    def authenticate(self, call: Call) -> None:
        """`Authorization: Session TOKEN`."""
        scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Session" or self.sessions.get(token, 0) < time.monotonic():
            raise Rejected("unauthenticated", "Session unknown or expired: log in")

    def error(self, rejected: Rejected) -> Any:
        """`{"error": {"kind", "message", "field"}}`, mostly with HTTP 200."""
        kind = {"unauthenticated": "session", "refused": "business"}.get(rejected.kind, rejected.kind)
        place = {"field": rejected.field} if rejected.field else {}
        return {"error": {"kind": kind, "message": rejected.message, **place}}

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """HMAC-SHA256 of the raw body in hex, prefixed."""
        mac = hmac.new(secret.encode(), sealed.body, hashlib.sha256).hexdigest()
        return {
            "X-Northway-Event": sealed.event,
            "X-Northway-Delivery": sealed.id,
            "X-Northway-Signature": f"sha256={mac}",
        }

    # Orders.

    def create_order(self, call: Call) -> Reply:
        """Enter an order."""
        order = self.enter(call.read(NewOrder))
        new = order.new
        self.did(call, new.number, reference=new.reference, id=new.number, kind="order", change=1)
        return ok(self.show_order(order))

    def import_all(self, call: Call) -> Reply:
        """Take customers and orders, all or nothing."""
        given = call.read(Import)
        codes = self.credit.customers.keys() | {customer.code for customer in given.customers}
        numbers = set(self.orders)
        for new in given.orders:
            if new.customer not in codes:
                raise Rejected("not_found", f"Order {new.number}: no customer {new.customer}", "customer")
            if new.number in numbers:
                raise Rejected("duplicate", f"Order {new.number} exists", "number")
            numbers.add(new.number)
        self.credit.customers |= {customer.code: customer for customer in given.customers}
        for new in given.orders:
            self.enter(new)
        return ok({"customers": len(given.customers), "orders": len(given.orders)})

    def enter(self, new: NewOrder) -> Order:
        """Keep a new order, and release it later where it says so."""
        self.credit.customer(new.customer)
        if new.number in self.orders:
            raise Rejected("duplicate", f"Order {new.number} exists", "number")
        order = self.orders[new.number] = Order(new, self.now)
        if new.release_at is not None:
            self.plan(new.release_at, lambda: self.act(lambda: self.release(order)))
        return order

    def find_orders(self, call: Call) -> Reply:
        """Orders by reference, customer and status."""
        wanted = [call.query(name) for name in ("reference", "customer", "status")]
        found = [
            self.show_order(order)
            for order in self.orders.values()
            if all(
                not want or want == have
                for want, have in zip(
                    wanted, (order.new.reference, order.new.customer, order.status), strict=True
                )
            )
        ]
        return ok(found[:MOST_FOUND])

    def get_order(self, call: Call) -> Reply:
        """One order."""
        return ok(self.show_order(self.order(call.path("number"))))

    def release_order(self, call: Call) -> Reply:
        """Hand an order over to be carried out."""
        order = self.order(call.path("number"))
        self.release(order)
        self.did(call, order.new.number, id=order.new.number)
        return ok(self.show_order(order))

    def change_order(self, call: Call) -> Reply:
        """Change lines, date or address."""
        order = self.order(call.path("number"))
        self.change(order, call.read(Change))
        self.did(call, order.new.number, id=order.new.number)
        return ok(self.show_order(order))

    def cancel_order(self, call: Call) -> Reply:
        """Cancel an order that is not invoiced."""
        order = self.order(call.path("number"))
        self.cancel(order, call.read(Cancel).reason if call.body else "")
        self.did(call, order.new.number, id=order.new.number, kind="order", change=-1)
        return ok(self.show_order(order))

    def set_status(self, call: Call) -> Reply:
        """Note how far an order is."""
        order, given = self.order(call.path("number")), call.read(Status)
        if order.status in {"ENTERED", "CANCELLED"}:
            raise Rejected("wrong_state", f"Order {order.new.number} is {order.status}")
        self.touch(order, given.status, "SO_STATUS", note=given.note)
        self.did(call, order.new.number, reference=given.reference, id=order.new.number)
        return ok(self.show_order(order))

    def order(self, number: str) -> Order:
        """The order, else `not_found`."""
        if number not in self.orders:
            raise Rejected("not_found", f"No order {number}")
        return self.orders[number]

    def release(self, order: Order) -> None:
        """ENTERED to RELEASED."""
        if order.status != "ENTERED":
            raise Rejected("wrong_state", f"Order {order.new.number} is {order.status}")
        order.released_at = self.now
        self.credit.expose(order, order.total)
        self.touch(order, "RELEASED", "SO_RELEASED")

    def change(self, order: Order, change: Change) -> None:
        """Put in what is given, as a new revision."""
        if order.status in {"CANCELLED", "CLOSED", "INVOICED"}:
            raise Rejected("wrong_state", f"Order {order.new.number} is {order.status}")
        order.new = msgspec.structs.replace(
            order.new,
            lines=change.lines or order.new.lines,
            wanted_on=change.wanted_on or order.new.wanted_on,
            ship_to=change.ship_to or order.new.ship_to,
        )
        order.revision += 1
        if order.status != "ENTERED":
            self.credit.expose(order, order.total)
        self.touch(order, order.status, "SO_CHANGED")

    def cancel(self, order: Order, reason: str) -> None:
        """CANCELLED, unless it is invoiced or so already."""
        if order.status in {"CANCELLED", "CLOSED", "INVOICED"}:
            raise Rejected("wrong_state", f"Order {order.new.number} is {order.status}")
        self.credit.expose(order, Decimal(0))
        self.touch(order, "CANCELLED", "SO_CANCELLED", note=reason)

    def touch(self, order: Order, status: str, event: str, *, note: str = "") -> None:
        """Set the status and tell the world."""
        order.status = status
        order.note = note or order.note
        order.changed_at = self.now
        number = order.new.number
        self.tell(event, "order", number, self.show_order(order), lane=number, revision=order.revision)

    def tell(
        self, event: str, kind: str, number: str, document: dict[str, Any], *, lane: str, revision: int = 1
    ) -> None:
        """Note a change in the feed, and push it if it is of those that are pushed."""
        seq = len(self.feed) + 1
        entry = {
            "seq": seq,
            "event": event,
            "kind": kind,
            "number": number,
            "revision": revision,
            "at": stamp(self.now),
        }
        self.feed.append(entry)
        if event in PUSHED:
            payload = {**entry, "delivery": f"nw-{seq}", "document": document}
            self.post_webhook(event, f"nw-{seq}", lane, payload)

    def changes(self, call: Call) -> Reply:
        """The feed after a cursor."""
        cursor = call.number("cursor", 0)
        page = self.feed[cursor : cursor + max(1, min(call.number("limit", 100), 1000))]
        end = cursor + len(page)
        if call.query("expand") == "1":
            page = [{**entry, "document": self.document(entry["kind"], entry["number"])} for entry in page]
        return ok({"changes": page, "cursor": str(end), "more": end < len(self.feed)})

    def document(self, kind: str, number: str) -> dict[str, Any]:
        """Any document as it is now."""
        return self.show_order(self.orders[number]) if kind == "order" else self.finance.show(kind, number)

    def show_order(self, order: Order) -> dict[str, Any]:
        """An order on the wire."""
        new, customer = order.new, self.credit.customers[order.new.customer]
        shown: dict[str, Any] = {
            "number": new.number,
            "reference": new.reference,
            "status": order.status,
            "revision": order.revision,
            "customer": {
                "code": customer.code,
                "name": customer.name,
                "email": customer.email,
                "language": customer.language,
            },
            "currency": new.currency,
            "total": money(order.total),
            "site": new.site,
            "zone": new.zone,
            "ordered_on": new.ordered_on,
            "created_by": new.created_by,
            "ship_to": new.ship_to,
            "lines": [
                {
                    "line_no": line.line_no,
                    "item": line.item,
                    "description": line.description,
                    "quantity": str(exact(line.quantity)),
                    "uom": line.uom,
                    "unit_price": str(line.unit_price),
                    "amount": money(line.amount),
                    "weight_kg": str(line.weight_kg),
                }
                for line in new.lines
            ],
            "attributes": new.attributes,
            "note": order.note,
            "changed_at": stamp(order.changed_at),
        }
        if new.wanted_on is not None:
            shown["wanted_on"] = new.wanted_on
        if order.released_at is not None:
            shown["released_at"] = stamp(order.released_at)
        return shown

    # Scripts.

    def script(self, item: Script) -> None:
        """Plan what the ERP's own people will do to an order."""
        planned: list[tuple[datetime, Callable[[Order], None]]] = []
        for action in item.actions:
            act: Callable[[Order], None]
            given = dict(action)
            do, at, hours = given.pop("do", ""), given.pop("at", None), given.pop("after_hours", 0)
            when = self.now + timedelta(hours=float(hours)) if at is None else read_plain(at, datetime)
            if do == "release":
                act = self.release
            elif do == "cancel":
                act = partial(self.cancel, reason=read_plain(given, Cancel).reason)
            elif do == "change":
                act = partial(self.change, change=read_plain(given, Change))
            elif do == "return":
                new = read_plain({**given, "order": item.order}, NewReturn)
                act = partial(self.finance.scripted_return, new=new)
            else:
                raise ValueError(f"do is one of release, cancel, change, return, not {do!r}")
            planned.append((when, act))
        for when, act in planned:

            def run(act: Callable[[Order], None] = act) -> None:
                self.act(lambda: act(self.order(item.order)))

            self.plan(when, run)

    def act(self, action: Callable[[], None]) -> None:
        """Run something planned; what the order's state refuses by then does not happen."""
        try:
            action()
        except Rejected:
            return
