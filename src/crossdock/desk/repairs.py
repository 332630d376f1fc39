"""Repairs of many runs with one cause: counted, begun with a few, gone on with, stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

import msgspec

from crossdock.access import Principal, Resource
from crossdock.access.resource import Value
from crossdock.desk.ground import Ground, needs, note_of
from crossdock.desk.seen import cases_seen
from crossdock.desk.tasks import excluded_from
from crossdock.engine import Repairs
from crossdock.engine.repair import Action, Cause, Progress, Those
from crossdock.errors import Forbidden, NotFound, Refused
from crossdock.store import Last

# The right that each needs, the same as of one run.
RIGHTS = {
    "close": "exception.close",
    "retry": "run.repair",
    "supply": "run.repair",
    "skip": "run.repair",
    "redo": "run.repair",
    "release": "run.repair",
    "move": "run.move",
    "cancel": "run.cancel",
}
_DECIDING = frozenset({"supply", "skip"})  # of an approval, it would be deciding
_REASONED = frozenset({"skip", "cancel"})

_REPAIR: LiteralString = """
select status, action, filter from crossdock.repair where tenant = crossdock.tenant() and id = $1
"""
_ITEMS: LiteralString = """
select distinct i.run, i.step, r.process, coalesce(x.type, '') as type, coalesce(x.owner, '') as owner,
       coalesce(x.connection, '') as connection
