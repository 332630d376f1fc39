"""Personal data: sealed with a key of its subject, and erased by destroying that key.

    at the door     `hide`: values of personal fields become tokens, ⟦p:HANDLE:CIPHER⟧
    inside          state, history and audit hold tokens; texts may be put together of them
    at the edge     `reveal`: tokens are opened wherever they stand in texts; `[erased]` where the key is gone

A token is the same for the same subject and value (AES-SIV, RFC 5297): comparing, duplicates and aliases
work, and a replay gives what it gave. So nothing that was hashed or signed changes when somebody is erased.

What comes in cannot carry a token: its brackets are taken out at the door, or whoever may send an event could
have an edge open what is another subject's.

The handle is a keyed hash of the subject's name; who holds a token alone does not learn whose it is. Keys of
subjects are sealed by `Sealing`. This room is not wired to the doors and edges yet.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from crossdock.access.audit import Audit
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing, number_of
from crossdock.access.who import Principal
from crossdock.errors import NotFound, Refused
from crossdock.store import Database, EngineTransaction

ERASED = "[erased]"
FRESH = 2.0  # seconds that another process may still open what was erased
_TOKEN = re.compile(r"⟦p:([\w-]{16}):([\w-]+)⟧")
_KEY = 64  # bytes: AES-256-SIV
_WORD = re.compile(r"[^\W_]{2,}")
_MOST_WORDS = 32  # of one value

# Fields that are personal, by the name of what they stand in; `signed_by` wherever it stands.
_FIELDS: Mapping[str, frozenset[str]] = {
    "contact": frozenset({"name", "email", "phone"}),
    **dict.fromkeys(
        ("address", "ship_to", "bill_to", "return_to", "deliver_to"), frozenset({"name", "lines"})
    ),
}
_ANYWHERE = frozenset({"signed_by"})

_GET: LiteralString = "select sealed from crossdock.subject where tenant = $1 and handle = $2"
_MAKE: LiteralString = """
insert into crossdock.subject (tenant, handle, subject, key, sealed) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
_INDEX: LiteralString = """
insert into crossdock.subject_word (tenant, word, handle)
select distinct $1::int, k.word, $3::text from unnest($2::bytea[]) as k(word) order by 2
on conflict do nothing
"""
_FIND: LiteralString = """
select s.handle, s.subject from crossdock.subject_word w
join crossdock.subject s on s.tenant = w.tenant and s.handle = w.handle
where w.tenant = $1 and w.word = any($2::bytea[]) and s.erased is null
group by s.handle, s.subject having count(distinct w.word) = cardinality($2::bytea[])
order by s.subject limit $3
"""
_ERASE: LiteralString = """
update crossdock.subject set sealed = null, subject = '', erased = statement_timestamp()
where tenant = $1 and handle = $2 and erased is null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose data it is. `handle` stands in its tokens."""

    handle: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What went: the key, and so many words of the index."""

    handle: str
    words: int


class Subjects:
    """The subjects of all tenants."""

    def __init__(self, database: Database, sealing: Sealing, audit: Audit) -> None:
        """In that database."""
        self._database = database
        self._sealing = sealing
        self._audit = audit
        self._keys: dict[tuple[int, str], tuple[float, bytes | None]] = {}

    async def hide(self, tenant: int, subject: str, data: Any) -> Any:
        """A document of that subject, its personal fields as tokens; brackets of tokens in it taken out.

        Raises `Refused` where the subject was erased: what comes in then needs another subject.
        """
        index = await self._index_key(tenant)
        handle = _handle(index, subject)
        found: dict[str, str] = {}  # value: token
        _collect(data, "", found)
        if found:
            key = await self._made(tenant, handle, subject)
            cipher, about = AESSIV(key), _about(tenant, handle)
            for value in found:
                text = base64.urlsafe_b64encode(cipher.encrypt(value.encode(), about)).decode().rstrip("=")
                found[value] = f"⟦p:{handle}:{text}⟧"
            words = {word for value in found for word in _words(index, value)}
            async with self._database.engine() as transaction:
                await transaction.execute(_INDEX, tenant, sorted(words), handle)
        return _put(data, "", found)

    async def reveal(self, tenant: int, data: Any) -> Any:
        """A value with all its tokens opened; `[erased]` for those whose key is gone or that are none."""
        handles: set[str] = set()
        _handles(data, handles)
        ciphers = {}
        for handle in handles:
            key = await self._key(tenant, handle)
            if key is not None:
                ciphers[handle] = AESSIV(key)
        return _opened(tenant, data, ciphers) if handles else data

    async def find(self, tenant: int, text: str, *, most: int = 100) -> list[Subject]:
        """Subjects that have all words of the text in names, e-mail or telephone numbers."""
        index = await self._index_key(tenant)
        wanted = _asked(index, text)
        if not wanted:
            return []
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_FIND, tenant, wanted, most)
        return [Subject(handle=row["handle"], subject=row["subject"]) for row in rows]

    async def erase(self, tenant: int, subject: str, *, by: Principal, why: str) -> Erased:
        """Destroy the key: nothing of it opens again. Raises `NotFound`, and `Refused` where no why is."""
        if not why.strip():
            raise Refused("erasing needs a reason", mend="say who asked for it, and when")
        handle = _handle(await self._index_key(tenant), subject)
        async with self._database.engine() as transaction:
            if not await transaction.execute(_ERASE, tenant, handle):
                raise NotFound(f"nothing is held of {subject}", mend="find whose data it is by a name")
            words = await transaction.execute(
                "delete from crossdock.subject_word where tenant = $1 and handle = $2", tenant, handle
            )
            resource = Resource(kind="subject", id=handle)
            await self._audit.record(
                transaction, by, "subject.erased", resource, why=why, after={"words": words}, tenant=tenant
            )
        self._keys.pop((tenant, handle), None)
        return Erased(handle=handle, words=words)

    async def _made(self, tenant: int, handle: str, subject: str) -> bytes:
        key = await self._key(tenant, handle)
        if key is not None:
            return key
        sealed = await self._sealing.seal(tenant, ("subject", handle), secrets.token_bytes(_KEY))
        async with self._database.engine() as transaction:
            await transaction.execute(_MAKE, tenant, handle, subject, number_of(sealed), sealed)
        self._keys.pop((tenant, handle), None)
        key = await self._key(tenant, handle)  # of whoever was first
        if key is None:
            raise Refused(
                "this subject was erased", where=subject, mend="name another subject for what is new of it"
            )
        return key

    async def _key(self, tenant: int, handle: str) -> bytes | None:
        now = time.monotonic()
        kept = self._keys.get((tenant, handle))
        if kept is not None and now - kept[0] < FRESH:
            return kept[1]
        async with self._database.engine() as transaction:
            key = await self._read(transaction, tenant, handle)
        self._keys = {name: one for name, one in self._keys.items() if now - one[0] < FRESH}
        self._keys[tenant, handle] = (now, key)
        return key

    async def _read(self, transaction: EngineTransaction, tenant: int, handle: str) -> bytes | None:
        sealed: bytes | None = await transaction.value(_GET, tenant, handle)
        return None if sealed is None else await self._sealing.open(tenant, ("subject", handle), sealed)

    async def _index_key(self, tenant: int) -> bytes:
        return await self._made(tenant, "", "")


def _handle(index: bytes, subject: str) -> str:
    digest = hmac.digest(index, b"handle\0" + subject.encode(), "sha256")
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
    if "@" in plain:
        return {plain}
    digits = re.sub(r"\D", "", plain)
    if len(digits) >= 6 and not re.search(r"[a-z]", plain):
        return {digits}
    return set(_WORD.findall(plain)[:_MOST_WORDS])


def _words(index: bytes, text: str) -> list[bytes]:
    return [_blind(index, term) for term in _terms(text)]


def _asked(index: bytes, text: str) -> list[bytes]:
    return sorted(_words(index, text))


def _is_personal(parent: str, name: str) -> bool:
    return name in _ANYWHERE or name in _FIELDS.get(parent, ())


def _safe(text: str) -> str:
    return text.replace("⟦", "[").replace("⟧", "]")


def _collect(data: Any, parent: str, found: dict[str, str]) -> None:
    """The values of personal fields, as keys of `found`."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            if _is_personal(parent, name):
                _collect_all(value, found)
            else:
                _collect(value, name, found)
    elif isinstance(data, list | tuple):
        for value in data:
            _collect(value, parent, found)


