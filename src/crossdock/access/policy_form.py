"""Policies as Cedar takes them: the shipped ones, those of a tenant, and how who asks for what is put to it.

A tenant's own roles become a permit each; its policies are its own text. Both are read against the schema
(`policies/schema.cedarschema` with the acts of ACTIONS) before they are taken, so that none can fail when it
is asked: a `forbid` that fails would forbid nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import cedarpy

from crossdock.access.actions import ACTIONS
from crossdock.access.resource import Resource
from crossdock.access.who import EVERY_ROLE, PARTNER, Principal
from crossdock.errors import Broken, Refused

LONGEST_POLICIES = 64 * 1024  # letters of a tenant's own
MOST_ROLES = 100
ROLE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
FIXED = frozenset({"operator-admin", "tenant-admin", "partner", "assistant"})
"""Shipped roles that a tenant cannot define anew: what others count on would be gone."""

SHIPPED = FIXED | frozenset(
    {"operations-lead", "order-desk", "finance-controller", "integration-engineer", "auditor", "viewer"}
)
"""All shipped roles; any other is one of the tenant, or one that processes name."""

_FILES = ("roles.cedar", "tasks.cedar", "limits.cedar")
_TEXTS = frozenset(
    {"connection", "owner", "partner", "process", "severity", "status", "step", "system", "type"}
)
_SETS = frozenset({"excluded", "roles"})
_THING = '{"Var": "resource"}'
_ATTRIBUTE = re.compile(re.escape(f'"left": {_THING}, "attr": ') + r'"(\w+)"')
_NOTHING: Mapping[str, Role] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that a tenant has defined: what it is for, and what it may do."""

    says: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a tenant has set itself; version 0 is before it has set anything."""

    version: int = 0
    roles: Mapping[str, Role] = field(default_factory=lambda: _NOTHING)
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy: its name, what it says, whom and which acts it is about; empty is everybody, all acts."""

    name: str
    says: str
    permits: bool
    roles: tuple[str, ...]
    actions: tuple[str, ...]
    always: bool  # it asks for nothing else
    asks: frozenset[str] | None  # what it asks of the thing, by name; None: something else of it

    def is_about(self, action: str) -> bool:
        """Whether it can decide that act."""
        return not self.actions or action in self.actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Policies that can be asked, by name; `texts` are their texts."""

    rules: Rules
    policies: Mapping[str, Policy]
    texts: Mapping[str, str]
    _about: dict[str, tuple[cedarpy.PolicySet, Sequence[Policy]]] = field(default_factory=dict)

    def about(self, action: str) -> tuple[cedarpy.PolicySet, Sequence[Policy]]:
        """Those that can decide that act, as Cedar takes them, and in its order: fewer cost less."""
        found = self._about.get(action)
        if found is None:
            those = [one for one in self.policies.values() if one.is_about(action)]
            made = cedarpy.PolicySet.from_str("\n".join(self.texts[one.name] for one in those))
            found = self._about[action] = made, those
        return found

    def by_rows(self, action: str, parents: AbstractSet[str], known: AbstractSet[str]) -> bool:
        """Whether an act of somebody in these roles is permitted for one thing and not for another.

        `known` is what is known of such things.
        """
        theirs = [one for one in self.about(action)[1] if not one.roles or parents & set(one.roles)]
        apart = [one for one in theirs if one.asks is None or one.asks & known]
        if any(not one.permits for one in apart):
            return True
        return bool(apart) and not any(one.permits and one.always for one in theirs)

    def those_that_permit(self, action: str) -> list[str]:
        """The roles that may do it to whatever it is."""
        found = [one for one in self.policies.values() if one.permits and one.always and one.is_about(action)]
        return sorted({role for one in found for role in one.roles} - {"partner"})


@cache
def schema() -> cedarpy.Schema:
    """What policies may ask about, and all acts."""
    acts = ", ".join(f'"{action}"' for action in ACTIONS)
    applies = "appliesTo { principal: Principal, resource: Thing, context: { act: String } }"
    return cedarpy.Schema.from_str(f"{_file('schema.cedarschema')}\naction {acts} {applies};\n")


def compiled(rules: Rules) -> Compiled:
    """The shipped policies with those of a tenant. Raises `Refused` for what will not do."""
    _check_roles(rules.roles)
    if len(rules.text) > LONGEST_POLICIES:
        raise Refused(f"the policies have more than {LONGEST_POLICIES:,} letters", mend="write fewer")
    own = _read(rules.text)
    shipped = [one for name in _FILES for one in _split(_file(name)) if one[0].name not in rules.roles]
    defined = [pair for name, role in sorted(rules.roles.items()) for pair in _split(_role(name, role))]
    taken = {policy.name for policy, _ in [*shipped, *defined]}
    for n, (policy, _) in enumerate(own, start=1):
        if not policy.name:
            raise Refused(f"policy {n} has no name", mend='write @id("...") before it')
        if policy.name in taken:
            raise Refused(f"there are two policies {policy.name}", mend="give this one another name")
        taken.add(policy.name)
    every = [*shipped, *defined, *own]
    return Compiled(
        rules=rules,
        policies=MappingProxyType({policy.name: policy for policy, _ in every}),
        texts=MappingProxyType({policy.name: text for policy, text in every}),
    )


def entities(principal: Principal, resource: Resource, *, operator: bool) -> str:
    """Who asks and what for, as Cedar reads it. Raises `Broken` for an attribute that no policy knows."""
    roles = principal.roles
    partners = sorted(role.removeprefix(PARTNER) for role in roles if role.startswith(PARTNER))
    who: dict[str, Any] = {
        "id": principal.id,
        "kind": principal.kind,
        "person": principal.person,
        "roles": sorted(roles - {EVERY_ROLE}),
        "every": EVERY_ROLE in roles,
        "operator": operator,
        "partners": partners,
    }
    if principal.scopes is not None:
        who["scopes"] = sorted(principal.scopes)
    return json.dumps(
        [
            {
                "uid": {"type": "Principal", "id": principal.id},
                "attrs": who,
                "parents": [{"type": "Role", "id": role} for role in sorted(parents_of(principal))],
            },
            {"uid": {"type": "Thing", "id": resource.kind}, "attrs": attributes(resource), "parents": []},
        ]
    )


def parents_of(principal: Principal) -> frozenset[str]:
    """The roles that policies find somebody in: whoever is of a partner is `partner` too."""
    of_partner = any(role.startswith(PARTNER) for role in principal.roles)
    return principal.roles | ({"partner"} if of_partner else frozenset())


def attributes(resource: Resource) -> dict[str, Any]:
    """What policies may ask about it: empty values are left out, and `role` is one of `roles`."""
    found: dict[str, Any] = {"kind": resource.kind}
    given = dict(resource.attributes)
    role = given.pop("role", "")
    if role:
        roles = given.get("roles", ())
        given["roles"] = (*(roles if isinstance(roles, tuple) else ()), str(role))
    for name, value in given.items():
        fits = (
            isinstance(value, str)
            if name in _TEXTS
            else isinstance(value, tuple)
            if name in _SETS
            else name == "count" and isinstance(value, int)
        )
        if not fits:
            raise Broken(
                f"no policy knows the attribute `{name}` with {value!r}", mend="add it to schema.cedarschema"
            )
        if isinstance(value, tuple):
            value = tuple(sorted({one for one in value if one}))  # noqa: PLW2901 - an empty one says nothing
        if value not in ("", ()):
            found[name] = value
    return found


def _check_roles(roles: Mapping[str, Role]) -> None:
    if len(roles) > MOST_ROLES:
        raise Refused(f"{MOST_ROLES} roles are the most", mend="define fewer")
    for name, role in roles.items():
        if not ROLE_NAME.fullmatch(name):
            raise Refused(
                f"{name!r} is no name of a role", where="roles", mend="give a-z, 0-9, - and _, a letter first"
            )
        if name in FIXED:
            raise Refused(f"{name} cannot be defined anew", where="roles", mend="give it another name")
        for action in role.actions:
            if action not in ACTIONS:
                raise Refused(f"there is no act {action}", where=name, mend="see `crossdock access roles`")
            if action.startswith("tenant."):
                raise Refused(f"no role of a tenant may {ACTIONS[action]}", where=name, mend="leave it out")
            if action == "task.decide":
                raise Refused(
                    "whoever has the role that a task asks for decides it; no other role does",
                    where=name,
                    mend="leave it out, and name the role in the process",
                )


def _role(name: str, role: Role) -> str:
    acts = ", ".join(f"Action::{json.dumps(action)}" for action in sorted(set(role.actions)))
    says = json.dumps(re.sub(r"[^\x20-\x7e\u00a0-\uffff]|[\\\"]", " ", role.says)[:200], ensure_ascii=False)
    return f'@id("{name}") @says({says})\npermit (principal in Role::"{name}", action in [{acts}], resource);'


def _read(text: str) -> list[tuple[Policy, str]]:
    """A tenant's own policies. Raises `Refused`, with what is wrong in them."""
    if not text.strip():
        return []
    try:
        cedarpy.PolicySet.from_str(text)
    except ValueError as error:
        raise Refused(f"this is no policy: {_first(error)}", where="policies", mend="mend it") from None
    checked = cedarpy.validate_policies(text, schema())
    if not checked.validation_passed:
        raise Refused(
            f"a policy does not hold: {_first(checked.errors[0].error)}",
            where="policies",
            mend="see what policies may ask about: schema.cedarschema",
        )
    return _split(text)


