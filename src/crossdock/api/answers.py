"""What was asked with an idempotency key is done once; who asks again gets the same answer.

draft-ietf-httpapi-idempotency-key-header: a key is the asker's own, for each principal of a tenant, kept for
a day. The first request takes the key with a lease and does its work; the others meanwhile are told that it
is at work (409). Afterwards they get the stored answer, with `Idempotency-Replayed: true`. The same key with
something else is refused (422). Answers of the kind "not now" (5xx, 401, 403, 412, 428, 429) are not kept:
the same may be tried again.

A process that dies at work leaves a lease that runs out; then whoever asks again is at work. Each deed notes
in its own transaction that it is done (`Audit.record`), so it is not done once more: what it has led to is
read, and answered (`Call.done`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import LiteralString

import msgspec
from starlette.responses import Response

from crossdock.api.ground import Call
from crossdock.api.problems import AtWork, KeyReused, Unreadable

LEASE_SECONDS = 60
KEPT_HOURS = 24
_AGAIN = frozenset({401, 403, 412, 428, 429})  # not kept, as no 5xx is
_FORM = re.compile(r'[!#-~]{1,255}|"[ !#-~]{1,255}"')
_HEADERS = ("content-type", "location", "etag", "link")

_TAKE: LiteralString = """
insert into crossdock.api_answer as a (tenant, principal, key, fingerprint, until)
values (crossdock.tenant(), $1, $2, $3, statement_timestamp() + make_interval(secs => $4))
on conflict (tenant, principal, key) do update
  set fingerprint = excluded.fingerprint, begun = excluded.begun, until = excluded.until, status = null
    , done = case when a.status is null then a.done end
  where a.until < statement_timestamp() and (a.status is not null or a.fingerprint = excluded.fingerprint)
returning done
"""
_SEEN: LiteralString = """
select fingerprint, status, headers, body from crossdock.api_answer
where tenant = crossdock.tenant() and principal = $1 and key = $2
"""
_KEEP: LiteralString = """
update crossdock.api_answer set status = $3, headers = $4, body = $5,
  until = statement_timestamp() + make_interval(hours => $6)
where tenant = crossdock.tenant() and principal = $1 and key = $2
"""
# What is not done may be tried again at once; what is done is answered to whoever asks again.
_DROP: LiteralString = """
delete from crossdock.api_answer
where tenant = crossdock.tenant() and principal = $1 and key = $2 and done is null
"""
_LET_GO: LiteralString = """
update crossdock.api_answer set until = statement_timestamp() - interval '1 second'
where tenant = crossdock.tenant() and principal = $1 and key = $2
"""
_TIDY: LiteralString = """
delete from crossdock.api_answer where (tenant, principal, key) in (
  select tenant, principal, key from crossdock.api_answer
  where tenant = crossdock.tenant() and until < statement_timestamp()
    and (status is not null or until < statement_timestamp() - make_interval(hours => $1)) limit 100)
"""


def key_of(call: Call) -> str:
    """The idempotency key of a request, "" for none. Raises `Unreadable` for what is no key."""
    given = call.request.headers.get("idempotency-key", "").strip()
    if given and not _FORM.fullmatch(given):
        raise Unreadable(
            "this is no idempotency key",
            where="header.Idempotency-Key",
            mend="give 1 to 255 visible characters, best a new UUID for each act",
        )
    return given.strip('"')


async def once(call: Call, body: bytes, answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer to a request with a key: its own, or the one it had before."""
    who, key = call.principal.id, hashlib.sha256(key_of(call).encode()).digest()
    fingerprint = _fingerprint(call, body)
    async with call.look() as transaction:
        taken = await transaction.row(_TAKE, who, key, fingerprint, LEASE_SECONDS)
        if taken is None:
            row = await transaction.row(_SEEN, who, key)
    if taken is None:
        if row is not None and bytes(row["fingerprint"]) != fingerprint:
            raise KeyReused(
                "this idempotency key was used for another request",
                where="header.Idempotency-Key",
                mend="take a new key for a new act",
            )
        if row is None or row["status"] is None:
            raise AtWork("the same request is at work", mend="ask again in a moment, with the same key")
        headers = msgspec.json.decode(row["headers"], type=dict[str, str])
        headers["idempotency-replayed"] = "true"
        return Response(bytes(row["body"]), row["status"], headers)
    kept = False
    call.principal = replace(call.principal, deed=key)
    call.done = taken["done"]
    try:
        response = await answer()
        if response.status_code < 500 and response.status_code not in _AGAIN:
            headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
            kept_body = getattr(response, "crossdock_kept", None) or bytes(response.body)
            async with call.look() as transaction:
                await transaction.execute(
                    _KEEP,
                    who,
                    key,
                    response.status_code,
                    msgspec.json.encode(headers),
                    kept_body,
                    KEPT_HOURS,
                )
                await transaction.execute(_TIDY, KEPT_HOURS)
            kept = True
        return response
    finally:
        if not kept:
            async with call.look() as transaction:
                await transaction.execute(_DROP, who, key)
                await transaction.execute(_LET_GO, who, key)


def _fingerprint(call: Call, body: bytes) -> bytes:
    request = call.request
    found = hashlib.sha256()
    for part in (
        request.method,
        request.url.path,
        str(request.url.query),
        request.headers.get("content-type", ""),
    ):
        found.update(len(part).to_bytes(4, "big") + part.encode())
    found.update(body)
    return found.digest()
