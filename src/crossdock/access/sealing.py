"""Values that are sealed at rest: by a data key of their tenant, which a master key seals (an envelope).

    master key   file, environment or Vault (`master`); never in the database
      └ data key     32 bytes, numbered for each tenant; in crossdock.data_key, a copy for each master
          └ value        AES-256-GCM; what it is bound to is authenticated: it opens in no other place

    sealed value = 1 byte form | 4 bytes number of the data key | 12 bytes nonce | ciphertext and tag

What a value is bound to are texts, the first of which says whose it is: ("secret", connection, name).

A data key is sealed by every master that is known when it is made, so processes that know only the one
before can open it while they are started again, one by one. `rotate_master` seals all of them with the
current one and takes the copies of the others away; each is one transaction, so at any moment there is a copy
that opens.

Data keys stay in memory for `FRESH` seconds, and up to `LONGEST` while Vault does not answer.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crossdock.access.master import Master, Masters
from crossdock.errors import Broken, Refused, Unreachable
from crossdock.store import Database, EngineTransaction

FRESH = 300.0  # seconds
LONGEST = 3600.0
_FORM = 1
_HEAD = struct.Struct(">BI")
_NONCE = 12
_STEP = 100  # data keys

_LOCK: LiteralString = "select pg_advisory_xact_lock(hashtext('crossdock.data_key'))"
_NEWEST: LiteralString = (
    "select number from crossdock.data_key where tenant = $1 order by number desc limit 1"
)
_COPIES: LiteralString = (
    "select master, sealed from crossdock.data_key where tenant = $1 and number = $2 order by master"
)
_ADD: LiteralString = """
insert into crossdock.data_key (tenant, number, master, sealed)
select $1, $2, k.master, k.sealed from unnest($3::text[], $4::bytea[]) as k(master, sealed)
on conflict (tenant, number, master) do update set sealed = excluded.sealed
"""
_ALL_AFTER: LiteralString = """
select distinct tenant, number from crossdock.data_key
where (tenant, number) > ($1, $2) order by tenant, number limit $3
"""
_SEALED_BY: LiteralString = """
select master, count(*) as keys, min(tenant) as tenant from crossdock.data_key group by master order by master
"""
_WITHOUT: LiteralString = """
select count(*) from (
  select tenant, number from crossdock.data_key group by tenant, number
  having not bool_or(master = any($1::text[]))) k
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """How sealing stands: `current` is the master's name, `sealed_by` how many data keys each has sealed."""

    current: str
    sealed_by: dict[str, int]


