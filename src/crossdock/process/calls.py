"""How a call goes on after each answer: tried again, found out, given up, or done.

    answer        while tries are left             when they are used up            while being taken back
    done          the step has succeeded           -                                succeeded, then undone
    refused       -                                failed: refused_by_partner       it never was
                  (nobody was asked: failed: connection_missing, or unmapped_value)
    unreachable   again, after the back-off        failed: partner_down             it never was
    unknown       found out, then again            a person: unknown_outcome        found out, else a person
    withdrawn     it never was                     -                                it never was

"Taken back" is a cancel, a redo, or a skip of the step. A call in doubt (some try may have done it) never
counts as not done: it is found out, or a person says. What is said of a call that was taken back and turns
out to have been done is that it was done: the step has succeeded, and a cancel or redo then undoes it.
Who tries a call again that only a person can find out about says that it was not done.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec

from crossdock.process import undoing, unwind
from crossdock.process.actions import failed, give_way
from crossdock.process.definition import CallWork, Retry, Undo
from crossdock.process.messages import NO_CONNECTION, UNMAPPED, Call, CallEnded
from crossdock.process.messages import Retry as RetryCommand
from crossdock.process.state import PendingCall
from crossdock.process.turn import DecisionError, Turn, text_of

MOST_RETRY_AFTER = timedelta(days=7)  # what a partner asks for beyond that is not waited for
_REFUSED_HERE = {NO_CONNECTION: "connection_missing", UNMAPPED: "unmapped_value"}
_TYPES = {"refused": "refused_by_partner", "unreachable": "partner_down", "unknown": "unknown_outcome"}


def send(turn: Turn, name: str) -> None:
    """Send the call of a step: its first, or again after it was given up. Its input stays what it was."""
    step = turn.step(name)
    given_up = step.call
    step.reason = ""
    if given_up is not None and given_up.undo:
        step.status = "succeeded"
        undoing.undo_again(turn, name, given_up)
        return
    work = turn.process.steps[name].work
    assert isinstance(work, CallWork)  # noqa: S101 - only calls are sent
    step.status = "running"
    doubt = given_up is not None and given_up.doubt
    step.call = PendingCall(id=undoing.call_id(name, step), doubt=doubt)
    turn.command(
        Call(
            id=step.call.id,
            step=name,
            system=work.system,
            operation=work.operation,
            input=step.input,
            via=step.via,
            lane=undoing.lane(turn),
            doubt=doubt,
        )
    )


def ended(turn: Turn) -> None:
    """Decide what the answer to a call means."""
    try:
        answer = msgspec.convert(turn.event.data, CallEnded)
    except msgspec.ValidationError as error:
        raise DecisionError(f"an answer to a call is malformed: {error}", where=turn.event.id) from None
    name = answer.command.partition("!")[0].partition("#")[0]
    call = turn.state.steps[name].call if name in turn.state.steps else None
    if call is None or call.id != answer.command or not call.out:
        turn.record("call.surplus", name, call=answer.command, outcome=answer.outcome, reason=answer.reason)
        return
    step = turn.step(name)
    call = step.call
    assert call is not None  # noqa: S101 - looked at above
    call.error = answer.reason
    if answer.outcome == "done":
        _done(turn, name, answer, call)
    elif answer.outcome == "unknown":
        _unknown(turn, name, answer, call)
    elif answer.outcome == "unreachable":
        _unreachable(turn, name, answer, call)
    else:
        _not_done(turn, name, answer, call)


def _done(turn: Turn, name: str, answer: CallEnded, call: PendingCall) -> None:
    if call.undo:
        undoing.undo_done(turn, name)
    else:
        turn.succeed(name, answer.output, at=turn.happened())


def _unknown(turn: Turn, name: str, answer: CallEnded, call: PendingCall) -> None:
    call.doubt = True
    call.dark = not answer.resolvable
    retry = _policy(turn, name)
    if answer.resolvable and turn.goes_on(call, retry.attempts):
        _again(turn, name, answer, call, retry)
    else:
        _give_up(turn, name, "unknown_outcome", answer, call)


def _unreachable(turn: Turn, name: str, answer: CallEnded, call: PendingCall) -> None:
    retry = _policy(turn, name)
    if not call.undo and not call.doubt and _taken_back(turn, name, call):
        return
    if turn.goes_on(call, retry.attempts):
        _again(turn, name, answer, call, retry)
    else:
        _give_up(turn, name, "unknown_outcome" if call.doubt else "partner_down", answer, call)


def _not_done(turn: Turn, name: str, answer: CallEnded, call: PendingCall) -> None:
    """Refused or withdrawn: certainly not done."""
    call.doubt = False
    if call.undo:
        _give_up(turn, name, "undo_failed", answer, call)
    elif _taken_back(turn, name, call):
        return
    elif answer.outcome == "withdrawn":
        send(turn, name)  # found not to be there, and still wanted
    else:
        type_ = _REFUSED_HERE.get(answer.code, "refused_by_partner")
        _give_up(turn, name, type_, answer, call)


def _taken_back(turn: Turn, name: str, call: PendingCall) -> bool:
    """What becomes of a step whose call was asked back and was not done. False: it is still wanted."""
    step = turn.look(name)
    if unwind.unwinding(turn, name):
        turn.cancel_step(name, "taken back before it was done")
    elif call.then == "skip":
        turn.skip(name, step.reason, step.by)
    elif call.then == "fail":
        turn.step(name).call = None
        give_way(turn, name, call.handler, step.reason)
    else:
        return False
    return True


def _again(turn: Turn, name: str, answer: CallEnded, call: PendingCall, retry: Retry) -> None:
    wait = _back_off(retry, call.attempt)
    if answer.retry_after is not None and math.isfinite(answer.retry_after):
        asked = min(max(answer.retry_after, 0.0), MOST_RETRY_AFTER.total_seconds())
        wait = max(wait, timedelta(seconds=asked))
    call.attempt += 1
    at = turn.now + wait
    turn.command(RetryCommand(id=call.id, at=at, doubt=call.doubt))
    turn.record(
        "call.retried",
        name,
        call=call.id,
        attempt=call.attempt,
        at=text_of(at),
        outcome=answer.outcome,
        reason=answer.reason,
        code=answer.code,
    )


def _back_off(retry: Retry, attempt: int) -> timedelta:
    """How long to wait after so many tries: `first`, doubled for each try, up to `most`."""
    doublings: int = min(attempt - 1, 60) if retry.exponential else 0
    if retry.first and doublings >= (retry.most // retry.first).bit_length():
        return retry.most
    return min(retry.first * (1 << doublings), retry.most)


def _give_up(turn: Turn, name: str, type_: str, answer: CallEnded, call: PendingCall) -> None:
    """No more tries. What cannot be found out, and an undo that failed, always go to a person."""
    call.out = False
    reason = answer.reason or _TYPES.get(answer.outcome, answer.outcome)
    definition = turn.process.steps[name]
    called = definition.undo if call.undo else definition.work
    system = called.system if isinstance(called, CallWork | Undo) else ""
    operation = f"{called.system}.{called.operation}" if isinstance(called, CallWork | Undo) else ""
    turn.record(
        "call.given_up", name, call=call.id, attempts=call.attempt, outcome=answer.outcome, reason=reason
    )
    facts: dict[str, Any] = {
        "call": call.id,
        "operation": operation,
        "attempts": call.attempt,
        "code": answer.code,
        "connection": call.via or turn.look(name).via or system,
    }
    if call.undo:
        turn.hold(name, "undo_failed", message=f"could not be undone: {reason}", **facts)
    elif call.doubt:
        turn.hold(name, "unknown_outcome", message=f"may or may not have been done: {reason}", **facts)
    else:
        failed(turn, name, type_, reason, **facts)


def _policy(turn: Turn, name: str) -> Retry:
    work = turn.process.steps[name].work
    return work.retry if isinstance(work, CallWork) else Retry()
