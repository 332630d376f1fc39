"""What all talks with Odoo ask by: records that fit, a method, an order by its number."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, RefusedByPartner, Request, Response
from crossdock.connectors.odoo import replies, requests

Talking: TypeAlias = Generator[Request, Response, Any]
EVERY = {"active_test": False}  # also what is archived


def searched(context: Context, model: str, domain: list[Any], fields: list[str], **more: Any) -> Talking:
    """The records of a model that fit."""
    return replies.records((yield requests.search(context, model, domain, fields, **more)), context)


def of_company(context: Context) -> list[Any]:
    """The term of a domain that leaves out what is of another company than the connection's."""
    company = context.settings.get("company")
    return [["company_id.name", "=", str(company)]] if company else []


def called(context: Context, model: str, method: str, ids: list[int] | None = None, **more: Any) -> Talking:
    """What a method of a model gives."""
    return replies.result((yield requests.call(context, model, method, ids, **more)), context)


def by_id(context: Context, model: str, ids: list[int], fields: list[str]) -> Talking:
    """Records of a model by their numbers, also archived ones."""
    if not ids:
        return {}
    found = yield from searched(context, model, [["id", "in", ids]], fields, most=len(ids), more=EVERY)
    return {one["id"]: one for one in found}


def sale_of(context: Context, number: str, fields: list[str]) -> Talking:
    """The order of a number. Raises `RefusedByPartner` where there is none."""
    domain = [["name", "=", number], *of_company(context)]
    sales = yield from searched(context, "sale.order", domain, ["name", "state", *fields])
    if not sales:
        raise RefusedByPartner(f"Odoo has no order {number}", code="not_found")
    return sales[0]
