"""Deeds for tests: everything that changes anything, on a database of theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossdock.access import Policies, Principal
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.redaction import Redaction
from crossdock.access.sealing import Sealing
from crossdock.access.secrets import ConnectionSecrets
from crossdock.access.who import EVERY_ROLE
from crossdock.connect import Keeper, Lines, Registry, SealedKeeper
from crossdock.desk import Acts
from crossdock.engine import Connections, Inbox, Library, Repairs
from crossdock.gateway import Quarantine
from crossdock.process import Process
from crossdock.store import Database, Tenant


def acts_of(
    database: Database,
    inbox: Inbox,
    library: Library,
    *,
    read: Callable[..., Process],
    registry: Registry,
    keys: Path,
    keeper: Keeper | None = None,
    audit: Audit | None = None,
    problems: Callable[..., list[Any]] = lambda _texts, _others: [],
) -> Acts:
    """All deeds. `keys` is where the master key is made."""

    audit = audit or Audit(database)
    masters = Masters(keys / "master.key")
    masters.make()
    sealing = Sealing(database, masters)
    secrets = ConnectionSecrets(database, sealing, audit, Redaction())
    lines = Lines(database, registry, keeper or SealedKeeper(secrets))
    return Acts(
        database=database,
        policies=Policies(database, audit),
        audit=audit,
        inbox=inbox,
        library=library,
        repairs=Repairs(database, library),
        connections=Connections(database),
        quarantine=Quarantine(database, inbox, lines),
        registry=registry,
        secrets=secrets,
        lines=lines,
        sealing=sealing,
        identity=Identity(database, audit, sealing),
        read=read,
        problems=problems,
    )


def someone(tenant: Tenant, *roles: str, id: str = "ann", **more: Any) -> Principal:
    """A person of a tenant, in these roles."""
    return Principal(tenant=tenant.id, id=id, kind=more.pop("kind", "human"), roles=frozenset(roles), **more)


def whoever(tenant: Tenant, id: str = "you") -> Principal:
    """Whoever sits at the machine."""
    return someone(tenant, "tenant-admin", EVERY_ROLE, id=id)


async def everything(database) -> dict[str, str]:
    """All that is in all tables but the audit's, in short."""
    found = {}
    async with database.owner() as transaction:
        tables = await transaction.fetch(
            "select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = 'crossdock' and c.relkind in ('r', 'p') and not c.relispartition "
            "and c.relname not like 'audit%' order by 1"
        )
        for table in tables:
            name = table["name"]
            await transaction.execute(f"alter table crossdock.{name} no force row level security")
            found[name] = await transaction.value(
                f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from crossdock.{name} t"
            )
            await transaction.execute(f"alter table crossdock.{name} force row level security")
    return found
