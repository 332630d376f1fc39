"""Waypost TMS: slots at docks, as far as the planner keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

from crossdock.sandbox.clock import stamp
from crossdock.sandbox.service import Call, Rejected, Reply, Route

if TYPE_CHECKING:
    from crossdock.sandbox.tms import Tms

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Aware = Annotated[datetime, Meta(tz=True)]
Minutes = Annotated[float, Meta(ge=0)]
SLOT = timedelta(hours=1)


class NewAppointment(Struct):
    """A slot that is wanted; without times, an hour from now."""

    client_id: Name
    shipment: Name
    kind: Literal["pickup", "delivery"]
    order: str = ""
    carrier: str = ""
    tender_id: str = ""
    not_before: Aware | None = None
    not_after: Aware | None = None


class DockScript(Struct, forbid_unknown_fields=True, kw_only=True):
    """What becomes of the slots of a shipment; minutes count from when the slot was asked for."""

    confirm_after_minutes: Minutes = 0  # at once, in the answer
    refuse: bool = False
    move_after_minutes: Minutes | None = None
    move_by_hours: float = 4
    miss_after_minutes: Minutes | None = None
    reason: str = ""


class Appointment(Struct):
    """A slot as it stands."""

    appointment_id: str
    client_id: str
    shipment: str
    order: str
    kind: str
    carrier: str
    tender_id: str
    start: str
    end: str
    dock: str
    status: str = "requested"
    reason: str = ""


class Docks:
    """The slots of one planner."""

    def __init__(self, tms: Tms) -> None:
        """Keep them for the given planner."""
        self._tms = tms
        self.begin()

    def begin(self) -> None:
        """Forget slots and scripts."""
        self.slots: dict[str, Appointment] = {}
        self.clients: dict[str, Appointment] = {}
        self.scripts: dict[tuple[str, str], DockScript] = {}

    def routes(self) -> list[Route]:
        """Ask, find, look, cancel."""
        return [
            Route("appointment.create", "POST", "/v2/appointments", self.create),
            Route("appointment.find", "GET", "/v2/appointments", self.find),
            Route("appointment.get", "GET", "/v2/appointments/{id}", self.get),
            Route("appointment.cancel", "POST", "/v2/appointments/{id}/cancel", self.cancel),
        ]

    def create(self, call: Call) -> Reply:
        """Ask for a slot; the same client id again gives the same one."""
        new = call.read(NewAppointment)
        known = self.clients.get(new.client_id)
        if known is not None:
            call.replayed, call.reference = True, new.client_id
            return Reply(200, known)
        end = new.not_after or (new.not_before or self._tms.now + SLOT) + SLOT
        start = max(new.not_before or end - SLOT, end - SLOT)
        slot = Appointment(
            appointment_id=self._tms.number("AP-"),
            client_id=new.client_id,
            shipment=new.shipment,
            order=new.order,
            kind=new.kind,
            carrier=new.carrier,
            tender_id=new.tender_id,
            start=stamp(start),
            end=stamp(end),
            dock=f"D{len(self.slots) % 6 + 1}",
        )
        self.slots[slot.appointment_id] = self.clients[new.client_id] = slot
        self._plan(slot, start)
        self._did(call, slot, 1)
        return Reply(201, slot)

    def find(self, call: Call) -> Reply:
        """Slots by client id or shipment."""
        client, shipment = call.query("client_id"), call.query("shipment")
        if client:
            found = [self.clients[client]] if client in self.clients else []
        else:
            found = [slot for slot in self.slots.values() if slot.shipment == shipment]
        return Reply(200, {"appointments": found})

    def get(self, call: Call) -> Reply:
        """One slot."""
        return Reply(200, self._slot(call))

    def cancel(self, call: Call) -> Reply:
        """Give a slot back; twice is fine."""
        slot = self._slot(call)
        if slot.status != "cancelled":
            slot.status = "cancelled"
            self._did(call, slot, -1)
        return Reply(200, slot)

    def _slot(self, call: Call) -> Appointment:
        slot = self.slots.get(call.path("id"))
        if slot is None:
            raise Rejected("not_found", f"No appointment {call.path('id')}")
        return slot

    def _plan(self, slot: Appointment, start: datetime) -> None:
        scripts = self.scripts
        script = (
            scripts.get(("shipment", slot.shipment)) or scripts.get(("order", slot.order)) or DockScript()
        )
        answer = "refused" if script.refuse else "confirmed"
        if script.confirm_after_minutes:
            self._later(script.confirm_after_minutes, slot, answer, script.reason)
        else:
            slot.status, slot.reason = answer, script.reason if script.refuse else ""
        if script.move_after_minutes is not None:
            moved = start + timedelta(hours=script.move_by_hours)
            self._later(script.move_after_minutes, slot, "moved", script.reason, moved)
        if script.miss_after_minutes is not None:
            self._later(script.miss_after_minutes, slot, "missed", script.reason)

    def _later(
        self, minutes: float, slot: Appointment, status: str, reason: str, start: datetime | None = None
    ) -> None:
        def happen() -> None:
            if slot.status == "cancelled":
                return
            before = {"start_before": slot.start, "end_before": slot.end} if start else {}
            if start is not None:
                slot.start, slot.end = stamp(start), stamp(start + SLOT)
            slot.status, slot.reason = status, reason
            shown: dict[str, Any] = {name: getattr(slot, name) for name in slot.__struct_fields__}
            self._tms.tell(f"appointment.{status}", slot.shipment, {"appointment": {**shown, **before}})

        self._tms.plan(self._tms.now + timedelta(minutes=minutes), happen)

    def _did(self, call: Call, slot: Appointment, change: int) -> None:
        self._tms.did(
            call,
            slot.shipment,
            order=slot.order,
            reference=slot.client_id,
            id=slot.appointment_id,
            kind="appointment",
            change=change,
        )
