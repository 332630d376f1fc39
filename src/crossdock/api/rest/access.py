"""Who may what: roles and policies, keys, and why; the settings of the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.access import ACTIONS, Resource
from crossdock.access.cookies import session_token
from crossdock.access.keys import Key
from crossdock.access.policy_form import Role, Rules
from crossdock.api.acting import Given
from crossdock.api.description import PREFIX
from crossdock.api.door import session_of
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, chosen_fields, pick
from crossdock.api.names import named_text
from crossdock.api.route import router
from crossdock.api.strict import near, shown
from crossdock.errors import Refused
from crossdock.model.codes import Instant
from crossdock.store import TenantTransaction

routes = router("access")

Note = Annotated[str, StringConstraints(max_length=2000)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class ShownKey(Out):
    """A key, without its text."""

    id: str
    name: str | None = None
    roles: list[str]
    scopes: list[str] | None = Field(
        None, description="Acts that it is narrowed to; absent: what its roles may"
    )
    behind: str | None = Field(None, description="The person who answers for it")
    made: datetime
    made_by: str | None = None
    expires: datetime | None = None
    used: datetime | None = Field(None, description="Last, to a minute")
    used_from: str | None = None
    revoked: datetime | None = None
    revoked_by: str | None = None
    works: bool
    text: str | None = Field(None, description="Given once, when it is made; never again")


class KeyPage(Out):
    """Keys, newest first."""

    items: list[ShownKey]
    next: str | None = None


class KeyQuery(Paged):
    """Which keys, newest first."""

    q: Text | None = Field(None, description="With this in their id or name")
    role: Text | None = Field(None, description="With this role")
    behind: Text | None = Field(None, description="That this person answers for")
    revoked: bool = Field(False, description="With those that are revoked")


class MakeKey(Given):
    """A key to make."""

    name: Annotated[str, StringConstraints(max_length=100)] = Field("", description="What it is for")
    roles: list[Word] = Field(min_length=1, max_length=50, description="What it may do")
    scopes: list[Word] | None = Field(None, max_length=100, description="Narrowed to these acts")
    expires: Instant | None = Field(None, description="Believed until then")
    note: Note = Field("", description="Why: it stays in the audit")


class Revoke(Given):
    """Why a key is revoked."""

    note: Note = Field("", description="Why: it stays in the audit")


class OwnRole(Given):
    """A role of the tenant's own."""

    says: Annotated[str, StringConstraints(max_length=500)] = Field(description="What it is for")
    actions: list[Word] = Field(max_length=100, description="What it may do")


class GivenRules(Given):
    """What the tenant adds to the shipped roles and policies."""

    roles: dict[str, OwnRole] = Field(default_factory=dict, description="By name")
    policies: Annotated[str, StringConstraints(max_length=65_536)] = Field("", description="In Cedar")
    note: Note = Field("", description="Why: it stays in the audit")


class PolicyShown(Out):
    """One policy that holds."""

    name: str
    says: str
    permits: bool
    roles: list[str]
    actions: list[str]


class RoleShown(Out):
    """What a role may do."""

    name: str
    says: str
    shipped: bool = Field(description="Whether it comes with Crossdock; else the tenant has made it")
    actions: list[str] = Field(description="What it may do to everything")
    sometimes: list[str] = Field(description="What it may do to some things")


class RulesShown(Out):
    """The roles and policies of a tenant."""

    version: int = Field(description="Of what the tenant has set; 0 is before it has set anything")
    roles: dict[str, Any] = Field(description="The tenant's own")
    policies: str = Field(description="The tenant's own, in Cedar")
    all: list[PolicyShown] = Field(description="All that hold, the shipped ones too")
    rights: list[RoleShown] = Field(description="What each role may do by them; any other decides its tasks")


class Me(Out):
    """Who asks."""

    id: str
    kind: Literal["human", "key", "assistant", "system"]
    name: str | None = None
    tenant: str
    roles: list[str]
    scopes: list[str] | None = Field(None, description="Of a key that is narrowed: the acts that are left")
    behind: str | None = Field(None, description="The person who answers for a key")
    token: str | None = Field(None, description="Of a session: what goes into `X-CSRF-Token` with a change")


class Why(Out):
    """Whether something is allowed, and why."""

    allowed: bool
    why: str
    policies: list[str]
    needed: list[str] = Field(description="Roles that would let one")
    roles: list[str] = Field(description="Those of whoever it is about")
    about: dict[str, Any] = Field(description="What the decision knows of the thing")


