"""A Tryton that runs, the real runtime connected to it, and what a test asks of both."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from asked import AsEngine
from crossdock.connect import Calls, Lines, Registry, Wire
from crossdock.connect.secret import Secret
from crossdock.demo.tryton import Company, Erp, House
from crossdock.engine import Connections
from crossdock.process.messages import CallEnded
from crossdock.store import Database, Tenant

PLENTY = {"RDC": Decimal(1000), "DIRECT": Decimal(1000)}
_numbers = itertools.count(1)


class Keeps:
    """The secrets of the one connection."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._secrets = secrets

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {name: (Secret(text),) for name, text in self._secrets.items()}


@dataclass
class World(AsEngine):
    """Each test has goods and customers of its own, so that none is in another's way."""

    house: House
    admin: Erp
    company: Company
    database: Database
    registry: Registry
    wire: Wire
    tenant: Tenant = field(init=False)

    async def begin(self) -> None:
        """A tenant that is connected, and nobody signed in."""
        self.tenant = await self.database.create_tenant(f"acme-{next(_numbers)}", title="Acme Goods")
        given = self.house.connection()
        await Connections(self.database).put(
            self.tenant, "erp", system="erp", connector="tryton", settings=given["settings"]
        )
        self.lines = Lines(self.database, self.registry, Keeps(given["secrets"]))
        self.calls = Calls(self.lines, self.wire)

    async def order(
        self,
        *quantities: int,
        stock: dict[str, Decimal] | None = None,
        limit: Decimal | None = None,
        release: bool = True,
    ) -> Order:
        """An order for goods at 10.00 each, of a new customer."""
        tag = f"{next(_numbers):04}"
        codes = [f"KIT-{tag}-{n}" for n in range(1, len(quantities) + 1)]
        for code in codes:
            await self.company.goods(
                code, f"Kit {code}", Decimal("10.00"), stock or PLENTY, kilos=Decimal("1.5")
            )
        await self.company.customer(f"C{tag}", f"Clinic {tag}", limit=limit)
        lines = {code: Decimal(q) for code, q in zip(codes, quantities, strict=True)}
        sale, number = await self.company.sell(f"C{tag}", lines, reference=f"PO {tag}")
        if release:
            await self.company.release(sale)
        rows = await self.admin.find("sale.line", [["sale", "=", sale]], "product.code")
        ids = {row["product."]["code"]: str(row["id"]) for row in rows}
        return Order(sale, number, f"C{tag}", codes, [ids[code] for code in codes])

    async def call(self, operation: str, data: Any, *, key: str = "", **more: Any) -> CallEnded:
        """Call as the engine does; `find_first` as after an unknown outcome."""
        key = key or f"key-{self.tenant.id}-{next(_numbers)}"
        return await super().call(operation, data, key=key, **{"seconds": 55.0, **more})

    async def of(self, order: Order) -> Any:
        """The sale as Tryton has it now, with what hangs on it."""
        fields = ("state", "shipment_state", "total_amount", "shipments.state", "shipments.reference")
        more = ("invoices.state", "invoices.number", "invoices.total_amount")
        moves = ("shipments.outgoing_moves.quantity", "shipments.outgoing_moves.product.code")
        return await self.admin.one("sale.sale", [["id", "=", order.sale]], *fields, *more, *moves)


@dataclass(frozen=True)
class Order:
    """A sale: its id, number and customer, and its lines as others name them."""

    sale: int
    number: str
    customer: str
    codes: list[str]
    lines: list[str]

    def part(self, *quantities: int) -> list[dict[str, Any]]:
        """The lines of a shipment with so much of each line; 0 leaves one out."""
        return [
            {
                "number": str(n),
                "line": line,
                "item": code,
                "quantity": {"value": str(quantity), "unit": "EA"},
            }
            for n, (line, code, quantity) in enumerate(
                zip(self.lines, self.codes, quantities, strict=True), 1
            )
            if quantity
        ]


def moved(sale: Any) -> dict[str | None, dict[str, float]]:
    """What each shipment of a sale carries, by its reference."""
    return {
        one["reference"]: {move["product."]["code"]: move["quantity"] for move in one["outgoing_moves."]}
        for one in sale["shipments."]
    }
