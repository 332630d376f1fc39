"""What goes wrong: the exception types, who owns each, what it means for the promise, how fast to answer."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from crossdock.model.codes import Instant, Key, Name, Text
from crossdock.model.document import Document, Value, many, maybe, personal

Severity = Literal["low", "medium", "high", "critical"]


class ExceptionType(NamedTuple):
    """What is known of one type of exception before it happens."""

    type: str
    of: Literal["shipment", "order", "integration"]
    owner: str  # role that answers for it
    severity: Severity  # unless the process says otherwise
    answer: str  # within which time somebody must have acted, in business time
    promise: str  # what it means for what was promised to the customer
    playbook: tuple[str, ...]  # the usual steps, in order


def _types(
    of: Literal["shipment", "order", "integration"], *rows: tuple[str, str, Severity, str, str, str]
) -> dict[str, ExceptionType]:
    return {
        name: ExceptionType(name, of, owner, severity, answer, promise, tuple(playbook.split("; ")))
        for name, owner, severity, answer, promise, playbook in rows
    }


EXCEPTIONS: dict[str, ExceptionType] = {
    **_types(
        "shipment",
        ("delay_operational", "transport-desk", "medium", "4 business hours",
         "The delivery moves; the new estimate decides whether the promise breaks.",
         "Ask the carrier for a new estimate; tell the customer if the promise breaks; claim if guaranteed"),
        ("delay_weather", "transport-desk", "low", "8 business hours",
         "The delivery moves with the weather; carriers owe nothing for it.",
         "Wait for the next scan; tell the customer the new estimate; reroute what is urgent"),
        ("delay_customs", "customs-desk", "high", "2 business hours",
         "The delivery stands still until papers or duties are settled.",
         "Find what customs asks for; send the papers or pay the duty; tell the customer the new estimate"),
        ("missort", "transport-desk", "medium", "4 business hours",
         "The parcel is on a wrong way; count on one to three days more.",
         "Ask the carrier to reroute; tell the customer; send a replacement if the date is firm"),
        ("held", "transport-desk", "medium", "4 business hours",
         "The delivery stands still until the reason is gone.",
         "Find who holds it and why; give what is asked for; tell the customer"),
        ("security_hazmat", "compliance", "critical", "1 business hour",
         "The goods do not move until they are cleared, and may be returned or destroyed.",
         "Stop other shipments of the item; give the carrier the safety data; decide on return or clearance"),
        ("damaged", "customer-service", "high", "2 business hours",
         "What arrives is not what was promised; a replacement is likely.",
         "Gather photographs and the driver's note; offer replacement or credit; file the claim in time"),
        ("lost", "customer-service", "critical", "2 business hours",
         "It will not arrive; only a replacement keeps the promise.",
         "Have the carrier trace it; send a replacement or refund; file the claim before its deadline"),
        ("address_issue", "customer-service", "high", "2 business hours",
         "It cannot be delivered until the address is right; the carrier soon sends it back.",
         "Ask the customer for the right address; correct it with the carrier; correct the master data"),
        ("recipient_unavailable", "customer-service", "low", "8 business hours",
         "The carrier tries again or leaves it for pick-up; the promise may slip a day.",
         "Tell the customer of the attempt; agree a day or a pick-up point; watch the storage period"),
        ("refused", "customer-service", "high", "4 business hours",
         "The customer did not take it; it comes back.",
         "Ask the customer why; decide on return, new delivery or credit; hold the invoice"),
        ("payment_due", "customer-service", "medium", "4 business hours",
         "The carrier hands it over only against payment.",
         "Find what is owed: duty or cash on delivery; arrange payment; tell the customer"),
        ("delivery_change", "customer-service", "low", "8 business hours",
         "The customer or carrier chose another day or place; the promise moves by their wish.",
         "Note the new date or place; check that we may deliver there; move the promise"),
        ("pickup_failed", "warehouse-lead", "high", "1 business hour",
         "The goods are still here; each missed cut-off costs a day.",
         "Find what was missing; book a new pick-up; tell the customer if the promise breaks"),
        ("returned_to_sender", "customer-service", "high", "4 business hours",
         "It comes back; the promise is broken until it is sent anew.",
         "Find the reason; agree with the customer on resending or credit; receive and inspect the goods"),
        ("cancelled", "transport-desk", "medium", "4 business hours",
         "The carrier does not carry it; it needs another booking.",
         "Find who cancelled; book again or with another carrier; tell the customer if the promise breaks"),
        ("no_movement", "transport-desk", "medium", "4 business hours",
         "Nothing was heard when a scan was due; it may be late or lost.",
         "Ask the carrier where it is; wait one more scan; treat as lost after the carrier's period"),
        ("no_carrier", "transport-desk", "high", "1 business hour",
         "Nobody takes the load; each missed cut-off costs a day.",
         "Read what each carrier answered; call one, or offer more; book it by hand and supply the result"),
        ("carrier_withdrew", "transport-desk", "high", "1 business hour",
         "The carrier gave back a load that it had taken; no truck comes.",
         "Tender it again to the next carrier; move the appointment; tell the customer if it is late"),
        ("appointment_unconfirmed", "transport-desk", "medium", "4 business hours",
         "A truck without a slot may wait or be turned away.",
         "Call the site or the carrier; agree on a slot; say so and close"),
        ("appointment_moved", "transport-desk", "low", "8 business hours",
         "The truck comes at another time; the promise may move with it.",
         "See that the new time keeps cut-off and promise; tell the warehouse, and the customer"),
        ("appointment_missed", "transport-desk", "high", "1 business hour",
         "The truck did not come in its slot; the goods are where they were.",
         "Ask the carrier where it is; agree on a new slot; book another carrier if the promise breaks"),
        ("temperature_excursion", "quality", "critical", "1 business hour",
         "The goods may not be fit for use, even when they arrive on time.",
         "Quarantine the lot; let quality decide on the logger's data; replace and file the claim"),
        ("other_exception", "transport-desk", "medium", "4 business hours",
         "Something is wrong that the carrier does not name.",
         "Read the carrier's words; ask the carrier; file it under its right type"),
        ("unknown", "transport-desk", "medium", "4 business hours",
         "A code or word that we do not know; the promise may be touched.",
         "Read the original text; choose the type; add the code to the mapping"),
    ),
    **_types(
        "order",
        ("credit_hold", "credit-controller", "high", "4 business hours",
         "Nothing is picked until credit is given.",
         "Check what is open and overdue; ask for payment or raise the limit; release or cancel"),
        ("stock_short", "order-desk", "high", "4 business hours",
         "A part cannot be delivered on the date.",
         "Look at other sites and substitutes; agree on back-order or part delivery; tell the new date"),
        ("price_mismatch", "order-desk", "medium", "8 business hours",
         "The date holds if it is settled before the cut-off.",
         "Compare order, quote and price list; agree the price with the customer; correct the order"),
        ("address_invalid", "order-desk", "medium", "4 business hours",
         "It cannot be shipped until the address is right.",
         "Propose the corrected address; ask the customer; correct the master data"),
        ("compliance_hold", "compliance", "critical", "4 business hours",
         "Nothing may leave until it is cleared.",
         "Look at the match or licence; clear, apply for a licence, or refuse; keep the evidence"),
        ("order_changed_in_flight", "order-desk", "high", "2 business hours",
         "What is already picked or shipped may not be what is wanted.",
         "See what was done already; redo, change or leave it; confirm to the customer"),
        ("pick_short", "warehouse-lead", "high", "2 business hours",
         "A part is not there; the rest can go.",
         "Count the bin; pick elsewhere or put on back-order; tell the order desk"),
        ("pick_late", "warehouse-lead", "medium", "2 business hours",
         "The cut-off may be missed.",
         "Ask the shift what is in the way; put the pick first; book a later pick-up"),
        ("cut_off_missed", "transport-desk", "high", "1 business hour",
         "It leaves a day later unless another service is faster.",
         "Look for a later cut-off or faster service; book again; tell the customer if the promise breaks"),
        ("delivery_late", "customer-service", "high", "4 business hours",
         "The promise is broken or about to be.",
         "Find the cause in the milestones; tell the customer; decide on replacement or credit"),
        ("short_delivered", "customer-service", "high", "4 business hours",
         "Less arrived than was shipped.",
         "Compare proof, packing and weight; send the rest or credit it; claim against the carrier"),
        ("invoice_hold", "finance-controller", "medium", "1 business day",
         "The delivery is done; the money waits.",
         "Read the reason of the hold; get the proof or correct the invoice; release"),
        ("invoice_dispute", "finance-controller", "medium", "2 business days",
         "The customer does not pay as billed.",
         "Compare ordered, delivered and invoiced; agree on credit or proof; close the dispute"),
        ("claim_deadline_near", "claims-desk", "high", "1 business day",
         "The right to be paid for loss or damage is about to end.",
         "Gather what evidence is missing; file the claim; note the acknowledgement"),
    ),
    **_types(
        "integration",
        ("partner_down", "integration", "high", "1 business hour",
         "Steps that need the partner wait; deadlines run on.",
         "Ask the partner; switch to another connection where there is one; let the backlog drain"),
        ("refused_by_partner", "integration", "medium", "4 business hours",
         "The step does not happen until the cause is mended.",
         "Read the partner's reason; mend the data or the mapping; try again or skip with a reason"),
        ("connection_missing", "integration", "high", "1 business hour",
         "Nobody was asked: the step does not happen until there is a connection.",
         "Make the connection that the message names, or mend its settings; try the step again"),
        ("unknown_outcome", "integration", "high", "2 business hours",
         "It may have happened or not; a blind repeat could do it twice.",
         "Look in the partner's system; supply the result by hand, or try again if it is not there"),
        ("unmapped_value", "integration", "medium", "4 business hours",
         "A value of the partner's has no meaning here yet.",
         "Read the original value; add it to the mapping; replay what waited"),
        ("unmatched_event", "integration", "low", "1 business day",
         "News came that no run claims; some run may wait for it.",
         "Find the document it speaks of; add the missing number to its run; dismiss what is not ours"),
        ("quarantined", "integration", "medium", "4 business hours",
         "A message could not be read; what it said has not been acted on.",
         "Read the refusal and its position; mend the mapping or have the partner resend; replay"),
        ("cancel_refused", "order-desk", "high", "2 business hours",
         "It was to be cancelled, but a part can no longer be undone.",
         "See what was done already; stop or recall it by hand; agree with the customer on a return"),
        ("undo_failed", "integration", "high", "2 business hours",
         "What was done still stands in the other system.",
         "Look in the partner's system; undo it by hand; say so and close"),
        ("alias_conflict", "integration", "medium", "4 business hours",
         "Two runs claim one number; news about it may reach the wrong one.",
         "Find whose the number is; correct the other or await its end; a retry claims it again"),
        ("call_failed", "integration", "medium", "4 business hours",
         "The step waits; the others go on.",
         "Read the answers of all tries; mend the cause; try again, supply the result, or skip it"),
        ("child_failed", "order-desk", "medium", "4 business hours",
         "A part of the process ended badly, and the whole waits for it.",
         "Open the failed part; mend or repeat it; skip it with a reason"),
        ("decision_failed", "integration", "critical", "1 business hour",
         "The run stands still until the process is mended.",
         "Read the error; mend the process or the data; let the run go on under the new version"),
        ("systems_differ", "integration", "medium", "1 business day",
         "One of the two systems is wrong; orders may be forgotten, or billed without proof.",
         "Compare both sides; take in what was lost, or correct the other system; it closes when they agree"),
        ("redo_limit", "process-owner", "high", "4 business hours",
         "A step was repeated as often as allowed and still does not hold.",
         "Look why it repeats; decide by hand; change the process if it will happen again"),
    ),
}  # fmt: skip


class ExceptionCase(Document):
    """Something that is wrong and that somebody must answer for (ours; X12 1651 for shipments)."""

    type: Key = Field(description="One of the exception types, or a tenant's own")
    severity: Severity | None = maybe("How bad; absent means as the type says")
    status: Literal["open", "closed"] = Field(default="open", description="Whether somebody still has to act")
    run: Key | None = maybe("Run that it holds or concerns")
    process: Key | None = maybe("Process of that run")
    step: Key | None = maybe("Step that is held by it")
    item: Key | None = maybe("Item of the step, for one of many")
    message: Text | None = maybe("What happened, in one sentence")
    mend: Text | None = maybe("What would mend it")
    order: Key | None = maybe("Order number that it concerns")
    shipment: Key | None = maybe("Shipment number that it concerns")
    tracking_number: Key | None = maybe("The carrier's number that it concerns")
    invoice: Key | None = maybe("Invoice number that it concerns")
    claim: Key | None = maybe("Claim number that it concerns")
    customer: Key | None = maybe("Customer whose promise it touches")
    owner: Key | None = maybe("Role or person who answers for it")
    count: int = Field(default=1, ge=1, description="How often it has happened while open")
    raised: Instant | None = maybe("When it was first raised")
    answer_by: Instant | None = maybe("When somebody must have acted")
    closed: Instant | None = maybe("When it was closed")
    closed_by: Key | None = maybe("Who closed it")
    resolution: Text | None = maybe("How it was mended, in one sentence")
    evidence: tuple[Key, ...] = many("References to what is known: payloads, answers, images")


class Difference(Document):
    """Something that stands otherwise in another system than here (ours)."""

    number: Key = Field(description="What it is known by: its kind and the number that it is about")
    what: Key | None = maybe("What was compared: orders, invoices, shipments, stock, allocations")
    kind: Key | None = maybe("In which way they part, such as `order_missing_here`")
    about: Key | None = maybe("Business number of the document that differs")
    connection: Key | None = maybe("Connection to the other system")
    against: Key | None = maybe("Connection that it is held against, where that is not what stands here")
    severity: Severity | None = maybe("How bad")
    here: Text | None = maybe("How it stands here, or in the system that it is held against")
    there: Text | None = maybe("How it stands there")
    mend: Text | None = maybe("What would mend it")
    since: Instant | None = maybe("When what differs last changed there")
    order: Key | None = maybe("Order that it concerns")
    shipment: Key | None = maybe("Shipment that it concerns")
    invoice: Key | None = maybe("Invoice that it concerns")
    item: Key | None = maybe("Item that it concerns")


class Settlement(Value):
    """What becomes of an exception and of the step that it holds: so a playbook says (ours)."""

    action: Literal["close", "retry", "skip", "cancel"] = Field(
        default="close",
        description="close: the step goes on; retry: at once; skip: without it; cancel: the run is",
    )
    note: Text | None = maybe("Why, in one sentence")
    exception: Key | None = maybe("Id of the exception; without it, the one that the process is about")


class CustomerCase(Document):
    """What a customer wants answered: a question, complaint or wish (CRM case, ISO 10002)."""

    number: Key = Field(description="Number in the system that keeps it")
    kind: (
        Literal["question", "complaint", "change", "cancellation", "damage", "missing", "return", "unknown"]
        | None
    ) = maybe("What it is about")
    status: Literal["open", "waiting", "closed", "unknown"] | None = maybe("Where it stands")
    customer: Key | None = maybe("Customer who asks")
    order: Key | None = maybe("Order that it is about")
    shipment: Key | None = maybe("Shipment that it is about")
    invoice: Key | None = maybe("Invoice that it is about")
    subject: Name | None = personal("In one line")
    text: Text | None = personal("In the customer's words")
    opened: Instant | None = maybe("When it was opened")
    answer_by: Instant | None = maybe("When it must be answered")
    owner: Key | None = maybe("Who answers it")