class WhyQuery(View):
    """What one would do."""

    who: Text | None = Field(
        None, description="Somebody else: a person, `key:ID` or `role:NAME`; needs `person.read`"
    )
    on: Text | None = Field(None, description="On this: `task/ID`, `connection/erp`; else on anything such")

    action: Text = Field(description="The act, as `run.cancel`", json_schema_extra={"enum": list(ACTIONS)})
    process: Text | None = Field(None, description="On a thing of this process")
    connection: Text | None = Field(None, description="About this connection")
    role: list[Text] = Field([], max_length=20, description="Of a task: the roles that decide it")


class SettingsShown(Out):
    """The settings and calendars of a tenant, as expressions see them."""

    version: int
    settings: dict[str, Any]
    calendars: dict[str, Any]
    by: str | None = None
    at: datetime | None = None


class GivenSettings(Given):
    """Settings and calendars from now on; what is left out stays."""

    settings: dict[str, Any] | None = None
    calendars: dict[str, Any] | None = None
    note: Note = Field("", description="Why: it stays in the audit")


KEYS = tuple(name for name in ShownKey.model_fields if name != "text")


@routes.get("/keys", responses={200: {"model": KeyPage}})
async def list_keys(call: Asked, query: Annotated[KeyQuery, Query()]) -> Response:
    """List the keys of the tenant, newest first; never their texts."""
    await call.allow("key.read")
    known = [
        key
        for key in await call.ground.identity.keys.of(call.tenant, revoked=query.revoked)
        if (query.q is None or query.q.lower() in f"{key.id}\n{key.name}".lower())
        and (query.role is None or query.role in key.roles)
        and query.behind in (None, key.behind)
    ]

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        if place is None:
            return known[:most]
        made, id_ = datetime.fromisoformat(place[0]), place[1]
        return [key for key in known if key.made < made or (key.made == made and key.id > id_)][:most]

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_key(row) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row.made, row.id], show=show, names=KEYS)
    return await listing.answer(call, query)


@routes.get("/keys/{key}", responses={200: {"model": ShownKey}})
async def read_key(call: Asked, key: str, query: Annotated[View, Query()]) -> Response:
    """Read one key; never its text."""
    await call.allow("key.read", key)
    chosen = chosen_fields(query.fields, KEYS)
    found = await call.ground.identity.keys.find(call.tenant, key.replace("\0", ""))
    return call.answer(pick(_key(found), chosen), tag=f"{found.id}/{found.revoked}/{found.expires}")


@routes.post("/keys", status_code=201, responses={201: {"model": ShownKey, "description": "Made"}})
async def make_key(call: Asked, given: MakeKey) -> Response:
    """Make a key. Its text stands in this answer alone: not even the same request again gives it."""
    text: dict[str, str] = {}
    if call.done is not None:  # its text was lost with the process that made it
        key = await call.ground.identity.keys.find(call.tenant, call.done)
    else:
        made = await call.ground.acts.keys.create(
            call.principal,
            roles=given.roles,
            scopes=given.scopes,
            name=given.name,
            expires=given.expires,
            note=given.note,
        )
        key, text = made.key, {"text": made.text}
    value = pick(_key(key), ())
    response = call.answer(value | text, 201, headers={"location": f"{PREFIX}/keys/{key.id}"})
    response.crossdock_kept = msgspec.json.encode(value)  # type: ignore[attr-defined] # what a replay gives
    return response


@routes.post("/keys/{key}/revoke", responses={200: {"model": ShownKey, "description": "Revoked"}})
async def revoke_key(call: Asked, key: str, given: Revoke) -> Response:
    """Believe a key no more, from this moment on."""
    id_ = key.replace("\0", "")
    if call.done is None:
        revoked = await call.ground.acts.keys.revoke(call.principal, id_, note=given.note)
    else:
        revoked = await call.ground.identity.keys.find(call.tenant, id_)
    return call.answer(pick(_key(revoked), ()))


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name or None,
        "roles": list(key.roles),
        "scopes": None if key.scopes is None else list(key.scopes),
        "behind": key.behind or None,
        "made": key.made,
        "made_by": key.made_by or None,
        "expires": key.expires,
        "used": key.used,
        "used_from": key.used_from or None,
        "revoked": key.revoked,
        "revoked_by": key.revoked_by or None,
        "works": key.works,
    }


@routes.get("/roles", responses={200: {"model": RulesShown}})
async def read_roles(call: Asked) -> Response:
    """Read the roles and policies that hold, the shipped ones and the tenant's own."""
    await call.allow("person.read")
    return await _rules(call)


@routes.put("/roles", responses={200: {"model": RulesShown, "description": "Changed"}})
async def change_roles(call: Asked, given: GivenRules) -> Response:
    """Set what the tenant adds to the shipped roles and policies."""
    await call.allow("role.change")
    before = await call.ground.policies.rules(call.principal.tenant)
    call.seen(f"{before.version}")
    wanted = Rules(
        version=before.version,
        roles={name: Role(says=one.says, actions=tuple(one.actions)) for name, one in given.roles.items()},
        text=given.policies,
    )
    await call.ground.acts.roles.change(call.principal, wanted, note=given.note)
    return await _rules(call)


