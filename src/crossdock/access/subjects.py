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
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from crossdock.access.audit import Audit
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing, number_of
from crossdock.access.who import Principal
from crossdock.errors import NotFound, Refused
from crossdock.model.personal import transformed
from crossdock.store import Database, Tenant

ERASED = "[erased]"
HIDDEN = "[hidden]"  # from whoever may not read it
CUT = "[…]"  # a token that somebody has shortened
FRESH = 2.0  # seconds that another process may still open what was erased
RAW = "raw/"  # subjects of bodies as they came, one a day
RAW_DAYS = 30  # after which what came raw opens no more

TOKEN = re.compile(r"⟦p:([\w-]{16}):([\w-]+)⟧")
_BROKEN = re.compile(r"⟦p:[\w:-]*⟧?")
_KEY = 64  # bytes: AES-256-SIV
_WORD = re.compile(r"[^\W_]{2,}")
_MOST_WORDS = 32  # of one value
_MOST_KEPT = 20_000  # keys in memory
_MOST_LIVES = 1000  # of one subject: each time that it was erased, it begins another
_GONE = b""
_NUMBER = b"\0"  # before what is no text, as JSON has it

_GET: LiteralString = "select sealed from crossdock.subject where tenant = $1 and handle = $2"
_MAKE: LiteralString = """
insert into crossdock.subject (tenant, handle, subject, key, sealed) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
_INDEX: LiteralString = """
insert into crossdock.subject_word (tenant, word, handle)
select distinct $1::int, k.word, k.handle from unnest($2::bytea[], $3::text[]) as k(word, handle)
order by 2, 3
on conflict do nothing
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
_SHRED: LiteralString = """
update crossdock.subject set sealed = null, erased = statement_timestamp()
where subject like 'raw/%' and erased is null and made < statement_timestamp() - $1::interval
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


@dataclass(slots=True)
class Seal:
    """Makes the tokens of one subject; `words` are those by which it shall be found."""

    handle: str
    _index: bytes
    _cipher: AESSIV | None  # None where the subject was erased: what comes late is not kept at all
    _about: list[bytes]
    words: set[bytes] = field(default_factory=set)
    _made: dict[str | float, str] = field(default_factory=dict)

    @property
    def erased(self) -> bool:
        """Whether nothing can be sealed any more."""
        return self._cipher is None

    def token(self, value: str | float) -> str:
        """The token of a value, by which the subject can be found from now on."""
        if self._cipher is None:
            return ERASED
        found = self._made.get(value)
        if found is None or isinstance(value, int | float):
            plain = safe(value) if isinstance(value, str) else value
            data = plain.encode() if isinstance(plain, str) else _NUMBER + msgspec.json.encode(plain)
            found = self._made[value] = self.of_bytes(data)
            self.words.update(_words(self._index, str(plain)))
        return found

    def of_bytes(self, data: bytes) -> str:
        """The token of bytes as they came; nobody is found by it."""
        if self._cipher is None:
            return ERASED
        sealed = base64.urlsafe_b64encode(self._cipher.encrypt(data, self._about)).decode().rstrip("=")
        return f"⟦p:{self.handle}:{sealed}⟧"

    def hide(self, data: Any, *, event: str = "") -> Any:
        """A document with its personal values as tokens; brackets of tokens in it taken out."""
        return transformed(data, self.token, safe, event=event)


class Subjects:
    """The subjects of all tenants."""

    def __init__(self, database: Database, sealing: Sealing, audit: Audit) -> None:
        """In that database."""
        self._database = database
        self._sealing = sealing
        self._audit = audit
        self._keys: dict[tuple[int, str], tuple[float, bytes]] = {}

    async def named(self, tenant: int, subject: str) -> Seal:
        """The seal of a subject, made where it is new; one that was erased begins again, as another."""
        index = await self._index_key(tenant)
        for life in range(_MOST_LIVES):
            handle = _handle(index, subject, life)
            key = await self._made(tenant, handle, subject)
            if key != _GONE:
                return self._seal(tenant, handle, index, key)
        raise Refused("this subject was erased too often", where=subject, mend="name another subject")

    async def held(self, tenant: int, handle: str) -> Seal:
        """The seal with that handle; where it was erased, or is not there, one that keeps nothing."""
        key = await self._key(tenant, handle)
        return self._seal(tenant, handle, await self._index_key(tenant), key or _GONE)

    def _seal(self, tenant: int, handle: str, index: bytes, key: bytes) -> Seal:
        cipher = AESSIV(key) if key else None
        return Seal(handle, index, cipher, _about(tenant, handle))

    async def keep(self, tenant: int, seals: Iterable[Seal]) -> None:
        """Let their subjects be found by what they have sealed."""
        rows = {(word, seal.handle) for seal in seals for word in seal.words}
        if rows:
            words, handles = zip(*sorted(rows), strict=True)
            await self._database.at_once(_INDEX, tenant, words, handles)

    async def reveal(self, tenant: int, data: Any) -> Any:
        """A value with all its tokens opened; `[erased]` for those whose key is gone or that are none."""
        handles: set[str] = set()
        _handles(data, handles)
        return _opened(data, await self._ciphers(tenant, handles))

    async def reveal_bytes(self, tenant: int, data: bytes) -> bytes:
        """Bytes that were sealed as a whole, as they came; others as they are."""
        match = TOKEN.fullmatch(data.decode()) if data.startswith("⟦p:".encode()) else None
        if match is None:
            return data
        found = _open(match, await self._ciphers(tenant, {match.group(1)}))
        return ERASED.encode() if found is None else found

    async def reveal_text(
        self, tenant: int, text: str, escape: Callable[[str], str], found: re.Pattern[str] = TOKEN
    ) -> str:
        """A text in which tokens stand, as `found` finds them; what they say is put in by `escape`."""
        ciphers = await self._ciphers(tenant, {match.group(1) for match in found.finditer(text)})

        def one(match: re.Match[str]) -> str:
            data = _open(match, ciphers)
            return escape(ERASED if data is None else str(_plain_value(data)))

        return found.sub(one, text)

    async def _ciphers(self, tenant: int, handles: Collection[str]) -> _Ciphers:
        ciphers = {}
        for handle in handles:
            key = await self._key(tenant, handle)
            if key:
                ciphers[handle] = (AESSIV(key), _about(tenant, handle))
        return ciphers

    async def find(self, tenant: int, text: str, *, most: int = 100) -> list[Subject]:
        """Subjects that have all words of the text in names, e-mail or telephone numbers."""
        index = await self._index_key(tenant)
        wanted = sorted(_words(index, text))
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
            if handle != subject and await self._key(tenant, handle) is None:
                break
        raise NotFound(f"nothing is held of {subject}", mend="find whose data it is by a name")

    async def erase(self, tenant: int, subject: str, *, by: Principal, why: str) -> Erased:
        """Destroy the key: nothing of it opens again. Raises `NotFound`, and `Refused` where no why is."""
        if not why.strip():
            raise Refused("erasing needs a reason", mend="say who asked for it, and when")
        handle = (await self.known(tenant, subject)).handle
        async with self._database.engine() as transaction:
            at: datetime | None = await transaction.value(_ERASE, tenant, handle)
            if at is None:
                raise NotFound(f"nothing is held of {subject}", mend="somebody was quicker")
            words = await transaction.execute(
                "delete from crossdock.subject_word where tenant = $1 and handle = $2", tenant, handle
            )
            resource = Resource(kind="subject", id=handle)
            await self._audit.record(
                transaction, by, "personal.erase", resource, why=why, after={"words": words}, tenant=tenant
            )
        self._keys[tenant, handle] = (time.monotonic(), _GONE)
        return Erased(handle=handle, at=at, words=words)

    async def erased(self, tenant: Tenant, *, most: int = 1000) -> list[tuple[str, datetime, datetime]]:
        """Handles that were erased, the last first: with when they were made, and when erased."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_LIST_ERASED, most)
        return [(row["handle"], row["made"], row["erased"]) for row in rows]

    async def shred(self) -> None:
        """Destroy the keys of what came raw, and is older than it may be."""
        await self._database.at_once(_SHRED, timedelta(days=RAW_DAYS))

    async def _made(self, tenant: int, handle: str, subject: str) -> bytes:
        key = await self._key(tenant, handle)
        if key is None:
            sealed = await self._sealing.seal(tenant, ("subject", handle), secrets.token_bytes(_KEY))
            await self._database.at_once(_MAKE, tenant, handle, subject, number_of(sealed), sealed)
            key = await self._key(tenant, handle)  # of whoever was first
        return key or _GONE

    async def _key(self, tenant: int, handle: str) -> bytes | None:
        """The key; empty where it is destroyed, None where there never was one."""
        now = time.monotonic()
        kept = self._keys.get((tenant, handle))
        if kept is not None and (now - kept[0] < FRESH or (handle == "" and kept[1])):
            return kept[1]
        rows = await self._database.at_once(_GET, tenant, handle)
        if not rows:
            return None
        sealed: bytes | None = rows[0]["sealed"]
        key = _GONE if sealed is None else await self._sealing.open(tenant, ("subject", handle), sealed)
        if len(self._keys) > _MOST_KEPT:
            self._keys = {name: one for name, one in self._keys.items() if now - one[0] < FRESH}
        self._keys[tenant, handle] = (now, key)
        return key

    async def _index_key(self, tenant: int) -> bytes:
        return await self._made(tenant, "", "")


