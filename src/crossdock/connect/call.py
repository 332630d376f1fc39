"""Calls to outside systems, for the engine: found out if in doubt, made, and how they ended in kinds.

    done         the talk returned, and what it returned fits
    refused      they said no (4xx and what connectors read as no), or it cannot be called at all
    unreachable  certainly nothing was changed: no connection, 429, 503, anything that failed while asking
    unknown      something that changes was sent, and what became of it is not known
    withdrawn    it was taken back, and was found never to have been done

In doubt (an earlier try may have done it) the operation's `find` goes first. Where there is none, an
operation whose repeat does no harm is repeated, and any other goes to a person: unknown, and not resolvable.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner, Talk
from crossdock.connect.fit import misfit, plain
from crossdock.connect.lines import Line, Lines, Ready
from crossdock.connect.watch import Ended
from crossdock.connect.wire import Progress, Wire
from crossdock.engine import LeasedCall
from crossdock.errors import CrossdockError, Refused, UnknownOutcome, Unreachable
from crossdock.process.messages import NO_CONNECTION, UNMAPPED, CallEnded
from crossdock.translate import Rejected

_NOT_ASKED = frozenset({NO_CONNECTION, "no_operation", "invalid_input", "connector_failed"})


class Calls:
    """Carries calls out: the engine's `Caller`."""

    def __init__(self, lines: Lines, wire: Wire) -> None:
        """Over these connections."""
        self._lines = lines
        self._wire = wire

    async def call(self, leased: LeasedCall) -> CallEnded:
        """Call, and say how it ended. Never raises for what the other side does."""
        watch = self._wire.watch
        if watch is None:
            return await self._call(leased)
        began = time.monotonic()
        ended = await self._call(leased)
        if ended.outcome != "withdrawn" and ended.code not in _NOT_ASKED:
            watch.ended(leased.tenant, leased.connection, ended.outcome, time.monotonic() - began)
        return ended

    async def _call(self, leased: LeasedCall) -> CallEnded:
        call = leased.call
        try:
            line = await self._lines.line(leased.tenant, leased.connection)
        except Refused as error:
            reason = f"{error.message}: {error.mend}" if error.mend else error.message
            return _refused(leased, reason, NO_CONNECTION)
        except Unreachable as error:
            return _ended(leased, "unreachable", error.message, retry_after=error.retry_after)
        ready = line.operations.get((call.system, call.operation))
        if ready is None:
            return _refused(
                leased, f"{line.connector.name} has no {call.system}.{call.operation}", "no_operation"
            )
        try:
            data = await self._asked(line, ready, call.input)
        except Unreachable as error:
            return _ended(leased, "unreachable", error.message, retry_after=error.retry_after)
        except Refused as error:
            if ready.shape.changes and (leased.only_find or leased.find_first):  # an earlier try was mapped
                return _ended(leased, "unknown", f"it may have been done, and cannot be looked up: {error}")
            code = UNMAPPED if isinstance(error, Rejected) and error.code else "not_mapped"
            return _refused(leased, str(error), code)
        if not ready.input_fits(data) and (problem := misfit(data, ready.shape.input)):
            return _refused(leased, f"{ready.shape.name} cannot be called so: {problem}", "invalid_input")
        context = Context(
            settings=line.settings,
            key=short_key(leased.key),
            tenant=leased.tenant,
            connection=leased.connection,
            attempt=leased.attempt,
        )
        if leased.only_find or (leased.find_first and ready.shape.changes):
            found = await self._find(leased, line, ready, context, data)
            if found is not None:
                return found
        return await self._do(leased, line, ready, context, data)

    async def _asked(self, line: Line, ready: Ready, data: Any) -> Any:
        """The input as the partner takes it, where the connection has a mapping. Raises `Refused`."""
        if line.unmapped is not None:
            raise line.unmapped
        mapping = line.mapping
        if mapping is None or ready.shape.name not in mapping.operations:
            return data
        return await self._lines.with_rows(
            line, lambda rows: mapping.asked(ready.shape.name, data, rows=rows, settings=line.settings)
        )

    async def _answered(self, line: Line, ready: Ready, output: Any) -> Any:
        """The output in our codes. Raises `UnknownOutcome`: done, but what it gave is not known yet."""
        mapping = line.mapping
        if mapping is None or ready.shape.name not in mapping.operations:
            return output
        try:
            return await self._lines.with_rows(
                line,
                lambda rows: mapping.answered(
                    ready.shape.name, plain(output), rows=rows, settings=line.settings
                ),
            )
        except Refused as error:
            raise UnknownOutcome(f"what it gave could not be translated: {error}") from None

    async def _do(
        self, leased: LeasedCall, line: Line, ready: Ready, context: Context, data: Any
    ) -> CallEnded:
        progress = Progress(changes=ready.shape.changes, data=data)
        seconds = min(ready.operation.timeout, leased.seconds)
        retry_after = None
        try:
            async with asyncio.timeout(seconds):
                output = await self._wire.talk(line, ready.operation.do(data, context), progress)
            return _done(leased, ready, line.hide_in(await self._answered(line, ready, output)))
        except TimeoutError:
            reason = f"{line.name} did not answer within {seconds:g} s"
        except Unreachable as error:
            reason, retry_after = error.message, error.retry_after
        except UnknownOutcome as error:
            reason = error.message
        except RefusedByPartner as error:
            return _refused(leased, line.hide(error.message), line.hide(error.code))
        except Refused as error:  # of ours: before anything was sent, or because the answer does not do
            reason = str(error)
            if not progress.touched:
                return _refused(leased, line.hide(reason), "")
        except Exception as error:  # noqa: BLE001 - a connector reads what others send; nothing may escape it
            reason = f"{line.connector.name} could not read the answer: {type(error).__name__}: {error}"
            if not progress.asked:
                reason = f"{line.connector.name} could not ask: {type(error).__name__}: {error}"
                return _refused(leased, line.hide(reason), "connector_failed")
        outcome = "unknown" if progress.touched else "unreachable"
        return _ended(
            leased, outcome, line.hide(reason), retry_after=retry_after, resolvable=_resolvable(ready)
        )

    async def _find(
        self, leased: LeasedCall, line: Line, ready: Ready, context: Context, data: Any
    ) -> CallEnded | None:
        """How the call ended long ago; None where it was not done and shall be."""
        if not ready.shape.changes:
            return _ended(leased, "withdrawn")
        if ready.operation.find is None:
            if not leased.only_find and _resolvable(ready):
                return None
            reason = f"{ready.shape.name} may have been done, and {line.connector.name} cannot look it up"
            return _ended(leased, "unknown", reason, resolvable=False)
        seconds = min(ready.operation.timeout, leased.seconds / 2)
        retry_after = None
        try:
            async with asyncio.timeout(seconds):
                talk = ready.operation.find(data, context)
                progress = Progress(changes=False, data=data)
                output = await self._wire.talk(line, talk, progress)
            if output is not None:
                return _done(leased, ready, line.hide_in(await self._answered(line, ready, output)))
            return _ended(leased, "withdrawn") if leased.only_find else None
        except TimeoutError:
            reason = f"no answer within {seconds:g} s"
        except Unreachable as error:
            reason, retry_after = error.message, error.retry_after
        except CrossdockError as error:
            reason = error.message
        except Exception as error:  # noqa: BLE001 - as above
            reason = f"{type(error).__name__}: {error}"
        reason = line.hide(f"it may have been done, and looking it up failed: {reason}")
        return _ended(leased, "unknown", reason, retry_after=retry_after)

    async def ask(self, tenant: int, connection: str, talk: Talk, data: Any, *, seconds: float = 20.0) -> Any:
        """Lead a talk that only asks, outside of any process: health, a page of a feed. Raises as it does."""
        line = await self._lines.line(tenant, connection)
        context = Context(settings=line.settings, tenant=tenant, connection=connection)
        began = time.monotonic()
        how: Ended = "unreachable"
        try:
            async with asyncio.timeout(seconds):
                answer = await self._wire.talk(line, talk(data, context), Progress(changes=False))
                how = "done"
                return answer
        except TimeoutError:
            raise Unreachable(f"{connection} did not answer within {seconds:g} s") from None
        except Refused:
            how = "refused"
            raise
        finally:
            if self._wire.watch is not None:
                self._wire.watch.ended(tenant, connection, how, time.monotonic() - began)

    async def read(
        self, tenant: int, connection: str, operation: tuple[str, str], data: Any, *, seconds: float = 30.0
    ) -> Any:
        """Ask an operation that changes nothing, outside of any process; through the connection's mapping.

        `operation` is its system and name. Raises as `ask` does, `Refused` where the connection has none such
        or the answer is not what its contract says.
        """
        line = await self._lines.line(tenant, connection)
        ready = line.operations.get(operation)
        if ready is None or ready.shape.changes:
            raise Refused(f"{line.connector.name} has no {'.'.join(operation)} that only asks")
        asked = await self._asked(line, ready, data)
        answer = await self.ask(tenant, connection, ready.operation.do, asked, seconds=seconds)
        output = plain(await self._answered(line, ready, answer))
        if problem := misfit(output, ready.shape.output):
            raise Refused(f"{connection} does not tell {ready.shape.name} as it should: {problem}")
        return output

    async def check(self, tenant: int, connection: str) -> None:
        """See whether the other side answers and lets us in. Raises `Refused` or `Unreachable` where not."""
        health = (await self._lines.line(tenant, connection)).connector.health
        if health is not None:
            await self.ask(tenant, connection, health, {})


