"""Master data: which of a partner's codes means which of ours, by connection or system; looked up and set.

A connection's own rows come before those of its system. No row is overwritten by the way: what stands against
another is a conflict, which is told, and replaces it only where that was asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from crossdock.store import Database, EngineTransaction, Last, Tenant
from crossdock.translate.codes import Code
from crossdock.translate.work import Kind, Sought

_FIND: LiteralString = """
select k.kind, k.way, k.code, f.found
from unnest($3::text[], $4::text[], $5::text[]) as k(kind, way, code)
cross join lateral (
  select case k.way when 'ours' then c.ours else c.theirs end as found
  from crossdock.code c
  where c.tenant = $1 and c.scope = any($2::text[]) and c.kind = k.kind
    and ((k.way = 'ours' and c.theirs = k.code and c.direction <> 'out')
      or (k.way = 'theirs' and c.ours = k.code and c.direction <> 'in'))
  order by array_position($2::text[], c.scope) limit 1
) f
"""

# Who sets codes of one scope waits for who does so already.
_LOCK: LiteralString = (
    "select pg_advisory_xact_lock(hashtextextended('crossdock.code/' || $1 || '/' || $2, 0))"
)
_NEAR: LiteralString = """
select kind, ours, theirs, direction, since, by from crossdock.code
where tenant = $1 and scope = $2
  and ((kind, theirs) in (select * from unnest($3::text[], $4::text[]))
    or (kind, ours) in (select * from unnest($3::text[], $5::text[])))
"""
_DROP: LiteralString = """
delete from crossdock.code c using unnest($3::text[], $4::text[], $5::text[]) as k(kind, ours, theirs)
where c.tenant = $1 and c.scope = $2 and c.kind = k.kind and c.ours = k.ours and c.theirs = k.theirs
"""
_ADD: LiteralString = """
insert into crossdock.code (tenant, scope, kind, ours, theirs, direction, by)
select $1, $2, k.kind, k.ours, k.theirs, k.direction, $7
from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as k(kind, ours, theirs, direction)
"""
_ALL: LiteralString = """
select kind, ours, theirs, direction from crossdock.code
where tenant = $1 and scope = $2 and kind = any($3::text[])
"""
_OF: LiteralString = """
select kind, ours, theirs, direction from crossdock.code
where tenant = $1 and scope = $2 and kind = $3 and ($4::text is null or theirs = $4)
  and ($5::text is null or ours = $5)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOutcome:
    """What becomes of one line. `conflict`: it stands against `other`; `changed`: it replaces that."""

    line: int
    code: Code
    outcome: Literal["added", "same", "changed", "conflict"]
    other: tuple[Code, ...] = ()
    reason: str = ""


