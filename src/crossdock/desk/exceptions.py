"""Exceptions: closed by a person, who may have the step tried again or left out, or the run cancelled."""

from __future__ import annotations

from typing import Any, Literal, LiteralString

from crossdock.access import Principal, Resource
from crossdock.access.resource import Value
from crossdock.desk.ground import Asked, Ground, needs, note_of
from crossdock.desk.tasks import excluded_from
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.process.messages import EXCEPTION_CLOSE

Action = Literal["close", "retry", "skip", "cancel"]
# What closing it does besides, which needs a right of its own.
_BESIDES = {"retry": "run.repair", "skip": "run.repair", "cancel": "run.cancel"}

_EXCEPTION: LiteralString = """
select id, run, process, step, type, severity, owner, connection, closed
from crossdock.exception where tenant = crossdock.tenant() and id = $1
"""


class Exceptions:
    """What is done with exceptions."""

    def __init__(self, ground: Ground) -> None:
        """On that ground."""
        self._ground = ground

    async def find(self, by: Principal, exception: str) -> tuple[Any, Resource]:
        """An exception of the tenant of `by`, as it stands and as a decision sees it. Raises `NotFound`."""
        async with self._ground.look(by) as transaction:
            row = await transaction.row(_EXCEPTION, exception)
        if row is None:
            raise NotFound(f"there is no exception {exception}", mend="see those that are open")
        about: dict[str, Value] = {
            name: row[name] for name in ("process", "step", "type", "severity", "owner", "connection")
        }
        return row, Resource(kind="exception", id=exception, attributes=about)

    async def close(
        self, by: Principal, exception: str, action: Action = "close", *, note: str = "", once: str = ""
    ) -> Asked:
        """Close it, and do that besides. `skip` and `cancel` need a note. Raises `Conflict`.

        What was closed under the same `once` before is told so again.
        """
        row, resource = await self.find(by, exception)
        await self._ground.policies.require(by, "exception.close", resource)
        if action not in ("close", *_BESIDES):
            raise Refused(
                f"{action!r} is nothing that an exception takes", mend="close, retry, skip or cancel"
            )
        run = await self._ground.run(by, row["run"])
        if action in _BESIDES:
            more: dict[str, Value] = {"step": row["step"]}
            if action == "skip":
                async with self._ground.look(by) as transaction:
                    more["excluded"] = await excluded_from(transaction, [(run.id, row["step"])])
            await self._ground.policies.require(by, _BESIDES[action], run.resource(more))
        note = needs(note) if action in ("skip", "cancel") else note_of(note)
        once = f"{exception}/{action}/{once}" if once else ""
        if row["closed"] is not None:
            before = await self._ground.told(by, run, EXCEPTION_CLOSE, once)
            if before is not None:
                return before
            raise Conflict("it has been closed meanwhile", where=exception, mend="see those that are open")
        return await self._ground.tell(
            by,
            run,
            "exception.close",
            EXCEPTION_CLOSE,
            {"exception": exception, "action": action, "note": note},
            once=once,
            resource=resource,
        )
