"""Access tokens: what a key is changed for where programs speak OAuth 2 (client credentials, RFC 6749 4.4).

The client's name is the id of a key, its secret the key itself. A token has the rights of the key, or fewer,
for `LASTS`, and never longer than the key. It falls when the key is revoked, expires, or the person behind it
is shut out. A token gets no other token.

Tokens are drawn, and kept as hashes: there is no key of a signer to keep, to turn, or to lose, and what is
taken back is not believed once more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString

from crossdock.access.actions import ACTIONS
from crossdock.access.tokens import ACCESS, draw, shown
from crossdock.access.who import Principal
from crossdock.errors import Refused
from crossdock.store import Database

LASTS = timedelta(minutes=15)
MOST = 100  # tokens of a key at a time; the oldest goes

_TIDY: LiteralString = """
delete from crossdock.access_token where tenant = $1 and key = $2 and (expires <= statement_timestamp()
  or id in (select id from crossdock.access_token where tenant = $1 and key = $2
            order by made desc offset $3))
"""
_ADD: LiteralString = """
insert into crossdock.access_token (tenant, id, hash, key, scopes, expires)
select k.tenant, $3, $4, k.id, $5::text[], least(k.expires, statement_timestamp() + $6)
from crossdock.key k
where k.tenant = $1 and k.id = $2 and k.revoked is null
returning ceil(extract(epoch from expires - statement_timestamp()))::int
"""
_DROP: LiteralString = (
    "delete from crossdock.access_token where tenant = $1 and id = $2 and hash = $3 and key = $4"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token that was just made. `scopes` None: all that the roles of its key may."""

    text: str = field(repr=False)
    seconds: int
    scopes: tuple[str, ...] | None


async def grant(database: Database, key: Principal, wanted: Collection[str] | None) -> Grant:
    """A token for a key that was proven. Raises `Refused` for scopes that the key does not have."""
    known = frozenset(ACTIONS) if key.scopes is None else key.scopes
    if more := sorted(set(wanted or ()) - known):
        raise Refused(f"this key may not ask for {more[0]!r}", where="scope", mend="ask for less")
    scopes = sorted(set(wanted)) if wanted else None if key.scopes is None else sorted(key.scopes)
    text, kept = draw(ACCESS, key.tenant)
    named = key.id.removeprefix("key:")
    async with database.engine() as transaction:
        await transaction.execute(_TIDY, key.tenant, named, MOST - 1)
        seconds = await transaction.value(_ADD, key.tenant, named, kept.id, kept.hash, scopes, LASTS)
    if seconds is None:
        raise Refused("the key was revoked at this moment", mend="use another")
    return Grant(text=text, seconds=seconds, scopes=None if scopes is None else tuple(scopes))


async def ungrant(database: Database, key: Principal, text: str) -> None:
    """Forget a token, if it is one of that key."""
    said = shown(text)
    await database.at_once(_DROP, key.tenant, said.id, said.hash, key.id.removeprefix("key:"))
