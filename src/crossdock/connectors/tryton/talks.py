"""Talking to Tryton: signing in, searching, pressing buttons, and the operations that take few questions.

A button that is pressed out of turn may be refused, or ignored without a word. So what is wanted is a state:
the record is read, what leads there is pressed, and it is read again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import Access, Context, RefusedByPartner, Request, Response, Session
from crossdock.connectors._words import money, told
from crossdock.connectors.tryton import replies, requests

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """Log in, and learn the company; the session is good until Tryton says 401."""
    settings = access.settings
    user, password = (access.secrets[name].reveal() for name in ("user", "password"))
    answer = replies.result((yield requests.login(settings, user, password)))
    if not answer:
        raise RefusedByPartner("Tryton does not know the user, or the password is another", code="sign_in")
    headers = requests.session(user, answer[0], answer[1])
    preferences = replies.result((yield requests.preferences(settings, headers)))
    known = {name: preferences[name] for name in ("company", "employee", "groups") if name in preferences}
    if wanted := settings.get("company"):
        found = replies.records((yield requests.companies(settings, headers, str(wanted))))
        if not found:
            raise RefusedByPartner(f"the user may work in no company {wanted}", code="sign_in")
        known["company"] = found[0]["id"]
    if not known.get("company"):
        raise RefusedByPartner("the user has no company; give them one, or set `company`", code="sign_in")
    # The words that we read, such as symbols of units, are those of one language.
    return Session(headers=headers, sign=requests.in_company({**known, "language": "en"}))


def health(_: Any, context: Context) -> Talking:
    """It answers and lets us in."""
    replies.result((yield requests.call(context, "model.res.user.get_preferences", True, changes=False)))


def searched(context: Context, model: str, domain: list[Any], fields: list[str], **more: Any) -> Talking:
    """The records of a model that fit."""
    return replies.records((yield requests.search(context, model, domain, fields, **more)))


def made(context: Context, model: str, values: Json) -> Talking:
    """Create a record; gives its id."""
    found = replies.result((yield requests.call(context, f"model.{model}.create", [values])))
    return int(found[0])


def pressed(context: Context, model: str, ids: list[int], button: str) -> Talking:
    """Press a button on records, and answer yes to the warnings that the connection says yes to."""
    yield from tolerant(context, f"model.{model}.{button}", ids)


def tolerant(context: Context, method: str, *arguments: Any, more: Json | None = None) -> Talking:
    """Call what may warn. Raises the warning as a refusal where nobody has said yes to it beforehand."""
    for _ in range(5):
        try:
            return replies.result((yield requests.call(context, method, *arguments, more=more)))
        except replies.Question as question:
            if question.kind not in context.settings["answer_yes"]:
                raise
            skip = requests.call(context, "model.res.user.warning.skip", question.name, False, changes=False)
        replies.result((yield skip))
    raise RefusedByPartner("Tryton goes on asking after it was answered", code="question")


def sale_of(context: Context, number: str, fields: list[str]) -> Talking:
    """The sale of a number. Raises `RefusedByPartner` where there is none."""
    found = yield from searched(context, "sale.sale", [["number", "=", number]], ["number", "state", *fields])
    if not found:
        raise replies.not_found("sale", number)
    return found[0]


def get_order(data: Json, context: Context) -> Talking:
    """One order."""
    sale = yield from sale_of(context, data["order"], replies.order_fields(context.settings))
    return replies.order(sale, context.settings)


_CREDIT = ["credit_amount", "credit_limit_amount", "currency.code"]
_OPEN = ["currency.code", "untaxed_amount", "invoices.state", "invoices.untaxed_amount"]


def check_credit(data: Json, context: Context) -> Talking:
    """Whether the customer may buy for that much: what is open, without this order, against the limit."""
    domain = [["code", "=", data["customer"]], requests.EVERY]
    parties = yield from searched(context, "party.party", domain, _CREDIT)
    if not parties:
        raise replies.not_found("party", data["customer"])
    (party,) = parties
    currency = party["currency."]["code"]
    mine = [["number", "=", data["order"]], ["state", "in", ["confirmed", "processing"]]]
    exposure = Decimal(party["credit_amount"] or 0)
    sales = yield from searched(context, "sale.sale", mine, _OPEN)
    others = {data["amount"]["currency"], *(sale["currency."]["code"] for sale in sales)} - {currency}
    worth = yield from _worth(context, others, currency)
    asked = worth(Decimal(data["amount"]["amount"]), data["amount"]["currency"])
    for sale in sales:
        billed = sum(i["untaxed_amount"] for i in sale["invoices."] if i["state"] in replies.POSTED)
        exposure -= worth(max(sale["untaxed_amount"] - billed, Decimal(0)), sale["currency."]["code"])
    limit = party["credit_limit_amount"]
    ok = limit is None or exposure + asked <= limit
    return told(
        limit=None if limit is None else money(limit, currency),
        reason=None if ok else "over_limit",
    ) | {"ok": ok, "exposure": money(exposure, currency)}


def _worth(context: Context, others: set[str], currency: str) -> Talking:
    """What turns an amount into the currency, at the rates that Tryton has today."""
    if not others:
        return lambda amount, _: amount
    domain = [["code", "in", sorted({*others, currency})]]
    found = yield from searched(context, "currency.currency", domain, ["code", "rate", "digits"])
    rates = {one["code"]: one["rate"] for one in found if one["rate"]}
    if missing := sorted({*others, currency} - set(rates)):
        raise replies.not_found("rate today for the currency", missing[0])
    cent = Decimal(1).scaleb(-next(one["digits"] for one in found if one["code"] == currency))

    def worth(amount: Decimal, of: str) -> Decimal:
        return amount if of == currency else (amount / rates[of] * rates[currency]).quantize(cent)

    return worth
