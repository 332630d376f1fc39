"""Queries that are known by their hash: sent once, or let in by an administrator, and named from then on.

    sent once   a program sends text and hash together, then the hash alone. Each tenant keeps the latest 500
    let in      by `crossdock graphql allow`. Where a setting says so, only these are carried out

What a process knows of them it looks up again after half a minute: by then what is dropped has fallen.

The hash is SHA-256 of the text, in hex, as in automatic persisted queries.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import LiteralString

from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit
from crossdock.errors import Forbidden, NotFound, Refused
from crossdock.store import Database, Tenant

MOST_KEPT = 500  # of a tenant, besides those that were let in
LONGEST = 20_000  # letters
_IN_MEMORY = 2000
_FRESH = 30.0  # seconds

_GET: LiteralString = """
select text, allowed from crossdock.graphql_query where tenant = $1 and hash = $2
"""
_KEEP: LiteralString = """
with kept as (
  insert into crossdock.graphql_query (tenant, hash, text, by) values ($1, $2, $3, $4) on conflict do nothing
)
delete from crossdock.graphql_query where tenant = $1 and not allowed and hash in (
  select hash from crossdock.graphql_query where tenant = $1 and not allowed and hash <> $2
  order by stored desc offset $5)
"""
_ALLOW: LiteralString = """
insert into crossdock.graphql_query (tenant, hash, text, by, allowed) values ($1, $2, $3, $4, true)
on conflict (tenant, hash) do update set allowed = true, by = excluded.by
"""
_HASH = re.compile("[0-9a-f]{64}")
_DROP: LiteralString = "delete from crossdock.graphql_query where tenant = $1 and hash = $2"


class Unknown(NotFound):
    """A hash of a query that was never sent: the program sends the text along."""


class Persisted:
    """The queries of all tenants."""

    def __init__(self, database: Database, audit: Audit, *, only: bool = False) -> None:
        """With `only`, those that were let in are carried out, and no others."""
        self._database = database
        self._audit = audit
        self.only = only
        self._known: OrderedDict[tuple[int, str], tuple[float, str]] = OrderedDict()

    async def text(self, tenant: Tenant, by: Principal, text: str | None, hash_: str | None) -> str:
        """The query that is meant. Raises `Unknown`, `Refused`, and `Forbidden` where it was not let in."""
        if hash_ is not None:
            hash_ = hash_.lower()
        if text is None and hash_ is None:
            raise Refused("there is no query", where="query", mend='send {"query": "..."}')
        if text is not None and len(text) > LONGEST:
            raise Refused(
                f"a query has at most {LONGEST} letters", where="query", mend="ask for less at once"
            )
        found = digest(text) if text is not None else hash_ or ""
        if hash_ is not None and hash_ != found:
            raise Refused("this is the hash of another query", where="extensions", mend="send SHA-256 in hex")
        known = self._known.get((tenant.id, found))
        if known is not None and known[0] > time.monotonic():
            self._known.move_to_end((tenant.id, found))
            return known[1]
        if text is not None and hash_ is None and not self.only:
            return text  # nothing of it is kept
        rows = await self._database.at_once(_GET, tenant.id, found)
        if rows and (rows[0]["allowed"] or not self.only):
            return self._keep(tenant, found, rows[0]["text"])
        if self.only:
            raise Forbidden(
                "only queries that were let in are carried out here",
                where="query",
                mend="ask whoever runs this installation to let it in",
            )
        if text is None:
            raise Unknown("PersistedQueryNotFound", where="extensions", mend="send the query along")
        await self._database.at_once(_KEEP, tenant.id, found, text, by.id[:200], MOST_KEPT - 1)
        return self._keep(tenant, found, text)

    async def allow(self, tenant: Tenant, by: Principal, texts: Sequence[str], *, why: str = "") -> None:
        """Let queries in, all or none."""
        async with self._database.engine() as transaction:
            for text in texts:
                found = digest(text)
                await transaction.execute(_ALLOW, tenant.id, found, text, by.id[:200])
                await self._audit.record(
                    transaction,
                    by,
                    "setting.change",
                    Resource(kind="query", id=found),
                    tenant=tenant.id,
                    why=why or "let in",
                )

    async def find(self, tenant: Tenant, hash_: str) -> tuple[str, str, bool]:
        """Hash, text, and whether it was let in. Raises `NotFound`."""
        found = hash_.lower()
        rows = await self._database.at_once(_GET, tenant.id, found) if _HASH.fullmatch(found) else ()
        if not rows:
            raise NotFound("there is no such query", where=hash_[:64], mend="see `crossdock graphql list`")
        return found, rows[0]["text"], rows[0]["allowed"]

    async def drop(self, tenant: Tenant, by: Principal, hash_: str, *, why: str = "") -> None:
        """Let a query in no longer; other processes may know it for half a minute. Raises `NotFound`."""
        async with self._database.engine() as transaction:
            if not await transaction.execute(_DROP, tenant.id, hash_.lower()):
                raise NotFound(
                    "there is no such query", where=hash_[:64], mend="see `crossdock graphql list`"
                )
            await self._audit.record(
                transaction,
                by,
                "setting.change",
                Resource(kind="query", id=hash_.lower()),
                tenant=tenant.id,
                why=why or "let in no longer",
            )
        self._known.pop((tenant.id, hash_.lower()), None)

    async def list(self, tenant: Tenant) -> list[tuple[str, bool, str]]:
        """Hash, whether it was let in, and text of each."""
        rows = await self._database.at_once(
            "select hash, allowed, text from crossdock.graphql_query where tenant = $1 order by stored, hash",
            tenant.id,
        )
        return [(row["hash"], row["allowed"], row["text"]) for row in rows]

    def _keep(self, tenant: Tenant, hash_: str, text: str) -> str:
        self._known.pop((tenant.id, hash_), None)
        self._known[tenant.id, hash_] = (time.monotonic() + _FRESH, text)
        while len(self._known) > _IN_MEMORY:
            self._known.popitem(last=False)
        return text


def digest(text: str) -> str:
    """The hash that names a query."""
    return hashlib.sha256(text.encode()).hexdigest()
