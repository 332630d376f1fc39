"""Who may do what: the one point of decision, for pages, API, commands, bulk acts, links and jobs alike.

The rules:

- Nothing is allowed unless a policy permits it, and one that forbids counts more than all that permit.
- What each shipped role may do stands in `policies/roles.cedar`; who decides tasks in `tasks.cedar`; what
  nothing else can give in `limits.cedar`. A tenant adds roles and policies of its own (`Rules`).
- A role that a process names, such as credit-controller, needs no definition: whoever has it decides.
- A principal touches the things of its own tenant alone: what it acts on is always read as that tenant.
- A policy that cannot be evaluated refuses.
- What a policy decided is kept as long as nothing that it may ask about is another: who asks with which
  roles and scopes, the act, the attributes of the thing, the version of the tenant's rules.
- Rules that were changed hold at once in this process, and within `FRESH` seconds in others.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, LiteralString

import cedarpy

from crossdock.access.actions import ACTIONS
from crossdock.access.audit import Audit
from crossdock.access.policy_form import (
    Compiled,
    Role,
    Rules,
    attributes,
    compiled,
    entities,
    parents_of,
)
from crossdock.access.resource import Resource, Value
from crossdock.access.tenants import OPERATOR
from crossdock.access.who import Principal
from crossdock.errors import Broken, Conflict, Forbidden, NotFound, Refused
from crossdock.store import Database, EngineTransaction, Tenant

FRESH = 0.5  # seconds for which the rules of a tenant are not read again
MOST_KEPT = 10_000  # decisions
_OWN = "partner-own"  # what is not a partner's own is not there for it

# What a decision about one thing knows of it, by the names of its row; of other kinds, its process.
_KNOWN_OF = {
    "run": ("process", "status"),
    "order": ("process", "status"),
    "exception": ("process", "owner", "connection"),
    "task": ("process", "role", "status"),
    "connection": ("connection", "system"),
    "case": ("process", "step", "type", "owner", "connection"),  # an open exception that a repair is of
    "difference": ("connection",),
    "delivery": ("connection",),
}

_CURRENT: LiteralString = """
select k.tenant, p.version, p.roles, p.text,
  (select t.tenant from crossdock.tenant t where t.name = $2) as operator
