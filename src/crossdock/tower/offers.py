"""Proposals as pages show them: what each would do, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossdock.desk.proposals import PROPOSAL, Proposal, proposal_of
from crossdock.store import TenantTransaction
from crossdock.tower.telling.words import plain

MOST = 100

# What a proposal says it would do.
_DOES = {
    "run.cancel": "Cancel the run",
    "run.move": "Go on under another version of the process",
    "run.redo": "Do a step again",
    "run.retry": "Try a step again",
    "run.skip": "Skip a step",
    "run.supply": "Give the result of a step by hand",
    "task.decide": "Decide a task",
    "exception.close": "Close an exception",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One proposal as pages show it."""

    one: Proposal
    does: str
    facts: list[tuple[str, str]]


async def shown(transaction: TenantTransaction, run: int | None = None) -> list[Shown]:
    """Proposals, newest first; those of a run that are open."""
    sql = f"{PROPOSAL} and ($1::bigint is null or p.run = $1) order by p.id desc limit {MOST}"
    found = [proposal_of(row) for row in await transaction.fetch(sql, run)]
    return [_shown(one) for one in found if run is None or one.status == "open"]


def _shown(one: Proposal) -> Shown:
    does = _DOES.get(one.deed, plain(one.deed))
    given: dict[str, Any] = dict(one.given)
    if one.deed == "task.decide":
        does = {"approved": "Approve", "refused": "Refuse"}.get(str(given.pop("decision", "")), "Say done")
    elif one.deed == "exception.close" and given.get("action", "close") != "close":
        does = f"Close an exception and {given.pop('action')}"
    given.pop("answers", None)
    facts = [(plain(name), str(value)) for name, value in given.items() if value not in ("", None)]
    return Shown(one=one, does=does, facts=facts)
