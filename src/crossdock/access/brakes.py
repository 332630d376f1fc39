"""Brakes against guessing: failures are counted for all processes together, and fade.

Each attempt is counted before it is looked at, under several names, and taken back when it was right:

    pair      account and origin     5, and one more each minute
    origin    an address             30, and one more each 10 seconds; of IPv6 the network of 64 bits
    account   from anywhere          60, and one more each 30 seconds
    browser   one that this person   10, and one more each minute: stands in the place of the other three
              has used before

So whoever guesses at one account is soon alone with the few guesses a minute that fade, wherever from. And
whoever only wants to keep another out does not: that person's own browser is not counted with the others. The
names are kept as hashes. Accounts that do not exist are counted as all others.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import LiteralString

from crossdock.errors import Unreachable
from crossdock.store import Database

# kind: (how many, seconds in which one fades)
LIMITS = {"pair": (5, 60.0), "origin": (30, 10.0), "account": (60, 30.0), "browser": (10, 60.0)}

_COUNT: LiteralString = """
insert into crossdock.sign_in_failure as f (tenant, what, failures, at)
select $1, w.what, 1, statement_timestamp()
from unnest($2::bytea[], $3::float8[]) with ordinality as w(what, fades, n) order by w.what
on conflict (tenant, what) do update set
  failures = greatest(0, f.failures - extract(epoch from statement_timestamp() - f.at)
                          / (select w.fades from unnest($2::bytea[], $3::float8[]) as w(what, fades)
                             where w.what = f.what limit 1)) + 1,
  at = statement_timestamp()
returning what, failures
"""
_BACK: LiteralString = """
update crossdock.sign_in_failure set failures = greatest(0, failures - 1)
where tenant = $1 and what = any($2::bytea[])
"""
_CLEAR: LiteralString = "delete from crossdock.sign_in_failure where tenant = $1 and what = $2"
_TIDY: LiteralString = """
delete from crossdock.sign_in_failure
where tenant = $1 and at < statement_timestamp() - interval '2 hours'
"""


class Attempt:
    """One attempt that was counted. `right` takes it back."""

    def __init__(self, database: Database, tenant: int, names: Sequence[bytes]) -> None:
        """Counted under those names, the narrowest first."""
        self._database = database
        self._tenant = tenant
        self._names = names

    async def right(self) -> None:
        """It was right: it counts no more, and the narrowest count begins anew."""
        async with self._database.engine() as transaction:
            await transaction.execute(_CLEAR, self._tenant, self._names[0])
            await transaction.execute(_BACK, self._tenant, list(self._names[1:]))
            await transaction.execute(_TIDY, self._tenant)


async def attempt(database: Database, tenant: int, account: str, origin: str, browser: str = "") -> Attempt:
    """Count an attempt. Raises `Unreachable` with the seconds to wait where there were too many.

    `browser` is proven to be one that the person has used before; empty for none.
    """
    network = _network(origin)
    if browser:
        wanted = [("browser", f"{account}\0{browser}")]
    else:
        wanted = [("pair", f"{account}\0{network}"), ("origin", network), ("account", account)]
    names = [hashlib.sha256(f"{kind}\0{name}".encode()).digest() for kind, name in wanted]
    fades = [LIMITS[kind][1] for kind, _ in wanted]
    async with database.engine() as transaction:
        rows = {row["what"]: row["failures"] for row in await transaction.fetch(_COUNT, tenant, names, fades)}
    wait = 0.0
    for (kind, _), name in zip(wanted, names, strict=True):
        most, seconds = LIMITS[kind]
        wait = max(wait, (rows[name] - most) * seconds)
    if wait > 0:
        async with database.engine() as transaction:
            await transaction.execute(_BACK, tenant, names)  # what was not looked at is no guess
        raise Unreachable(
            "there were too many attempts",
            mend=f"try again in {max(1, round(wait))} seconds",
            retry_after=max(1.0, wait),
        )
    return Attempt(database, tenant, names)


def _network(origin: str) -> str:
    """The address, or the network where an address alone says nothing."""
    try:
        address = ipaddress.ip_address(origin)
    except ValueError:
        return origin
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