from (select $1::int as tenant) k
left join lateral (
  select * from crossdock.policy p where p.tenant = k.tenant order by p.version desc limit 1
) p on true
"""

_ADD: LiteralString = """
insert into crossdock.policy (tenant, version, by, why, roles, text)
select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5 from crossdock.policy where tenant = $1
having coalesce(max(version), 0) = $6
on conflict (tenant, version) do nothing
returning version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Allowed or not, why in words, the policies that decided, and the roles that would let one."""

    allowed: bool
    why: str
    policies: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    """The rules of a tenant as they were read."""

    compiled: Compiled
    read_at: float
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Policies:
    """Decides for all tenants, one at a time."""

    def __init__(self, database: Database, audit: Audit) -> None:
        """With the rules in that database; refused attempts go to that audit."""
        self._database = database
        self._audit = audit
        self._known: dict[int, _Known] = {}
        self._kept: OrderedDict[Hashable, Verdict] = OrderedDict()
        self._operator: int | None = None

    async def decide(self, principal: Principal, action: str, resource: Resource) -> Verdict:
        """Whether this principal may do that to a thing of its tenant, and why. Raises `Unreachable`."""
        known = await self._held(principal.tenant)
        key = (
            principal.tenant,
            known.compiled.rules.version,
            principal.id,
            principal.kind,
            principal.behind,
            principal.roles,
            principal.scopes,
            action,
            resource.kind,
            frozenset(resource.attributes.items()),
            self._operator,
        )
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._ask(known.compiled, principal, action, resource)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    async def visible(
        self, principal: Principal, action: str, rows: Sequence[Any], *, of: str = "", **own: Value
    ) -> list[Any]:
        """Those rows of a list that may be seen: each is decided about as when it is read alone.

        `of`: the kind that they are, where they are seen by a right to something else; `own` is known of all
        of them. Nothing is refused or recorded.
        """
        kind = action.partition(".")[0]
        names = _KNOWN_OF.get(of or kind, ("process",))
        found, decided = [], dict[tuple[Any, ...], bool]()  # rows are many, and much alike
        for row in rows:
            values = tuple(row[name] for name in names)
            if values not in decided:
                known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
                resource = Resource(kind=kind, attributes={**known, **own})
                decided[values] = (await self.decide(principal, action, resource)).allowed
            if decided[values]:
                found.append(row)
        return found

    async def by_rows(self, principal: Principal, action: str, of: str = "") -> bool:
        """Whether it depends on the row if one of a list may be seen; where not, all may be, or none.

        `of`: as `visible` has it.
        """
        held = await self._held(principal.tenant)
        names = _KNOWN_OF.get(of or action.partition(".")[0], ("process",))
        known = {"roles" if name == "role" else name for name in names}
        return held.compiled.by_rows(action, parents_of(principal), known)

    async def require(self, principal: Principal, action: str, resource: Resource) -> None:
        """Return where it is allowed. Raises `Forbidden` with the why; the attempt is recorded.

        To a partner, what is another's is not there: `NotFound`.
        """
        verdict = await self.decide(principal, action, resource)
        if verdict.allowed:
            return
        async with self._database.of(Tenant(id=principal.tenant, name="")) as transaction:
            await self._audit.record(
                transaction, principal, action, resource, outcome="refused", why=verdict.why
            )
        where = f"{resource.kind}/{resource.id}" if resource.id else resource.kind
        if _OWN in verdict.policies and resource.id:
            raise NotFound(f"there is no {resource.kind} {resource.id}", mend="name one of your own")
        mend = f"it needs one of the roles {', '.join(verdict.needed)}" if verdict.needed else ""
        raise Forbidden(verdict.why, where=where, mend=mend or "ask whoever looks after the roles here")

    async def rules(self, tenant: int) -> Rules:
        """What the tenant has set itself."""
        return (await self._read(tenant)).compiled.rules

    async def policies(self, tenant: int) -> Compiled:
        """All policies that hold for a tenant, the shipped ones first."""
        return (await self._read(tenant)).compiled

    async def put(
        self,
        transaction: EngineTransaction,
        by: Principal,
        rules: Rules,
        *,
        why: str = "",
    ) -> Rules:
        """Set what the tenant of `by` adds, after version `rules.version`; gives it with its new version.

        Call `fresh` after the commit. Raises `Refused` for what will not do, `Conflict` where somebody was
        quicker.
        """
        made = compiled(rules)
        self._refuse_lock_out(made, by)
        version: int | None = await transaction.value(
            _ADD,
            by.tenant,
            by.id,
            why[:2000],
            json.dumps({n: {"says": r.says, "actions": r.actions} for n, r in rules.roles.items()}).encode(),
            rules.text,
            rules.version,
        )
        if version is None:
            raise Conflict("the rules have changed meanwhile", mend="look at them again, then set them")
        return Rules(version=version, roles=rules.roles, text=rules.text)

    def fresh(self, tenant: int) -> None:
        """Read the rules of a tenant again at the next decision."""
        known = self._known.get(tenant)
        if known is not None:
            known.read_at = -1e9

    def _refuse_lock_out(self, made: Compiled, by: Principal) -> None:
        admin = Principal(tenant=by.tenant, id="anybody", kind="human", roles=frozenset({"tenant-admin"}))
        for action in ("role.change", "person.change"):
            verdict = self._ask(made, admin, action, Resource(kind=action.partition(".")[0]))
            if not verdict.allowed:
                raise Refused(
                    f"then no tenant-admin could {ACTIONS[action]}: {verdict.why}",
                    where="policies",
                    mend="leave that to tenant-admin: nobody could set it right again",
                )

    async def _held(self, tenant: int) -> _Known:
        known = self._known.get(tenant)
        if known is None or time.monotonic() - known.read_at >= FRESH:
            known = await self._read(tenant)
        return known

    async def _read(self, tenant: int) -> _Known:
        known = self._known.setdefault(tenant, _Known(_shipped(), -1e9))
        async with known.reading:
            began = time.monotonic()
            if began - known.read_at < FRESH:
                return known
            (row,) = await self._database.at_once(_CURRENT, tenant, OPERATOR)
            self._operator = row["operator"]
            if (row["version"] or 0) != known.compiled.rules.version:
                known.compiled = compiled(_rules(row))
            known.read_at = began
        return known

    def _ask(self, made: Compiled, principal: Principal, action: str, resource: Resource) -> Verdict:
        if action not in ACTIONS:
            raise Broken(f"{action!r} is no act", mend="name one of ACTIONS")
        policies, in_order = made.about(action)
        operator = self._operator is not None and principal.tenant == self._operator
        answer = cedarpy.is_authorized(
            {
                "principal": {"type": "Principal", "id": principal.id},
                "action": {"type": "Action", "id": action},
                "resource": {"type": "Thing", "id": resource.kind},
                "context": {"act": action},
            },
            policies,
            entities(principal, resource, operator=operator),
        )
        deciding = [in_order[int(one.removeprefix("policy"))] for one in answer.diagnostics.reasons]
        names = tuple(sorted(one.name for one in deciding))
        if answer.diagnostics.errors:
            return Verdict(allowed=False, why="a policy could not be evaluated", policies=names)
        if answer.allowed:
            by = f" ({', '.join(names)})"
            return Verdict(allowed=True, why=f"{principal.id} may {ACTIONS[action]}{by}", policies=names)
        needed = tuple(made.those_that_permit(action))
        if not deciding:
            return Verdict(allowed=False, why=f"{principal.id} may not {ACTIONS[action]}", needed=needed)
        said = sorted(one.says or f"the policy {one.name} forbids it" for one in deciding)
        asked = attributes(resource).get("roles", ())
        words = "; ".join(dict.fromkeys(said)).replace("{who}", principal.id)
        return Verdict(
            allowed=False,
            why=words.replace("{roles}", " or ".join(asked)),
            policies=names,
            needed=asked if "task-not-the-role" in names else (),
        )


@cache
def _shipped() -> Compiled:
    return compiled(Rules())


def _rules(row: Any) -> Rules:
    if row["version"] is None:
        return Rules()
    roles = {
        name: Role(says=one["says"], actions=tuple(one["actions"]))
        for name, one in json.loads(row["roles"]).items()
    }
    return Rules(version=row["version"], roles=roles, text=row["text"])
