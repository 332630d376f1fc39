"""The demo with Tryton as its ERP: orders are sold, released and billed there.

Warehouse, planner, carriers and mail stay those of the sandbox. Tryton lives in real time, so the demo's
clock begins now: each order is released within the first hours, and its goods go the days that they went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock.demo.orders import DemoOrder, customers, moved
from crossdock.demo.partners import Partners
from crossdock.demo.tally import Tally
from crossdock.demo.tryton.company import Company
from crossdock.demo.tryton.house import House

_TOGETHER = 4  # orders that are released at once
_BETWEEN = timedelta(hours=1)


@dataclass(slots=True)
class OnTryton(Partners):
    """The partners, with Tryton in the place of the sandbox's ERP."""

    house: House = field(kw_only=True)
    company: Company = field(kw_only=True)
    sales: dict[str, int] = field(default_factory=dict)  # by number

    def connections(self) -> dict[str, Any]:
        """What `connections.yaml` would say of them."""
        return {**Partners.connections(self), "erp": self.house.connection()}

    def addresses(self) -> dict[str, str]:
        """Where each answers."""
        return {**Partners.addresses(self), "erp": self.house.url}

    def releases(self, orders: list[DemoOrder]) -> list[tuple[datetime, str]]:
        """All orders: somebody confirms each in Tryton."""
        return [(order.released, order.number) for order in orders]

    async def release(self, numbers: list[str]) -> None:
        """Confirm sales, over the credit limit too: whether they are delivered is decided in Crossdock."""
        for number in numbers:
            await self.company.release(self.sales[number], over_limit=True)

    async def sell(
        self, orders: list[DemoOrder], begin: datetime, say: Callable[[str], None]
    ) -> list[DemoOrder]:
        """Have customers, goods and quotations in Tryton; gives the orders as it numbers them."""
        for customer in customers(orders):
            limit = customer.get("credit_limit")
            country = next(o for o in orders if o.erp["customer"] == customer["code"]).erp["ship_to"][
                "country"
            ]
            name, code = customer["name"], customer["code"]
            await self.company.customer(code, name, country=country, limit=Decimal(limit) if limit else None)
        sold = []
        for n, order in enumerate(orders):
            number, lines = await self._sold(order)
            at = begin + (n // _TOGETHER + 1) * _BETWEEN
            sold.append(moved(order, number=number, lines=lines, by=at - order.released))
            say(f"Sold {n + 1} of {len(orders)} orders in Tryton ...")
        return sold

    async def _sold(self, order: DemoOrder) -> tuple[str, list[str]]:
        site, rows = order.erp["site"], order.erp["lines"]
        for row in rows:
            quantity, price = Decimal(row["quantity"]), Decimal(row["unit_price"])
            kilos = Decimal(row["weight_kg"]) if "weight_kg" in row else None
            await self.company.goods(row["item"], row["description"], price, {site: quantity}, kilos=kilos)
        wanted = {row["item"]: Decimal(row["quantity"]) for row in rows}
        sale, number = await self.company.sell(
            order.erp["customer"], wanted, warehouse=site, reference=order.number
        )
        self.sales[number] = sale
        lines = await self.company.erp.find("sale.line", [["sale", "=", sale]], "product.code")
        ids = {line["product."]["code"]: str(line["id"]) for line in lines}
        return number, [ids[row["item"]] for row in rows]

    async def _prepare_erp(self, orders: list[DemoOrder]) -> None:
        """Nothing: what is in Tryton was sold there."""

    async def invoices(self) -> Mapping[str, int]:
        """How many posted invoices each sale has."""
        return {
            sale["number"]: len([one for one in sale["invoices."] if one["state"] in ("posted", "paid")])
            for sale in await self._books()
        }

    async def wrong(self, tally: Tally) -> list[str]:
        """Shipments that are not done once, drafts that were left, returns that were credited twice."""
        found = []
        for sale in await self._books():
            number = sale["number"]
            done = Counter(one["reference"] for one in sale["shipments."] if one["state"] == "done")
            ours = {key for key in tally.delivered if key.partition("/")[0] == number}
            if number in tally.invoiced and done != Counter(ours):
                found.append(
                    f"{number} has shipments {dict(done)} in Tryton, and {sorted(ours)} were delivered"
                )
            if any(one["state"] in ("draft", "validated") for one in sale["invoices."]):
                found.append(f"{number} has an invoice in Tryton that was never posted")
        backwards = [["origin", "like", "sale.sale,%"], ["state", "!=", "cancelled"]]
        returns = await self.company.erp.find("sale.sale", backwards, "invoices.state")
        credited = [len([one for one in sale["invoices."] if one["state"] == "posted"]) for sale in returns]
        if max(credited, default=0) > 1 or sum(credited) != len(tally.credited):
            found.append(f"{len(tally.credited)} returns were credited, and Tryton has credits {credited}")
        return found

    async def _books(self) -> list[Any]:
        fields = ("number", "invoices.state", "shipments.state", "shipments.reference")
        return await self.company.erp.find("sale.sale", [["id", "in", list(self.sales.values())]], *fields)
