"""The mappings of tenants: published as versions that never change; the newest published one is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from crossdock.store import Database, Last, Tenant
from crossdock.translate import PartnerMapping

_PUT: LiteralString = """
insert into crossdock.mapping as m (tenant, name, version, source, published_by)
select $1, k.name, k.version, k.source, $5
from unnest($2::text[], $3::text[], $4::text[]) as k(name, version, source)
on conflict (tenant, name, version) do update
set published = clock_timestamp(), published_by = excluded.published_by
"""
_CURRENT: LiteralString = """
select version from crossdock.mapping where tenant = $1 and name = $2 order by published desc limit 1
"""


class Mappings:
    """The mappings of all tenants."""

    def __init__(self, database: Database) -> None:
        """In that database."""
        self._database = database

    async def publish(
        self, tenant: Tenant, mappings: Sequence[PartnerMapping], *, by: str, last: Last | None = None
    ) -> None:
        """Let these versions be in use from now on, all or none."""
        async with self._database.engine() as transaction:
            await transaction.execute(
                _PUT,
                tenant.id,
                [one.name for one in mappings],
                [one.version for one in mappings],
                [one.source for one in mappings],
                by,
            )
            if last is not None:
                await last(transaction)

    async def current(self, tenant: Tenant, name: str) -> str | None:
        """The version in use; None where there is no such mapping."""
        async with self._database.engine() as transaction:
            found: str | None = await transaction.value(_CURRENT, tenant.id, name)
        return found
