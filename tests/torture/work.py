"""What is put in: orders with their stories, returns, claims, chains of calls, and poison.

Orders come by the ERP of the sandbox, as they do in life. The rest is put into the inbox by a program that
repeats until it is acknowledged, says things twice, and in any order. What was acknowledged is written down.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from crossdock.assemble import System
from crossdock.demo.orders import DemoOrder, customers, load
from crossdock.demo.partners import CARRIERS, Partners
from crossdock.engine import Arrival
from crossdock.errors import Unreachable
from torture.plan import SPEED, Plan

FOOD = 3_400_000  # letters in one meal of the glutton; the third is more than a state may hold
STORIES = {
    "plain": 8,
    "two parts": 4,
    "cancelled": 2,
    "changed": 2,
    "large": 2,
    "damaged": 2,
    "short": 1,
    "returned": 2,
}


@dataclass(slots=True)
class Work:
    """The work of one round. `acknowledged` holds (source, id) of what the inbox has acknowledged."""

    plan: Plan
    start: datetime  # of the partners' clock
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    put: Counter[str] = field(default_factory=Counter)
    stories: dict[str, str] = field(default_factory=dict)  # by order
    orders: list[DemoOrder] = field(default_factory=list)
    returns: set[str] = field(default_factory=set)
    claims: set[str] = field(default_factory=set)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Draw the orders' stories."""
        self._chance = random.Random(f"work/{self.plan.seed}")
        self.orders = load(self.plan.orders)
        for order in self.orders:
            (self.stories[order.number],) = self._chance.choices(list(STORIES), list(STORIES.values()))

    def at(self, seconds: float) -> datetime:
        """The partners' time so many real seconds after the start."""
        return self.start + timedelta(seconds=seconds * SPEED)

    async def prepare(self, partners: Partners) -> None:
        """Tell the partners what will happen to the orders, and give the ERP its documents."""
        last = self.plan.seconds * 0.6
        scripts = []
        for order in self.orders:
            released = self.at(3 + self._chance.random() * last)
            story = self.stories[order.number]
            self._shape(order, story, released)
            pieces = 10 * len(order.erp["lines"])
            packs: list[dict[str, Any]] = [{"after_hours": 3, "shipment": f"{order.number}/A"}]
            if story == "two parts":
                packs = [
                    {"after_hours": 3, "quantity": pieces // 2, "shipment": f"{order.number}/A"},
                    {"after_hours": 9, "quantity": pieces - pieces // 2, "shipment": f"{order.number}/B"},
                ]
            if story == "short":
                packs[0]["quantity"] = pieces - 1
            short = 1 if story == "short" else 0
            scripts.append({"order": order.number, "start_after_hours": 1, "packs": packs, "short": short})
        await partners.post("wms", "/script", {"scripts": scripts})
        for carrier in CARRIERS:
            await partners.post(
                carrier, "/script", {"scripts": [self._carriage(order.number) for order in self.orders]}
            )
        documents = {"customers": customers(self.orders), "orders": [order.erp for order in self.orders]}
        for customer in documents["customers"]:
            customer.pop("credit_limit", None)
        await partners.post("erp", "/import", documents)
        actions = [order.erp_script for order in self.orders if order.erp_script]
        if actions:
            await partners.post("erp", "/script", {"scripts": actions})

    def _shape(self, order: DemoOrder, story: str, released: datetime) -> None:
        erp = order.erp
        erp["release_at"] = released.isoformat()
        late = self.plan.clock == "fast" and self._chance.random() < 0.2
        erp["wanted_on"] = (released + timedelta(days=3 if late else 400)).date().isoformat()
        for line in erp["lines"]:
            line["quantity"] = "10"
            line["unit_price"] = "30000.00" if story == "large" else "1.00"
        script: dict[str, Any] | None = None
        if story == "cancelled":
            hours = self._chance.choice((0.2, 2.0, 6.0))
            at = (released + timedelta(hours=hours)).isoformat()
            script = {
                "order": order.number,
                "actions": [{"do": "cancel", "at": at, "reason": "ordered twice"}],
            }
        if story == "changed":
            at = (released + timedelta(hours=1.5)).isoformat()
            lines = [{**erp["lines"][0], "description": "to the back gate"}, *erp["lines"][1:]]
            script = {"order": order.number, "actions": [{"do": "change", "at": at, "lines": lines}]}
        object.__setattr__(order, "erp_script", script)

    def _carriage(self, number: str) -> dict[str, Any]:
        script: dict[str, Any] = {
            "order": number,
            "pickup_after_hours": 4,
            "delivered_after_hours": 30,
            "signed_by": "Receiving desk",
        }
        if self.stories[number] == "damaged":
            script["damaged"] = 1
        return script

    # -- what a program puts in ------------------------------------------------------------------------

    async def put_in(self, system: System) -> None:
        """Chains, poison and stamps, over two thirds of the round; everything twice, in any order."""
        arrivals: list[Arrival] = []
        for n in range(self.plan.chains):
            arrivals += self._chain(f"C-{n}")
        for n in range(2):
            arrivals += self._glutton(f"G-{n}")
        self._chance.shuffle(arrivals)
        parts = [arrivals[n : n + 6] for n in range(0, len(arrivals), 6)]
        again: list[list[Arrival]] = []
        pause = self.plan.seconds * 0.65 / max(1, len(parts))
        for part in parts:
            await self.say(system, part)
            again.append(part)
            if self._chance.random() < 0.5:
                await self.say(system, self._chance.choice(again))
            await asyncio.sleep(pause * 2 * self._chance.random())

    def _chain(self, number: str) -> list[Arrival]:
        days = timedelta(days=self._chance.choice((0, 0, 1, 30)))
        said = [self._event("chain.asked", number, {"number": number}, {"chain": number}, ago=days)]
        for n in range(3):
            data = {"chain": number, "n": n}
            said.append(self._event("chain.stamped", f"{number}/{n}", data, {"chain": number}, ago=days))
        return said

    def _glutton(self, number: str) -> list[Arrival]:
        said = [self._event("glutton.asked", number, {"number": number}, {"glutton": number})]
        for n in range(3):
            data = {"glutton": number, "food": "x" * FOOD}
            said.append(self._event("glutton.fed", f"{number}/{n}", data, {"glutton": number}))
        self.put["poison events"] += 1
        return said

    def _event(
        self, type_: str, id_: str, data: Any, about: dict[str, str], *, ago: timedelta = timedelta(0)
    ) -> Arrival:
        now = datetime.now(UTC) - ago
        return Arrival(id=f"{type_}/{id_}", source="torture", type=type_, time=now, data=data, about=about)

    async def say(self, system: System, arrivals: Sequence[Arrival]) -> None:
        """Put events in, again and again until they are acknowledged."""
        while True:
            try:
                receipts = await system.inbox.put(system.tenant, list(arrivals))
                break
            except (Unreachable, asyncpg.PostgresError) as error:
                self.put[f"not acknowledged: {type(error).__name__}"] += 1
                await asyncio.sleep(0.2)
        for arrival, receipt in zip(arrivals, receipts, strict=True):
            self.acknowledged.add((arrival.source, arrival.id))
            self.put[f"acknowledged: {receipt.fate}"] += 1

    async def follow_up(self, system: System, ended: set[str]) -> None:
        """After an order has come to its end: its customer returns goods, or we claim for damage."""
        for number in sorted(ended):
            story = self.stories[number]
            if story == "returned" and number not in self.returns:
                self.returns.add(number)
                await self.say(system, [self._return(number)])
            if story == "damaged" and number not in self.claims:
                self.claims.add(number)
                claim = f"CL-{number}"
                document = {
                    "number": claim,
                    "against": {"id": "claims"},
                    "kind": "damage",
                    "order": number,
                    "shipment": f"{number}/A",
                }
                said = [
                    self._event("claim.opened", claim, document, {"claim": claim}),
                    self._event("claim.accepted", claim, document, {"claim": claim}),
                    self._event("claim.paid", claim, document, {"claim": claim}),
                ]
                self._chance.shuffle(said)
                for one in said:
                    await self.say(system, [one])

    def _return(self, number: str) -> Arrival:
        order = next(one for one in self.orders if one.number == number)
        line = order.erp["lines"][0]
        data = {
            "number": f"R-{number}",
            "order": number,
            "customer": {"id": order.erp["customer"]},
            "value": {"amount": "1.00", "currency": "USD"},
            "lines": [
                {
                    "number": "1",
                    "order_line": "1",
                    "item": line["item"],
                    "quantity": {"value": "1", "unit": "PCE"},
                }
            ],
            "text": "one too many",
        }
        return self._event(
            "return.requested", f"R-{number}", data, {"return": f"R-{number}", "order": number}
        )
