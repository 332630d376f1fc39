"""Why somebody may do something, or may not: the same decision as at the deed, which is not done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from crossdock.access import ACTIONS, Principal, Resource, Verdict
from crossdock.access.keys import Keys
from crossdock.desk.exceptions import Exceptions
from crossdock.desk.ground import Ground
from crossdock.desk.tasks import Tasks
from crossdock.errors import NotFound, Refused
from crossdock.process.problems import nearest

KINDS = tuple(dict.fromkeys(action.partition(".")[0] for action in ACTIONS))

_PERSON: LiteralString = """
select id, name, roles, suspended is not null as suspended
from crossdock.person where tenant = crossdock.tenant() and id = $1
"""
_SYSTEM: LiteralString = (
    "select system from crossdock.connection where tenant = crossdock.tenant() and name = $1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Who was asked about, on what, and what was decided. `shut_out`: they cannot even sign in now."""

    who: Principal
    action: str
    resource: Resource
    verdict: Verdict
    shut_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRights:
    """A role, what it is for, and what it may do; `sometimes` are acts that depend on the thing."""

    name: str
    says: str
    shipped: bool
    actions: tuple[str, ...]
    sometimes: tuple[str, ...] = ()


class Explain:
    """Answers who may do what."""

    def __init__(self, ground: Ground, keys: Keys) -> None:
        """On that ground."""
        self._ground = ground
        self._keys = keys

    async def explain(self, by: Principal, who: str, action: str, on: str = "") -> Explanation:
        """Whether `who` may do that: a person, `key:ID` or `role:NAME`. `on` is a kind, or kind/id.

        Needs `person.read`, where it is about somebody else. Raises `NotFound`, `Refused`.
        """
        if who != by.id:
            await self._ground.policies.require(by, "person.read", Resource(kind="person", id=who))
        if action not in ACTIONS:
            raise Refused(f"there is no act {action[:60]}", where="action", mend=nearest(action, ACTIONS))
        principal, shut_out = await self._who(by, who)
        resource = await self._on(by, on or action.partition(".")[0])
        verdict = await self._ground.policies.decide(principal, action, resource)
        return Explanation(
            who=principal, action=action, resource=resource, verdict=verdict, shut_out=shut_out
        )

    async def roles(self, by: Principal) -> list[RoleRights]:
        """Each role and what it may do, shipped ones first. Needs `person.read`."""
        await self._ground.policies.require(by, "person.read", Resource(kind="role"))
        made = await self._ground.policies.policies(by.tenant)
        found: dict[str, RoleRights] = {}
        for policy in made.policies.values():
            for role in policy.roles if policy.permits else ():
                before = found.get(role)
                actions = policy.actions or tuple(ACTIONS)
                always = set(before.actions if before else ()) | set(actions if policy.always else ())
                sometimes = set(before.sometimes if before else ()) | set(actions)
                found[role] = RoleRights(
                    name=role,
                    says=before.says if before else policy.says,
                    shipped=before.shipped if before else role not in made.rules.roles,
                    actions=tuple(one for one in ACTIONS if one in always),
                    sometimes=tuple(one for one in ACTIONS if one in sometimes - always),
                )
        return list(found.values())

    async def _who(self, by: Principal, who: str) -> tuple[Principal, bool]:
        if who == by.id:
            return by, False
        tenant = await self._ground.tenant(by)
        if who.startswith("role:"):
            role = frozenset({who.removeprefix("role:")})
            return Principal(tenant=tenant.id, id=who, kind="human", roles=role), False
        if who.startswith("key:"):
            key = await self._keys.find(tenant, who.removeprefix("key:"))
            principal = Principal(
                tenant=tenant.id,
                id=who,
                kind="assistant" if "assistant" in key.roles else "key",
                name=key.name,
                roles=frozenset(key.roles),
                scopes=None if key.scopes is None else frozenset(key.scopes),
                behind=key.behind,
            )
            return principal, not key.works
        async with self._ground.look(by) as transaction:
            row = await transaction.row(_PERSON, who)
        if row is None:
            raise NotFound(f"nobody is called {who[:60]}", mend="name a person, key:ID or role:NAME")
        roles = frozenset(row["roles"])
        found = Principal(tenant=tenant.id, id=row["id"], kind="human", name=row["name"], roles=roles)
        return found, row["suspended"]

    async def _on(self, by: Principal, on: str) -> Resource:
        kind, _, id_ = on.partition("/")
        if kind not in KINDS:
            raise Refused(f"there is no kind {kind[:60]}", where="on", mend=nearest(kind, KINDS))
        if not id_:
            return Resource(kind=kind)
        if kind == "run":
            return (
                await self._ground.run(by, int(id_) if id_.isdecimal() and len(id_) < 19 else 0)
            ).resource()
        if kind == "task":
            return (await Tasks(self._ground).find(by, id_)).resource()
        if kind == "exception":
            return (await Exceptions(self._ground).find(by, id_))[1]
        if kind == "process":
            return Resource(kind=kind, id=id_, attributes={"process": id_})
        if kind == "connection":
            async with self._ground.look(by) as transaction:
                system = await transaction.value(_SYSTEM, id_)
            about = {"connection": id_, "system": system or ""}
            return Resource(kind=kind, id=id_, attributes=about)
        return Resource(kind=kind, id=id_)
