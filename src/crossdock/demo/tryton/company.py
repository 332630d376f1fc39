"""What the people of the company do in Tryton: keep goods and customers, sell, count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from crossdock.demo.tryton.erp import Erp, TrytonSaysNo


@dataclass(slots=True)
class Company:
    """What its people do: keep goods and customers, sell, and approve."""

    erp: Erp
    _known: dict[str, int] = field(default_factory=dict)

    async def goods(
        self,
        code: str,
        name: str,
        price: Decimal,
        stock: Mapping[str, Decimal],
        *,
        kilos: Decimal | None = None,
    ) -> None:
        """A product, what one of it weighs, and how much of it lies in which warehouse."""
        unit = await self._id("product.uom", "symbol", "u")
        values = {
            "name": name,
            "code": code,
            "type": "goods",
            "default_uom": unit,
            "sale_uom": unit,
            "salable": True,
            "list_price": price,
            "account_category": await self._id("product.category", "name", "Goods"),
            "products": [["create", [{"cost_price": Decimal(1)}]]],
        }
        if kilos is not None:
            grams = await self._id("product.uom", "symbol", "g")
            values |= {"weight": round(float(kilos) * 1000, 2), "weight_uom": grams}
        await self.erp.make("product.template", values)
        for warehouse, quantity in stock.items():
            await self.stock(code, warehouse, quantity)

    async def stock(self, code: str, warehouse: str, quantity: Decimal) -> None:
        """Count it: so much lies in the warehouse now."""
        place = await self.erp.one("stock.location", [["code", "=", warehouse]], "storage_location")
        product = await self._id("product.product", "code", code)
        line = {"product": product, "quantity": float(quantity)}
        values = {"location": place["storage_location"], "lines": [["create", [line]]]}
        await self.erp.press("stock.inventory", await self.erp.make("stock.inventory", values), "confirm")

    async def customer(
        self, code: str, name: str, *, country: str = "US", limit: Decimal | None = None
    ) -> None:
        """A customer, and how much they may owe."""
        address = {"street": "1 Quay", "city": "Oakland", "country": await self._country(country)}
        values: dict[str, Any] = {
            "name": name,
            "code": code,
            "addresses": [["create", [address]]],
            "customer_payment_term": await self._id("account.invoice.payment_term", "name", "Net 30"),
        }
        if limit is not None:
            values["credit_limit_amount"] = limit
        await self.erp.make("party.party", values)

    async def limit(self, code: str, amount: Decimal) -> None:
        """Change how much a customer may owe."""
        party = await self._id("party.party", "code", code)
        await self.erp.write("party.party", [party], {"credit_limit_amount": amount})

    async def sell(
        self, customer: str, lines: Mapping[str, Decimal], *, warehouse: str = "RDC", reference: str = ""
    ) -> tuple[int, str]:
        """Offer it: a quotation, at list prices; gives its id and number."""
        party = await self.erp.one("party.party", [["code", "=", customer]], "addresses")
        products = {code: await self._id("product.product", "code", code) for code in lines}
        rows = []
        for code, quantity in lines.items():
            asked = {"type": "line", "product": products[code], "quantity": float(quantity)}
            header = {"party": party["id"], "company": 1, "currency": 1}
            changed = await self.erp.call("model.sale.line.on_change", {**asked, "sale": header}, ["product"])
            taxes = [tax["id"] for _, tax in changed["taxes"]["add"]]
            unit, price = changed["unit"], changed["unit_price"]
            rows.append({**asked, "unit": unit, "unit_price": price, "taxes": [["add", taxes]]})
        values = {
            "party": party["id"],
            "reference": reference or None,
            "invoice_address": party["addresses"][0],
            "shipment_address": party["addresses"][0],
            "warehouse": await self._id("stock.location", "code", warehouse),
            "payment_term": await self._id("account.invoice.payment_term", "name", "Net 30"),
            "invoice_method": "fulfillment",
            "shipment_method": "order",
            "lines": [["create", rows]],
        }
        (sale,) = await self.erp.make("sale.sale", values)
        await self.erp.press("sale.sale", [sale], "quote")
        return sale, str((await self.erp.one("sale.sale", [["id", "=", sale]], "number"))["number"])

    async def release(self, sale: int, *, over_limit: bool = False) -> None:
        """Confirm it: it is delivered now. Raises `TrytonSaysNo` over the limit, unless it may be so."""
        try:
            await self.erp.press("sale.sale", [sale], "confirm")
        except TrytonSaysNo as no:
            if not over_limit or no.kind != "UserWarning":
                raise
            await self.erp.call("model.res.user.warning.skip", no.details[0], False)
            await self.erp.press("sale.sale", [sale], "confirm")

    async def _country(self, code: str) -> int:
        key = f"country/{code}"
        if key not in self._known:
            found = await self.erp.find("country.country", [["code", "=", code]])
            ids = (
                [found[0]["id"]]
                if found
                else await self.erp.make("country.country", {"name": code, "code": code})
            )
            self._known[key] = ids[0]
        return self._known[key]

    async def _id(self, model: str, name: str, value: str) -> int:
        key = f"{model}/{value}"
        if key not in self._known:
            self._known[key] = (await self.erp.one(model, [[name, "=", value]]))["id"]
        return self._known[key]
