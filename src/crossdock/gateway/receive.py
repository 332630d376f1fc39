"""Webhooks: raw bytes to the inbox.

    Unverified   bytes that somebody sent; nothing in them is believed
       │  verify: the connection's scheme and secrets, on the raw bytes, or a token
       │  of ours where the partner signs nothing (`Senders`)                          not so: NotVerified
    Verified     bytes that the partner sent
       │  translate: the connector, pure; then every event against the model           not so: quarantine
    events       put into the inbox; the delivery and its raw body are kept
       │  only now
    Receipt      the sender may forget it

What cannot be translated is the sender's no longer: it is kept with the reason, and answered as accepted,
since sending it again would not mend it. The same delivery again, by the sender's id or else by its
content, changes nothing. One of the same id with another body is another, as long as the first is set
aside: both are kept, and the second says so.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, LiteralString

import msgspec
import structlog

from crossdock.access.redaction import hidden
from crossdock.connect import Lines
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Connector, Notice, Webhook
from crossdock.connect.lines import FRESH_SECONDS, Line
from crossdock.connect.signatures import NotVerified, Scheme, verify
from crossdock.engine import Arrival, Inbox
from crossdock.engine import Receipt as Kept
from crossdock.errors import CrossdockError, NotFound, Refused
from crossdock.gateway.hints import HINT
from crossdock.gateway.mapped import Through
from crossdock.gateway.senders import Senders, bearer
from crossdock.store import Database, Tenant, Together

log = structlog.get_logger(__name__)

Outcome = Literal["taken", "duplicate", "ignored", "quarantined"]
_PROOF = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})

_KEEP: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[],
                       $8::text[], $9::bytea[], $10::bytea[], $11::text[])
    with ordinality
    as k(tenant, connection, feed, message, outcome, reason, events, hash, headers, data, mapping, n)
), bodies as (
  insert into crossdock.blob (tenant, hash, data)
  select distinct on (k.tenant, k.hash) k.tenant, k.hash, k.data from k where k.data is not null
  order by k.tenant, k.hash
  on conflict do nothing
)
insert into crossdock.delivery
  (tenant, connection, feed, message, outcome, reason, events, body, headers, mapping)
select k.tenant, k.connection, k.feed, k.message, k.outcome,
  case when before.other and k.hash not like '%.sealed' then k.reason || $12 else k.reason end,
  k.events, k.hash, k.headers, k.mapping
from k cross join lateral (
  select coalesce(bool_or(d.body = k.hash), false) as same,
         coalesce(bool_or(d.body <> k.hash), false) as other
  from crossdock.delivery d
  where k.outcome = 'quarantined' and d.tenant = k.tenant and d.connection = k.connection
    and d.message = k.message and d.outcome = 'quarantined'
) before
where not before.same
order by k.n returning id
"""
_OTHER_BODY = " (a delivery of the same id, with another body, is in quarantine too)"
AS_IT_IS = Through()
_MOST_MISSING = 10_000
_LONGEST_NAME = 200  # letters; an index holds names
_TOGETHER = 200  # deliveries in one statement


