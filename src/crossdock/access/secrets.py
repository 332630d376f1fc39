"""Secrets of connections: kept sealed, opened for calls and signatures, never shown.

A secret has a name, and one or several texts, each at a place: the one at place 0 is used, those behind it
hold still for what comes in, until they expire or are dropped. What is listed tells names, when and by whom,
and no part of a text.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import LiteralString

import structlog

from crossdock.access.audit import Audit
from crossdock.access.redaction import Redaction
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing, number_of
from crossdock.access.who import Principal
from crossdock.errors import Broken, NotFound, Refused
from crossdock.store import Database, EngineTransaction, Tenant

log = structlog.get_logger(__name__)

MOST_PLACES = 4
LONGEST = 64 * 1024  # bytes of one text: certificates and key sets fit
_STEP = 100  # values sealed again in one transaction

# Who changes a secret waits for whoever changes secrets of the same connection.
_MINE: LiteralString = "select pg_advisory_xact_lock($1, hashtext('crossdock.secret ' || $2))"

_OPEN: LiteralString = """
select name, place, sealed from crossdock.secret
where tenant = $1 and connection = $2 and (place = 0 or expires is null or expires > statement_timestamp())
order by name, place
"""
_ONE: LiteralString = """
select place, sealed from crossdock.secret
where tenant = $1 and connection = $2 and name = $3 order by place for update
"""
_LIST: LiteralString = """
select connection, name, place, set_at, set_by, expires, key from crossdock.secret
where $1::text is null or connection = $1 order by connection, name, place
"""
_PUT: LiteralString = """
insert into crossdock.secret (tenant, connection, name, place, key, set_by, sealed, expires)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_BEHIND: LiteralString = """
update crossdock.secret set place = place + $4,
  expires = case when place = 0 then least(expires, $5) else expires end
where tenant = $1 and connection = $2 and name = $3
"""
_OLD: LiteralString = """
select connection, name, place, sealed from crossdock.secret
where tenant = $1 and key < $2 order by connection, name, place limit $3 for update
"""
_AGAIN: LiteralString = """
update crossdock.secret s set key = k.key, sealed = k.sealed
from unnest($2::int[], $3::text[], $4::text[], $5::int[], $6::bytea[])
  as k(key, connection, name, place, sealed)
where s.tenant = $1 and s.connection = k.connection and s.name = k.name and s.place = k.place
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A secret as it may be shown. `place` 0 is in use; the others hold still. `key`: its data key."""

    connection: str
    name: str
    place: int
    set_at: datetime
    set_by: str
    expires: datetime | None
    key: int


