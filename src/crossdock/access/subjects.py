"""Personal data: sealed with a key of its subject, and erased by destroying that key.

    at the door     a `Seal` makes tokens of personal values, ⟦p:HANDLE:CIPHER⟧
    inside          state, history and audit hold tokens; texts may be put together of them
    at the edge     `reveal`: tokens are opened wherever they stand in texts; `[erased]` where the key is
                    gone, `[hidden]` for whoever may not read them

A token is the same for the same subject and value (AES-SIV, RFC 5297): comparing, duplicates and aliases
work, and a replay gives what it gave. So nothing that was hashed or signed changes when somebody is erased.

What comes in cannot carry a token: its brackets are taken out at the door, or whoever may send an event could
have an edge open what is another subject's.

The handle is a keyed hash of the subject's name; who holds a token alone does not learn whose it is. A
subject that was erased, and comes again with something new, has another handle and another key. Keys of
subjects are sealed by `Sealing`.

A process opens with a key for `fresh` seconds after it asked for it, and keys are asked for many at once.
Erasing answers that long after the key is gone: whoever reads after the answer finds it in no process.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from crossdock.access.audit import Audit
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing, number_of
from crossdock.access.seals import (
    ERASED,
    MARK,
    TOKEN,
    Ciphers,
    Opened,
    Opening,
    Seal,
    bound_to,
    open_token,
    plain_value,
    words_of,
)
from crossdock.access.who import Principal
from crossdock.errors import NotFound, Refused
from crossdock.store import Database, Tenant, Together

FRESH = 1.0  # seconds that a process opens with a key without asking for it again
RAW = "raw/"  # subjects of bodies as they came, one a day
RAW_DAYS = 30  # after which what came raw opens no more

_KEY = 64  # bytes: AES-256-SIV
_MOST_KEPT = 20_000  # keys in memory
_MOST_INDEXED = 5_000  # subjects whose words are known
_MOST_LIVES = 1000  # of one subject: each time that it was erased, it begins another
_GONE = b""

_GET: LiteralString = """
select s.tenant, s.handle, s.sealed from unnest($1::int[], $2::text[]) as k(tenant, handle)
join crossdock.subject s on s.tenant = any(array[k.tenant]) and s.handle = any(array[k.handle])
"""
_MAKE: LiteralString = """
insert into crossdock.subject (tenant, handle, subject, key, sealed)
select $1::int, k.* from unnest($2::text[], $3::text[], $4::int[], $5::bytea[])
  as k(handle, subject, key, sealed)
order by k.handle
on conflict do nothing returning handle
"""
_INDEX: LiteralString = """
with w as (
  insert into crossdock.subject_word (tenant, word, handle)
  select $1::int, k.word, k.handle from unnest($2::bytea[], $3::text[]) as k(word, handle)
  order by 2, 3
  on conflict do nothing
)
insert into crossdock.subject_key (tenant, kind, value, handle)
select distinct on (k.kind, k.value) $1::int, k.* from unnest($4::text[], $5::text[], $6::text[])
  as k(kind, value, handle) order by k.kind, k.value
