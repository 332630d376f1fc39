"""What Tryton answers, in our words. An error comes with HTTP 200, as a kind and its arguments.

UserError             it says no, in its words: credit, a rule, a button out of turn, a field
UserWarning           it asks, and would go on; see `Question`
ConcurrencyException  the record was changed since it was read: nothing was done
anything else         it failed at what it was asked, and rolled it back
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Happening, RefusedByPartner, Response
from crossdock.connectors._deliveries import same_unit
from crossdock.connectors._words import decimal_text, end_of_day, money, reading, told, words
from crossdock.errors import Refused, UnknownOutcome, Unreachable
from crossdock.model import parse_document, to_json
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]
POSTED = ("posted", "paid")
SERVICE = "service"
LINES = [
    "type",
    "quantity",
    "unit_price",
    "amount",
    "description",
    "unit.symbol",
    "product.code",
    "product.name",
    "product.type",
]
ORDER = [
    "number",
    "reference",
    "description",
    "state",
    "shipment_state",
    "sale_date",
    "origin",
    "total_amount",
    "tax_amount",
    "last_modified_at",
    "_timestamp",
    "party.code",
    "party.name",
    "party.email",
    "party.lang.code",
    "currency.code",
    "warehouse.code",
    "payment_term.name",
    "create_uid.login",
    *(f"shipment_address.{part}" for part in ("party_name", "street", "city", "postal_code")),
    "shipment_address.country.code",
    "shipment_address.subdivision.code",
    *(f"lines.{field}" for field in LINES),
    "shipments.state",
]
WEIGHTS = ["lines.product.weight", "lines.product.weight_uom.symbol"]  # of the module product_measurements
_KILOGRAMS = {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237")}
# Asked for a model or a field that it has not, it says no more than the name in quotes.
_UNKNOWN = re.compile(r"'([a-z_]+(?:\.[a-z_]+)*)'")
_MODULES = {
    "credit_amount": "account_credit_limit",
    "credit_limit_amount": "account_credit_limit",
    "sale.complaint": "sale_complaint",
    "sale.complaint.type": "sale_complaint",
    "sale.sale": "sale",
    "shipments": "sale",
    "stock.lot": "stock_lot",
    "stock.shipment.out": "stock",
    "weight": "product_measurements",
    "weight_uom": "product_measurements",
}
INVOICE = [
    "number",
    "state",
    "reference",
    "total_amount",
    "currency.code",
    "last_modified_at",
    "sales.number",
    "lines.amount",
    "lines.origin",
]


class Question(RefusedByPartner):
    """A warning that Tryton gives before it goes on: `name` is what to accept it by."""

    def __init__(self, name: str, message: str) -> None:
        """Take its name and what it says."""
        super().__init__(message, code="question")
        self.name = name

    @property
    def kind(self) -> str:
        """What it is about: the name without the record."""
        return self.name.partition(".")[2]


def decoded(value: Any) -> Any:
    """A value as Tryton means it: `Decimal`, date, instant in UTC."""
    if isinstance(value, list):
        return [decoded(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    match value.get("__class__"):
        case None:
            return {name: decoded(part) for name, part in value.items()}
        case "Decimal":
            return Decimal(value["decimal"])
        case "datetime":
            parts = {name: int(part) for name, part in value.items() if name != "__class__"}
            return datetime(**parts, tzinfo=UTC)
        case "date":
            return date(int(value["year"]), int(value["month"]), int(value["day"]))
        case _:
            return dict(value)


def result(response: Response) -> Any:
    """What was asked for, as it came; see `decoded`. Raises for an error, whatever the HTTP status."""
    body = response.json()
    if not isinstance(body, dict) or ("result" not in body and not body.get("error")):
        raise UnknownOutcome("the answer has neither a result nor an error")
    error = body.get("error")
    if not error:
        return body["result"]
    kind, *more = error if isinstance(error, list) else [str(error)]
    if kind == "ConcurrencyException":
        raise Unreachable("Tryton says that the record was changed meanwhile; nothing was done")
    first = more[0] if more else ""
    parts = [str(part) for part in (first if isinstance(first, list) else [first]) if part]
    if kind == "UserWarning":
        raise Question(parts[0] if parts else "", ": ".join(parts[1:]) or "Tryton asks whether to go on")
    if kind in ("UserError", "LoginException"):
        raise RefusedByPartner(": ".join(parts) or "Tryton gives no reason", code=kind)
    if name := _UNKNOWN.fullmatch(str(kind)):
        module = _MODULES.get(name[1])
        mend = f"activate its module {module}, then try again" if module else "see which modules it needs"
        raise RefusedByPartner(f"Tryton does not know {name[1]}: {mend}", code="no_module")
    raise RefusedByPartner(f"Tryton failed at it: {': '.join([str(kind), *parts])}", code="failed")


def records(response: Response) -> list[Any]:
    """The records that were searched for. Raises `UnknownOutcome` for what is no list of them."""
    found = decoded(result(response))
    if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
        raise UnknownOutcome("the answer is no list of records")
    return found


def order(sale: Json, settings: Json) -> Json:
    """A sale as a document."""
    return to_json(parse_document("Order", _order(sale, settings)))


def order_fields(settings: Json) -> list[str]:
    """What is read of a sale to make a document of it."""
    return [*ORDER, *(WEIGHTS if settings["weights"] else ())]


def goods(sale: Json) -> list[Any]:
    """The lines that are goods: services are billed, and no warehouse picks them."""
    lines = [line for line in sale["lines."] if line["type"] == "line" and line.get("product.")]
    return [line for line in lines if line["product."].get("type") != SERVICE]


def in_its_unit(sale: Json, told: Iterable[Json], line: str) -> None:
    """Check that quantities are told in the units of their lines. Raises `RefusedByPartner` for another.

    `line` is the field that names the line.
    """
    units = {str(one["id"]): unit_of(one) for one in goods(sale)}
    for one in told:
        number, given = str(one.get(line) or ""), (one.get("quantity") or {}).get("unit")
        known = units.get(number)
        if given and known and not same_unit(_unit(given), known):
            raise RefusedByPartner(
                f"line {number} of sale {sale['number']} is in {known} in Tryton, and its quantity is told in"
                f" {given}: have it told in {known}, then try again",
                code="unit",
            )


def going(sale: Json) -> list[Any]:
    """The lines of goods that go to the customer."""
    return [line for line in goods(sale) if (line.get("quantity") or 0) > 0]


def coming(sale: Json) -> list[Any]:
    """The lines of goods that come back; a negative service, such as a discount, brings none back."""
    return [line for line in goods(sale) if (line.get("quantity") or 0) < 0]


# -- what happened ------------------------------------------------------------------------------------------


def sale_happened(record: Json, settings: Json) -> Iterator[Happening]:
    """What a sale means as it stands now: told anew at each change, under the same id."""
    with reading("the sale"):
        sale = decoded(record)
        at, name = sale["last_modified_at"], f"sale/{sale['id']}"
        if coming(sale) and sale["state"] in ("quotation", "confirmed", "processing"):
            data = _return(sale)
            about = {"authorisation": data["number"]}
            id_ = f"{name}/authorised"
            yield Happening(type="return.authorised", time=at, data=data, id=id_, about=about)
        if sale["state"] in ("processing", "done"):  # an exchange is both
            if _all_cancelled(sale):
                news = told(order=sale["number"], reason="its shipments were cancelled in Tryton")
                yield Happening(type="order.cancelled", time=at, data=news, id=f"{name}/cancelled")
            elif sale["state"] == "processing" and going(sale):  # services alone need no delivery
                data = _order(sale, settings)
                yield Happening(type="order.released", time=at, data=data, id=f"{name}/released")


def invoice_happened(record: Json, _: Json) -> Iterator[Happening]:
    """What an invoice, or a credit note, means as it stands now."""
    with reading("the invoice"):
        invoice = decoded(record)
        at, name = invoice["last_modified_at"], f"invoice/{invoice['id']}"
        total = money(invoice["total_amount"], invoice["currency."]["code"])
        orders = [sale["number"] for sale in invoice.get("sales.") or ()]
        number, order_ = invoice["number"], orders[0] if orders else None
        if invoice["total_amount"] < 0:
            amount = money(-invoice["total_amount"], total["currency"])
            data = told(number=number, order=order_, total=amount)
            yield Happening(type="credit.issued", time=at, data=data, id=f"{name}/posted")
            return
        data = told(
            number=number,
            order=order_,
            state="released",
            total=total,
            released=instant_text(at),
            lines=[
                {
                    "number": str(line["id"]),
                    **_of_order(line),
                    "amount": money(line["amount"], total["currency"]),
                }
                for line in invoice["lines."]
                if line.get("amount") is not None
            ],
        )
        yield Happening(type="invoice.released", time=at, data=data, id=f"{name}/posted")
        if invoice["state"] == "paid":
            news = told(invoice=number, order=order_, amount=total)
            yield Happening(type="invoice.paid", time=at, data=news, id=f"{name}/paid")


# -- documents ----------------------------------------------------------------------------------------------


def _all_cancelled(sale: Json) -> bool:
    states = [shipment["state"] for shipment in sale.get("shipments.") or ()]
    return bool(states) and set(states) == {"cancelled"}


def _order(sale: Json, settings: Json) -> dict[str, Any]:
    currency, party = sale["currency."]["code"], sale["party."]
    state = _state("order", sale)
    return told(
        number=sale["number"],
        version=sale.get("_timestamp"),
        changed=instant_text(sale["last_modified_at"]),
        customer=told(
            id=party["code"],
            name=party.get("name"),
            roles=["customer"],
            contact=told(email=party.get("email"), language=_linked(party, "lang").get("code")),
        ),
        lines=[_order_line(line, currency) for line in going(sale)],
        charges=[
            {"kind": line["product."]["code"], "amount": money(line["amount"], currency)}
            for line in sale["lines."]
            if _linked(line, "product").get("type") == SERVICE and line["product."].get("code")
        ],
        total=money(sale["total_amount"], currency),
        tax=money(sale["tax_amount"], currency),
        site=_site(sale, settings),
        state=state,
        custom={"status": sale["state"]} if state == "unknown" else None,
        created_by=_linked(sale, "create_uid").get("login"),
        ordered=end_of_day(str(sale["sale_date"]), settings["zone"]) if sale.get("sale_date") else None,
        ship_to=_address(_linked(sale, "shipment_address"), party.get("name")),
        payment_terms=_linked(sale, "payment_term").get("name"),
        customer_po=sale.get("reference"),
        text=sale.get("description"),
        references=[{"kind": "erp", "value": str(sale["id"])}],
    )


def _order_line(line: Json, currency: str) -> dict[str, Any]:
    product = line["product."]
    if not product.get("code"):
        name = product.get("name") or line.get("description")
        raise Refused(f"the product {name} has no code", where="lines", mend="give it one in Tryton")
    return told(
        number=str(line["id"]),
        item=product.get("code"),
        name=line.get("description") or product.get("name"),
        quantity=quantity_of(line),
        price=money(line["unit_price"], currency),
        amount=money(line["amount"], currency),
        product=_product(product),
    )


def _product(product: Json) -> Json | None:
    """The item's weight, where Tryton has it."""
    weight, symbol = product.get("weight"), _linked(product, "weight_uom").get("symbol")
    if not weight or not symbol:
        return None
    kilos = _KILOGRAMS.get(symbol)
    value = _exact(weight) if kilos is None else (_exact(weight) * kilos).normalize()
    unit = _unit(symbol) if kilos is None else "KGM"
    return {"number": product["code"], "weight": {"value": decimal_text(value), "unit": unit}}


