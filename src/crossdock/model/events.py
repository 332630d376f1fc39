"""The event types: `<document>.<what happened>` in the past tense, what each carries and is about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from crossdock.errors import Refused
from crossdock.model.claims import Claim, FreightBill
from crossdock.model.document import Value
from crossdock.model.documents import known
from crossdock.model.exceptions import CustomerCase, Difference, ExceptionCase
from crossdock.model.invoices import CreditNote, Dispute, Invoice
from crossdock.model.news import (
    InvoiceNews,
    Notice,
    OrderNews,
    PackedShipment,
    Payment,
    ShipmentUpdate,
    StockAdjustment,
    StockNews,
)
from crossdock.model.orders import Order, Quote
from crossdock.model.parties import Item, Party, Stock
from crossdock.model.purchasing import InboundShipment, PurchaseOrder, Receipt
from crossdock.model.returns import Refund, Replacement, Return
from crossdock.model.shipments import Appointment, Booking, Package, ProofOfDelivery, Shipment, Tender
from crossdock.model.trade import ComplianceCheck, CustomsFiling
from crossdock.model.warehouse import PickTask

Model = type[Value]


class EventType(NamedTuple):
    """One type of event: what its data is, in which version, and which business keys it names."""

    type: str
    data: Model
    description: str
    about: Mapping[str, str]  # kind of key -> dotted path in data
    version: int = 1
    # Each converts data up by one version, oldest first, the last one to `version`, which data is read as.
    upgrades: tuple[Callable[[Any], Any], ...] = ()


def upgraded(event_type: EventType, version: int, data: Any, *, where: str = "") -> Any:
    """Data of an older version of its type, converted up. Raises `Refused` for one that is not known."""
    if not event_type.version - len(event_type.upgrades) <= version <= event_type.version:
        raise Refused(
            f"version {version} of {event_type.type} is not known; the current one is {event_type.version}",
            where=where,
            mend="send the current version, or upgrade this installation if the sender is newer",
        )
    for upgrade in event_type.upgrades[len(event_type.upgrades) - (event_type.version - version) :]:
        data = upgrade(data)
    return data


# Which business keys each kind of data names, and where they stand in it. A list counts when it holds one.
_ABOUT: dict[type[Value], dict[str, str]] = {
    Order: {"order": "number", "quote": "quote"},
    Quote: {"quote": "number", "order": "order"},
    OrderNews: {"order": "order"},
    StockNews: {"order": "order"},
    Stock: {"item": "item"},
    StockAdjustment: {"adjustment": "number", "item": "item"},
    PickTask: {"pick": "number", "order": "order"},
    PackedShipment: {
        "order": "order",
        "shipment": "shipment.number",
        "pick": "pick",
        "tracking": "shipment.tracking_number",
    },
    Package: {"package": "id", "tracking": "tracking_number"},
    Shipment: {"shipment": "number", "order": "order", "tracking": "tracking_number", "booking": "booking"},
    ShipmentUpdate: {
        "shipment": "shipment",
        "order": "order",
        "tracking": "tracking_number",
        "booking": "booking",
        "package": "package",
    },
    Booking: {"booking": "number", "shipment": "shipment", "order": "order", "tracking": "tracking_number"},
    Tender: {"tender": "number", "shipment": "shipment", "order": "order"},
    Appointment: {"appointment": "number", "shipment": "shipment", "order": "order", "tender": "tender"},
    ProofOfDelivery: {"shipment": "shipment", "order": "order", "tracking": "tracking_number"},
    CustomsFiling: {
        "customs": "number",
        "shipment": "shipment",
        "order": "order",
        "tracking": "tracking_number",
    },
    ComplianceCheck: {"check": "number", "order": "order", "shipment": "shipment"},
    Invoice: {"invoice": "number", "order": "order", "shipment": "shipments"},
    InvoiceNews: {"invoice": "invoice", "order": "order"},
    CreditNote: {"credit": "number", "invoice": "invoice", "order": "order", "return": "return_number"},
    Dispute: {"dispute": "number", "invoice": "invoice", "order": "order", "freight_bill": "freight_bill"},
    Payment: {"payment": "number", "invoice": "invoice", "order": "order"},
    Return: {"return": "number", "order": "order", "tracking": "tracking_number"},
    Refund: {"refund": "number", "return": "return_number", "order": "order", "invoice": "invoice"},
    Replacement: {"replacement": "number", "order": "order", "return": "return_number", "claim": "claim"},
    Claim: {
        "claim": "number",
        "order": "order",
        "shipment": "shipment",
        "tracking": "tracking_number",
        "purchase_order": "purchase_order",
    },
    PurchaseOrder: {"purchase_order": "number", "order": "order"},
    InboundShipment: {
        "inbound_shipment": "number",
        "purchase_order": "purchase_order",
        "tracking": "tracking_number",
    },
    Receipt: {
        "receipt": "number",
        "purchase_order": "purchase_order",
        "inbound_shipment": "inbound_shipment",
    },
    FreightBill: {
        "freight_bill": "number",
        "shipment": "shipment",
        "booking": "booking",
        "order": "order",
        "tracking": "tracking_number",
    },
    ExceptionCase: {
        "exception": "id",
        "order": "order",
        "shipment": "shipment",
        "tracking": "tracking_number",
        "invoice": "invoice",
        "claim": "claim",
    },
    Difference: {"difference": "number"},
    CustomerCase: {"case": "number", "order": "order", "shipment": "shipment", "invoice": "invoice"},
    Notice: {"notice": "number", "order": "order", "shipment": "shipment", "exception": "exception"},
    Item: {"item": "number"},
    Party: {"party": "id"},
}

KEY_KINDS: frozenset[str] = frozenset(kind for keys in _ABOUT.values() for kind in keys)


def _types(data: type[Value], document: str, **happened: str) -> dict[str, EventType]:
    return {
        f"{document}.{what}": EventType(
            f"{document}.{what}", data, description, _ABOUT[data], data.schema_version
        )
        for what, description in happened.items()
    }


EVENTS: dict[str, EventType] = {
    **_types(
        Quote,
        "quote",
        requested="A customer asked for a quote",
        sent="The quote was sent to the customer",
        accepted="The customer accepted the quote",
        refused="The customer refused the quote",
        expired="The quote no longer binds us",
    ),
    **_types(
        Order,
        "order",
        created="The order was entered at its source; nothing is to be done yet",
        confirmed="The order was confirmed to the customer",
        released="The order was released for delivery",
        changed="The order is not as it was; the data is the order as it is now",
    ),
    **_types(
        OrderNews,
        "order",
        cancelled="The order, or one line, is not wanted any more",
        held="The order was stopped at its source",
        resumed="The hold was lifted at its source",
        promised="A delivery was promised, or the promise moved",
        back_ordered="A part of the order waits for stock",
        closed="The order ended at its source",
    ),
    **_types(
        StockNews,
        "stock",
        allocated="Stock was promised to an order",
        deallocated="Stock that was promised to an order was given back",
        short="There is not enough stock for an order",
    ),
    **_types(
        Stock,
        "stock",
        changed="What lies at a site is not as it was",
        counted="What lies at a site was counted",
    ),
    **_types(
        StockAdjustment,
        "stock",
        adjusted="A count, damage or loss corrected what lies at a site",
    ),
    **_types(
        PickTask,
        "warehouse",
        pick_created="The warehouse took the pick",
        pick_started="Picking started",
        picked="Picking ended with all that was asked for",
        pick_short="Picking ended with less than was asked for",
        pick_cancelled="The pick was taken back",
    ),
    **_types(
        PackedShipment,
        "warehouse",
        shipment_packed="A shipment of the order was packed; an order may come in several",
    ),
    **_types(Package, "package", packed="A package was packed"),
    **_types(
        ShipmentUpdate,
        "package",
        damaged="A package was damaged",
        lost="A package was lost",
        delivered="A package was delivered; the others of its shipment may not be",
    ),
    **_types(
        Tender,
        "tender",
        offered="A load was offered to a carrier",
        accepted="The carrier took the load",
        declined="The carrier declined the load",
        expired="The carrier did not answer in time",
        withdrawn="The load was taken back from the carrier",
    ),
    **_types(
        Appointment,
        "appointment",
        requested="A slot at a dock was asked for",
        confirmed="The slot is agreed",
        moved="The slot is at another time than was agreed or asked for",
        refused="There is no such slot",
        missed="The truck did not come in its slot",
        kept="The truck came",
        cancelled="The slot is not needed any more",
    ),
    **_types(
        Booking,
        "booking",
        requested="Transport was asked for",
        confirmed="The carrier confirmed the booking",
        refused="The carrier refused the booking",
        cancelled="The booking was cancelled",
    ),
    **_types(
        Booking,
        "shipment",
        booked="Transport was bought for the shipment",
        labelled="The shipment has its label",
    ),
    **_types(
        Shipment,
        "shipment",
        created="A shipment was made up at its source",
        changed="The shipment is not as it was; the data is the shipment as it is now",
        shipped="The shipment left the site",
    ),
    **_types(
        ShipmentUpdate,
        "shipment",
        announced="The carrier has the data, not yet the goods",
        picked_up="The carrier took the goods",
        pickup_failed="The carrier did not take the goods",
        departed="It left a place",
        in_transit="It is on its way",
        arrived="It came to a place on its way",
        missorted="It went a wrong way",
        held="It is held on its way",
        customs_started="Customs began",
        customs_held="Customs hold it",
        customs_cleared="Customs released it",
        out_for_delivery="It is on the last vehicle",
        available_for_pickup="It waits for the recipient at a pick-up point",
        delivery_attempted="Delivery was tried and failed",
        delivered="It was delivered",
        refused="The recipient did not take it",
        delayed="It will be later",
        damaged="It was damaged",
        lost="It was lost",
        redirected="Its day or place of delivery was changed",
        returned_to_sender="It is going back, or came back, to the sender",
        cancelled="The carrier does not carry it",
        temperature_exceeded="It was too warm or too cold",
        estimated="Somebody says when it will be there",
        silent="Nothing was heard of it when the next milestone was due; `silence` says why",
        milestone="Something else happened to it, perhaps something that we do not know",
    ),
    **_types(ProofOfDelivery, "proof", received="Proof of delivery arrived"),
    **_types(
        CustomsFiling,
        "customs_filing",
        filed="A declaration was filed",
        held="The authority asks for more or inspects",
        released="The goods were released",
        rejected="The declaration was rejected",
    ),
    **_types(
        ComplianceCheck,
        "compliance_check",
        requested="A check was asked for",
        passed="Nothing was found",
        matched="Something was found, and a person must look",
        refused="The goods may not be sold or sent",
    ),
    **_types(
        Invoice,
        "invoice",
        created="The invoice was drafted",
        changed="The invoice is not as it was; the data is the invoice as it is now",
        released="The invoice was posted and sent to the customer",
    ),
    **_types(
        InvoiceNews,
        "invoice",
        held="The invoice is held",
        resumed="The hold was lifted",
        paid="The invoice was paid in full",
        cancelled="The invoice was cancelled",
    ),
    **_types(Dispute, "invoice", disputed="The customer does not accept the invoice"),
    **_types(Dispute, "dispute", decided="A dispute was accepted, rejected or withdrawn"),
    **_types(Payment, "payment", received="Money arrived", failed="A payment failed or was called back"),
    **_types(CreditNote, "credit", issued="A credit note was issued"),
    **_types(
        Return,
        "return",
        requested="A customer asked to send goods back",
        authorised="We gave leave to send them back",
        refused="We refused to take them back",
        shipped="The goods are on their way back",
        received="The goods came back",
        inspected="The goods were inspected",
        closed="The return ended",
    ),
    **_types(
        Refund,
        "refund",
        requested="Money shall go back to the customer",
        paid="Money went back to the customer",
        failed="The money could not be paid back",
    ),
    **_types(
        Replacement,
        "replacement",
        requested="Goods shall be sent again",
        ordered="The order that sends them again was entered",
    ),
    **_types(
        Claim,
        "claim",
        opened="A claim was prepared",
        filed="The claim was sent to the other side",
        acknowledged="The other side has it",
        accepted="The other side accepted it, perhaps in part",
        rejected="The other side rejected it",
        paid="The other side paid",
        closed="The claim ended",
    ),
    **_types(
        PurchaseOrder,
        "purchase_order",
        created="A purchase order was entered",
        sent="It was sent to the supplier",
        confirmed="The supplier confirmed it",
        changed="It is not as it was; the data is the purchase order as it is now",
        refused="The supplier refused it",
        cancelled="It was cancelled",
        received="All of it was received",
    ),
    **_types(
        InboundShipment,
        "inbound_shipment",
        announced="The supplier announced a shipment",
        changed="The announcement is not as it was",
        arrived="It arrived at the gate",
        cancelled="It does not come",
    ),
    **_types(Receipt, "receipt", recorded="Goods were received and counted"),
    **_types(
        FreightBill,
        "freight_bill",
        received="A carrier's bill arrived",
        matched="It was matched with booking and shipment",
        approved="It may be paid",
        paid="It was paid",
    ),
    **_types(Dispute, "freight_bill", disputed="We do not accept the carrier's bill"),
    **_types(
        Difference,
        "difference",
        found="Something stands otherwise in another system than here",
        gone="The two agree again",
    ),
    **_types(
        ExceptionCase,
        "exception",
        raised="Something is wrong and somebody must answer for it",
        closed="It was answered for",
    ),
    **_types(
        CustomerCase,
        "case",
        opened="A customer wants something answered",
        changed="The case is not as it was",
        closed="The customer was answered",
    ),
    **_types(
        Notice,
        "notice",
        sent="A customer or partner was told",
        failed="The message did not reach them",
    ),
    **_types(Item, "item", changed="An item's data are not as they were"),
    **_types(Party, "party", changed="A party's data are not as they were"),
}


@functools.cache
def _paths(event_type: str) -> Sequence[tuple[str, Sequence[str]]]:
    return [(kind, path.split(".")) for kind, path in EVENTS[event_type].about.items()]


def about(event_type: str, data: Any) -> dict[str, str]:
    """Find the business keys that an event names: kind of key to value, such as `{"order": "SO-1"}`.

    `data` is JSON. What is absent, or is a list of several, names nothing. Raises `Refused` for an unknown
    type.
    """
    keys: dict[str, str] = {}
    for kind, path in _paths(known(event_type, EVENTS, "event")):
        value = data
        for part in path:
            if type(value) is dict:  # asking the type first is much quicker
                value = value.get(part)
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) and value:
            keys[kind] = value
    return keys
