"""Events: sent in, given to a run by hand, dismissed, let try again; and deliveries that are read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import msgspec

from crossdock.access import Principal, Resource
from crossdock.desk.ground import Ground, needs
from crossdock.engine import Arrival, Receipt
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.gateway import Quarantine, Taken, take_events
from crossdock.gateway.receive import Receipt as Reading
from crossdock.process.messages import RUN_START

_PARKED: LiteralString = """
select type, event from crossdock.parked where tenant = crossdock.tenant() and id = $1 and dismissed is null
"""
_SET_ASIDE: LiteralString = """
select type, reason, released from crossdock.quarantine where tenant = crossdock.tenant() and id = $1
"""


class _Source(msgspec.Struct):
    source: str = ""


_source = msgspec.json.Decoder(_Source)


class Events:
    """What is done with events, those without a run too."""

    def __init__(self, ground: Ground) -> None:
        """On that ground."""
        self._ground = ground

    async def send(self, by: Principal, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Send events in for whatever runs they concern; a receipt for each."""
        await self._may_send(by, arrivals)
        last = self._ground.noted(by, "event.send", _sent(by, arrivals), after=_told(arrivals))
        named = [msgspec.structs.replace(one, actor=by.actor()) for one in arrivals]
        return await self._ground.inbox.put(await self._ground.tenant(by), named, last=last)

    async def sealed(self, by: Principal, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Events that are kept before they are sent in: with tokens for what is personal in them."""
        return await self._ground.inbox.sealed(await self._ground.tenant(by), arrivals)

    async def take(self, by: Principal, headers: Mapping[str, str], body: bytes) -> list[Taken]:
        """Take CloudEvents in as a program sends them; those that are refused stop none of the others."""

        async def put(arrivals: Sequence[Arrival]) -> list[Receipt]:
            return await self.send(by, arrivals)

        return await take_events(put, headers, body, actor=by.actor())

    async def attach(self, by: Principal, parked: int, run: int) -> None:
        """Give a parked event to a run, which decides what comes of it."""
        resource = await self._parked(by, parked)
        await self._ground.policies.require(by, "event.settle", resource)
        found = await self._ground.run(by, run)
        if found.ended:
            raise Conflict(f"{found.name} is {found.status} already", mend="name a run that goes on")
        last = self._ground.noted(by, "event.settle", resource, after={"attached": found.id})
        await self._ground.inbox.attach(await self._ground.tenant(by), parked, found.id, last=last)

    async def dismiss(self, by: Principal, parked: int, *, note: str = "") -> None:
        """Say that a parked event needs no run; it stays visible as dismissed."""
        resource = await self._parked(by, parked)
        await self._ground.policies.require(by, "event.settle", resource)
        last = self._ground.noted(by, "event.settle", resource, why=note, after={"dismissed": True})
        await self._ground.inbox.dismiss(await self._ground.tenant(by), parked, last=last)

    async def release(self, by: Principal, quarantined: int) -> Receipt:
        """Let an event try again that was refused, after what stood against it was mended."""
        row = None
        if 0 < quarantined < 2**63:
            async with self._ground.look(by) as transaction:
                row = await transaction.row(_SET_ASIDE, quarantined)
        if row is None:
            raise NotFound(f"there is no quarantined event {quarantined}", mend="see the quarantine")
        resource = Resource(kind="event", id=f"quarantined/{quarantined}", attributes={"type": row["type"]})
        await self._ground.policies.require(by, "event.settle", resource)
        if row["released"] is not None:
            raise Conflict(f"the event {quarantined} was released before", mend="see the quarantine")
        before = {"quarantined": row["reason"]}
        last = self._ground.noted(by, "event.settle", resource, before=before, after={"released": True})
        return await self._ground.inbox.release(await self._ground.tenant(by), quarantined, last=last)

    async def _parked(self, by: Principal, number: int) -> Resource:
        row = None
        if 0 < number < 2**63:
            async with self._ground.look(by) as transaction:
                row = await transaction.row(_PARKED, number)
        if row is None:
            raise NotFound(f"there is no parked event {number}", mend="see the parked events")
        about = {"type": row["type"]}
        source = _source.decode(row["event"]).source
        if source.startswith("connection/"):
            about["connection"] = source.removeprefix("connection/").partition("/")[0]
        return Resource(kind="event", id=f"parked/{number}", attributes=about)

    async def _may_send(self, by: Principal, arrivals: Sequence[Arrival]) -> None:
        for type_ in sorted({one.type for one in arrivals}):
            if type_ == RUN_START:
                raise Refused("a run is not started by an event of that type", mend="start the run by name")
            resource = Resource(kind="event", attributes={"type": type_, "owner": by.id})
            await self._ground.policies.require(by, "event.send", resource)


class Deliveries:
    """What is done with deliveries that could not be read."""

    def __init__(self, ground: Ground, quarantine: Quarantine) -> None:
        """On that ground."""
        self._ground = ground
        self._quarantine = quarantine

    async def replay(self, by: Principal, number: int) -> Reading:
        """Read it again, as if it came now; where that fails still, it stays, with the new reason."""
        resource, before = await self._may_settle(by, number)
        last = self._ground.noted(by, "event.settle", resource, before=before, after={"read": "again"})
        return await self._quarantine.replay(await self._ground.tenant(by), number, by=by.id, last=last)

    async def dismiss(self, by: Principal, number: int, *, reason: str) -> None:
        """Nobody needs it; it stays, with that reason."""
        resource, before = await self._may_settle(by, number)
        reason = needs(reason, "reason")
        after = {"outcome": "dismissed"}
        last = self._ground.noted(by, "event.settle", resource, why=reason, before=before, after=after)
        tenant = await self._ground.tenant(by)
        await self._quarantine.dismiss(tenant, number, by=by.id, reason=reason, last=last)

    async def _may_settle(self, by: Principal, number: int) -> tuple[Resource, dict[str, Any]]:
        if not 0 < number < 2**63:
            raise NotFound(f"there is no delivery {number} in quarantine", mend="see the quarantine")
        found = await self._quarantine.show(await self._ground.tenant(by), number)
        about = {"connection": found.connection}
        resource = Resource(kind="delivery", id=str(number), attributes=about)
        await self._ground.policies.require(by, "event.settle", resource)
        return resource, {"outcome": found.outcome}


def _sent(by: Principal, arrivals: Sequence[Arrival]) -> Resource:
    id_ = arrivals[0].id if len(arrivals) == 1 else ""
    return Resource(kind="event", id=id_, attributes={"owner": by.id})


def _told(arrivals: Sequence[Arrival]) -> dict[str, Any]:
    types: dict[str, int] = {}
    for one in arrivals:
        types[one.type] = types.get(one.type, 0) + 1
    return {"types": types}