class Sealing:
    """Seals and opens values of all tenants."""

    def __init__(self, database: Database, masters: Masters) -> None:
        """With these master keys."""
        self._database = database
        self.masters = masters
        self._keys: dict[tuple[int, int], tuple[float, AESGCM]] = {}

    async def begin(self, tenant: int) -> Locks:
        """See that everything opens. Where nothing was ever sealed, begin: with a master key of our own if
        none is given, and a data key for that tenant, so that another master is noticed from now on.

        Raises `Refused` where the master key is missing or another one, `Unreachable` where Vault is away:
        then nothing has been changed.
        """
        async with self._database.engine() as transaction:
            await transaction.value(_LOCK)
            rows = await transaction.fetch(_SEALED_BY)
            known = self.masters.known()
            if not known and not rows:
                self.masters.make()
            if not rows:
                await self._add_key(transaction, tenant, newer=False)
        return await self.look()

    async def look(self) -> Locks:
        """See that everything opens, and change nothing. Raises as `begin` does."""
        known = self.masters.known()
        names = [master.name for master in known]
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_SEALED_BY)
            left = await transaction.value(_WITHOUT, names)
        sealed_by = {row["master"]: row["keys"] for row in rows}
        if left:
            raise self._does_not_open(list(sealed_by), names)
        for row in rows:  # one of each: Vault may answer, and have lost the key
            if row["master"] in names:
                await self._opened_by(known[names.index(row["master"])], row["tenant"])
        return Locks(current=self.masters.current().name if known else "", sealed_by=sealed_by)

    async def seal(self, tenant: int, bound: Sequence[str], data: bytes) -> bytes:
        """Seal a value. Raises as `begin` does."""
        return (await self.seal_all(tenant, [(bound, data)]))[0]

    async def seal_all(self, tenant: int, values: Sequence[tuple[Sequence[str], bytes]]) -> list[bytes]:
        """Seal values, each with what it is bound to, at the cost of one. Raises as `begin` does."""
        number = await self._newest(tenant)
        cipher = await self._key(tenant, number)
        sealed = []
        for bound, data in values:
            nonce = secrets.token_bytes(_NONCE)
            text = cipher.encrypt(nonce, data, _bound(tenant, bound))
            sealed.append(_HEAD.pack(_FORM, number) + nonce + text)
        return sealed

    async def open(self, tenant: int, bound: Sequence[str], sealed: bytes) -> bytes:
        """Open a value. Raises `Broken` where it was changed or stood elsewhere, and as `begin` does."""
        nonce, text = sealed[_HEAD.size : _HEAD.size + _NONCE], sealed[_HEAD.size + _NONCE :]
        try:
            cipher = await self._key(tenant, number_of(sealed))
            return cipher.decrypt(nonce, text, _bound(tenant, bound))
        except (InvalidTag, ValueError, struct.error):
            raise Broken(
                "a sealed value was changed, or was put where it does not belong",
                where=" ".join(bound),
                mend="set it again, or restore it from a backup",
            ) from None

    async def rotate_master(self) -> int:
        """Seal all data keys with the current master alone; gives how many. Any number may run at once."""
        done, at = 0, (0, 0)
        while True:
            async with self._database.engine() as transaction:
                rows = await transaction.fetch(_ALL_AFTER, *at, _STEP)
            for row in rows:
                at = (row["tenant"], row["number"])
                await self._seal_anew(*at)
            done += len(rows)
            if len(rows) < _STEP:
                return done

    async def new_data_key(self, tenant: int) -> int:
        """A new data key for what is sealed from now on; gives its number. Old values still open."""
        async with self._database.engine() as transaction:
            return await self._add_key(transaction, tenant, newer=True)

    async def _seal_anew(self, tenant: int, number: int) -> None:
        async with self._database.engine() as transaction:
            await transaction.value(_LOCK)  # nobody else seals this one meanwhile
            copies = await transaction.fetch(_COPIES, tenant, number)
            if not copies:
                return
            key = await self._opened([(row["master"], row["sealed"]) for row in copies], tenant, number)
            master = self.masters.current()
            sealed = await master.seal(key, _about(tenant, number))
            await transaction.execute(_ADD, tenant, number, [master.name], [sealed])
            await transaction.execute(
                "delete from crossdock.data_key where tenant = $1 and number = $2 and master <> $3",
                tenant,
                number,
                master.name,
            )

    async def _newest(self, tenant: int) -> int:
        async with self._database.engine() as transaction:
            found: int | None = await transaction.value(_NEWEST, tenant)
            return found or await self._add_key(transaction, tenant, newer=False)

    async def _add_key(self, transaction: EngineTransaction, tenant: int, *, newer: bool) -> int:
        await transaction.value(_LOCK)
        newest: int = await transaction.value(_NEWEST, tenant) or 0
        if newest and not newer:
            return newest
        key, number = secrets.token_bytes(32), newest + 1
        known = list({master.name: master for master in self.masters.known()}.values())
        if not known:
            self.masters.current()  # says that there is none
        sealed = [await master.seal(key, _about(tenant, number)) for master in known]
        await transaction.execute(_ADD, tenant, number, [master.name for master in known], sealed)
        return number

    async def _key(self, tenant: int, number: int) -> AESGCM:
        kept = self._keys.get((tenant, number))
        now = time.monotonic()
        if kept is not None and now - kept[0] < FRESH:
            return kept[1]
        async with self._database.engine() as transaction:
            copies = await transaction.fetch(_COPIES, tenant, number)
        try:
            key = await self._opened([(row["master"], row["sealed"]) for row in copies], tenant, number)
        except Unreachable:
            if kept is not None and now - kept[0] < LONGEST:
                return kept[1]
            raise
        self._keys = {name: one for name, one in self._keys.items() if now - one[0] < LONGEST}
        self._keys[tenant, number] = (now, AESGCM(key))
        return self._keys[tenant, number][1]

    async def _opened(self, copies: Sequence[tuple[str, bytes]], tenant: int, number: int) -> bytes:
        """A data key, by the first of our masters that sealed a copy of it."""
        by = dict(copies)
        known = self.masters.known()
        away: Unreachable | None = None
        for master in known:
            if master.name in by:
                try:
                    return await master.open(by[master.name], _about(tenant, number))
                except Unreachable as error:
                    away = error
        if away is not None:
            raise away
        if not by:
            raise Broken(
                f"there is no data key {number} of tenant {tenant}",
                where="the table crossdock.data_key",
                mend="restore it from a backup",
            )
        raise self._does_not_open(list(by), [master.name for master in known])

    async def _opened_by(self, master: Master, tenant: int) -> None:
        async with self._database.engine() as transaction:
            row = await transaction.row(
                "select number, sealed from crossdock.data_key where tenant = $1 and master = $2 limit 1",
                tenant,
                master.name,
            )
        if row is not None:
            await master.open(row["sealed"], _about(tenant, row["number"]))

    def _does_not_open(self, needed: Sequence[str], known: Sequence[str]) -> Refused:
        what = f"another master key than {', '.join(known)}" if known else "a master key that is not here"
        return Refused(
            f"the secrets are sealed with {what}: {', '.join(needed)}",
            where=self.masters.where,
            mend="give the master key that this installation began with; nothing is lost, and nothing of it "
            "opens without that key",
        )


def number_of(sealed: bytes) -> int:
    """Of the data key that sealed it. Raises `ValueError` for what is no sealed value."""
    form, number = _HEAD.unpack(sealed[: _HEAD.size])
    if form != _FORM:
        raise ValueError("not a sealed value")
    return int(number)


def _bound(tenant: int, texts: Sequence[str]) -> bytes:
    """What is authenticated with a value. Lengths stand before texts, so no two are alike."""
    parts = [b"crossdock.value.1", struct.pack(">Q", tenant)]
    for text in texts:
        data = text.encode()
        parts += (struct.pack(">I", len(data)), data)
    return b"".join(parts)


def _about(tenant: int, number: int) -> bytes:
    return b"crossdock.data_key.1" + struct.pack(">QI", tenant, number)