on conflict do nothing returning kind, value, handle
"""
_FIND: LiteralString = """
select s.handle, s.subject, s.made from crossdock.subject_word w
join crossdock.subject s on s.tenant = w.tenant and s.handle = w.handle
where w.tenant = $1 and w.word = any($2::bytea[]) and s.erased is null
group by s.handle, s.subject, s.made having count(distinct w.word) = cardinality($2::bytea[])
order by s.subject limit $3
"""
_ONE: LiteralString = """
select handle, subject, made from crossdock.subject
where tenant = $1 and handle = $2 and handle <> '' and erased is null
"""
_LIST_ERASED: LiteralString = """
select handle, made, erased from crossdock.subject
where tenant = crossdock.tenant() and erased is not null and subject not like 'raw/%'
order by erased desc, handle limit $1
"""
_ERASE: LiteralString = """
update crossdock.subject set sealed = null, subject = '', erased = statement_timestamp()
where tenant = $1 and handle = $2 and erased is null returning erased
"""
_FORGET: LiteralString = "delete from crossdock.subject_word where tenant = $1 and handle = $2"
_SHRED: LiteralString = """
update crossdock.subject set sealed = null, erased = statement_timestamp()
where subject like 'raw/%' and erased is null and made < statement_timestamp() - $1::interval
"""
# What a process sealed while the key went, it may have indexed after that.
_FORGET_LATE: LiteralString = """
delete from crossdock.subject_word w using crossdock.subject s
where s.erased > statement_timestamp() - interval '1 day' and w.tenant = s.tenant and w.handle = s.handle
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose data it is. `handle` stands in its tokens."""

    handle: str
    subject: str
    made: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What went: the key, and so many words of the index."""

    handle: str
    at: datetime
    words: int