class ConnectionSecrets:
    """The secrets of the connections of all tenants."""

    def __init__(self, database: Database, sealing: Sealing, audit: Audit, redaction: Redaction) -> None:
        """What is opened is told to `redaction`, so that no log shows it."""
        self._database = database
        self._sealing = sealing
        self._audit = audit
        self._redaction = redaction

    async def open(self, tenant: int, connection: str) -> dict[str, list[str]]:
        """All texts by name, the one in use first. Raises `Unreachable`, `Refused`, `Broken`."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_OPEN, tenant, connection)
        found: dict[str, list[str]] = {}
        for row in rows:
            opened = await self._sealing.open(tenant, _bound(connection, row["name"]), row["sealed"])
            found.setdefault(row["name"], []).append(opened.decode())
        self._redaction.learn(text for texts in found.values() for text in texts)
        return found

    async def known(self, tenant: Tenant, connection: str | None = None) -> list[Known]:
        """What is set, without any text."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_LIST, connection)
        return [Known(**dict(row)) for row in rows]

    async def put(
        self,
        tenant: int,
        connection: str,
        secrets: Mapping[str, str | Sequence[str]],
        *,
        by: Principal,
        expires: datetime | None = None,
    ) -> list[str]:
        """Set secrets of a connection; those not named stay. Of several texts the first is used.

        What is so already is left as it is. Gives the names that have changed. Raises `Refused`.
        """
        changed = []
        for name, given in secrets.items():
            texts = [given] if isinstance(given, str) else list(given)
            _refuse(connection, name, texts)
            sealed = [await self._seal(tenant, connection, name, text) for text in texts]
            async with self._database.engine() as transaction:
                await transaction.value(_MINE, tenant, connection)
                if await self._is_so(transaction, tenant, connection, name, texts):
                    continue
                await transaction.execute(
                    "delete from crossdock.secret where tenant = $1 and connection = $2 and name = $3",
                    tenant,
                    connection,
                    name,
                )
                for place, one in enumerate(sealed):
                    await transaction.execute(
                        _PUT, tenant, connection, name, place, number_of(one), by.id, one, expires
                    )
                await self._note(transaction, tenant, by, connection, name, {"set": len(texts)})
            changed.append(name)
        return changed

    async def replace(
        self,
        tenant: int,
        connection: str,
        name: str,
        text: str,
        *,
        by: Principal,
        old_until: datetime | None = None,
        expires: datetime | None = None,
    ) -> None:
        """Set a secret, and let those before it hold on behind it, until an instant or until dropped.

        Raises `Refused` where more would hold than may.
        """
        _refuse(connection, name, [text])
        sealed = await self._seal(tenant, connection, name, text)
        async with self._database.engine() as transaction:
            await transaction.value(_MINE, tenant, connection)
            rows = await transaction.fetch(_ONE, tenant, connection, name)
            if len(rows) >= MOST_PLACES:
                raise Refused(
                    f"{len(rows)} texts of {name} hold already",
                    where=connection,
                    mend=f"drop the old ones: crossdock secrets drop {connection} {name} --old",
                )
            # Twice, since no two may have the same place on the way.
            await transaction.execute(_BEHIND, tenant, connection, name, 1000, old_until)
            await transaction.execute(_BEHIND, tenant, connection, name, -999, None)
            await transaction.execute(
                _PUT, tenant, connection, name, 0, number_of(sealed), by.id, sealed, expires
            )
            await self._note(transaction, tenant, by, connection, name, {"set": 1, "held_behind": len(rows)})

    async def drop(
        self, tenant: int, connection: str, name: str, *, by: Principal, only_old: bool = False
    ) -> int:
        """Forget a secret, or those of its texts that it has replaced; gives how many. Raises `NotFound`."""
        async with self._database.engine() as transaction:
            await transaction.value(_MINE, tenant, connection)
            gone = await transaction.execute(
                "delete from crossdock.secret "
                "where tenant = $1 and connection = $2 and name = $3 and place >= $4",
                tenant,
                connection,
                name,
                1 if only_old else 0,
            )
            if gone:
                await self._note(transaction, tenant, by, connection, name, {"dropped": gone})
        if not gone:
            raise NotFound(f"there is no {'old text of ' if only_old else ''}{name}", where=connection)
        return gone

    async def rotate_master(self, tenants: Sequence[Tenant], *, by: Principal) -> int:
        """Seal all data keys with the current master alone, noted for each tenant; gives how many.

        Raises `Refused`, `Unreachable`: what was done until then stays, and everything opens still.
        """
        keys = await self._sealing.rotate_master()
        locks = await self._sealing.look()
        for tenant in tenants:
            async with self._database.engine() as transaction:
                await self._audit.record(
                    transaction,
                    by,
                    "secret.master_rotated",
                    Resource(kind="tenant", id=tenant.name),
                    after={"sealed_by": locks.current},
                    tenant=tenant.id,
                )
        return keys

    async def seal_again(self, tenant: int, *, by: Principal) -> int:
        """A new data key for the tenant, and all its values sealed with it, step by step; gives how many."""
        number = await self._sealing.new_data_key(tenant)
        done = 0
        while True:
            async with self._database.engine() as transaction:
                rows = await transaction.fetch(_OLD, tenant, number, _STEP)
                sealed = []
                for row in rows:
                    bound = _bound(row["connection"], row["name"])
                    text = await self._sealing.open(tenant, bound, row["sealed"])
                    sealed.append(await self._sealing.seal(tenant, bound, text))
                if not rows:
                    await self._audit.record(
                        transaction,
                        by,
                        "secret.sealed_again",
                        Resource(kind="tenant", id=str(tenant)),
                        after={"values": done, "data_key": number},
                        tenant=tenant,
                    )
                    return done
                await transaction.execute(
                    _AGAIN,
                    tenant,
                    [number_of(one) for one in sealed],
                    [row["connection"] for row in rows],
                    [row["name"] for row in rows],
                    [row["place"] for row in rows],
                    sealed,
                )
            done += len(rows)

    async def take_over(self, file: Path, *, by: Principal) -> int:
        """Take secrets over from the file that held them once, and remove it after the commit.

        Gives how many. Raises `Broken` where the file is not what it should be: then it stays.
        """
        found = await asyncio.to_thread(_in_file, file)
        if found is None:
            return 0
        done = 0
        for tenant, connection, secrets in found:
            if not set(secrets) & set(await self.open(tenant, connection)):  # what was set since counts
                done += len(await self.put(tenant, connection, secrets, by=by))
        await asyncio.to_thread(file.unlink, missing_ok=True)
        log.info("secrets.taken_over", where=str(file), secrets=done, removed=True)
        return done

    async def _seal(self, tenant: int, connection: str, name: str, text: str) -> bytes:
        return await self._sealing.seal(tenant, _bound(connection, name), text.encode())

    async def _is_so(
        self, transaction: EngineTransaction, tenant: int, connection: str, name: str, texts: Sequence[str]
    ) -> bool:
        rows = await transaction.fetch(_ONE, tenant, connection, name)
        if len(rows) != len(texts):
            return False
        same = True
        for row, text in zip(rows, texts, strict=True):
            try:
                opened = await self._sealing.open(tenant, _bound(connection, name), row["sealed"])
            except Broken:  # it was spoilt: setting it again is the mend
                return False
            same &= compare_digest(opened, text.encode())
        return same

    async def _note(
        self,
        transaction: EngineTransaction,
        tenant: int,
        by: Principal,
        connection: str,
        name: str,
        what: dict[str, int],
    ) -> None:
        resource = Resource(kind="connection", id=connection)
        await self._audit.record(
            transaction, by, "connection.change", resource, after={"named": name, **what}, tenant=tenant
        )


def _in_file(file: Path) -> list[tuple[int, str, dict[str, list[str]]]] | None:
    """What stands in {tenant: {connection: {name: [text, ...]}}}; None where there is no such file."""
    try:
        return [
            (int(tenant), str(connection), {str(name): [str(text) for text in texts]})
            for tenant, connections in json.loads(file.read_text()).items()
            for connection, names in connections.items()
            for name, texts in names.items()
        ]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Broken(
            f"the file of secrets cannot be read: {type(error).__name__}",
            where=str(file),
            mend="mend it, or move it away and set the secrets again",
        ) from None


def _bound(connection: str, name: str) -> tuple[str, str, str]:
    return ("secret", connection, name)


def _refuse(connection: str, name: str, texts: Sequence[str]) -> None:
    if not texts or not all(texts):
        raise Refused(f"the secret `{name}` is empty", where=connection, mend="give its text")
    if len(texts) > MOST_PLACES:
        raise Refused(f"{len(texts)} texts of `{name}`; {MOST_PLACES} may hold at a time", where=connection)
    if any(len(text.encode()) > LONGEST for text in texts):
        raise Refused(f"the secret `{name}` is longer than {LONGEST} bytes", where=connection)
