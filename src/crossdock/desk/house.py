"""The tenant's own house: its settings and calendars, what its roles may do; and the tenants themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from crossdock.access import Principal, Resource
from crossdock.access.policy_form import Rules
from crossdock.access.sealing import Sealing
from crossdock.access.secrets import ConnectionSecrets
from crossdock.access.tenants import Proof, Tenants
from crossdock.desk.ground import Ground
from crossdock.engine import Library
from crossdock.errors import Conflict
from crossdock.store import Tenant

_REFERENCE: LiteralString = """
select version, data from crossdock.reference where tenant = crossdock.tenant() order by version desc limit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What was sealed anew: with which master key, how many data keys, how many secrets."""

    master: str
    keys: int
    values: int


class Settings:
    """What is done with the settings and calendars of a tenant."""

    def __init__(self, ground: Ground, library: Library) -> None:
        """On that ground."""
        self._ground = ground
        self._library = library

    async def change(
        self,
        by: Principal,
        *,
        settings: Mapping[str, Any] | None = None,
        calendars: Mapping[str, Any] | None = None,
        after: int | None = None,
        note: str = "",
    ) -> int:
        """Set all settings, all calendars, or both, from now on; gives the number of this version.

        `after` is the version that was looked at. Raises `Conflict` where it is not the newest any more.
        """
        resource = Resource(kind="setting")
        await self._ground.policies.require(by, "setting.change", resource)
        async with self._ground.look(by) as transaction:
            row = await transaction.row(_REFERENCE)
        version = 0 if row is None else row["version"]
        if after is not None and after != version:
            raise Conflict("the settings have changed meanwhile", mend="look at them again, then set them")
        before = {"settings": {}, "calendars": {}} if row is None else msgspec.json.decode(row["data"])
        wanted = {
            "settings": before["settings"] if settings is None else settings,
            "calendars": before["calendars"] if calendars is None else calendars,
        }
        last = self._ground.noted(
            by, "setting.change", resource, why=note, before=_named(before), after=_named(wanted)
        )
        return await self._library.set_reference(
            await self._ground.tenant(by), **wanted, by=by.id, after=version, last=last
        )


class Roles:
    """What is done with the roles and policies of a tenant."""

    def __init__(self, ground: Ground) -> None:
        """On that ground."""
        self._ground = ground

    async def change(self, by: Principal, rules: Rules, *, note: str = "") -> Rules:
        """Set what the tenant adds to the shipped policies, after version `rules.version`.

        Raises `Refused` for what will not do, `Conflict` where somebody was quicker.
        """
        resource = Resource(kind="role")
        policies = self._ground.policies
        await policies.require(by, "role.change", resource)
        before = await policies.rules(by.tenant)
        async with self._ground.database.engine() as transaction:
            made = await policies.put(transaction, by, rules, why=note)
            last = self._ground.noted(
                by, "role.change", resource, why=note, before=_rules(before), after=_rules(made)
            )
            await last(transaction)
        policies.fresh(by.tenant)
        return made


class Houses:
    """What those who run the installation do with tenants."""

    def __init__(
        self, ground: Ground, tenants: Tenants, secrets: ConnectionSecrets, sealing: Sealing
    ) -> None:
        """On that ground."""
        self._ground = ground
        self._sealing = sealing
        self._tenants = tenants
        self._secrets = secrets

    async def create(self, by: Principal, name: str, *, title: str = "", note: str = "") -> Tenant:
        """A new tenant."""
        await self._may(by, name)
        return await self._tenants.create(name, by, title=title, why=note)

    async def suspend(self, by: Principal, name: str, *, why: str) -> None:
        """Let nothing in or out of it. `why` is shown to its people."""
        await self._may(by, name)
        await self._tenants.suspend(name, by, why=why)

    async def resume(self, by: Principal, name: str, *, why: str = "") -> None:
        """Let it go on."""
        await self._may(by, name)
        await self._tenants.resume(name, by, why=why)

    async def export(self, by: Principal, name: str) -> AsyncIterator[str]:
        """All rows of it, as of one moment, as lines. Secrets stay sealed in it."""
        await self._may(by, name)
        return self._tenants.export(name, by)

    async def delete(self, by: Principal, name: str, *, why: str) -> Proof:
        """Delete a suspended one and all its rows, its audit too; gives the proof, which is signed."""
        await self._may(by, name)
        return await self._tenants.delete(name, by, why=why)

    async def seal_anew(self, by: Principal, *, new_master: bool = False, values: bool = False) -> Sealed:
        """Seal the data keys of all tenants with the current master key, while everything runs.

        `new_master`: make one in the data directory first. `values`: also a new data key for each tenant, and
        all secrets sealed with it.
        """
        await self._may(by, "")
        if new_master:
            self._sealing.masters.make()
        tenants = await self._ground.database.tenants()
        keys = await self._secrets.rotate_master(tenants, by=by)
        again = 0
        if values:
            for one in tenants:
                again += await self._secrets.seal_again(one.id, by=by)
        return Sealed(master=(await self._sealing.look()).current, keys=keys, values=again)

    async def _may(self, by: Principal, name: str) -> None:
        await self._ground.policies.require(by, "tenant.change", Resource(kind="tenant", id=name))


def _named(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"settings": dict(data["settings"]), "calendars": sorted(data["calendars"])}


def _rules(rules: Rules) -> dict[str, Any]:
    roles = {name: list(role.actions) for name, role in sorted(rules.roles.items())}
    return {"version": rules.version, "roles": roles, "policies": rules.text}
