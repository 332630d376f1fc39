"""What Northway ERP answers and tells, in our words. Its errors come with HTTP 200."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Happening, Notice, Page, RefusedByPartner, Response
from crossdock.connectors._words import (
    decimal_text,
    end_of_day,
    instant,
    money,
    reading,
    told,
    unknown_event,
    words,
)
from crossdock.errors import Refused, UnknownOutcome, Unreachable
from crossdock.model import parse_document, to_json

POSTED = ("POSTED", "PAID")

Json = Mapping[str, Any]


def result(response: Response) -> Any:
    """The result. Raises `RefusedByPartner` with the ERP's words for an error, whatever the HTTP status."""
    body = response.json()
    error = body.get("error") if isinstance(body, dict) else None
    if error is None:
        if not isinstance(body, dict) or "result" not in body:
            raise UnknownOutcome("the answer has neither a result nor an error")
        return body["result"]
    kind, message = str(error.get("kind", "")), str(error.get("message", "no reason given"))
    if kind == "busy":
        raise Unreachable(f"Northway ERP is busy: {message}")
    if kind == "internal":
        raise UnknownOutcome(f"Northway ERP failed: {message}")
    raise RefusedByPartner(f"{message} ({error['field']})" if error.get("field") else message, code=kind)


def credit(response: Response, _: Context) -> Json:
    """Whether the customer may buy; a decision that we do not know is no."""
    answer = result(response)
    decision, currency = answer["decision"], answer["currency"]
    return {
        "ok": decision == "OK",
        "exposure": money(answer["exposure"], currency),
        **(
            {"limit": money(answer["credit_limit"], currency)}
            if answer.get("credit_limit") is not None
            else {}
        ),
        **({} if decision == "OK" else {"reason": str(decision).lower()}),
    }


def order(response: Response, context: Context) -> Json:
    """The order as a document."""
    return to_json(parse_document("Order", _order(result(response), context.settings)))


def released(invoice: Json) -> Json:
    """A posted invoice as the operation gives it."""
    return {"invoice": invoice["number"], "total": money(invoice["total"], invoice["currency"])}


def authorised(response: Response, _: Context) -> Json:
    """A return as the operation gives it."""
    return {"return": result(response)["number"]}


def credited(note: Json) -> Json:
    """A credit note as the operations give it."""
    return {"credit": note["id"], "amount": money(note["amount"], note["currency"])}


def stock(response: Response, context: Context) -> Json:
    """A page of what lies where."""
    answer, settings = result(response), context.settings
    rows = [{**_lying(row), "on_hand": _quantity(row, settings)} for row in answer["stock"]]
    return {"stock": rows, **told(next=answer["cursor"])}


def reservations(response: Response, context: Context) -> Json:
    """A page of what is promised to orders."""
    answer, settings = result(response), context.settings
    rows = [
        {"order": row["order"], **_lying(row), "quantity": _quantity(row, settings)}
        for row in answer["reservations"]
    ]
    return {"allocations": rows, **told(next=answer["cursor"])}


def _lying(row: Json) -> dict[str, Any]:
    return {"item": row["item"], "site": row["site"], "changed": row["changed_at"]}


def _quantity(row: Json, settings: Json) -> dict[str, str]:
    return {"value": decimal_text(row["quantity"]), "unit": _unit(row.get("uom"), settings)}


def adjusted(response: Response, _: Context) -> Json:
    """An adjustment as the operation gives it."""
    return {"adjustment": result(response)["id"]}


def found_adjustment(response: Response, _: Context) -> Json | None:
    """The adjustment with our reference."""
    found = result(response)
    return {"adjustment": found[0]["id"]} if found else None


# -- what happened ------------------------------------------------------------------------------------------


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """One event that was pushed. Raises `Refused` for one that cannot be read."""
    body = notice.json()
    with reading("the webhook"):
        yield from _happened(body, notice.settings)


def page(response: Response) -> Page:
    """One page of the changes."""
    answer = result(response)
    return Page(records=answer["changes"], cursor=str(answer["cursor"]), more=bool(answer["more"]))


def told_by_feed(change: Json, settings: Json) -> Iterator[Happening]:
    """One change. Raises `Refused` for one that cannot be read."""
    with reading("the change"):
        since = settings.get("since")
        if since is None or instant(change["at"]) >= instant(str(since)):
            yield from _happened(change, settings)


def _happened(change: Json, settings: Json) -> Iterator[Happening]:
    """What a change means; nothing for changes of status, which are our own doing or of no concern.

    Raises `Refused` for a word that the ERP's own page does not have: somebody looks at what it means.
    """
    event, document, at = change["event"], change["document"], instant(change["at"])
    # The same in the push and in the feed; a revision is told once.
    id_ = f"{event}/{change['number']}/{change['revision']}/{change['at']}"
    if event in ("SO_RELEASED", "SO_CHANGED"):
        type_ = "order.released" if event == "SO_RELEASED" else "order.changed"
        yield Happening(type=type_, time=at, data=_order(document, settings), id=id_)
    elif event == "SO_CANCELLED":
        news = told(order=document["number"], reason=document.get("note"))
        yield Happening(type="order.cancelled", time=at, data=news, id=id_)
    elif event == "INV_POSTED":
        yield Happening(type="invoice.released", time=at, data=_invoice(document), id=id_)
    elif event == "INV_PAID":
        amount = money(document["total"], document["currency"])
        news = told(invoice=document["number"], order=document["order"], amount=amount)
        yield Happening(type="invoice.paid", time=at, data=news, id=id_)
    elif event == "CN_POSTED":
        yield Happening(type="credit.issued", time=at, data=_credit_note(document), id=id_)
    elif event == "RMA_AUTHORISED":
        data = _return(document, settings)
        yield Happening(
            type="return.authorised", time=at, data=data, id=id_, about={"authorisation": data["number"]}
        )
    elif event not in ("SO_STATUS", "RMA_STATUS"):
        raise unknown_event(event)


