"""Northway ERP, credit: customers, their limits and what they owe."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import structs

from crossdock.sandbox.erp.finance import money, ok
from crossdock.sandbox.erp.shapes import CreditQuestion, Customer
from crossdock.sandbox.service import Call, Rejected, Reply, Route

if TYPE_CHECKING:
    from crossdock.sandbox.erp.orders import Erp, Order


class Credit:
    """The customers of the ERP, kept beside its orders."""

    def __init__(self, erp: Erp) -> None:
        """Belong to an ERP."""
        self._erp = erp

    def begin(self) -> None:
        """Forget all customers."""
        self.customers: dict[str, Customer] = {}
        self.exposed: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
        self.exposure: defaultdict[str, Decimal] = defaultdict(Decimal)

    def routes(self) -> list[Route]:
        """Operations on customers and credit."""
        return [
            Route("customer.save", "POST", "/customers", self.save),
            Route("customer.get", "GET", "/customers/{code}", self.get),
            Route("credit.check", "POST", "/credit/check", self.check),
        ]

    def save(self, call: Call) -> Reply:
        """Create or replace a customer."""
        customer = call.read(Customer)
        self.customers[customer.code] = customer
        self._erp.did(call, customer.code, id=customer.code)
        return ok(self._show(customer))

    def get(self, call: Call) -> Reply:
        """A customer with its exposure."""
        return ok(self._show(self.customer(call.path("code"))))

    def check(self, call: Call) -> Reply:
        """Whether an amount fits under the limit."""
        asked = call.read(CreditQuestion)
        call.reference = asked.order
        customer = self.customer(asked.customer)
        if asked.currency != customer.currency:
            raise Rejected("refused", f"Credit of {customer.code} is kept in {customer.currency}", "currency")
        own = self.exposed[customer.code].get(asked.order, Decimal(0))
        exposure = customer.base_exposure + self.exposure[customer.code] - own
        answer = {"customer": customer.code, "decision": "OK", "exposure": money(exposure)}
        answer["currency"] = customer.currency
        if customer.credit_limit is not None:
            available = customer.credit_limit - exposure
            answer |= {"credit_limit": money(customer.credit_limit), "available": money(available)}
            if asked.amount > available:
                answer["decision"] = "OVER_LIMIT"
        if customer.blocked:
            answer["decision"] = "BLOCKED"
        return ok(answer)

    def customer(self, code: str) -> Customer:
        """The customer, else `not_found`."""
        if code not in self.customers:
            raise Rejected("not_found", f"No customer {code}", "customer")
        return self.customers[code]

    def expose(self, order: Order, amount: Decimal) -> None:
        """Set what an order takes of its customer's credit."""
        code, number = order.new.customer, order.new.number
        self.exposure[code] += amount - self.exposed[code].pop(number, Decimal(0))
        if amount:
            self.exposed[code][number] = amount

    def _show(self, customer: Customer) -> dict[str, Any]:
        """A customer on the wire."""
        shown: dict[str, Any] = structs.asdict(customer)
        shown["base_exposure"] = money(customer.base_exposure)
        shown["exposure"] = money(customer.base_exposure + self.exposure[customer.code])
        if customer.credit_limit is None:
            del shown["credit_limit"]
        else:
            shown["credit_limit"] = money(customer.credit_limit)
        return shown
