"""Stackyard WMS: returns expected, received and inspected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from crossdock.sandbox.amounts import exact
from crossdock.sandbox.service import Call, Rejected, Reply, Route
from crossdock.sandbox.wms.shapes import NewReturn, Script

if TYPE_CHECKING:
    from crossdock.sandbox.wms.picks import Wms


class Returns:
    """The returns of the warehouse, kept beside its picks."""

    def __init__(self, wms: Wms) -> None:
        """Belong to a warehouse."""
        self._wms = wms

    def begin(self) -> None:
        """Forget all."""
        self._returns: dict[str, dict[str, Any]] = {}
        self._call_off: dict[str, list[Callable[[], None]]] = {}

    def routes(self) -> list[Route]:
        """Operations on returns."""
        return [
            Route("return.create", "POST", "/api/expectedReturns", self.create),
            Route("return.find", "GET", "/api/expectedReturns", self.find),
            Route("return.get", "GET", "/api/expectedReturns/{id}", self.get),
            Route("return.cancel", "POST", "/api/expectedReturns/{id}/cancel", self.cancel),
        ]

    def create(self, call: Call) -> Reply:
        """Expect goods to come back."""
        new = call.read(NewReturn)
        for known in self._returns.values():
            if known["clientReference"] == new.client_reference and known["state"] != "CANCELLED":
                raise Rejected(
                    "duplicate",
                    "clientReference is taken",
                    "clientReference",
                    expectedReturnId=known["expectedReturnId"],
                )
        made: dict[str, Any] = {
            "expectedReturnId": self._wms.number("ER-"),
            "clientReference": new.client_reference,
            "rma": new.rma,
            "orderNumber": new.order_number,
            "warehouse": new.warehouse,
            "state": "EXPECTED",
            "lines": [
                {"lineRef": line.line_ref, "sku": line.sku, "qty": exact(line.qty)} for line in new.lines
            ],
        }
        number = made["expectedReturnId"]
        self._returns[number] = made
        script = self._wms.scripts.get(("return", new.rma)) or Script(return_=new.rma)
        self._call_off[number] = [
            self._wms.plan(
                self._wms.now + timedelta(hours=script.received_after_hours), lambda: self._received(made)
            ),
            self._wms.plan(
                self._wms.now
                + timedelta(hours=max(script.inspected_after_hours, script.received_after_hours)),
                lambda: self._inspected(made, list(script.conditions)),
            ),
        ]
        self._wms.did(
            call, new.order_number, reference=new.client_reference, id=number, kind="return", change=1
        )
        return Reply(201, made)

    def get(self, call: Call) -> Reply:
        """One expected return."""
        return Reply(200, self._return(call))

    def find(self, call: Call) -> Reply:
        """Expected returns by client reference or authorisation."""
        reference, rma = call.query("clientReference"), call.query("rma")
        found = [
            made
            for made in self._returns.values()
            if (not reference or made["clientReference"] == reference) and (not rma or made["rma"] == rma)
        ]
        return Reply(200, {"items": found, "count": len(found)})

    def cancel(self, call: Call) -> Reply:
        """Expect it no longer, unless it is there."""
        made = self._return(call)
        if made["state"] not in {"EXPECTED", "CANCELLED"}:
            raise Rejected("wrong_state", f"Return {made['expectedReturnId']} is {made['state']}")
        if made["state"] == "EXPECTED":
            made["state"] = "CANCELLED"
            for call_off in self._call_off[made["expectedReturnId"]]:
                call_off()
            self._wms.did(
                call,
                made["orderNumber"],
                reference=made["clientReference"],
                id=made["expectedReturnId"],
                kind="return",
                change=-1,
            )
        return Reply(200, made)

    def _return(self, call: Call) -> dict[str, Any]:
        made = self._returns.get(call.path("id"))
        if made is None:
            raise Rejected("not_found", f"No expected return {call.path('id')}")
        return made

    def _received(self, made: dict[str, Any]) -> None:
        made["state"] = "RECEIVED"
        self._tell_return("RETURN_RECEIVED", made)

    def _inspected(self, made: dict[str, Any], conditions: list[str]) -> None:
        if not conditions:
            drawn = self._wms.luck(made["rma"]).choices(("A_STOCK", "B_STOCK", "SCRAP"), (8, 1, 1))[0]
            conditions = ["A_STOCK" if self._wms.calm else drawn]
        lines = made["lines"]
        for line, condition in zip(lines, conditions + conditions[-1:] * len(lines), strict=False):
            line["condition"] = condition
        made["state"] = "INSPECTED"
        self._tell_return("RETURN_INSPECTED", made)

    def _tell_return(self, event: str, made: dict[str, Any]) -> None:
        names = ("expectedReturnId", "rma", "orderNumber", "clientReference")
        lines = [dict(line) for line in made["lines"]]
        self._wms.publish(event, made["rma"], {**{name: made[name] for name in names}, "lines": lines})
