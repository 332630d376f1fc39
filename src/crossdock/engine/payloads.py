"""Large payloads are kept once, by their content, and named by hash where they stood.

A document of a thousand lines comes with its event, stands in the state, and would be written again with
every decision. So what goes into state and history is looked through when it is large: each part of it that
is larger than `LARGE` by itself is taken out and named. In memory, and for the kernel, everything is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, LiteralString

import msgspec

from crossdock.store import EngineTransaction, TenantTransaction

LARGE = 64 * 2**10  # bytes of JSON
_NAME = "$payload"
_MARK = b'"$payload"'

_PUT: LiteralString = """
insert into crossdock.blob (tenant, hash, data)
select * from unnest($1::int[], $2::text[], $3::bytea[]) as k(tenant, hash, data) order by 1, 2
on conflict do nothing
"""

_GET: LiteralString = """
select b.tenant, b.hash, b.data from unnest($1::int[], $2::text[]) as k(tenant, hash)
join crossdock.blob b on b.tenant = any(array[k.tenant]) and b.hash = any(array[k.hash])
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Payloads:
    """What one transaction has taken out; `write` keeps it."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._taken: dict[tuple[int, str], bytes] = {}

    def take_out(self, tenant: int, data: bytes) -> bytes:
        """JSON without its large parts. What is small as a whole is given back as it is."""
        if len(data) <= LARGE:
            return data
        return _encode(self._without(tenant, _decode(data)))

    def _without(self, tenant: int, value: Any) -> Any:
        if isinstance(value, dict):
            smaller: Any = {key: self._without(tenant, part) for key, part in value.items()}
        elif isinstance(value, list):
            smaller = [self._without(tenant, part) for part in value]
        elif isinstance(value, str) and len(value) > LARGE:
            smaller = value
        else:
            return value
        encoded = _encode(smaller)
        if len(encoded) <= LARGE:
            return smaller
        name = hashlib.sha256(encoded).hexdigest()
        self._taken[tenant, name] = encoded
        return {_NAME: name}

    async def write(self, transaction: EngineTransaction) -> None:
        """Keep what was taken out; what is known already is not written again."""
        if self._taken:
            rows = [(tenant, name, data) for (tenant, name), data in self._taken.items()]
            await transaction.execute(_PUT, *zip(*rows, strict=True))


async def put_back(
    transaction: EngineTransaction | TenantTransaction, tenant: int, *texts: bytes
) -> list[bytes]:
    """JSON texts made whole again."""
    found = list(texts)
    known: dict[str, Any] = {}
    for n, data in enumerate(found):
        if _MARK in data:
            value = _decode(data)
            await _fetch(transaction, tenant, value, known)
            found[n] = _encode(_whole(value, known))
    return found


async def _fetch(
    transaction: EngineTransaction | TenantTransaction, tenant: int, value: Any, known: dict[str, Any]
) -> None:
    """Read all that `value` names, and what that names in its turn."""
    wanted = _names(value) - known.keys()
    while wanted:
        rows = await transaction.fetch(_GET, [tenant] * len(wanted), sorted(wanted))
        got = {row["hash"]: _decode(row["data"]) for row in rows}
        known.update(got)
        wanted = set().union(*(_names(part) for part in got.values())) - known.keys()


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        name = value.get(_NAME)
        if len(value) == 1 and isinstance(name, str):
            return {name}
        return set().union(*(_names(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_names(part) for part in value))
    return set()


def _whole(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        name = value.get(_NAME)
        if len(value) == 1 and isinstance(name, str) and name in known:
            return _whole(known[name], known)
        return {key: _whole(part, known) for key, part in value.items()}
    if isinstance(value, list):
        return [_whole(part, known) for part in value]
    return value