def quantity_of(line: Json) -> dict[str, str]:
    """The quantity of a line in its unit."""
    return {"value": decimal_text(_exact(line["quantity"])), "unit": unit_of(line)}


def unit_of(line: Json) -> str:
    """The unit of a line in UN/ECE terms."""
    return _unit(str(_linked(line, "unit").get("symbol") or "u"))


def _unit(symbol: str) -> str:
    """A unit in UN/ECE terms; a symbol that is not in the table stands for itself."""
    row = words("crossdock.connectors.tryton").get(("unit", symbol))
    return row["ours"] if row else symbol


def so_much(quantity: Any, symbol: str) -> Json:
    """A quantity in a unit of Tryton's."""
    return {"value": decimal_text(_exact(quantity)), "unit": _unit(symbol)}


def instant_of(value: Any) -> str:
    """An instant as JSON has it."""
    return instant_text(value)


def site_of(code: Any, settings: Json) -> str | None:
    """Our name of a warehouse."""
    return str(settings["sites"].get(code, code)) if code else None


def _exact(quantity: Any) -> Decimal:
    """A quantity without a tail of noughts: Tryton keeps quantities as floating point."""
    exact = Decimal(str(quantity)).normalize()
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact


def _return(sale: Json) -> dict[str, Any]:
    return told(
        number=sale["number"],
        changed=instant_text(sale["last_modified_at"]),
        customer={"id": sale["party."]["code"]},
        lines=[
            told(
                item=line["product."].get("code"),
                quantity={"value": decimal_text(abs(_exact(line["quantity"]))), "unit": unit_of(line)},
            )
            for line in coming(sale)
        ],
        text=sale.get("description"),
        state=_state("return", sale),
    )