def _collect_all(value: Any, found: dict[str, str]) -> None:
    if isinstance(value, str):
        if value:
            found[_safe(value)] = ""
    elif isinstance(value, list | tuple):
        for one in value:
            _collect_all(one, found)
    else:
        _collect(value, "", found)


def _put(data: Any, parent: str, tokens: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        return _safe(data)
    if isinstance(data, Mapping):
        return {
            _safe(name): _token(value, tokens) if _is_personal(parent, name) else _put(value, name, tokens)
            for name, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [_put(value, parent, tokens) for value in data]
    return data


def _token(value: Any, tokens: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return tokens.get(_safe(value), "")
    if isinstance(value, list | tuple):
        return [_token(one, tokens) for one in value]
    return _put(value, "", tokens)


def _handles(data: Any, found: set[str]) -> None:
    if isinstance(data, str):
        found.update(match.group(1) for match in _TOKEN.finditer(data))
    elif isinstance(data, Mapping):
        for name, value in data.items():
            _handles(name, found)
            _handles(value, found)
    elif isinstance(data, list | tuple):
        for value in data:
            _handles(value, found)


def _opened(tenant: int, data: Any, ciphers: Mapping[str, AESSIV]) -> Any:
    if isinstance(data, str):

        def one(match: re.Match[str]) -> str:
            handle, text = match.groups()
            try:
                sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
                return ciphers[handle].decrypt(sealed, _about(tenant, handle)).decode()
            except (KeyError, ValueError, InvalidTag):
                return ERASED

        return _TOKEN.sub(one, data) if "⟦" in data else data
    if isinstance(data, Mapping):
        return {_opened(tenant, n, ciphers): _opened(tenant, v, ciphers) for n, v in data.items()}
    if isinstance(data, list | tuple):
        return [_opened(tenant, value, ciphers) for value in data]
    return data
