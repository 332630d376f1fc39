"""Waypost TMS: quotes of three carriers, cut-offs, tenders and slots at docks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from crossdock.sandbox.clock import Clock, business_day, cut_off, stamp
from crossdock.sandbox.docks import Docks, DockScript
from crossdock.sandbox.service import Call, Rejected, Reply, Route, Service, same
from crossdock.sandbox.webhooks import Sealed

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Aware = Annotated[datetime, Meta(tz=True)]

# carrier, service, cut-off hour, business days, price and price per kg in minor units
OFFERS = (
    ("quayline", "QX1", 17, 1, 1890, 110),
    ("quayline", "QX2", 17, 2, 1240, 80),
    ("farrow", "STD48", 16, 2, 980, 70),
    ("oldbridge", "ECONOMY", 14, 5, 750, 45),
)
TYPES = {
    "unauthenticated": "unauthorised",
    "not_found": "not-found",
    "wrong_state": "wrong-state",
    "cut_off": "cut-off-passed",
    "too_large": "too-large",
    "busy": "too-many-requests",
}


class To(Struct):
    """Where the goods go."""

    country: Annotated[str, Meta(min_length=2, max_length=2)]
    postcode: str = ""


class Package(Struct):
    """One package, in grams."""

    weight_g: Annotated[int, Meta(gt=0)]


class RateRequest(Struct):
    """What is to be moved."""

    reference: Name
    to: To
    packages: Annotated[list[Package], Meta(min_length=1, max_length=99)]
    site: str = ""
    zone: str = "UTC"
    ready_at: Aware | None = None
    deliver_by: date | None = None
    currency: str = "USD"


class NewTender(Struct):
    """A load for the carrier of a quote."""

    client_id: Name
    quote_id: Name
    shipment: Name
    order: str = ""


class Script(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a tender will be answered, by one carrier or by all, and what becomes of the slots.

    `insists`: the answer is told though the tender was withdrawn before. `times`: so often, as news each.
    """

    shipment: str = ""
    order: str = ""
    carrier: str = ""
    answer: Literal["accept", "decline", "none"] = "accept"
    after_minutes: Annotated[float, Meta(ge=0)] = 0
    reason: str = ""
    insists: bool = False
    times: Annotated[int, Meta(ge=1, le=9)] = 1
    gives_back_after_minutes: Annotated[float, Meta(ge=0)] | None = None
    dock: DockScript | None = None


class Quote(Struct):
    """What must be kept of a quote."""

    carrier: str
    service: str
    zone: ZoneInfo
    hour: int
    cut_off_at: datetime


class Tender(Struct):
    """A load offered to a carrier."""

    tender_id: str
    client_id: str
    quote_id: str
    shipment: str
    order: str
    carrier: str
    service: str
    pickup_on: date
    status: str = "pending"
    reason: str = ""


