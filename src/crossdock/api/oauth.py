"""OAuth 2 for programs: client credentials (RFC 6749 4.4), revocation (RFC 7009), metadata (RFC 8414).

    POST /oauth/token      grant_type=client_credentials, and scope where less is wanted
    POST /oauth/revoke     token
    GET  /.well-known/oauth-authorization-server

A client shows the id of its key as its name and the key as its secret, in the header (client_secret_basic) or
in the form (client_secret_post), never in both. Errors are those of the standards; what was wrong about a
client is not told.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from crossdock.access import ACTIONS, Principal
from crossdock.access.grants import grant, ungrant
from crossdock.access.identity import Identity
from crossdock.errors import NotProven, Refused
from crossdock.store import Database

LARGEST_FORM = 16_384  # bytes
MOST_FIELDS = 20


class _Wrong(Exception):
    """An error that a client is told, by the name that the standard gives it."""

    def __init__(self, name: str, words: str, *, basic: bool = False) -> None:
        super().__init__(words)
        self.name = name
        self.basic = basic


def oauth(database: Database, identity: Identity, address: str = "") -> list[BaseRoute]:
    """The routes. `address`: how it is called from outside; empty: as requests say."""

    async def token(request: Request) -> Response:
        fields = await _form(request)
        key = await _client(request, fields, identity)
        if "grant_type" not in fields:
            raise _Wrong("invalid_request", "grant_type is missing")
        if fields["grant_type"] != "client_credentials":
            raise _Wrong("unsupported_grant_type", "only client_credentials is granted")
        wanted = fields.get("scope", "").split(" ") if fields.get("scope") else None
        try:
            made = await grant(database, key, wanted)
        except Refused as error:
            raise _Wrong("invalid_scope", error.message) from None
        said: dict[str, object] = {
            "access_token": made.text,
            "token_type": "Bearer",
            "expires_in": made.seconds,
        }
        if made.scopes is not None:
            said["scope"] = " ".join(made.scopes)
        return JSONResponse(said)

    async def revoke(request: Request) -> Response:
        fields = await _form(request)
        key = await _client(request, fields, identity)
        if "token" not in fields:
            raise _Wrong("invalid_request", "token is missing")
        await ungrant(database, key, fields["token"])
        return Response()

    async def metadata(request: Request) -> Response:
        here = address or str(request.base_url).rstrip("/")
        methods = ["client_secret_basic", "client_secret_post"]
        return JSONResponse(
            {
                "issuer": here,
                "token_endpoint": f"{here}/oauth/token",
                "token_endpoint_auth_methods_supported": methods,
                "revocation_endpoint": f"{here}/oauth/revoke",
                "revocation_endpoint_auth_methods_supported": methods,
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "scopes_supported": list(ACTIONS),
            }
        )

    return [
        Route("/oauth/token", _told(token), methods=["POST"]),
        Route("/oauth/revoke", _told(revoke), methods=["POST"]),
        Route("/.well-known/oauth-authorization-server", metadata),
    ]


def _told(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        headers = {"cache-control": "no-store", "pragma": "no-cache"}
        try:
            response = await act(request)
        except _Wrong as wrong:
            said = {"error": wrong.name, "error_description": str(wrong)}
            response = JSONResponse(said, status_code=401 if wrong.name == "invalid_client" else 400)
            if wrong.basic:
                response.headers["www-authenticate"] = 'Basic realm="crossdock", charset="UTF-8"'
        response.headers.update(headers)
        return response

    return answer


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _Wrong("invalid_request", "send a form: application/x-www-form-urlencoded")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise _Wrong("invalid_request", f"the form has more than {LARGEST_FORM} bytes")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise _Wrong("invalid_request", "the form cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Wrong("invalid_request", "a field is there twice")
    return {name: value for name, value in fields.items() if value}  # RFC 6749 3.2: empty is left out


async def _client(request: Request, fields: dict[str, str], identity: Identity) -> Principal:
    header = request.headers.get("authorization")
    if header is not None:
        if "client_secret" in fields:
            raise _Wrong("invalid_request", "the client shows its secret twice")
        named, secret = _basic(header)
        if fields.get("client_id", named) != named:
            raise _Wrong("invalid_request", "the client has two names")
    else:
        named, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    origin = request.client.host if request.client else ""
    try:
        return await identity.by_client(named, secret, origin=origin)
    except NotProven:
        raise _Wrong("invalid_client", "the client is not known", basic=header is not None) from None


def _basic(header: str) -> tuple[str, str]:
    kind, _, value = header.partition(" ")
    try:
        text = base64.b64decode(value.strip(), validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    named, _, secret = text.partition(":")
    return unquote_plus(named), unquote_plus(secret)