class Subjects:
    """The subjects of all tenants."""

    def __init__(self, database: Database, sealing: Sealing, audit: Audit, *, fresh: float = FRESH) -> None:
        """In that database; all processes of an installation have the same `fresh`, in seconds."""
        self._database = database
        self._sealing = sealing
        self._audit = audit
        self._fresh = fresh
        self._keys: dict[tuple[int, str], tuple[float, bytes]] = {}
        self._indexed: dict[tuple[int, str], set[str]] = {}  # tokens by whose words subjects are found
        self._asking: Together[set[tuple[int, str]], dict[tuple[int, str], bytes]] = Together(
            self._ask, weigh=len
        )

    async def named(self, tenant: int, subject: str) -> Seal:
        """The seal of a subject, made where it is new; one that was erased begins again, as another."""
        return (await self.all_named(tenant, [subject]))[subject]

    async def all_named(self, tenant: int, subjects: Iterable[str]) -> dict[str, Seal]:
        """The seals of subjects, as `named` gives one."""
        index = await self._index_key(tenant)
        left, found = set(subjects), dict[str, Seal]()
        for life in range(_MOST_LIVES):
            handles = {subject: _handle(index, subject, life) for subject in left}
            keys = await self._made(tenant, {handle: subject for subject, handle in handles.items()})
            for subject, handle in handles.items():
                if keys[handle] != _GONE:
                    found[subject] = self._seal(tenant, handle, index, keys[handle])
            left -= found.keys()
            if not left:
                return found
        raise Refused("this subject was erased too often", where=min(left), mend="name another subject")

    async def held(self, tenant: int, handles: Collection[str]) -> dict[str, Seal]:
        """The seals with those handles; where one was erased, or is not there, one that keeps nothing."""
        keys = await self._read(tenant, handles)
        index = await self._index_key(tenant)
        return {handle: self._seal(tenant, handle, index, keys.get(handle, _GONE)) for handle in handles}

    def _seal(self, tenant: int, handle: str, index: bytes, key: bytes) -> Seal:
        cipher = AESSIV(key) if key else None
        return Seal(
            handle, index, cipher, bound_to(tenant, handle), self._indexed.get((tenant, handle), set())
        )

    async def keep(
        self, tenant: int, seals: Iterable[Seal], named: Iterable[tuple[str, str, str]] = ()
    ) -> list[tuple[str, str, str]]:
        """Let subjects be found by what their seals have sealed, and by business keys: (kind, value, handle).

        A key that has a subject already keeps that one. Gives those that had none.
        """
        new = [seal for seal in seals if seal.words]
        rows = sorted({(word, seal.handle) for seal in new for word in seal.words})
        keys = sorted(set(named))
        if not rows and not keys:
            return []
        index = list(zip(*rows, strict=True)) if rows else [(), ()]
        columns = list(zip(*keys, strict=True)) if keys else [(), (), ()]
        added = await self._database.at_once(_INDEX, tenant, *index, *columns)
        if len(self._indexed) > _MOST_INDEXED:
            self._indexed.clear()
        for seal in new:
            self._indexed.setdefault((tenant, seal.handle), set()).update(seal.made.values())
        return [(row["kind"], row["value"], row["handle"]) for row in added]

    async def reveal(self, tenant: int, data: Any) -> Any:
        """A value with all its tokens opened; `[erased]` for those whose key is gone or that are none."""
        return (await self.opened(tenant, data)).data

    async def opened(self, tenant: int, data: Any) -> Opened:
        """A value with all its tokens opened, and what they said."""
        encoded = msgspec.json.encode(data)
        if MARK not in encoded:
            return Opened(data, None, gone=False)
        handles = {match.group(1) for match in TOKEN.finditer(encoded.decode())}
        opening = Opening(await self._ciphers(tenant, handles))
        return Opened(opening.value(data), opening.said, gone=opening.gone)

    async def reveal_bytes(self, tenant: int, data: bytes) -> bytes:
        """Bytes that were sealed as a whole, as they came; others as they are."""
        match = TOKEN.fullmatch(data.decode()) if data.startswith(MARK) else None
        if match is None:
            return data
        found = open_token(match, await self._ciphers(tenant, {match.group(1)}))
        return ERASED.encode() if found is None else found

    async def reveal_text(
        self, tenant: int, text: str, escape: Callable[[str], str], found: re.Pattern[str] = TOKEN
    ) -> str:
        """A text in which tokens stand, as `found` finds them; what they say is put in by `escape`."""
        ciphers = await self._ciphers(tenant, {match.group(1) for match in found.finditer(text)})

        def one(match: re.Match[str]) -> str:
            data = open_token(match, ciphers)
            return escape(ERASED if data is None else str(plain_value(data)))

        return found.sub(one, text)

    async def _ciphers(self, tenant: int, handles: Collection[str]) -> Ciphers:
        keys = await self._read(tenant, handles)
        return {handle: (AESSIV(key), bound_to(tenant, handle)) for handle, key in keys.items() if key}

    async def find(self, tenant: int, text: str, *, most: int = 100) -> list[Subject]:
        """Subjects that have all words of the text in names, e-mail or telephone numbers."""
        index = await self._index_key(tenant)
        wanted = sorted(words_of(index, text))
        rows = await self._database.at_once(_FIND, tenant, wanted, most) if wanted else []
        return [Subject(handle=row["handle"], subject=row["subject"], made=row["made"]) for row in rows]

    async def known(self, tenant: int, subject: str) -> Subject:
        """A subject that is not erased, by its name or its handle. Raises `NotFound`."""
        index = await self._index_key(tenant)
        handles = [subject, *(_handle(index, subject, life) for life in range(_MOST_LIVES))]
        for handle in handles:
            (row,) = await self._database.at_once(_ONE, tenant, handle) or (None,)
            if row is not None:
                return Subject(handle=row["handle"], subject=row["subject"], made=row["made"])
            if handle != subject and not await self._read(tenant, [handle]):
                break
        raise NotFound(f"nothing is held of {subject}", mend="find whose data it is by a name")

    async def erase(self, tenant: int, subject: str, *, by: Principal, why: str) -> Erased:
        """Destroy the key: when this has answered, nothing of it opens again, in any process.

        Raises `NotFound`, and `Refused` where no why is.
        """
        if not why.strip():
            raise Refused("erasing needs a reason", mend="say who asked for it, and when")
        handle = (await self.known(tenant, subject)).handle
        async with self._database.engine() as transaction:
            at: datetime | None = await transaction.value(_ERASE, tenant, handle)
            if at is None:
                raise NotFound(f"nothing is held of {subject}", mend="somebody was quicker")
            words = await transaction.execute(_FORGET, tenant, handle)
            resource = Resource(kind="subject", id=handle)
            await self._audit.record(
                transaction, by, "personal.erase", resource, why=why, after={"words": words}, tenant=tenant
            )
        self._keys[tenant, handle] = (time.monotonic(), _GONE)
        self._indexed.pop((tenant, handle), None)
        await asyncio.sleep(self._fresh)
        await self._database.at_once(_FORGET, tenant, handle)  # what others have sealed until now
        return Erased(handle=handle, at=at, words=words)

    async def erased(self, tenant: Tenant, *, most: int = 1000) -> list[tuple[str, datetime, datetime]]:
        """Handles that were erased, the last first: with when they were made, and when erased."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_LIST_ERASED, most)
        return [(row["handle"], row["made"], row["erased"]) for row in rows]

    async def shred(self) -> None:
        """Destroy the keys of what came raw, and is older than it may be; and what is left of an index."""
        await self._database.at_once(_SHRED, timedelta(days=RAW_DAYS))
        await self._database.at_once(_FORGET_LATE)

    async def _made(self, tenant: int, subjects: Mapping[str, str]) -> dict[str, bytes]:
        """The keys of subjects by their handles, made where there never was one; empty where destroyed."""
        keys = await self._read(tenant, subjects)
        new = [handle for handle in subjects if handle not in keys]
        if not new:
            return keys
        made = {handle: secrets.token_bytes(_KEY) for handle in new}
        sealed = await self._sealing.seal_all(
            tenant, [(("subject", handle), key) for handle, key in made.items()]
        )
        began = time.monotonic()
        rows = await self._database.at_once(
            _MAKE, tenant, new, [subjects[handle] for handle in new], list(map(number_of, sealed)), sealed
        )
        for row in rows:
            keys[row["handle"]] = made[row["handle"]]
            self._remember((tenant, row["handle"]), began, made[row["handle"]])
        others = [handle for handle in new if handle not in keys]  # somebody else was first
        return keys | (await self._read(tenant, others) if others else {})

    async def _read(self, tenant: int, handles: Collection[str]) -> dict[str, bytes]:
        """The keys; empty for one that is destroyed, none for one that never was."""
        now = time.monotonic()
        found: dict[str, bytes] = {}
        stale: set[tuple[int, str]] = set()
        for handle in handles:
            kept = self._keys.get((tenant, handle))
            if kept is not None and self._is_fresh(handle, kept[0], now):
                found[handle] = kept[1]
            else:
                stale.add((tenant, handle))
        if stale:
            asked = await self._asking.put(tenant, stale)
            found.update((name[1], asked[name]) for name in stale if name in asked)
        return found

    def _is_fresh(self, handle: str, asked: float, now: float) -> bool:
        return now - asked < self._fresh or handle == ""

    async def _ask(self, batch: Sequence[set[tuple[int, str]]]) -> list[dict[tuple[int, str], bytes]]:
        names = sorted(set[tuple[int, str]]().union(*batch))
        now = time.monotonic()  # what is found is at least as new as this
        rows = await self._database.at_once(_GET, *zip(*names, strict=True))
        found: dict[tuple[int, str], bytes] = {}
        for row in rows:
            name, sealed = (row["tenant"], row["handle"]), row["sealed"]
            key = _GONE if sealed is None else await self._sealing.open(name[0], ("subject", name[1]), sealed)
            found[name] = key
            self._remember(name, now, key)
        return [found] * len(batch)

    def _remember(self, name: tuple[int, str], asked: float, key: bytes) -> None:
        if len(self._keys) > _MOST_KEPT:
            now = time.monotonic()
            self._keys = {
                one: kept for one, kept in self._keys.items() if self._is_fresh(one[1], kept[0], now)
            }
        self._keys[name] = (asked, key)

    async def _index_key(self, tenant: int) -> bytes:
        return (await self._made(tenant, {"": ""}))[""]


def _handle(index: bytes, subject: str, life: int = 0) -> str:
    again = f"\0{life}".encode() if life else b""
    digest = hmac.digest(index, b"handle\0" + subject.encode() + again, "sha256")
    return base64.urlsafe_b64encode(digest[:12]).decode()
