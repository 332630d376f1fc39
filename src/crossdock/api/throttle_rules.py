"""What is agreed: how many requests of which kind, for each key, for a tenant as a whole, for an address.

Settings say it for everybody; a tenant as a whole and single keys may have agreed on something else, which
stands in `crossdock.throttle_limit`. What is changed there holds everywhere after half a minute at most.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import LiteralString

from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit
from crossdock.errors import NotFound, Refused, Unreachable
from crossdock.store import Database, Tenant

KINDS = ("read", "write", "search", "bulk", "graphql")
WHOLE = ""  # in the place of a key: the tenant as a whole
_FRESH = 30.0  # seconds
_MOST_TENANTS = 10_000
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_WRITTEN = re.compile(r"(?:(\w+) )?(\d{1,9}) ?/ ?(?:(\d{1,6}) )?(second|minute|hour|day)s?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`amount` requests within `seconds`, refilled evenly; all of them may come at once after a rest."""

    amount: int
    seconds: float

    @property
    def each(self) -> float:
        """Seconds in which one request is refilled."""
        return self.seconds / self.amount

    @staticmethod
    def read(text: str, *, where: str = "") -> Limit:
        """From `600/minute` or `50/10 seconds`. Raises `Refused`."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None or found[1] or not int(found[2]) or (found[3] and not int(found[3])):
            raise Refused(f"{text!r} is no limit", where=where, mend="write 600/minute, or 50/10 seconds")
        return Limit(amount=int(found[2]), seconds=int(found[3] or 1) * _UNITS[found[4]])

    def __str__(self) -> str:
        for unit, seconds in _UNITS.items():
            if self.seconds == seconds:
                return f"{self.amount}/{unit}"
        return f"{self.amount}/{self.seconds:g} seconds"


def limits_by_kind(texts: Iterable[str], *, where: str = "") -> dict[str, Limit]:
    """From `read 600/minute`, one for each kind. Raises `Refused`."""
    found: dict[str, Limit] = {}
    for text in texts:
        kind, _, limit = text.strip().partition(" ")
        if kind not in KINDS:
            mend = f"begin with one of {', '.join(KINDS)}, as in `read 600/minute`"
            raise Refused(f"{text!r} is a limit for nothing", where=where, mend=mend)
        found[kind] = Limit.read(limit, where=where)
    return found


_AGREED: LiteralString = """
select who, kind, amount, seconds from crossdock.throttle_limit where tenant = $1
"""
_PUT: LiteralString = """
insert into crossdock.throttle_limit (tenant, who, kind, amount, seconds) values ($1, $2, $3, $4, $5)
on conflict (tenant, who, kind) do update set amount = excluded.amount, seconds = excluded.seconds
"""
_DROP: LiteralString = """
delete from crossdock.throttle_limit where tenant = $1 and who = $2 and kind = $3
"""

_Agreed = Mapping[tuple[str, str], Limit]


class Rules:
    """The limits that hold: `key` for each key, `tenant` for a tenant as a whole, by kind; `address` for who
    cannot show who they are. Those of a kind that is not there have no limit.
    """

    def __init__(
        self,
        *,
        key: Mapping[str, Limit],
        tenant: Mapping[str, Limit],
        address: Limit | None = None,
        database: Database | None = None,
    ) -> None:
        """With a `database`, what is agreed with tenants and keys comes before what holds for all."""
        self.each_key = dict(key)
        self.whole = dict(tenant)
        self.address = address
        self._database = database
        self._agreed: dict[int, tuple[float, _Agreed]] = {}
        self._loading: dict[int, asyncio.Task[None]] = {}

    async def of(self, tenant: int, key: str, kind: str) -> tuple[Limit | None, Limit | None]:
        """What holds for a key, and for its tenant as a whole."""
        agreed = await self._of_tenant(tenant)
        if not agreed:
            return self.each_key.get(kind), self.whole.get(kind)
        return (
            agreed.get((key, kind), self.each_key.get(kind)),
            agreed.get((WHOLE, kind), self.whole.get(kind)),
        )

    def forget(self, tenant: int) -> None:
        """Look again at the next request what is agreed with a tenant."""
        self._agreed.pop(tenant, None)

    async def _of_tenant(self, tenant: int) -> _Agreed:
        known = self._agreed.get(tenant)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if self._database is None:
            return {}
        loading = self._loading.get(tenant)
        if loading is None:
            loading = self._loading[tenant] = asyncio.create_task(self._load(tenant, self._database))
            loading.add_done_callback(lambda _: self._loading.pop(tenant, None))
        if known is not None:
            return known[1]  # what held half a minute ago will do until the new is there
        await asyncio.shield(loading)
        return self._agreed[tenant][1]

    async def _load(self, tenant: int, database: Database) -> None:
        try:
            rows = await database.at_once(_AGREED, tenant)
            found = {(r["who"], r["kind"]): Limit(amount=r["amount"], seconds=r["seconds"]) for r in rows}
        except Unreachable:
            found = dict(self._agreed.get(tenant, (0.0, {}))[1])
        self._agreed.pop(tenant, None)
        self._agreed[tenant] = (time.monotonic() + _FRESH, found)
        while len(self._agreed) > _MOST_TENANTS:
            self._agreed.pop(next(iter(self._agreed)))


class Agreements:
    """What is agreed with tenants and keys: seen and changed, with an entry in the audit."""

    def __init__(self, database: Database, audit: Audit) -> None:
        """Of that database."""
        self._database = database
        self._audit = audit

    async def of(self, tenant: Tenant) -> dict[tuple[str, str], Limit]:
        """By who (a key; empty for the tenant as a whole) and kind."""
        rows = await self._database.at_once(_AGREED, tenant.id)
        return {
            (row["who"], row["kind"]): Limit(amount=row["amount"], seconds=row["seconds"]) for row in rows
        }

    async def put(
        self, tenant: Tenant, by: Principal, *, who: str, kind: str, limit: Limit | None, why: str = ""
    ) -> None:
        """Agree on a limit; None goes back to what holds for all. Raises `Refused`, `NotFound`."""
        if kind not in KINDS:
            raise Refused(f"there is no kind {kind!r}", where="kind", mend=f"there are: {', '.join(KINDS)}")
        before = (await self.of(tenant)).get((who, kind))
        async with self._database.engine() as transaction:
            if limit is None:
                if not await transaction.execute(_DROP, tenant.id, who, kind):
                    raise NotFound("nothing was agreed", where=f"{who or 'the tenant'}: {kind}")
            else:
                await transaction.execute(_PUT, tenant.id, who, kind, limit.amount, limit.seconds)
            await self._audit.record(
                transaction,
                by,
                "tenant.change",
                Resource(kind="limit", id=f"{who or '*'}/{kind}"),
                tenant=tenant.id,
                why=why,
                before={"limit": str(before)} if before else None,
                after={"limit": str(limit)} if limit else None,
            )
