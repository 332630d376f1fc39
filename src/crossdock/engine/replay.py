"""Replay: the history of a run, decided again, must give its state byte for byte."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from crossdock.engine.course import course_of
from crossdock.engine.library import Library
from crossdock.engine.payloads import put_back
from crossdock.process import Decision, State, encode_state
from crossdock.store import Database, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay gave. `same`: state and records are those that are stored, byte for byte."""

    same: bool
    decisions: int
    state: State
    differs_at: int | None = None  # the first decision whose records differ; None: only the state, or nothing


async def replay(database: Database, library: Library, tenant: Tenant, run: int) -> Replayed:
    """Decide a run's events again, through all its versions, and compare. Raises `NotFound`."""
    heard: list[tuple[int, bool]] = []

    def hear(seq: int, decision: Decision, told: bytes) -> None:
        heard.append((seq, msgspec.json.encode(decision.records) == told))

    async with database.engine() as transaction:
        course = await course_of(transaction, library, tenant.id, run, hear=hear)
        stored = await transaction.value(
            "select state from crossdock.run where tenant = $1 and id = $2", tenant.id, run
        )
        if stored is not None:
            (stored,) = await put_back(transaction, tenant.id, stored)
    differs_at = next((seq for seq, same in heard if not same), None)
    same = (encode_state(course.state) == stored if stored is not None else not heard) and differs_at is None
    return Replayed(same=same, decisions=len(heard), state=course.state, differs_at=differs_at)