def _first(error: object) -> str:
    return " ".join(str(error).split())[:400]


def _split(text: str) -> list[tuple[Policy, str]]:
    """Each policy of a text by itself, with what its head says."""
    found = json.loads(cedarpy.policies_to_json_str(text))
    if found.get("templates"):
        raise Refused("a template is no policy", where="policies", mend="write whom it is about")
    policies = found["staticPolicies"]
    numbered = sorted(policies, key=lambda name: int(name.removeprefix("policy")))
    return [
        (
            _policy(policies[name]),
            cedarpy.policies_from_json_str(
                json.dumps(
                    {"staticPolicies": {"policy0": policies[name]}, "templates": {}, "templateLinks": []}
                )
            ),
        )
        for name in numbered
    ]


def _policy(value: Mapping[str, Any]) -> Policy:
    notes = value.get("annotations") or {}
    who, act, on = value["principal"], value["action"], value["resource"]
    actions = [act["entity"]] if act.get("op") == "==" else act.get("entities", [])
    if act.get("op") == "in" and "entity" in act:
        actions = [act["entity"]]
    role, asks = who.get("entity", {}), value.get("conditions", [])
    return Policy(
        name=str(notes.get("id") or ""),
        says=str(notes.get("says") or ""),
        permits=value["effect"] == "permit",
        roles=(str(role["id"]),) if role.get("type") == "Role" else (),
        actions=tuple(str(one["id"]) for one in actions),
        always=not asks and on["op"] == "All" and (who["op"] == "All" or role.get("type") == "Role"),
        asks=_asked(json.dumps(asks)) if on["op"] == "All" else None,
    )


def _asked(conditions: str) -> frozenset[str] | None:
    found = _ATTRIBUTE.findall(conditions)
    return frozenset(found) if len(found) == conditions.count(_THING) else None


@cache
def _file(name: str) -> str:
    return resources.files("crossdock.access").joinpath("policies", name).read_text()
