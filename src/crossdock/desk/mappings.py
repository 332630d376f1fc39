"""Mappings of a tenant: published, and tried on an input with the tenant's own master data."""

from __future__ import annotations

from collections.abc import Mapping

from crossdock.access import Principal, Resource
from crossdock.connect import Lines, Registry, catalogue
from crossdock.connect.mappings import Mappings as Kept
from crossdock.desk.ground import Ground
from crossdock.errors import NotFound
from crossdock.process.problems import Problem
from crossdock.store import EngineTransaction
from crossdock.translate import NotAMapping, PartnerMapping, Rows, check
from crossdock.translate.examples import Outcome, outcome


class Mappings:
    """What is done with mappings."""

    def __init__(self, ground: Ground, lines: Lines, registry: Registry) -> None:
        """On that ground; `lines` are the connections as they are used."""
        self._ground = ground
        self._lines = lines
        self._registry = registry
        self._kept = Kept(ground.database)

    async def publish(
        self, by: Principal, texts: Mapping[str, str], *, note: str = ""
    ) -> list[PartnerMapping]:
        """Publish mappings, all or none; what is in use already stays as it is.

        An older text is published again to take its successor back. Raises `NotAMapping` with all that stands
        against them.
        """
        await self._ground.policies.require(by, "mapping.publish", Resource(kind="mapping"))
        tenant = await self._ground.tenant(by)
        made: dict[str, PartnerMapping] = {}
        problems: list[Problem] = []
        for file, text in texts.items():
            mapping, found = self.check(text, file)
            problems += [one for one in found if one.severity == "error"]
            if mapping is not None:
                made[mapping.name] = mapping
        if problems:
            raise NotAMapping(problems)
        new, notes = [], []
        for name, mapping in made.items():
            await self._ground.policies.require(by, "mapping.publish", _resource(name))
            before = await self._kept.current(tenant, name)
            if before == mapping.version:
                continue
            new.append(mapping)
            notes.append(
                self._ground.noted(
                    by,
                    "mapping.publish",
                    _resource(name),
                    why=note,
                    before=None if before is None else {"version": before},
                    after={"version": mapping.version},
                )
            )

        async def last(transaction: EngineTransaction) -> None:
            for one in notes:
                await one(transaction)

        if new:
            await self._kept.publish(tenant, new, by=by.id, last=last)
        return list(made.values())

    def check(self, text: str, file: str = "") -> tuple[PartnerMapping | None, list[Problem]]:
        """The mapping, if it may be published, and every problem."""
        return check(text, catalogue(self._registry.connectors.values()), file=file)

    async def tried(
        self, by: Principal, text: str, payload: bytes, *, connection: str = "", operation: str = ""
    ) -> tuple[PartnerMapping, Outcome]:
        """What the mapping in a text makes of an input; of a connection, with its settings and master data.

        Nothing is kept. Raises `NotAMapping`, `NotFound`, and `Refused` where the input is no such text.
        """
        await self._ground.policies.require(by, "mapping.read", Resource(kind="mapping"))
        mapping, problems = self.check(text, "mapping")
        if mapping is None:
            raise NotAMapping(one for one in problems if one.severity == "error")
        if operation and operation not in mapping.operations:
            known = ", ".join(mapping.operations) or "none"
            raise NotFound(f"{mapping.name} says nothing of {operation}", mend=f"it does of: {known}")
        if not connection:
            return mapping, outcome(mapping, payload, Rows.all({}), operation=operation)
        await self._ground.policies.require(
            by,
            "connection.read",
            Resource(kind="connection", id=connection, attributes={"connection": connection}),
        )
        line = await self._lines.line(by.tenant, connection)
        return mapping, await self._lines.with_rows(
            line,
            lambda rows: outcome(mapping, payload, rows, operation=operation, settings=line.settings),
        )


def _resource(name: str) -> Resource:
    return Resource(kind="mapping", id=name)
