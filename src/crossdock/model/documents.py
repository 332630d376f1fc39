"""The registry of documents, and the two doors: JSON in, checked whole; JSON out, sparse."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from crossdock.errors import Refused
from crossdock.model.claims import Claim, FreightBill
from crossdock.model.codes import FORMS
from crossdock.model.document import Value, models_in
from crossdock.model.exceptions import CustomerCase, Difference, ExceptionCase
from crossdock.model.invoices import CreditNote, Dispute, HoldReason, Invoice, InvoiceLine
from crossdock.model.milestones import Milestone
from crossdock.model.news import StockAdjustment
from crossdock.model.orders import Order, OrderLine, Quote, ScheduleLine
from crossdock.model.parties import Address, Item, Party, Stock
from crossdock.model.purchasing import InboundShipment, PurchaseOrder, Receipt
from crossdock.model.returns import Refund, Replacement, Return
from crossdock.model.shipments import (
    Appointment,
    Booking,
    Leg,
    Package,
    ProofOfDelivery,
    Shipment,
    Tender,
)
from crossdock.model.trade import ComplianceCheck, CustomsFiling
from crossdock.model.warehouse import PickTask

M = TypeVar("M", bound=BaseModel)

DOCUMENTS: dict[str, type[Value]] = {
    document.__name__: document
    for document in (
        Address,
        Appointment,
        Booking,
        Claim,
        ComplianceCheck,
        CreditNote,
        CustomerCase,
        CustomsFiling,
        Difference,
        Dispute,
        ExceptionCase,
        FreightBill,
        HoldReason,
        InboundShipment,
        Invoice,
        InvoiceLine,
        Item,
        Leg,
        Milestone,
        Order,
        OrderLine,
        Package,
        Party,
        PickTask,
        ProofOfDelivery,
        PurchaseOrder,
        Quote,
        Receipt,
        Refund,
        Replacement,
        Return,
        ScheduleLine,
        Shipment,
        Stock,
        StockAdjustment,
        Tender,
    )
}


class Problem(NamedTuple):
    """One thing wrong with an input: the dotted path of its field, what is wrong, and the mend."""

    path: str
    message: str
    mend: str = ""


class Invalid(Refused):
    """The input does not fit its type; `problems` has every one of them, located."""

    def __init__(self, type_name: str, problems: tuple[Problem, ...]) -> None:
        """Lay the problems out one a line; `where` names the first field."""
        first = problems[0]
        if len(problems) == 1:
            super().__init__(f"{type_name} is refused: {first.message}", where=first.path, mend=first.mend)
        else:
            lines = "".join(f"\n  {p.path}: {p.message}{f' ({p.mend})' if p.mend else ''}" for p in problems)
            super().__init__(f"{type_name} is refused for {len(problems)} reasons:{lines}")
        self.problems = problems


def parse_document(type_name: str, data: Any) -> Value:
    """Make the document `type_name` of JSON `data`. Raises `Invalid` (Refused) with every problem located."""
    return parse(DOCUMENTS[known(type_name, DOCUMENTS, "document")], data)


def to_json(document: BaseModel) -> dict[str, Any]:
    """Give the JSON form: decimals as text, instants with Z, absent fields left out."""
    return document.as_json() if isinstance(document, Value) else document.model_dump(mode="json")


def known(name: str, registry: Mapping[str, Any], what: str) -> str:
    """Return `name` if the registry has it; refuse it naming the nearest ones if not."""
    if name in registry:
        return name
    near = get_close_matches(name, registry, n=3, cutoff=0.5)
    mend = (
        f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(sorted(registry)[:12])} ..."
    )
    raise Refused(f"there is no {what} type `{name}`", where=what, mend=mend)


def parse(model: type[M], data: Any, *, under: str = "") -> M:
    """Parse JSON `data` into `model`; the paths of problems are told below `under`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = tuple(_problem(model, dict(found), under) for found in error.errors(include_url=False))
        raise Invalid(model.__name__, problems) from None


def _problem(model: type[BaseModel], found: dict[str, Any], under: str) -> Problem:
    location: tuple[str | int, ...] = found["loc"]
    path = ".".join(str(part) for part in ((under, *location) if under else location))
    context: dict[str, Any] = found.get("ctx", {})
    match found["type"]:
        case "missing":
            owner = _model_at(model, location[:-1])
            field = owner.model_fields.get(str(location[-1])) if owner else None
            told = field.description if field else None
            return Problem(path, "is missing", f"add it: {told}" if told else "add it")
        case "extra_forbidden":
            owner = _model_at(model, location[:-1])
            near = get_close_matches(str(location[-1]), owner.model_fields if owner else (), n=1, cutoff=0.75)
            meant = f"did you mean `{near[0]}`? else " if near else ""
            keeps = owner is not None and "custom" in owner.model_fields
            mend = "put it under custom" if keeps else "leave it out, or put it under the document's custom"
            return Problem(
                path, f"{owner.__name__ if owner else model.__name__} has no such field", meant + mend
            )
        case "enum" | "literal_error":
            return Problem(
                path,
                f"is none of {context['expected']}",
                "where none fits use `unknown` if it is among them, and keep the original under custom",
            )
        case "value_error":
            return Problem(path, str(context["error"]))
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            return Problem(path, FORMS.get(pattern, f"does not have the form {pattern}"))
        case "model_type" | "model_attributes_type" | "dict_type":
            expected = _model_at(model, location)
            fields = expected.model_fields if expected else {}
            needed = [name for name, field in fields.items() if field.is_required()]
            mend = f"give one with {' and '.join(needed)}" if needed else ""
            return Problem(path, "is not an object", mend)
        case _:
            message: str = found["msg"]
            return Problem(path, message[0].lower() + message[1:])


def _model_at(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Find the model that a location leads to, to speak of it by its name."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = next(models_in(field.annotation), None) if field else None
        if inner is None:
            return None
        model = inner
    return model