async def _rules(call: Call) -> Response:
    compiled = await call.ground.policies.policies(call.principal.tenant)
    rules = compiled.rules
    value = {
        "version": rules.version,
        "roles": {
            name: {"says": role.says, "actions": list(role.actions)} for name, role in rules.roles.items()
        },
        "policies": rules.text,
        "all": [
            {
                "name": one.name,
                "says": one.says,
                "permits": one.permits,
                "roles": list(one.roles),
                "actions": list(one.actions),
            }
            for one in compiled.policies.values()
        ],
        "rights": [asdict(one) for one in await call.ground.acts.explain.roles(call.principal)],
    }
    return call.answer(value, tag=f"{rules.version}")


@routes.get("/me", responses={200: {"model": Me}})
async def read_me(call: Asked) -> Response:
    """Say who asks, of which tenant, in which roles."""
    who = call.principal
    session = session_of(call.request)
    value = {
        "id": who.id,
        "kind": who.kind,
        "name": who.name or None,
        "tenant": call.tenant.name,
        "roles": sorted(who.roles),
        "scopes": None if who.scopes is None else sorted(who.scopes),
        "behind": who.behind or None,
        "token": session_token(session) if session else None,
    }
    return call.answer(pick(value, ()))


@routes.get("/access", responses={200: {"model": Why}})
async def explain_access(call: Asked, query: Annotated[WhyQuery, Query()]) -> Response:
    """Say whether you, or somebody else, may do something, and why."""
    if query.action not in ACTIONS:
        raise Refused(
            f"there is no act {shown(query.action)}", where="query.action", mend=near(query.action, ACTIONS)
        )
    if query.who is not None or query.on is not None:
        explain = call.ground.acts.explain
        found = await explain.explain(
            call.principal, query.who or call.principal.id, query.action, _numbered(call, query.on or "")
        )
        verdict, who, about = found.verdict, found.who, dict(found.resource.attributes)
        why = f"{query.who} is shut out; else {verdict.why}" if found.shut_out else verdict.why
        allowed = verdict.allowed and not found.shut_out
    else:
        who, about = call.principal, {}
        about |= {"process": query.process} if query.process else {}
        about |= {"connection": query.connection} if query.connection else {}
        about |= {"roles": tuple(query.role)} if query.role else {}
        resource = Resource(kind=query.action.partition(".")[0], attributes=about)
        verdict = await call.ground.policies.decide(who, query.action, resource)
        why, allowed = verdict.why, verdict.allowed
    return call.answer(
        {
            "allowed": allowed,
            "why": why,
            "policies": list(verdict.policies),
            "needed": list(verdict.needed),
            "roles": sorted(who.roles),
            "about": about,
        }
    )


def _numbered(call: Call, on: str) -> str:
    """A thing as it is called here, by the id under which it is kept."""
    kind, _, name = on.partition("/")
    if name and kind in ("run", "repair"):
        return f"{kind}/{call.number(kind, name)}"
    return f"{kind}/{named_text(kind, name)}" if name and kind in ("task", "exception") else on


@routes.get("/settings", responses={200: {"model": SettingsShown}})
async def read_settings(call: Asked) -> Response:
    """Read the settings and calendars of the tenant."""
    await call.allow("setting.read")
    value = await _settings(call)
    return call.answer(value, tag=f"{value['version']}")


@routes.put("/settings", responses={200: {"model": SettingsShown, "description": "Changed"}})
async def change_settings(call: Asked, given: GivenSettings) -> Response:
    """Set settings, calendars, or both, from now on; decisions that were made stay on theirs."""
    await call.allow("setting.change")
    before = (await _settings(call))["version"]
    call.seen(f"{before}")
    await call.ground.acts.settings.change(
        call.principal,
        settings=given.settings,
        calendars=given.calendars,
        after=before,
        note=given.note,
    )
    value = await _settings(call)
    return call.answer(value, tag=f"{value['version']}")


async def _settings(call: Asked) -> dict[str, Any]:
    async with call.look() as transaction:
        row = await transaction.row(
            "select version, at, by, data from crossdock.reference where tenant = crossdock.tenant() "
            "order by version desc limit 1"
        )
    if row is None:
        return {"version": 0, "settings": {}, "calendars": {}}
    data = msgspec.json.decode(row["data"])
    value = {"version": row["version"], **data, "by": row["by"] or None, "at": row["at"]}
    return pick(value, ())
