"""What all that changes something shares: how it is given, and how what came of it is told.

A run is asked by an event, and decides by itself. The answer waits a moment for that: 200 with what it told,
202 where it has not decided yet, 409 where it did not take it. `Prefer: wait=10` says how long,
`respond-async` not at all (RFC 7240).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crossdock.api.ground import Call
from crossdock.api.listing import Out
from crossdock.desk import Asked
from crossdock.errors import Conflict

WAIT = 2.0  # seconds for a run to decide
MOST_WAIT = 20.0
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d{1,3})\s*(?:[,;]|$)")


class Given(BaseModel):
    """What is sent with an act. What is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Outcome(Out):
    """What came of an act on a run."""

    run: str = Field(description="The run that was asked")
    event: str = Field(description="The id of the event that asked it")
    outcome: Literal["done", "pending"] = Field(description="`pending`: it has not decided yet")
    records: list[dict[str, Any]] | None = Field(None, description="What its decision told")


ASKED: dict[int | str, dict[str, Any]] = {
    200: {"model": Outcome, "description": "Decided"},
    202: {"model": Outcome, "description": "Asked, and not decided yet"},
}


async def outcome(call: Call, asked: Asked) -> Response:
    """Wait a moment for what the run decides, and tell it. Raises `Conflict` where it does not take it."""
    if asked.again:  # what it decided may stand anywhere in its history
        asked = replace(asked, after=0)
    wait = _wait(call.request.headers.get("prefer", ""))
    told = await call.ground.acts.outcome(call.principal, asked, within=wait)
    value: dict[str, Any] = {"run": call.names.name("run", asked.run), "event": asked.event}
    if told is None:
        return call.answer(value | {"outcome": "pending"}, 202)
    if told.refusal:
        raise Conflict(f"the run does not take it: {told.refusal}", mend="read the run, and decide again")
    records = msgspec.to_builtins(told.line.records)
    return call.answer(value | {"outcome": "done", "records": records})


def _wait(prefer: str) -> float:
    """The seconds that an asker wants to wait."""
    found = _WAIT.search(prefer.lower())
    if found is not None:
        return min(float(found[1]), MOST_WAIT)
    return 0.0 if "respond-async" in prefer.lower() else WAIT
