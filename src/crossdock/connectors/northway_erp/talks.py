"""Operations of Northway ERP that take more than one question, and how each is found by our reference.

The ERP takes a second document with our reference as gladly as the first, so before a repeat it is looked
for. An invoice takes two steps: what another try has half done is gone on with.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from crossdock.connect.contract import Access, Context, RefusedByPartner, Request, Response, Session
from crossdock.connectors.northway_erp import replies, requests
from crossdock.errors import Refused

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """Log in; the session is good until it says 401."""
    given = {name: access.secrets[name].reveal() for name in ("user", "password", "company")}
    answer = replies.result((yield requests.login(**given)))
    return Session(
        headers={"Authorization": f"Session {answer['session']}"}, seconds=float(answer["expires_in"])
    )


def health(_: Any, __: Context) -> Talking:
    """It answers and lets us in."""
    replies.result((yield requests.changes("", limit=1)))


def changes(cursor: str, _: Context) -> Talking:
    """A page of the feed."""
    return replies.page((yield requests.changes(cursor, limit=200)))


def release_invoice(data: Json, context: Context) -> Talking:
    """The order has a posted invoice with our reference."""
    found = yield from _invoices_with(context.key)
    invoice = found[0] if found else replies.result((yield requests.draft_invoice(data, context)))
    if invoice["status"] == "DRAFT":
        try:
            invoice = replies.result((yield requests.post_invoice(invoice["id"])))
        except RefusedByPartner as refusal:
            if refusal.code != "wrong_state":
                raise
            invoice = replies.result((yield requests.invoice(invoice["id"])))  # posted by another try
    if invoice["status"] not in replies.POSTED:
        raise RefusedByPartner(f"Invoice {invoice['id']} is {invoice['status']}", code="wrong_state")
    return replies.released(invoice)


def find_invoice(_: Json, context: Context) -> Talking:
    """The posted invoice with our reference; with a draft `release_invoice` goes on."""
    found = yield from _invoices_with(context.key)
    posted = [invoice for invoice in found if invoice["status"] in replies.POSTED]
    return replies.released(posted[0]) if posted else None


def _invoices_with(reference: str) -> Generator[Request, Response, list[Any]]:
    """Those not discarded, posted ones first."""
    found = replies.result((yield requests.invoices(reference=reference)))
    standing = [invoice for invoice in found if invoice["status"] != "DISCARDED"]
    return sorted(standing, key=lambda invoice: invoice["status"] not in replies.POSTED)


def credit_invoice(data: Json, context: Context) -> Talking:
    """The invoice is credited under our reference: for the amount, else for all that it has left."""
    reason, amount = data.get("reason") or "credited", data.get("amount")
    if amount is not None:
        replies.same_currency(replies.result((yield requests.invoice(data["invoice"]))), amount)
    asked = requests.credit(
        data["invoice"], context, reason=reason, amount=amount["amount"] if amount else ""
    )
    return replies.credited(replies.result((yield asked)))


def create_credit(data: Json, context: Context) -> Talking:
    """The order's customer has a credit note under our reference: for the amount, else for what came back."""
    amount, returned = data.get("amount"), data.get("return")
    lines = None
    if amount is None:
        if not returned:
            raise Refused(
                "neither an amount nor a return is given", where="amount", mend="say what is to be credited"
            )
        back = replies.result((yield requests.return_(returned)))
        lines = [{"line_no": line["line_no"], "quantity": line["quantity"]} for line in back["lines"]]
    found = replies.result((yield requests.invoices(order=data["order"])))
    posted = [invoice for invoice in found if invoice["status"] in replies.POSTED]
    if not posted:
        raise RefusedByPartner(f"Order {data['order']} has no posted invoice", code="wrong_state")
    if amount is not None:
        replies.same_currency(posted[-1], amount)
    asked = requests.credit(
        posted[-1]["id"],
        context,
        reason=data.get("reason") or "return",
        amount=amount["amount"] if amount else "",
        lines=lines,
    )
    return replies.credited(replies.result((yield asked)))


def find_credit(_: Json, context: Context) -> Talking:
    """The credit note with our reference."""
    found = replies.result((yield requests.credit_notes(context.key)))
    return replies.credited(found[0]) if found else None


def find_return(_: Json, context: Context) -> Talking:
    """The return with our reference that was not cancelled."""
    found = replies.result((yield requests.returns(context.key)))
    standing = [return_["number"] for return_ in found if return_["status"] != "CANCELLED"]
    return {"return": standing[0]} if standing else None


def cancel_return(data: Json, _: Context) -> Talking:
    """The return is cancelled; it may have been before."""
    try:
        replies.result((yield requests.cancel_return(data["return"])))
    except RefusedByPartner as refusal:
        if refusal.code != "wrong_state":
            raise
        if replies.result((yield requests.return_(data["return"])))["status"] != "CANCELLED":
            raise
    return {}
