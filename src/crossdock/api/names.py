"""Names of things, and places in lists, as the outside sees them: opaque, and of one tenant alone.

Numbers of rows are drawn from sequences that all tenants share, so whoever sees two of their own can tell how
much the others do between. What goes out is a number under a cipher, with a key that each tenant has for
itself:

    run_4g3vsx...    16 bytes: the kind of the thing and its number, encrypted (AES, one block)
    cursor           a place in a list, encrypted and authenticated, bound to what was asked (AES-GCM)

A name of another tenant, of another kind, or made up opens to nothing: it is not found, without any look at
the database. The key is a row of the tenant: names are the same for ever, in every process.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import Any, LiteralString

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crossdock.errors import NotFound
from crossdock.store import Database, Tenant

_MOST_TENANTS = 4096
_LONGEST = 2000
# Ids of events that the engine makes: of a repair, of a run, of a call that has ended.
_OWN_ID = re.compile(r"(?:repair/(\d{1,18})|(\d{1,18}))/(.*)|(.*)@(\d{1,18})", re.DOTALL)

_KNOWN: LiteralString = "select secret from crossdock.api_secret where tenant = crossdock.tenant()"
_MAKE: LiteralString = """
insert into crossdock.api_secret (tenant, secret) values (crossdock.tenant(), $1) on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one tenant."""

    _key: bytes = field(repr=False)
    _places: AESGCM = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Names:
        """Made with that secret."""
        return cls(
            hashlib.blake2b(secret, person=b"names", digest_size=16).digest(),
            AESGCM(hashlib.blake2b(secret, person=b"places", digest_size=32).digest()),
        )

    def name(self, kind: str, number: int) -> str:
        """What a thing is called outside."""
        block = _kind(kind) + number.to_bytes(8, "big", signed=True)
        sealed = self._cipher().encryptor().update(block)
        return f"{kind}_{base64.b32encode(sealed).decode().rstrip('=').lower()}"

    def number(self, kind: str, name: str) -> int:
        """The number behind a name. Raises `NotFound` for what is no name of this tenant and kind."""
        prefix, _, text = name.partition("_")
        try:
            sealed = base64.b32decode(text.upper() + "======") if len(text) == 26 and text.isascii() else b""
        except binascii.Error:
            sealed = b""
        if prefix == kind and len(sealed) == 16 and text == text.lower():
            block = self._cipher().decryptor().update(sealed)
            number = int.from_bytes(block[8:], "big", signed=True)
            if block[:8] == _kind(kind) and self.name(kind, number) == name:
                return number
        raise missing(kind, name)

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event as it is shown: what the engine made is called after numbers of rows."""
        id_, source = str(event.get("id", "")), str(event.get("source", ""))
        if (
            source.partition("/")[0] not in ("engine", "run", "call")
            or (found := _OWN_ID.fullmatch(id_)) is None
        ):
            return event
        repair, run, rest, command, call = found.groups()
        if call:
            named = f"{command}@{self.name('call', int(call))}"
        elif repair:
            named = f"{self.name('repair', int(repair))}/{rest}"
        else:
            named = f"{self.name('run', int(run))}/{rest}"
        return {**event, "id": named}

    def cursor(self, asked: str, place: list[Any]) -> str:
        """Where the next page of a list begins, for whoever asks the same again."""
        nonce = os.urandom(12)
        sealed = self._places.encrypt(nonce, msgspec.json.encode(place), asked.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def place(self, asked: str, cursor: str) -> list[Any]:
        """The place in a cursor. Raises `NotFound` where it is of another question, tenant or make."""
        given = cursor if len(cursor) <= _LONGEST and cursor.isascii() else ""
        try:
            sealed = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
            opened = self._places.decrypt(sealed[:12], sealed[12:], asked.encode())
            return msgspec.json.decode(opened, type=list[Any])
        except (ValueError, binascii.Error, InvalidTag, msgspec.DecodeError):
            raise NotFound(
                "this cursor leads nowhere in this list",
                where="query.cursor",
                mend="take `next` of the page before, and ask with the same filters; or begin without one",
            ) from None

    def _cipher(self) -> Cipher[modes.ECB]:
        return Cipher(algorithms.AES(self._key), modes.ECB())  # noqa: S305 - one block, and it is all of it


def missing(kind: str, name: str) -> NotFound:
    """That there is nothing of that name: the same words whether it never was or is another tenant's."""
    shown = name if len(name) <= 80 and name.isprintable() else f"{name[:80]!r} ..."
    return NotFound(f"there is no {kind} {shown}", mend=f"take an id that a list of the {kind}s gives")


def text_name(kind: str, id_: str) -> str:
    """The outside name of what the kernel names by a text: it stands in it, safe for an address."""
    return f"{kind}_{base64.urlsafe_b64encode(id_.encode()).decode().rstrip('=')}"


def named_text(kind: str, name: str) -> str:
    """The text behind such a name. Raises `NotFound` where it is none."""
    prefix, _, text = name.partition("_")
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        found = ""
    if prefix != kind or not found or "\0" in found or text_name(kind, found) != name:
        raise missing(kind, name)
    return found


class NameBook:
    """The names of all tenants; each tenant's secret is read once, and made where there is none."""

    def __init__(self, database: Database) -> None:
        """Of that database."""
        self._database = database
        self._known: dict[int, Names] = {}

    async def of(self, tenant: Tenant) -> Names:
        """The names of a tenant."""
        found = self._known.get(tenant.id)
        if found is None:
            async with self._database.of(tenant) as transaction:
                secret = await transaction.value(_KNOWN)
                if secret is None:
                    await transaction.execute(_MAKE, os.urandom(32))
                    secret = await transaction.value(_KNOWN)
            while len(self._known) >= _MOST_TENANTS:
                self._known.pop(next(iter(self._known)))
            found = self._known[tenant.id] = Names.of(bytes(secret))
        return found


def _kind(kind: str) -> bytes:
    return hashlib.blake2b(kind.encode(), digest_size=8).digest()
