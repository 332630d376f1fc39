"""The door of the graph: POST /api/graphql, JSON in and out.

    who asks is established and counted     else a problem, as in REST
    the text is found, by hash or as sent   else a problem, or PersistedQueryNotFound
    it is measured                          before it is validated, and before anything runs
    it is carried out                       as one tenant, in one transaction that reads, in bounded time

What was wrong with a field stands in `errors`, with `extensions` that name the problem as REST does: code,
status, title, where, mend. Of a fault of ours nothing is told but the id under which the log has it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crossdock.access.redaction import hidden
from crossdock.access.request_id import request_id
from crossdock.api.door import entered
from crossdock.api.graphql.measure import Bounds, Measured, measured
from crossdock.api.graphql.persisted import Persisted, Unknown
from crossdock.api.graphql.reader import Reader
from crossdock.api.graphql.schema import schema
from crossdock.api.ground import Call, Ground
from crossdock.api.problems import NotAllowed, WrongMedia, kind_of, problem
from crossdock.api.strict import strict_json
from crossdock.api.throttle import Throttle
from crossdock.errors import CrossdockError, Forbidden, Refused, TooMany, Unreachable

log = structlog.get_logger(__name__)

_MOST_ERRORS = 20
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_SUGGESTS = re.compile(r" Did you mean .*\Z", re.DOTALL)
_MEDIA = "application/graphql-response+json"  # to who asks for it; else plain JSON, as older clients do
_NEVER = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")
_READ_ONLY = "set transaction read only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What one may ask: the bounds of a query, seconds until its answer, and queries by hash."""

    bounds: Bounds
    persisted: Persisted
    seconds: float = 10.0


@dataclass(slots=True, kw_only=True)
class _Asked:
    text: str
    variables: dict[str, Any] = field(default_factory=dict)
    operation: str | None = None


def endpoint(path: str, ground: Ground, throttle: Throttle, asking: Asking) -> Route:
    """The address of the graph."""
    graph = schema()

    async def answer(request: Request) -> Response:
        id_ = request_id(request.scope)
        try:
            if request.method != "POST":
                raise NotAllowed(f"{request.method} is not taken here", mend="use POST")
            tenant, principal = await entered(request.scope, ground.identity, throttle, kind="graphql")
            call = Call(
                ground=ground,
                request=request,
                tenant=tenant,
                principal=principal,
                names=await ground.names.of(tenant),
            )
            given = await _given(request)
            try:
                asked, bounds = await _asked(call, given, asking), asking.bounds
                measure = measured(asked.text, asked.variables, asked.operation, bounds)
            except (Forbidden, TooMany, Unreachable):
                raise
            except CrossdockError as error:
                status = 200 if isinstance(error, Unknown) else 400
                return _said(request, {"errors": [_told(error, [])]}, status)
            return await carry_out(call, asked, measure, id_)
        except CrossdockError as error:
            return problem(error, path=request.url.path, request=id_)

    async def carry_out(call: Call, asked: _Asked, measure: Measured, id_: str) -> Response:
        try:
            async with asyncio.timeout(asking.seconds), call.look() as transaction:
                await transaction.execute(_READ_ONLY)
                reader = Reader(call, transaction)
                result = await graph.execute(
                    asked.text,
                    variable_values=asked.variables,
                    context_value=reader,
                    operation_name=asked.operation,
                )
        except TimeoutError:
            late = Unreachable(
                f"it took longer than {asking.seconds:g} s", mend="ask for less at once", retry_after=5
            )
            return _said(call.request, {"data": None, "errors": [_told(late, [])]}, 200)
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = [_error(one, id_) for one in result.errors[:_MOST_ERRORS]]
        begun = result.data is not None or any(one.path for one in result.errors or ())
        if begun:
            answer["data"] = result.data
        answer["extensions"] = {
            "cost": measure.cost,
            "depth": measure.depth,
            "statements": reader.statements,
            "request": id_,
        }
        return _said(call.request, answer, 200 if begun else 400)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Route(path, answer, methods=methods)


async def _given(request: Request) -> Mapping[str, Any]:
    """The body. Raises `Refused`."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise WrongMedia("queries are sent as JSON", where="header.Content-Type", mend="application/json")
    value = strict_json(await request.body())
    if isinstance(value, list):
        raise Refused("one request asks one thing", where="body", mend="send several requests, or one query")
    if not isinstance(value, dict):
        raise Refused("this is no query", where="body", mend='send {"query": "..."}')
    return value


async def _asked(call: Call, given: Mapping[str, Any], asking: Asking) -> _Asked:
    for name, kind in (
        ("query", str),
        ("variables", dict),
        ("operationName", str),
        ("extensions", dict),
    ):
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise Refused(f"`{name}` is of another kind", where=name, mend="see the documentation")
    named = (given.get("extensions") or {}).get("persistedQuery")
    hash_ = named.get("sha256Hash") if isinstance(named, dict) else None
    if named is not None and not (isinstance(hash_, str) and _HASH.fullmatch(hash_)):
        raise Refused("this is no hash of a query", where="extensions", mend="send SHA-256 in hex")
    text = await asking.persisted.text(call.tenant, call.principal, given.get("query"), hash_)
    return _Asked(
        text=text, variables=given.get("variables") or {}, operation=given.get("operationName") or None
    )


def _error(error: GraphQLError, id_: str) -> dict[str, Any]:
    """One error of a result, without what is ours."""
    cause: BaseException | None = error.original_error
    path = list(error.path or ())
    if isinstance(cause, CrossdockError):
        return _told(cause, path)
    if cause is not None and not isinstance(cause, GraphQLError):
        log.error("graphql.fault", request=id_, error=f"{type(cause).__name__}: {cause}")
        return {
            "message": "This could not be done, by a fault in Crossdock or its set-up.",
            **({"path": path} if path else {}),
            "extensions": {"code": "broken", "status": 500, "request": id_},
        }
    # What the library says of the query: without names of the schema that were not asked for.
    return {
        "message": _SUGGESTS.sub("", error.message)[:500],
        **({"path": path} if path else {}),
        **({"locations": [at.formatted for at in error.locations]} if error.locations else {}),
        "extensions": {"code": "refused", "status": 400, "title": "It cannot be read"},
    }


def _told(error: CrossdockError, path: list[Any]) -> dict[str, Any]:
    kind = kind_of(error)
    more = {"where": hidden(error.where), "mend": hidden(error.mend)}
    code = "PERSISTED_QUERY_NOT_FOUND" if isinstance(error, Unknown) else kind.name
    if kind.status == 500:
        more, message = {}, "This could not be done, by a fault in Crossdock or its set-up."
    else:
        message = hidden(error.message)
    return {
        "message": message,
        **({"path": path} if path else {}),
        "extensions": {
            "code": code,
            "status": kind.status,
            "title": kind.title,
            **{name: text for name, text in more.items() if text},
        },
    }


def _said(request: Request, value: Mapping[str, Any], status: int) -> Response:
    wanted = [part.partition(";") for part in request.headers.get("accept", "").lower().split(",")]
    theirs = any(media.strip() == _MEDIA and not _NEVER.fullmatch(rest) for media, _, rest in wanted)
    text = json.dumps(value, default=str, ensure_ascii=False)
    return Response(text, status, media_type=_MEDIA if theirs else "application/json")