_Ciphers = Mapping[str, tuple[AESSIV, list[bytes]]]


def safe(text: str) -> str:
    """A text of somebody else's, which can hold no token."""
    return text.replace("⟦", "[").replace("⟧", "]") if "⟦" in text or "⟧" in text else text


def masked(data: Any) -> Any:
    """A value with `[hidden]` for all its tokens."""
    if isinstance(data, str):
        return _BROKEN.sub(HIDDEN, data) if "⟦" in data else data
    if isinstance(data, Mapping):
        return {masked(name): masked(value) for name, value in data.items()}
    return [masked(value) for value in data] if isinstance(data, list | tuple) else data


def has_tokens(data: Any) -> bool:
    """Whether tokens stand in a value."""
    found: set[str] = set()
    _handles(data, found)
    return bool(found)


def shortened(text: str, most: int, end: str = "…") -> str:
    """At most so many letters, for which a token counts as a few; none is cut in two."""
    left, found, at = most, [], 0
    for match in TOKEN.finditer(text):
        found += [text[at : match.start()], match.group()]
        at = match.end()
    found.append(text[at:])
    for n, part in enumerate(found):
        size = 12 if n % 2 else len(part)
        if size > left:
            kept = "" if n % 2 else part[: max(0, left - len(end))]
            return "".join(found[:n]) + kept + end
        left -= size
    return text


