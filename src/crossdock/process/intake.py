"""Business events: what they say about the document, which steps wait for them, what `on:` does.

An event is offered to every step that awaits its type. A step that waits takes it; one that has not begun to
wait (or is held, or is being done again) finds it when it does. One that no step waits for any more is
recorded, and reopens nothing. A milestone that was told before, by whichever way, or that contradicts a
delivery is recorded and moves nothing (`model.journey` has the rules). Each event may also carry the
document: a newer version replaces what the run knows, an older one is recorded only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crossdock.model import journey
from crossdock.process import deadlines, unwind, work
from crossdock.process.actions import perform
from crossdock.process.definition import AwaitWork
from crossdock.process.messages import Event, apart
from crossdock.process.state import ENDED_RUN, KeptEvent, State
from crossdock.process.turn import FAILURES, MOST_EVENTS, MOST_KEPT, MOST_MILESTONES, DecisionError, Turn
from crossdock.process.views import event_view, same_event, text_of

_DIGITS = re.compile(r"([0-9]+)")


def take(turn: Turn) -> None:
    """Take in a business event.

    While a run is being cancelled nothing comes of it; but what it says is kept as long as the cancel may
    still turn out to be impossible, and the run go on.
    """
    event = turn.event
    unwinding, cancelling = turn.state.unwind, turn.state.status == "cancelling"
    if turn.state.status in ENDED_RUN or (cancelling and unwinding is not None and unwinding.undoing):
        turn.record("event.unused", type=event.type, reason=f"the run is {turn.state.status}")
        return
    used = event.type in turn.process.carries and _take_document(turn)
    if not _moves(turn):
        return
    for name in turn.process.awaited.get(event.type, ()):
        used = _offer(turn, name) or used
    handlers = turn.process.on.get(event.type, ())
    if event.type in turn.process.carries and _outdated(turn):
        handlers = tuple(action for action in handlers if action.verb != "redo")  # the newer one was heeded
    if handlers and not cancelling:
        perform(turn, handlers, "on", message=_said(event), values={"event": event_view(event)})
        used = True
    if not used:
        why = "the run is cancelling" if cancelling else "no step waits for it any more"
        turn.record("event.unused", type=event.type, reason=why)


def forget(turn: Turn) -> None:
    """Let go of kept events that no step will ask for any more."""
    state = turn.state
    if not state.kept:
        return
    awaited = turn.process.awaited
    state.kept = [
        kept
        for kept in state.kept
        if any(name not in kept.past and _keeps(turn, name) for name in awaited.get(kept.type, ()))
    ]


def _said(event: Event) -> str:
    data = event.data if isinstance(event.data, dict) else {}
    reason = data.get("reason")
    return f"{event.type}: {reason}" if isinstance(reason, str) and reason else event.type


def _keeps(turn: Turn, name: str) -> bool:
    """Whether a step does not wait, but will."""
    return turn.look(name).status in {"pending", "held"} or unwind.unwinding(turn, name)


def _offer(turn: Turn, name: str) -> bool:
    """Offer the event to a step that waits for it, or will."""
    definition = turn.process.steps[name].work
    assert isinstance(definition, AwaitWork)  # noqa: S101 - the process has it among those that wait
    if work.taken(turn, name):
        return True
    if turn.look(name).status == "waiting":
        if len(turn.look(name).events) >= MOST_EVENTS:
            return _full(turn, name, definition)
        took = work.offer(turn, name, definition, event_view(turn.event), at=turn.happened())
        if took:
            _move_deadline(turn, name)
        return took
    if not _keeps(turn, name):
        return False
    if not any(same_event(kept.view, turn.event) for kept in turn.state.kept):
        _keep(turn, name)
    return True


def _full(turn: Turn, name: str, definition: AwaitWork) -> bool:
    """The step would take one more than may be: a person is told, the run and its other steps go on."""
    matching = work.matches(turn, name, definition, event_view(turn.event))
    if not matching:
        return matching is None
    reason = f"{name} has taken {MOST_EVENTS:,} events, the most that one step takes"
    turn.record("event.unused", name, type=turn.event.type, reason=reason)
    mend = (
        "mend its `until`, or let `match` take fewer, and move the run to that version; or supply its result"
    )
    turn.open("decision_failed", name, message=f"{reason}, and still waits: {mend}")
    return True


def _move_deadline(turn: Turn, name: str) -> None:
    """A `by` that counts from the step's own newest event (silence since the last scan) moves with it."""
    try:
        deadlines.refresh(turn, name)
    except FAILURES as error:
        deadlines.unknown_due(turn, name, error)