from crossdock.repair_item i join crossdock.run r on r.tenant = i.tenant and r.id = i.run
left join crossdock.exception x on x.tenant = i.tenant and x.id = i.exception
where i.tenant = crossdock.tenant() and i.repair = $1 and i.sent is null
"""


class ManyRuns:
    """What is done to many runs at once."""

    def __init__(self, ground: Ground, repairs: Repairs) -> None:
        """On that ground."""
        self._ground = ground
        self._repairs = repairs

    async def preview(self, by: Principal, cause: Cause, action: Action | None = None) -> int:
        """How many it would touch now. It needs the right that doing it needs; without one, `run.read`."""
        if action is None:
            await self._ground.policies.require(by, "run.read", _resource(cause))
        else:
            await self._may(by, cause, action)
        those = self._those(by, action.act if action is not None else None)
        return await self._repairs.count(await self._ground.tenant(by), cause, action, those=those)

    async def begin(
        self,
        by: Principal,
        cause: Cause,
        action: Action,
        *,
        trial: int = 3,
        rate: float = 10.0,
        seen: int | None = None,
    ) -> Progress:
        """Freeze the set of that cause and send the first `trial`; the rest waits for `proceed`.

        What `by` may not see is not in the set. `seen` is the count that was shown before. Raises `Conflict`
        when it is not that any more, `Forbidden` where somebody who may not repair, or not decide, one of
        them would.
        """
        resource = await self._may(by, cause, action)
        note = needs(action.note) if action.act in _REASONED else note_of(action.note)
        tenant = await self._ground.tenant(by)
        if action.act in _DECIDING:
            chosen = await self._repairs.chosen(tenant, cause, those=self._those(by, action.act))
            await self._refuse_excluded(by, cause, action, chosen)
        output = await self._ground.inbox.sealed_by_hand(tenant, action.output)
        action = msgspec.structs.replace(action, note=note, actor=by.actor(), output=output)
        after = {"act": action.act, "cause": msgspec.to_builtins(cause), "trial": trial, "rate": rate}

        def last(repair: int) -> Last:
            about = replace(resource, id=str(repair))
            return self._ground.noted(by, RIGHTS[action.act], about, why=note, after=after)

        those = self._those(by, action.act)
        return await self._repairs.begin(
            tenant, cause, action, by=by.id, trial=trial, rate=rate, seen=seen, those=those, last=last
        )

    async def proceed(self, by: Principal, repair: int) -> None:
        """The trial was right, or it was stopped for a while: send the rest, all of which `by` may repair."""
        cause, action, resource, status = await self._begun(by, repair)
        if action.act in _DECIDING or await self._by_rows(by, action.act):
            async with self._ground.look(by) as transaction:
                rows = await transaction.fetch(_ITEMS, repair)
            if len(await self._those(by, action.act)(rows)) < len(rows):
                why = f"among them are some that {by.id} may not see"
                raise Forbidden(why, where=f"repair/{repair}", mend="ask whoever began it")
            if action.act in _DECIDING:
                await self._refuse_excluded(by, cause, action, [(row["run"], row["step"]) for row in rows])
        last = self._ground.noted(
            by, RIGHTS[action.act], resource, before={"status": status}, after={"status": "running"}
        )
        await self._repairs.proceed(await self._ground.tenant(by), repair, last=last)

    async def stop(self, by: Principal, repair: int) -> None:
        """Send no more, until it is gone on with. What was sent stays sent."""
        _, action, resource, status = await self._begun(by, repair)
        last = self._ground.noted(
            by, RIGHTS[action.act], resource, before={"status": status}, after={"status": "stopped"}
        )
        await self._repairs.stop(await self._ground.tenant(by), repair, last=last)

    async def _may(self, by: Principal, cause: Cause, action: Action) -> Resource:
        if action.act not in RIGHTS:
            raise Refused(f"there is no repair {action.act}", mend=f"it is one of {', '.join(RIGHTS)}")
        resource = _resource(cause)
        await self._ground.policies.require(by, RIGHTS[action.act], resource)
        return resource

    async def _by_rows(self, by: Principal, act: str) -> bool:
        actions = (RIGHTS[act], "run.read", "exception.read")
        return any([await self._ground.policies.by_rows(by, one, "case") for one in actions])

    def _those(self, by: Principal, act: str | None) -> Those:
        """Keeps those that `by` sees; refuses them where it may not do that to one of them."""
        policies = self._ground.policies

        async def those(rows: Sequence[Any]) -> list[Any]:
            seen = await cases_seen(policies, by, rows)
            if act is None or not await policies.by_rows(by, RIGHTS[act], "case"):
                return seen
            allowed = await policies.visible(by, RIGHTS[act], seen, of="case")
            if len(allowed) < len(seen):
                kept = set(map(id, allowed))
                row = next(one for one in seen if id(one) not in kept)
                cause = Cause(
                    process=row["process"],
                    step=row["step"],
                    exception=row["type"],
                    connection=row["connection"],
                )
                try:
                    await policies.require(by, RIGHTS[act], _resource(cause, more={"owner": row["owner"]}))
                except Forbidden as error:
                    raise _among(by, error) from None
            return allowed

        return those

    async def _begun(self, by: Principal, repair: int) -> tuple[Cause, Action, Resource, str]:
        row = None
        if 0 < repair < 2**63:
            async with self._ground.look(by) as transaction:
                row = await transaction.row(_REPAIR, repair)
        if row is None:
            raise NotFound(f"there is no repair {repair}", mend="see the repairs")
        cause = msgspec.json.decode(row["filter"], type=Cause)
        action = msgspec.json.decode(row["action"], type=Action)
        resource = _resource(cause, id_=str(repair))
        await self._ground.policies.require(by, RIGHTS[action.act], resource)
        return cause, action, resource, row["status"]

    async def _refuse_excluded(
        self, by: Principal, cause: Cause, action: Action, chosen: list[tuple[int, str]]
    ) -> None:
        """Who may not decide one of them may not do without its decision either, here among many."""
        async with self._ground.look(by) as transaction:
            excluded = await excluded_from(transaction, chosen, step=action.step)
        if not excluded:
            return
        resource = _resource(cause, more={"excluded": excluded})
        try:
            await self._ground.policies.require(by, RIGHTS[action.act], resource)
        except Forbidden as error:
            raise _among(by, error, "decide") from None


def _among(by: Principal, error: Forbidden, what: str = "repair") -> Forbidden:
    return Forbidden(
        f"among them are some that {by.id} may not {what}: {error.message}",
        where=error.where,
        mend="narrow the cause, or ask somebody else",
    )


def _resource(cause: Cause, *, id_: str = "", more: dict[str, Value] | None = None) -> Resource:
    about: dict[str, Value] = {
        "process": cause.process,
        "step": cause.step,
        "type": cause.exception,
        "connection": cause.connection,
        **(more or {}),
    }
    return Resource(kind="repair", id=id_, attributes=about)