class References:
    """The cross references of all tenants."""

    def __init__(self, database: Database) -> None:
        """In that database."""
        self._database = database

    async def find(self, tenant: int, scopes: Sequence[str], wanted: Collection[Sought]) -> dict[Sought, str]:
        """What is known of what is wanted; `scopes` from the nearest on."""
        if not wanted:
            return {}
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_FIND, tenant, list(scopes), *map(list, zip(*wanted, strict=True)))
        return {(row["kind"], row["way"], row["code"]): row["found"] for row in rows}

    async def put(
        self,
        tenant: Tenant,
        scope: str,
        codes: Sequence[tuple[int, Code]],
        *,
        by: str,
        replace: bool = False,
        only_look: bool = False,
        last: Last | None = None,
    ) -> list[LineOutcome]:
        """Set codes, each with the number of its line, all or none; gives what became of each.

        None are set where one stands against another: of the file, or, without `replace`, of those that are
        there. `last` is done in the same transaction, where any was set.
        """
        async with self._database.engine() as transaction:
            await transaction.value(_LOCK, str(tenant.id), scope)
            told, gone = await self._compared(transaction, tenant.id, scope, codes, replace=replace)
            new = [one.code for one in told if one.outcome in ("added", "changed")]
            if only_look or not new or any(one.outcome == "conflict" for one in told):
                return told
            await transaction.execute(_DROP, tenant.id, scope, *_columns(gone))
            await transaction.execute(
                _ADD, tenant.id, scope, *_columns(new), [one.direction for one in new], by
            )
            if last is not None:
                await last(transaction)
        return told

    async def all_of(
        self, transaction: EngineTransaction, tenant: int, scope: str, kinds: Sequence[str]
    ) -> list[Code]:
        """All codes of these kinds. Until the transaction ends nobody else sets any of that scope."""
        await transaction.value(_LOCK, str(tenant), scope)
        return [_code(row) for row in await transaction.fetch(_ALL, tenant, scope, list(kinds))]

    async def add(
        self, transaction: EngineTransaction, tenant: int, scope: str, codes: Sequence[Code], *, by: str
    ) -> None:
        """Set codes that stand against none of those that `all_of` gave."""
        if codes:
            directions = [one.direction for one in codes]
            await transaction.execute(_ADD, tenant, scope, *_columns(codes), directions, by)

    async def drop(
        self,
        tenant: Tenant,
        scope: str,
        kind: Kind,
        *,
        theirs: str | None = None,
        ours: str | None = None,
        last: Last | None = None,
    ) -> list[Code]:
        """Forget the codes of that kind with these; gives them."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_OF, tenant.id, scope, kind, theirs, ours)
            gone = [_code(row) for row in rows]
            if gone:
                await transaction.execute(_DROP, tenant.id, scope, *_columns(gone))
                if last is not None:
                    await last(transaction)
        return gone

    async def _compared(
        self,
        transaction: EngineTransaction,
        tenant: int,
        scope: str,
        codes: Sequence[tuple[int, Code]],
        *,
        replace: bool,
    ) -> tuple[list[LineOutcome], list[Code]]:
        kinds, ours, theirs = _columns([code for _, code in codes])
        rows = await transaction.fetch(_NEAR, tenant, scope, kinds, theirs, ours)
        kept = {_code(row): f"since {row['since']:%Y-%m-%d}, by {row['by']}" for row in rows}
        before: dict[Code, int] = {}
        told, gone = [], list[Code]()
        for line, code in codes:
            if code in kept and not _against(code, before):
                told.append(LineOutcome(line=line, code=code, outcome="same"))
            elif code in before:
                told.append(
                    LineOutcome(line=line, code=code, outcome="same", reason=f"as line {before[code]}")
                )
            elif within := _against(code, before):
                reason = f"{_said(within[0])} in line {before[within[0]]}"
                told.append(
                    LineOutcome(line=line, code=code, outcome="conflict", other=within, reason=reason)
                )
            elif there := _against(code, kept):
                reason = f"{_said(there[0])} {kept[there[0]]}"
                gone += there if replace else ()
                outcome: Literal["changed", "conflict"] = "changed" if replace else "conflict"
                told.append(LineOutcome(line=line, code=code, outcome=outcome, other=there, reason=reason))
            else:
                told.append(LineOutcome(line=line, code=code, outcome="added"))
            before.setdefault(code, line)
        return told, gone


def _against(code: Code, others: Mapping[Code, Any]) -> tuple[Code, ...]:
    """Those that cannot hold beside it."""
    found = []
    for one in others:
        if one.kind != code.kind or one == code:
            continue
        reads = one.theirs == code.theirs and "out" not in (one.direction, code.direction)
        writes = one.ours == code.ours and "in" not in (one.direction, code.direction)
        if reads or writes or (one.ours, one.theirs) == (code.ours, code.theirs):
            found.append(one)
    return tuple(found)


def _said(code: Code) -> str:
    way = {"both": "is", "in": "is read as", "out": "is written for"}[code.direction]
    return f"{code.theirs} {way} {code.ours}"


def _columns(codes: Collection[Code]) -> tuple[list[str], list[str], list[str]]:
    return [one.kind for one in codes], [one.ours for one in codes], [one.theirs for one in codes]


def _code(row: Any) -> Code:
    return Code(kind=row["kind"], ours=row["ours"], theirs=row["theirs"], direction=row["direction"])