class Tms(Service):
    """The transport planner."""

    name = "tms"
    title = "Waypost TMS"
    credentials: ClassVar = {"key": "crossdock", "secret": "waypost-demo"}
    webhook_secret = "waypost-hook-token"  # noqa: S105 - a published toy
    error_content_type = "application/problem+json"
    script_shape = Script

    def __init__(self, clock: Clock, *, seed: int = 0, calm: bool = False) -> None:
        """Begin with no quotes, tenders or slots."""
        self.docks = Docks(self)
        super().__init__(clock, seed=seed, calm=calm)

    def begin(self) -> None:
        """Forget quotes, tenders, slots and scripts."""
        self.docks.begin()
        self.quotes: dict[str, Quote] = {}
        self.tenders: dict[str, Tender] = {}
        self.clients: dict[str, Tender] = {}
        self.scripts: dict[tuple[str, str, str], Script] = {}

    def routes(self) -> list[Route]:
        """Rates, tenders, slots, carriers, events."""
        return [
            Route("rate", "POST", "/v2/rate-requests", self.rate),
            Route("tender.create", "POST", "/v2/tenders", self.create_tender),
            Route("tender.find", "GET", "/v2/tenders", self.find_tenders),
            Route("tender.get", "GET", "/v2/tenders/{id}", self.get_tender),
            Route("tender.withdraw", "POST", "/v2/tenders/{id}/withdraw", self.withdraw_tender),
            *self.docks.routes(),
            Route("carriers", "GET", "/v2/carriers", self.carriers),
            Route("events", "GET", "/v2/events", self.events),
        ]

    def authenticate(self, call: Call) -> None:
        """`Authorization: Token KEY:SECRET`."""
        scheme, _, pair = call.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Token":
            raise Rejected("unauthenticated", "Authorization: Token KEY:SECRET is needed")
        if not same(pair, f"{self.credentials['key']}:{self.credentials['secret']}"):
            raise Rejected("forbidden", "Key or secret is wrong")

    def error(self, rejected: Rejected) -> Any:
        """A problem document."""
        kind = TYPES.get(rejected.kind, rejected.kind)
        problem = {
            "type": f"urn:waypost:{kind}",
            "title": kind.replace("-", " ").capitalize(),
            "status": self.statuses[rejected.kind],
            "detail": rejected.message,
            **rejected.more,
        }
        return {**problem, "field": rejected.field} if rejected.field else problem

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """The shared secret itself; nothing proves the body."""
        return {"X-Waypost-Token": secret, "X-Waypost-Event": sealed.event}

    def script(self, item: Script) -> None:
        """Keep how a tender will be answered, and what becomes of slots."""
        if bool(item.shipment) == bool(item.order):
            raise ValueError("a script is about a shipment or about an order")
        about = ("shipment", item.shipment) if item.shipment else ("order", item.order)
        self.scripts[*about, item.carrier] = item
        if item.dock is not None:
            self.docks.scripts[about] = item.dock

    def rate(self, call: Call) -> Reply:
        """Quotes, cheapest first; asking has no effect."""
        asked = call.read(RateRequest)
        call.reference = asked.reference
        try:
            zone = ZoneInfo(asked.zone)
        except (ValueError, OSError, KeyError):
            raise Rejected("invalid", f"Unknown time zone {asked.zone!r}", "zone") from None
        ready = max(asked.ready_at or self.now, self.now)
        weight = Decimal(sum(package.weight_g for package in asked.packages)) / 1000
        luck = self.luck(asked.reference)
        request_id = self.number("RR-")
        quotes: list[dict[str, Any]] = []
        for n, (carrier, service, hour, days, base, per_kg) in enumerate(OFFERS, 1):
            limit = cut_off(ready, zone, hour)
            quote_id = f"Q-{request_id[3:]}-{n}"
            self.quotes[quote_id] = Quote(carrier, service, zone, hour, limit)
            arrival = business_day(limit.astimezone(zone).date(), days)
            price = (base + per_kg * weight) * luck.randint(95, 105) / 100
            quotes.append(
                {
                    "quote_id": quote_id,
                    "carrier": carrier,
                    "service": service,
                    "price": {"value_minor": int(price), "currency": asked.currency},
                    "cut_off_at": stamp(limit),
                    "transit_days": days,
                    "estimated_delivery": arrival,
                    "meets_deliver_by": asked.deliver_by is None or arrival <= asked.deliver_by,
                    "expires_at": stamp(limit),
                }
            )
        quotes.sort(key=lambda quote: quote["price"]["value_minor"])
        return Reply(200, {"rate_request_id": request_id, "reference": asked.reference, "quotes": quotes})

    def create_tender(self, call: Call) -> Reply:
        """Offer a load to a carrier; the same client id again gives the same tender."""
        new = call.read(NewTender)
        known = self.clients.get(new.client_id)
        if known is not None:
            call.replayed, call.reference = True, new.client_id
            return Reply(200, known)
        quote = self.quotes.get(new.quote_id)
        if quote is None:
            raise Rejected("not_found", f"No quote {new.quote_id}", "quote_id")
        if self.now > quote.cut_off_at:
            following = cut_off(self.now, quote.zone, quote.hour)
            raise Rejected(
                "cut_off", f"The cut-off was at {stamp(quote.cut_off_at)}", next_cut_off_at=stamp(following)
            )
        tender = Tender(
            tender_id=self.number("T-"),
            client_id=new.client_id,
            quote_id=new.quote_id,
            shipment=new.shipment,
            order=new.order,
            carrier=quote.carrier,
            service=quote.service,
            pickup_on=quote.cut_off_at.astimezone(quote.zone).date(),
        )
        self.tenders[tender.tender_id] = self.clients[new.client_id] = tender
        script = self._script(tender)
        if script.answer != "none" and script.after_minutes:
            later = self.now + timedelta(minutes=script.after_minutes)
            self.plan(later, lambda: self._answer(tender, script, publish=True))
        elif script.answer != "none":
            self._answer(tender, script, publish=False)
        self._did(call, tender, 1)
        return Reply(201, tender)

    def get_tender(self, call: Call) -> Reply:
        """One tender."""
        return Reply(200, self._tender(call))

    def find_tenders(self, call: Call) -> Reply:
        """Tenders by client id or shipment."""
        client, shipment = call.query("client_id"), call.query("shipment")
        if client:
            found = [self.clients[client]] if client in self.clients else []
        else:
            found = [tender for tender in self.tenders.values() if tender.shipment == shipment]
        return Reply(200, {"tenders": found})

    def withdraw_tender(self, call: Call) -> Reply:
        """Take an offer back; twice is fine."""
        tender = self._tender(call)
        if tender.status == "declined":
            raise Rejected("wrong_state", f"Tender {tender.tender_id} is declined")
        if tender.status != "withdrawn":
            tender.status = "withdrawn"
            self._did(call, tender, -1)
        return Reply(200, tender)

    def carriers(self, _call: Call) -> Reply:
        """Carriers with their services and daily cut-offs."""
        known: dict[str, dict[str, Any]] = {}
        for carrier, service, hour, *_ in OFFERS:
            entry = {"carrier": carrier, "services": [], "cut_off": f"{hour}:00"}
            known.setdefault(carrier, entry)["services"].append(service)
        return Reply(200, {"carriers": list(known.values())})

    def events(self, call: Call) -> Reply:
        """The feed, for what webhooks lost."""
        events, end = self.feed_page(call)
        return Reply(200, {"events": events, "next": end})

    def _tender(self, call: Call) -> Tender:
        tender = self.tenders.get(call.path("id"))
        if tender is None:
            raise Rejected("not_found", f"No tender {call.path('id')}")
        return tender

    def _script(self, tender: Tender) -> Script:
        """What is written of this carrier's answer, else of all, else yes at once."""
        about = (("shipment", tender.shipment), ("order", tender.order))
        keys = [(*one, carrier) for carrier in (tender.carrier, "") for one in about]
        return next((self.scripts[key] for key in keys if key in self.scripts), Script())

    def _answer(self, tender: Tender, script: Script, *, publish: bool) -> None:
        if tender.status != "pending" and not script.insists:
            return
        answer = "accepted" if script.answer == "accept" else "declined"
        if tender.status == "pending":
            tender.status, tender.reason = answer, script.reason
            if answer == "accepted" and script.gives_back_after_minutes is not None:
                later = self.now + timedelta(minutes=script.gives_back_after_minutes)
                self.plan(later, lambda: self._give_back(tender, script))
        for _ in range(script.times if publish else 0):
            self._tell_tender(answer, tender)

    def _give_back(self, tender: Tender, script: Script) -> None:
        if tender.status == "accepted":
            tender.status, tender.reason = "declined", script.reason
            self._tell_tender("declined", tender)

    def _tell_tender(self, answer: str, tender: Tender) -> None:
        shown = {name: getattr(tender, name) for name in tender.__struct_fields__}
        self.tell(f"tender.{answer}", tender.shipment, {"tender": shown})

    def tell(self, event: str, lane: str, what: dict[str, Any]) -> None:
        """Put an event in the feed and send it."""
        seq = len(self.feed) + 1
        payload = {"event_id": f"wp-{seq}", "event": event, "at": stamp(self.now), **what}
        self.feed.append({"seq": seq, **payload})
        self.post_webhook(event, f"wp-{seq}", lane, payload)

    def _did(self, call: Call, tender: Tender, change: int) -> None:
        self.did(
            call,
            tender.shipment,
            order=tender.order,
            reference=tender.client_id,
            id=tender.tender_id,
            kind="tender",
            change=change,
        )
