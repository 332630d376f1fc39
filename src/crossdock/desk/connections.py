"""Connections: set, tested, stopped, started, removed, and their secrets. No secret is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, Literal, LiteralString

import msgspec

from crossdock import connect
from crossdock.access import Principal, Resource
from crossdock.access.outbound import Outbound
from crossdock.access.secrets import ConnectionSecrets, Known
from crossdock.connect import Connector, Registry
from crossdock.connect.mappings import Mappings
from crossdock.connect.probe import Finding, probe
from crossdock.connect.traffic import har_of
from crossdock.desk.connection_form import wanted
from crossdock.desk.ground import Ground
from crossdock.desk.health import Health, health
from crossdock.engine import Connections
from crossdock.engine.connections import Connection
from crossdock.errors import NotFound, Refused
from crossdock.process.problems import nearest
from crossdock.store import Tenant

LONGEST_RECORDING = 86_400  # seconds

_ONE: LiteralString = """
select name, system, connector, environment, settings, concurrency, rate, mapping,
  stopped is not null as stopped
from crossdock.connection where tenant = crossdock.tenant() and name = $1
"""
_NAMES: LiteralString = "select name from crossdock.connection where tenant = crossdock.tenant() order by 1"


class Lines:
    """What is done with connections."""

    def __init__(
        self,
        ground: Ground,
        connections: Connections,
        registry: Registry,
        secrets: ConnectionSecrets,
        lines: connect.Lines,
        outbound: Outbound,
    ) -> None:
        """On that ground."""
        self._lines = lines
        self._outbound = outbound
        self._ground = ground
        self._connections = connections
        self._registry = registry
        self._secrets = secrets
        self._mappings = Mappings(ground.database)

    @property
    def connectors(self) -> Mapping[str, Connector]:
        """All that are installed, by name."""
        return self._registry.connectors

    async def health(self, by: Principal) -> dict[str, Health]:
        """How the calls of all connections went of late, by name."""
        async with self._ground.look(by) as transaction:
            return await health(transaction)

    async def test(self, by: Principal, name: str) -> list[Finding]:
        """Look step by step whether a connection works; the last finding says what is wrong, where it is.

        Raises `Refused` where its settings do not do, `Unreachable` where its secrets cannot be had.
        """
        _, resource = await self._may(by, name, "connection.test")
        line = await self._lines.line(by.tenant, name)
        found = await probe(line, self._outbound)
        good = all(one.good for one in found)
        noted = self._ground.noted(
            by, "connection.test", resource, after={"good": good, "step": found[-1].step if found else ""}
        )
        async with self._ground.database.engine() as transaction:
            await noted(transaction)
        return found

    async def remove(self, by: Principal, name: str) -> None:
        """Forget a connection and its secrets. Raises `Conflict` while calls wait for it or are out."""
        row, resource = await self._may(by, name, "connection.change")
        last = self._ground.noted(by, "connection.change", resource, before=_said(row), after=None)
        tenant = await self._ground.tenant(by)
        await self._connections.remove(tenant, name, last=last)

    async def record(self, by: Principal, name: str, seconds: float) -> None:
        """Record its traffic for so long, without secrets and personal data; 0 ends it.

        What was recorded before is forgotten. Raises `Refused` for more than a day.
        """
        row, resource = await self._may(by, name, "connection.record")
        if not 0 <= seconds <= LONGEST_RECORDING:
            raise Refused(f"{seconds} is no such time", mend=f"give seconds, up to {LONGEST_RECORDING}")
        last = self._ground.noted(by, "connection.record", resource, after={"seconds": seconds})
        await self._connections.record(await self._ground.tenant(by), row["name"], seconds, last=last)

    async def recording(self, by: Principal, name: str) -> dict[str, Any]:
        """What was recorded of it, as a HAR 1.2 file."""
        _, resource = await self._may(by, name, "connection.record")
        entries = await self._connections.recorded(await self._ground.tenant(by), name)
        noted = self._ground.noted(by, "connection.record", resource, after={"read": len(entries)})
        async with self._ground.database.engine() as transaction:
            await noted(transaction)
        return har_of(entries, version=version("crossdock"))

    async def known_secrets(self, by: Principal, name: str) -> list[Known]:
        """The secrets that are set for it, without any text."""
        await self._may(by, name, "connection.read")
        return await self._secrets.known(await self._ground.tenant(by), name)

    async def put(
        self,
        by: Principal,
        connections: Mapping[str, Any],
        *,
        was: Connection | Literal["any"] | None = "any",
        where: str = "",
    ) -> list[str]:
        """Set connections as `connections.yaml` describes them, all or none; gives those that have changed.

        `was` is how a single one was seen, None where it was not there. Raises `Refused` for what will not
        do, with its place, and `Conflict` where somebody changed it meanwhile.
        """
        for name in connections:
            await self._ground.policies.require(by, "connection.change", _resource(str(name)))
        tenant = await self._ground.tenant(by)
        changed = []
        for values, secrets in await self.checked(tenant, connections, where=where):
            name = values["name"]
            row = await self._row(by, name)
            before = None if row is None else _said(row)
            after = {key: value for key, value in values.items() if key != "name"}
            if before != after:
                last = self._ground.noted(
                    by,
                    "connection.change",
                    _resource(name, values["system"]),
                    why=where,
                    before=before,
                    after=after,
                )
                await self._connections.put(tenant, **values, was=was, last=last)
                changed.append(name)
            if secrets and await self._secrets.put(tenant.id, name, secrets, by=by) and name not in changed:
                changed.append(name)
        return changed

    async def checked(
        self, tenant: Tenant, connections: Mapping[str, Any], *, where: str = ""
    ) -> list[tuple[dict[str, Any], dict[str, list[str]]]]:
        """What `put` would set, each with its secrets. Raises `Refused` for what will not do."""
        found = []
        for name, given in connections.items():
            kept = {one.name for one in await self._secrets.known(tenant, str(name))}
            place = f"{where}: {name}" if where else str(name)
            values, secrets = wanted(self._registry.connectors, str(name), given, kept=kept, where=place)
            mapping = values["mapping"]
            if mapping is not None and await self._mappings.current(tenant, mapping) is None:
                mend = "publish it first: crossdock map publish FILE"
                raise Refused(f"there is no mapping `{mapping}`", where=place, mend=mend)
            found.append((values, secrets))
        return found

    async def stop(self, by: Principal, name: str, *, deadlines_run: bool = True) -> None:
        """Let no call of it leave; they wait. Else deadlines that wait for it stand still as well."""
        row, resource = await self._may(by, name, "connection.stop")
        last = self._ground.noted(
            by,
            "connection.stop",
            resource,
            before={"stopped": row["stopped"]},
            after={"stopped": True, "deadlines_run": deadlines_run},
        )
        tenant = await self._ground.tenant(by)
        await self._connections.stop(tenant, name, by=by.id, deadlines_run=deadlines_run, last=last)

    async def start(self, by: Principal, name: str, *, drain_rate: float | None = None) -> bool:
        """Let calls of it leave again, in their order, so many a second; False where it was not stopped."""
        row, resource = await self._may(by, name, "connection.stop")
        last = self._ground.noted(
            by,
            "connection.stop",
            resource,
            before={"stopped": row["stopped"]},
            after={"stopped": False, "drain_rate": drain_rate},
        )
        tenant = await self._ground.tenant(by)
        return bool(await self._connections.start(tenant, name, drain_rate=drain_rate, last=last))

    async def set_secret(
        self,
        by: Principal,
        name: str,
        secret: str,
        text: str,
        *,
        connector: str = "",
        keep_old: bool = False,
        old_until: datetime | None = None,
        expires: datetime | None = None,
    ) -> bool:
        """Set a secret of it; with `keep_old` the one before holds still. False where it was so already.

        `connector` is given for a connection that is set only later.
        """
        if connector:
            await self._ground.policies.require(by, "connection.change", _resource(name))
        else:
            row, _ = await self._may(by, name, "connection.change")
            connector = row["connector"]
        known = self._registry.connector(connector)
        if secret not in known.secrets:
            mend = nearest(secret, known.secrets)
            raise Refused(f"{known.name} has no secret `{secret}`", where=name, mend=mend)
        if keep_old:
            await self._secrets.replace(
                by.tenant, name, secret, text, by=by, old_until=old_until, expires=expires
            )
            return True
        return bool(await self._secrets.put(by.tenant, name, {secret: text}, by=by, expires=expires))

    async def drop_secret(self, by: Principal, name: str, secret: str, *, only_old: bool = False) -> int:
        """Forget a secret of it, or those alone that hold still; gives how many."""
        await self._ground.policies.require(by, "connection.change", _resource(name))
        return await self._secrets.drop(by.tenant, name, secret, by=by, only_old=only_old)

    async def _may(self, by: Principal, name: str, action: str) -> tuple[Any, Resource]:
        row = await self._row(by, name)
        resource = _resource(name, "" if row is None else row["system"])
        await self._ground.policies.require(by, action, resource)
        if row is None:
            async with self._ground.look(by) as transaction:
                known = [one["name"] for one in await transaction.fetch(_NAMES)]
            raise NotFound(
                f"there is no connection {name}", mend=nearest(name, known) or "see the connections"
            )
        return row, resource

    async def _row(self, by: Principal, name: str) -> Any:
        async with self._ground.look(by) as transaction:
            return await transaction.row(_ONE, name)


def _resource(name: str, system: str = "") -> Resource:
    about = {"connection": name, "system": system}
    return Resource(kind="connection", id=name, attributes=about)


def _said(row: Any) -> dict[str, Any]:
    return {
        "system": row["system"],
        "connector": row["connector"],
        "environment": row["environment"],
        "settings": msgspec.json.decode(row["settings"]),
        "concurrency": row["concurrency"],
        "rate": row["rate"],
        "mapping": row["mapping"],
    }