def _handle(index: bytes, subject: str, life: int = 0) -> str:
    again = f"\0{life}".encode() if life else b""
    digest = hmac.digest(index, b"handle\0" + subject.encode() + again, "sha256")
    return base64.urlsafe_b64encode(digest[:12]).decode()


def _about(tenant: int, handle: str) -> list[bytes]:
    return [b"crossdock.personal.1", str(tenant).encode(), handle.encode()]


def _plain(text: str) -> str:
    """As it is compared: without accents, in lower case."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def _blind(index: bytes, word: str) -> bytes:
    return hmac.digest(index, b"word\0" + word.encode(), "sha256")[:16]


def _terms(text: str) -> Iterable[str]:
    """By what a value is found: an e-mail address as a whole, a number by its digits, a name by its words."""
    plain = _plain(text).strip()
    if "@" in plain and " " not in plain:
        return {plain}
    digits = re.sub(r"\D", "", plain)
    if len(digits) >= 6 and not re.search(r"[a-z]", plain):
        return {digits}
    return set(_WORD.findall(plain)[:_MOST_WORDS])


def _words(index: bytes, text: str) -> set[bytes]:
    return {_blind(index, term) for term in _terms(text)}


def _handles(data: Any, found: set[str]) -> None:
    if isinstance(data, str):
        if "⟦" in data:
            found.update(match.group(1) for match in TOKEN.finditer(data))
    elif isinstance(data, Mapping):
        for name, value in data.items():
            _handles(name, found)
            _handles(value, found)
    elif isinstance(data, list | tuple):
        for value in data:
            _handles(value, found)


def _open(match: re.Match[str], ciphers: _Ciphers) -> bytes | None:
    handle, text = match.groups()
    try:
        cipher, about = ciphers[handle]
        return cipher.decrypt(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), about)
    except (KeyError, ValueError, InvalidTag):
        return None


def _plain_value(data: bytes) -> Any:
    if data.startswith(_NUMBER):
        return msgspec.json.decode(data[len(_NUMBER) :])
    return data.decode(errors="replace")


def _opened(data: Any, ciphers: _Ciphers) -> Any:
    if isinstance(data, str):
        if "⟦" not in data:
            return data
        whole = TOKEN.fullmatch(data)
        if whole is not None:
            found = _open(whole, ciphers)
            return ERASED if found is None else _plain_value(found)

        def one(match: re.Match[str]) -> str:
            found = _open(match, ciphers)
            return ERASED if found is None else str(_plain_value(found))

        return _BROKEN.sub(CUT, TOKEN.sub(one, data))
    if isinstance(data, Mapping):
        return {_opened(name, ciphers): _opened(value, ciphers) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_opened(value, ciphers) for value in data]
    return data