def _keep(turn: Turn, name: str) -> None:
    if len(turn.state.kept) >= MOST_KEPT:
        raise DecisionError(
            f"more than {MOST_KEPT} events came before the steps that wait for them",
            where=turn.state.id,
            mend="let the step start earlier",
        )
    event = turn.event
    kept = KeptEvent(type=event.type, view=event_view(event), time=turn.happened(), received=event.received)
    turn.state.kept = [*turn.state.kept, kept]
    turn.record("event.kept", name, type=event.type)


# -- milestones -------------------------------------------------------------------------------------------


def _moves(turn: Turn) -> bool:
    """Whether what the event tells of goods is new, and can have happened."""
    told = journey.told_by(turn.event.data, text_of(turn.event.time))
    if told is None:
        return True
    before = turn.state.milestones
    with_proof = isinstance(turn.event.data.get("proof"), dict)
    for n, one in enumerate(before):
        if journey.same(one, told) and (one.get("proof") or not with_proof):
            kept = journey.better(one, told)
            kept = {**kept, **({"proof": True} if one.get("proof") else {})}
            turn.state.milestones = [*before[:n], kept, *before[n + 1 :]]
            turn.record("milestone.repeated", **_of(told), kept=kept.get("time"))
            return False
    told = {**told, **({"proof": True} if with_proof else {})}
    turn.state.milestones = [*before[1 - MOST_MILESTONES :], told]
    against = journey.contradicted(told, before)
    if against is not None:
        turn.record("milestone.contradicts", **_of(told), against=_of(against))
        return False
    for one in before:
        if journey.contradicted(one, [told]) and not journey.contradicted(one, before):
            turn.record("milestone.contradicts", **_of(one), against=_of(told))
    return True


def _of(told: Mapping[str, Any]) -> dict[str, Any]:
    """A milestone as a record names it."""
    names = ("code", "reason", "time", "local_time", "by", "of_number")
    return {name: told[name] for name in names if name in told}


# -- the document -------------------------------------------------------------------------------------------


def _take_document(turn: Turn) -> bool:
    """Replace the document by a newer version of it; an older one is only recorded."""
    state = turn.state
    data = _carried(turn)
    if not isinstance(data, dict) or _key_of(turn, data) != state.key:
        return False
    newer = _newer(data, turn.happened(), turn.event.received, state)
    if newer:
        state.document_time = turn.happened()
        state.document_received = turn.event.received
    if data == state.document:
        return False
    if newer:
        turn.set_document(data)
        turn.document_changed = True
        turn.record("document.replaced", version=data.get("version"))
    else:
        turn.record("document.older", version=data.get("version"))
    return True


def _carried(turn: Turn) -> Any:
    """The document that the event carries."""
    field, data = turn.process.carries[turn.event.type], turn.event.data
    return data.get(field) if field and isinstance(data, dict) else data


def _outdated(turn: Turn) -> bool:
    """Whether the event carries an older version than the one that is known, as their source counts them."""
    data, known = _carried(turn), turn.state.document
    if not isinstance(known, dict) or not isinstance(data, dict) or _key_of(turn, data) != turn.state.key:
        return False
    mine, theirs = known.get("version"), data.get("version")
    return mine is not None and theirs is not None and _order(theirs) < _order(mine)


def _key_of(turn: Turn, document: Any) -> str:
    try:
        value = turn.process.key.evaluate({turn.process.variable: document, "tenant": turn.reference.tenant})
    except FAILURES:
        return ""
    return apart(str(value), test=turn.state.test)


def _newer(data: Mapping[str, Any], time: datetime, received: datetime, state: State) -> bool:
    """By the source's version where both have one, else by its time of change, else by the event's time.

    Of two of one time, the one that was received (and, received together, decided) later.
    """
    old = state.document if isinstance(state.document, dict) else {}
    mine, theirs = old.get("version"), data.get("version")
    if mine is not None and theirs is not None and mine != theirs:
        return _order(theirs) > _order(mine)
    before, after = _instant(old.get("changed")), _instant(data.get("changed"))
    if before is not None and after is not None and before != after:
        return after > before
    if state.document_time is None or time != state.document_time:
        return state.document_time is None or time > state.document_time
    return state.document_received is None or received >= state.document_received


def _order(version: object) -> list[tuple[int, int, str]]:
    """Versions in the order people count them: 9 before 10, 1.9 before 1.10, rev-a before rev-b."""
    parts = [part for part in _DIGITS.split(str(version)) if part]
    numbers = (part.lstrip("0") if _DIGITS.fullmatch(part) else None for part in parts)
    return [
        (1, 0, part) if number is None else (0, len(number), number)
        for part, number in zip(parts, numbers, strict=True)
    ]


def _instant(value: object) -> datetime | None:
    """A time of change as the source gave it; none where it is none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
