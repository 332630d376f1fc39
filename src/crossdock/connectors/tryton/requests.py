"""What is asked of Tryton: one address, JSON-RPC, and values that JSON lacks. Nothing is sent here.

Each call ends with a context: the company above all, without which prices are empty and no error tells.
Signing in learns it, and `in_company` writes it into the requests that follow.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, Request, path

Json = Mapping[str, Any]


EVERY = ["active", "in", [True, False]]  # also what is no longer in use


def encoded(value: Any) -> Any:
    """A value in the form that Tryton's JSON has for it; amounts as `Decimal`, instants in UTC."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{part: getattr(value, part) for part in parts}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, Mapping):
        return {name: encoded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(part) for part in value]
    return value


def call(
    context: Context, method: str, *arguments: Any, changes: bool = True, more: Json | None = None
) -> Request:
    """One call of a method of a model; `more` goes into its context."""
    params = [*(encoded(argument) for argument in arguments), dict(more or {})]
    body = {"id": 0, "method": method, "params": params}
    return Request("POST", _rpc(context.settings), json=body, changes=None if changes else False)


def search(
    context: Context,
    model: str,
    domain: list[Any],
    fields: list[str],
    *,
    order: Any = None,
    most: int | None = None,
    more: Json | None = None,
) -> Request:
    """The records of a model that fit, with these fields: `party.name` reaches into what is linked."""
    arguments = (domain, 0, most, order, fields)
    return call(context, f"model.{model}.search_read", *arguments, changes=False, more=more)


def login(settings: Json, user: str, password: str) -> Request:
    """A session; it is good until Tryton says 401."""
    body = {"id": 0, "method": "common.db.login", "params": [user, {"password": password}, "en"]}
    return Request("POST", _rpc(settings), json=body, changes=False)


def preferences(settings: Json, headers: Mapping[str, str]) -> Request:
    """What the user works in: company, language."""
    body = {"id": 0, "method": "model.res.user.get_preferences", "params": [True, {}]}
    return Request("POST", _rpc(settings), json=body, headers=headers, changes=False)


def companies(settings: Json, headers: Mapping[str, str], name: str) -> Request:
    """The companies of that name."""
    params = [[["party.name", "=", name]], 0, None, None, ["id"], {}]
    body = {"id": 0, "method": "model.company.company.search_read", "params": params}
    return Request("POST", _rpc(settings), json=body, headers=headers, changes=False)


def session(user: str, number: Any, token: str) -> dict[str, str]:
    """The header of a session."""
    return {"Authorization": "Session " + base64.b64encode(f"{user}:{number}:{token}".encode()).decode()}


def in_company(known: Json) -> Callable[[Request], Request]:
    """Writes what is known of the user into the context of each call."""

    def sign(request: Request) -> Request:
        body = request.json
        if not isinstance(body, Mapping):
            return request
        *arguments, own = body["params"]
        return Request(
            request.method,
            request.path,
            json={**body, "params": [*arguments, {**known, **own}]},
            changes=request.changes,
            accept=request.accept,
        )

    return sign


def _rpc(settings: Json) -> str:
    return path("/{database}/rpc/", database=settings["database"])