def short_key(key: str) -> str:
    """A key of any length as 26 letters and digits that partners' fields can hold."""
    return "XD" + hashlib.blake2b(key.encode(), digest_size=12, person=b"crossdock-call").hexdigest()


def _resolvable(ready: Ready) -> bool:
    """Whether an unknown outcome can be found out, or a repeat does no harm."""
    return ready.operation.find is not None or ready.operation.idempotency in ("key", "natural")


def _done(leased: LeasedCall, ready: Ready, output: Any) -> CallEnded:
    if not ready.output_fits(output):
        output = plain(output)
        if problem := misfit(output, ready.shape.output):
            raise UnknownOutcome(f"the answer does not fit {ready.shape.name}: {problem}")
    return CallEnded(command=leased.command, outcome="done", output=output)


def _refused(leased: LeasedCall, reason: str, code: str) -> CallEnded:
    return CallEnded(command=leased.command, outcome="refused", reason=reason, code=code)


def _ended(
    leased: LeasedCall,
    outcome: Any,
    reason: str = "",
    *,
    retry_after: float | None = None,
    resolvable: bool = True,
) -> CallEnded:
    return CallEnded(
        command=leased.command,
        outcome=outcome,
        reason=reason,
        retry_after=retry_after,
        resolvable=resolvable,
    )