def _order(order: Json, settings: Json) -> dict[str, Any]:
    currency, zone = order["currency"], order.get("zone") or settings.get("zone", "UTC")
    customer, known = order["customer"], words("crossdock.connectors.northway_erp")
    state = known.get(("order", order["status"]))
    day = order.get("wanted_on")
    wanted = end_of_day(day, zone) if day else None
    return told(
        number=order["number"],
        version=str(order["revision"]),
        changed=order.get("changed_at"),
        customer=told(
            id=customer["code"],
            name=customer.get("name"),
            roles=["customer"],
            contact=told(email=customer.get("email"), language=customer.get("language")),
        ),
        lines=[_order_line(line, currency, settings) for line in order["lines"]],
        total=money(order["total"], currency),
        site=order.get("site"),
        state=state["ours"] if state else "unknown",
        created_by=order.get("created_by"),
        released=order.get("released_at"),
        requested_delivery=wanted,
        requested_delivery_precision="day" if wanted else None,
        promised_delivery=wanted,
        promised_delivery_precision="day" if wanted else None,
        ship_to=_address(order.get("ship_to") or {}),
        customer_po=order.get("reference"),
        text=order.get("description"),
        custom=told(
            status=order["status"],
            ordered_on=order.get("ordered_on"),
            zone=order.get("zone"),
            attributes={
                name: value if isinstance(value, str | bool | int) else str(value)
                for name, value in (order.get("attributes") or {}).items()
            },
        ),
    )


def _order_line(line: Json, currency: str, settings: Json) -> dict[str, Any]:
    weight = line.get("weight_kg")
    price = line.get("unit_price")
    return told(
        number=str(line["line_no"]),
        item=line["item"],
        name=line.get("description"),
        quantity=_quantity(line, settings),
        price=None if price is None else money(price, currency),
        amount=money(line["amount"], currency),
        product={"number": line["item"], "weight": {"value": decimal_text(weight), "unit": "KGM"}}
        if weight is not None
        else None,
    )


def _unit(word: str | None, settings: Json) -> str:
    """The unit in UN/ECE terms; a word that is not in the table stands for itself, if it has their form."""
    row = words("crossdock.connectors.northway_erp").get(("unit", word or ""))
    return row["ours"] if row else str(word or settings.get("unit", "EA"))


def _address(address: Json) -> dict[str, Any]:
    return told(
        name=address.get("name"),
        lines=[address["street"]] if address.get("street") else [],
        city=address.get("city"),
        postal_code=address.get("postcode"),
        country=address.get("country"),
    )


def _invoice(invoice: Json) -> dict[str, Any]:
    currency = invoice["currency"]
    state = words("crossdock.connectors.northway_erp").get(("invoice", invoice["status"]))
    return told(
        number=invoice.get("number") or invoice["id"],
        order=invoice["order"],
        state=state["ours"] if state else "unknown",
        total=money(invoice["total"], currency),
        released=invoice.get("posted_at"),
        lines=[
            {"number": str(n), "order_line": str(line["line_no"]), "amount": money(line["amount"], currency)}
            for n, line in enumerate(invoice["lines"], 1)
        ],
        references=[{"kind": "erp", "value": invoice["id"]}],
    )


def _credit_note(note: Json) -> dict[str, Any]:
    return told(
        number=note["id"],
        order=note.get("order"),
        total=money(note["amount"], note["currency"]),
        reason=note.get("reason"),
        # The ERP names the invoice by its internal id here, which is not the number that others know.
        references=[{"kind": "erp_invoice", "value": note["invoice"]}],
    )


def _return(return_: Json, settings: Json) -> dict[str, Any]:
    state = words("crossdock.connectors.northway_erp").get(("return", return_["status"]))
    unit = settings.get("unit", "EA")
    return told(
        number=return_["number"],
        changed=return_.get("changed_at"),
        order=return_["order"],
        customer={"id": return_["customer"]},
        lines=[
            {
                "order_line": str(line["line_no"]),
                "item": line["item"],
                "quantity": {"value": decimal_text(line["quantity"]), "unit": unit},
            }
            for line in return_["lines"]
        ],
        text=return_.get("reason"),
        state=state["ours"] if state else "unknown",
    )


def same_currency(invoice: Json, amount: Json) -> None:
    """Raise `Refused` where an amount is in another currency than the invoice: the ERP would not notice."""
    if amount["currency"] != invoice["currency"]:
        raise Refused(
            f"invoice {invoice['number']} is in {invoice['currency']}, not in {amount['currency']}",
            where="amount",
            mend="give the amount in the currency of the invoice",
        )
