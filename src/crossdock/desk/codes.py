"""Master data: a partner's codes and ours, set, fetched, forgotten; a conflict is told, not overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from crossdock import connect
from crossdock.access import Principal, Resource
from crossdock.access.outbound import Outbound
from crossdock.connect import Calls, Wire
from crossdock.connect.references import LineOutcome, References
from crossdock.connect.systems import contracts
from crossdock.desk.ground import Ground
from crossdock.errors import NotFound, Refused
from crossdock.gateway import Imported, MasterReader
from crossdock.process.problems import nearest
from crossdock.store import Last, Tenant
from crossdock.translate.codes import Code
from crossdock.translate.work import Kind

MOST = 20_000  # lines that are set at once
_SHOWN = 50  # of which the audit tells each
_SCOPES: LiteralString = """
select name from crossdock.connection where tenant = crossdock.tenant()
union select system from crossdock.connection where tenant = crossdock.tenant()
"""


class Codes:
    """What is done with master data."""

    def __init__(self, ground: Ground, lines: connect.Lines, outbound: Outbound) -> None:
        """On that ground, through these connections."""
        self._ground = ground
        self._lines = lines
        self._outbound = outbound
        self._references = References(ground.database)

    async def put(
        self,
        by: Principal,
        scope: str,
        codes: Sequence[tuple[int, Code]],
        *,
        replace: bool = False,
        only_look: bool = False,
        note: str = "",
    ) -> list[LineOutcome]:
        """Set codes of a connection, or of a system for all of its connections; each with its line.

        All or none: none where one stands against another of these, or, without `replace`, against one that
        is there. Gives what became, or would become, of each.
        """
        resource = await self._may(by, scope)
        if len(codes) > MOST:
            raise Refused(f"{len(codes):,} lines, {MOST:,} is the most", mend="send them in parts")
        tenant = await self._ground.tenant(by)
        told = await self._references.put(tenant, scope, codes, by=by.id, replace=replace, only_look=True)
        changed = [one for one in told if one.outcome in ("added", "changed")]
        if only_look or not changed or any(one.outcome == "conflict" for one in told):
            return told
        last = self._ground.noted(
            by,
            "code.change",
            resource,
            why=note,
            before=_some([code for one in changed for code in one.other]),
            after=_some([one.code for one in changed]),
        )
        return await self._references.put(tenant, scope, codes, by=by.id, replace=replace, last=last)

    async def fetch(
        self,
        by: Principal,
        connection: str,
        kinds: Sequence[Kind] = (),
        *,
        numbers: Mapping[Kind, str] | None = None,
        anew: bool = False,
        only_look: bool = False,
        note: str = "",
    ) -> Imported:
        """Read the master data that the system itself keeps, and set what is new; see `MasterReader.read`."""
        resource = await self._may(by, connection)

        def noted(_tenant: Tenant, _connection: str, imported: Imported) -> Last:
            return self._ground.noted(by, "code.change", resource, why=note, after=imported.told())

        wire = Wire(outbound=self._outbound)
        try:
            calls = Calls(self._lines, wire)
            masters = MasterReader(self._ground.database, self._ground.inbox, self._lines, calls, noted=noted)
            return await masters.read(
                await self._ground.tenant(by),
                connection,
                kinds,
                by=by.id,
                numbers=numbers,
                anew=anew,
                only_look=only_look,
            )
        finally:
            await wire.close()

    async def drop(
        self,
        by: Principal,
        scope: str,
        kind: Kind,
        *,
        theirs: str | None = None,
        ours: str | None = None,
        note: str = "",
    ) -> list[Code]:
        """Forget codes: of theirs, of ours, or that pair. Raises `NotFound` where there is none."""
        resource = await self._may(by, scope, must_be=False)
        if theirs is None and ours is None:
            raise Refused("no code is named", mend="give one of theirs, one of ours, or both")
        said = {name: code for name, code in (("theirs", theirs), ("ours", ours)) if code is not None}
        last = self._ground.noted(
            by, "code.change", resource, why=note, before={"kind": kind, **said}, after=None
        )
        gone = await self._references.drop(
            await self._ground.tenant(by), scope, kind, theirs=theirs, ours=ours, last=last
        )
        if not gone:
            raise NotFound(f"{scope} has no such {kind}", mend="see its codes")
        return gone

    async def _may(self, by: Principal, scope: str, *, must_be: bool = True) -> Resource:
        """The resource, if they may; its connection or system has to be there."""
        resource = Resource(kind="code", id=scope, attributes={"connection": scope})
        await self._ground.policies.require(by, "code.change", resource)
        if must_be:
            async with self._ground.look(by) as transaction:
                known = {row["name"] for row in await transaction.fetch(_SCOPES)}
            known |= {one.system for one in contracts().values()}
            if scope not in known:
                raise NotFound(
                    f"there is no connection or system {scope}",
                    mend=nearest(scope, known) or "see the connections",
                )
        return resource


def _some(codes: Sequence[Code]) -> dict[str, Any] | None:
    """Codes as the audit keeps them: how many, and the first."""
    if not codes:
        return None
    said = [f"{one.kind} {one.ours} = {one.theirs} ({one.direction})" for one in codes[:_SHOWN]]
    return {"count": len(codes), "codes": said}
