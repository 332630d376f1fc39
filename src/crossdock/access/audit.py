"""The audit: each act of a person, a key, an assistant or the system leaves an entry in its tenant's chain.

The rules:

- An entry is written in the transaction of its act: there is none without the act, and no act without it.
- Entries of a tenant are numbered without gaps, each with the hash of the one before (`audit_form`). The row
  of `audit_head` is locked until the transaction ends, so `record` is called last in it.
- Neither role of the database may change or delete an entry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, LiteralString

from crossdock.access.actions import ACTIONS
from crossdock.access.audit_form import (
    GENESIS,
    LONGEST_WHY,
    MOST_ROLES,
    Outcome,
    body,
    plain,
    value_text,
)
from crossdock.access.resource import Resource
from crossdock.access.who import Principal
from crossdock.errors import Broken
from crossdock.store import Database, EngineTransaction, TenantTransaction

_ACT = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")

_RECORD: LiteralString = """
with head as (
  insert into crossdock.audit_head as h (tenant, number, at, previous, hash)
  values ($1, 1, statement_timestamp(), $2, crossdock.audit_hash($2, $1, 1, statement_timestamp(), $3))
  on conflict (tenant) do update set
    number = h.number + 1, at = statement_timestamp(), previous = h.hash,
    hash = crossdock.audit_hash(h.hash, h.tenant, h.number + 1, statement_timestamp(), $3)
  returning number, at, previous, hash
)
insert into crossdock.audit (tenant, number, at, previous, hash, home, kind, actor, behind, roles, action,
                             on_kind, on_id, outcome, why, origin, count, before, after)
select $1, h.number, h.at, h.previous, h.hash, $4, $5, $6, $7, $8::text[], $9,
       $10, $11, $12, $13, $14, $15, $16, $17
from head h
returning number
"""


class Audit:
    """Writes and reads the audit of all tenants, one at a time."""

    def __init__(self, database: Database) -> None:
        """Of that database."""
        self._database = database

    async def record(
        self,
        transaction: TenantTransaction | EngineTransaction,
        principal: Principal,
        action: str,
        resource: Resource,
        *,
        outcome: Outcome = "done",
        why: str = "",
        before: Any = None,
        after: Any = None,
        tenant: int | None = None,
    ) -> None:
        """Add an entry in the transaction of the act; call it last there: it holds up the tenant's others.

        It goes to the transaction's tenant; in one of the engine to `tenant`, else to the principal's.
        `action` is one of ACTIONS, or an act that needs no leave, as `system.started`. `before` and `after`
        are JSON values, None for none. Raises `Refused` where a secret stands in them.
        """
        if action not in ACTIONS and not _ACT.fullmatch(action):
            raise Broken(f"{action!r} is no act", mend="name it like `thing.done`, as ACTIONS does")
        said: Mapping[str, Any] = {
            "home": principal.tenant,
            "kind": principal.kind,
            "actor": plain(principal.id),
            "behind": plain(principal.behind),
            "roles": sorted(plain(role) for role in principal.roles)[:MOST_ROLES],
            "action": action,
            "on_kind": plain(resource.kind),
            "on_id": plain(resource.id),
            "outcome": outcome,
            "why": plain(why, LONGEST_WHY),
            "origin": plain(principal.origin),
            "count": 1,
            "before": value_text(before),
            "after": value_text(after),
        }
        if isinstance(transaction, TenantTransaction):
            tenant = transaction.tenant.id
        elif tenant is None:
            tenant = principal.tenant
        await transaction.value(_RECORD, tenant, GENESIS, body(**said), *said.values())
