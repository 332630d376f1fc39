"""What is asked of Odoo, by JSON-2 or by JSON-RPC: the same methods of the same models. Nothing is sent here.

With JSON-2, credentials go in headers. JSON-RPC has them among its arguments, where signing in puts them, so
that no request of an operation holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, path

Json = Mapping[str, Any]
FAILED = 500  # with it JSON-2 names the exception, and has rolled all back


def call(
    context: Context,
    model: str,
    method: str,
    ids: list[int] | None = None,
    *,
    changes: bool = True,
    more: Json | None = None,
    **named: Any,
) -> Request:
    """A method of a model on records; `more` goes into its context."""
    given = {**named, **({"context": dict(more)} if more else {})}
    flag = None if changes else False
    if context.settings["interface"] == "json2":
        address = path("/json/2/{model}/{method}", model=model, method=method)
        body = {**({} if ids is None else {"ids": ids}), **given}
        return Request("POST", address, json=body, changes=flag, accept=(FAILED,))
    arguments = [None, None, None, model, method, [] if ids is None else [ids], given]
    return Request("POST", "/jsonrpc", json=_rpc("object", "execute_kw", arguments), changes=flag)


def search(
    context: Context,
    model: str,
    domain: list[Any],
    fields: list[str],
    *,
    order: str = "id",
    most: int = 200,
    more: Json | None = None,
) -> Request:
    """The records of a model that fit, with these fields."""
    asked: dict[str, Any] = {"domain": domain, "fields": fields, "order": order, "limit": most}
    return call(context, model, "search_read", changes=False, more=more, **asked)


def authenticate(database: str, user: str, key: str) -> Request:
    """The number of the user, by JSON-RPC."""
    return Request(
        "POST", "/jsonrpc", json=_rpc("common", "authenticate", [database, user, key, {}]), changes=False
    )


def as_user(database: str, number: int, key: str) -> Callable[[Request], Request]:
    """Puts who asks into each call of JSON-RPC."""

    def sign(request: Request) -> Request:
        params = request.json["params"]
        arguments = [database, number, key, *params["args"][3:]]
        body = {**request.json, "params": {**params, "args": arguments}}
        return Request("POST", request.path, json=body, changes=request.changes)

    return sign


def _rpc(service: str, method: str, arguments: list[Any]) -> dict[str, Any]:
    params = {"service": service, "method": method, "args": arguments}
    return {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