def _state(of: str, sale: Json) -> str:
    known = words("crossdock.connectors.tryton")
    row = known.get((of, f"{sale['state']}/{sale['shipment_state']}")) or known.get((of, sale["state"]))
    return row["ours"] if row else "unknown"


def _site(sale: Json, settings: Json) -> str | None:
    return site_of(_linked(sale, "warehouse").get("code"), settings)


def _address(address: Json, party: str | None) -> dict[str, Any]:
    """Where goods go; an address that names nobody is the customer's own."""
    if not address:
        return {}
    region = str(_linked(address, "subdivision").get("code") or "").partition("-")[2]
    return told(
        name=address.get("party_name") or party,
        lines=[line for line in str(address.get("street") or "").split("\n") if line.strip()],
        city=address.get("city"),
        region=region,
        postal_code=address.get("postal_code"),
        country=_linked(address, "country").get("code"),
    )


def _of_order(line: Json) -> dict[str, str]:
    model, _, number = str(line.get("origin") or "").partition(",")
    return {"order_line": number} if model == "sale.line" else {}


def _linked(record: Json, name: str) -> Json:
    """What a record is linked to; nothing where it is linked to nothing."""
    linked: Json = record.get(f"{name}.") or {}
    return linked


def not_found(what: str, number: object) -> RefusedByPartner:
    """The error for a document that is not there."""
    return RefusedByPartner(f"Tryton has no {what} {number}", code="not_found")


def wrong_state(what: str, state: object) -> RefusedByPartner:
    """The error for a document in a state in which this cannot be done."""
    return RefusedByPartner(f"{what} is {state} in Tryton", code="wrong_state")


def in_currency(amount: Json, currency: str, what: str) -> Decimal:
    """An amount as a number. Raises `Refused` where it is in another currency than the document."""
    if amount["currency"] != currency:
        raise Refused(
            f"{what} is in {currency}, not in {amount['currency']}",
            where="amount",
            mend=f"give the amount in {currency}",
        )
    return Decimal(amount["amount"])