class Unverified(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came in for a connection; who sent it is not known."""

    tenant: str
    connection: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    query: Sequence[tuple[str, str]] = ()
    origin: str = ""  # the address that it came from


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A message that its connection's partner has sent. Made by `verified` alone."""

    tenant: Tenant
    line: Line
    webhook: Webhook
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a delivery: how many events it was, and why it was set aside, where it was."""

    outcome: Outcome
    events: int = 0
    reason: str = ""
    mapping: str = ""  # name@version of the mapping that read it


class Receiver:
    """Takes webhooks in, for all tenants."""

    def __init__(self, database: Database, inbox: Inbox, lines: Lines, senders: Senders) -> None:
        """Into that inbox, from these connections and those who may send for them."""
        self._database = database
        self._inbox = inbox
        self._lines = lines
        self._senders = senders
        self._tenants: dict[str, Tenant] = {}
        # Doors that were not there, when last looked: known as long as those are that are there, so that
        # neither the time of an answer tells, nor does the database hear of every knock.
        self._missing: dict[tuple[str, str], float] = {}
        self._deliveries = Together(self._keep_all, most=_TOGETHER)

    async def receive(self, unverified: Unverified) -> Receipt:
        """Take a message in; it is kept when this returns.

        Raises `NotVerified` when it is not the partner's, `NotFound` when there is no such door,
        `Unreachable` when it could not be kept: then it was not taken, and the sender tries again.
        """
        return await self.take(await self.verified(unverified))

    async def verified(self, unverified: Unverified) -> Verified:
        """Who sent it, proven. Raises `NotFound` and `NotVerified`, of which nobody outside is told apart."""
        try:
            tenant, line, webhook = await self._known(unverified.tenant, unverified.connection)
        except NotFound as error:
            log.warning(
                "webhook.no_door",
                tenant=unverified.tenant[:100],
                connection=unverified.connection[:100],
                reason=error.message[:200],
            )
            hmac.digest(b"nobody", unverified.body, "sha256")  # takes as long as it does behind a door
            raise
        token = bearer(unverified.headers) if webhook.signature.proves_no_body else ""
        try:
            if token:
                await self._senders.verify(tenant, line.name, token, origin=unverified.origin)
            else:
                verify(
                    webhook.signature,
                    unverified.headers,
                    unverified.body,
                    line.secrets.get(webhook.secret, ()),
                    now=time.time(),
                    query=unverified.query,
                )
        except NotVerified as error:
            log.warning(
                "webhook.not_verified", tenant=tenant.name, connection=line.name, reason=error.message
            )
            raise
        notice = Notice(
            headers=_without_proof(unverified.headers, webhook.signature),
            body=unverified.body,
            received=datetime.now(UTC),
            settings=line.settings,
        )
        return Verified(tenant=tenant, line=line, webhook=webhook, notice=notice)

    async def _known(self, name: str, connection: str) -> tuple[Tenant, Line, Webhook]:
        if "\0" in name + connection or time.monotonic() < self._missing.get((name, connection), 0.0):
            raise NotFound("there was no such door a moment ago")
        try:
            return await self._door(name, connection)
        except NotFound:
            if len(self._missing) >= _MOST_MISSING:
                self._missing.clear()
            self._missing[name, connection] = time.monotonic() + FRESH_SECONDS
            raise

    async def _door(self, name: str, connection: str) -> tuple[Tenant, Line, Webhook]:
        known = self._tenants.get(name)
        tenant = self._tenants[name] = known or await self._database.tenant(name)
        try:
            line = await self._lines.line(tenant.id, connection)
        except NotFound:
            del self._tenants[name]
            if known is None:
                raise
            return await self._door(name, connection)  # one that was deleted and made anew has another number
        if line.connector.webhook is None:
            raise NotFound(f"{connection} takes no webhooks", mend="see what its connector offers")
        return tenant, line, line.connector.webhook

    async def take(self, verified: Verified) -> Receipt:
        """Translate and keep what a partner has sent. Raises `Suspended` where nothing is taken in now."""
        line, notice = verified.line, verified.notice
        await self._inbox.admit(verified.tenant)
        digest = digest_of(notice.body)
        try:
            message = _name_of(verified.webhook.delivery_id(notice)) or digest
        except Exception:  # noqa: BLE001 - it reads what others send
            message = digest
        try:
            events = await self._lines.with_rows(
                line,
                lambda rows: translated(
                    line.connector, line.name, verified.webhook, notice, message, Through.of(line, rows)
                ),
            )
        except Refused as error:
            receipt = Receipt(outcome="quarantined", reason=str(error))
        else:
            receipt = outcome_of(await self._inbox.put(verified.tenant, events))
        if line.mapping is not None:
            receipt = replace(receipt, mapping=line.mapping.label)
        row = await _row(
            self._inbox, verified.tenant.id, line.name, message, receipt, notice.body, digest, notice.headers
        )
        await self._deliveries.put(verified.tenant.id, row)
        if verified.webhook.hints:
            async with self._database.engine() as transaction:
                await transaction.execute(HINT, verified.tenant.id, line.name)
        return receipt

    async def _keep_all(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[None]:
        await self._database.at_once(_KEEP, *zip(*rows, strict=True), _OTHER_BODY)
        return [None] * len(rows)


def translated(
    connector: Connector,
    connection: str,
    webhook: Webhook,
    notice: Notice,
    message: str,
    through: Through = AS_IT_IS,
) -> list[Arrival]:
    """The events that a message is. Raises `Refused` with the reason where it cannot be read."""
    try:
        happenings = through.payload(notice, lambda: webhook.translate(notice))
        return arrivals(happenings, connector, connection, message)
    except Refused:
        raise
    except CrossdockError as error:
        raise Refused(error.message, where=error.where, mend=error.mend) from None
    except Exception as error:  # noqa: BLE001 - a connector reads what others send; nothing may escape it
        raise Refused(
            f"the connector {connector.name} could not read it: {type(error).__name__}: {error}",
            mend="mend the connector, then replay this",
        ) from None


def outcome_of(kept: list[Kept]) -> Receipt:
    """What became of a delivery whose events have been put into the inbox."""
    if not kept:
        return Receipt(outcome="ignored", reason="it says nothing that concerns us")
    new = [receipt for receipt in kept if receipt.fate != "duplicate"]
    return Receipt(outcome="taken" if new else "duplicate", events=len(new))


async def keep(
    database: Database,
    inbox: Inbox,
    tenant: int,
    connection: str,
    message: str,
    receipt: Receipt,
    body: bytes,
    *,
    digest: str,
    headers: Mapping[str, str] | None = None,
    feed: str = "",
) -> int | None:
    """Keep a delivery and its raw body. Gives its number; None where it stands in quarantine already."""
    row = await _row(inbox, tenant, connection, message, receipt, body, digest, headers or {}, feed)
    rows = await database.at_once(_KEEP, *zip(row, strict=True), _OTHER_BODY)
    return rows[0]["id"] if rows else None


async def _row(
    inbox: Inbox,
    tenant: int,
    connection: str,
    message: str,
    receipt: Receipt,
    body: bytes,
    digest: str,
    headers: Mapping[str, str],
    feed: str = "",
) -> tuple[Any, ...]:
    """A delivery as it is kept. A tenant that seals personal data keeps no body that was read, and seals one
    that was not, and why: it may say what stands in it.
    """
    reason, name = hidden(receipt.reason), digest
    data: bytes | None = body
    if await inbox.holds_back(tenant):
        name = f"{digest}.sealed"
        data = await inbox.raw(tenant, body) if receipt.outcome == "quarantined" else None
        reason = (await inbox.raw(tenant, reason.encode())).decode() if reason else ""
    return (
        tenant,
        connection,
        feed,
        message,
        receipt.outcome,
        reason,
        receipt.events,
        name,
        msgspec.json.encode(headers),
        data,
        receipt.mapping,
    )


def _name_of(given: object) -> str:
    """The sender's name of a delivery, if it can be kept and looked for; else it has none."""
    return given if isinstance(given, str) and len(given) <= _LONGEST_NAME and given.isprintable() else ""


def digest_of(body: bytes) -> str:
    """What a body is known by."""
    return hashlib.sha256(body).hexdigest()


def _without_proof(headers: Sequence[tuple[str, str]], scheme: Scheme) -> dict[str, str]:
    """Headers by their names in lower case, without those that would let somebody else pretend."""
    ours = {scheme.header.lower()} if scheme.proves_no_body else set()
    kept: dict[str, Any] = {}
    for name, value in headers:
        key = name.lower()
        if key not in _PROOF and key not in ours:
            shown = hidden(value)
            kept[key] = f"{kept[key]}, {shown}" if key in kept else shown
    return kept
