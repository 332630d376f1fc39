"""A new version of a process proved on past runs, part by part: what would have been otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked
from crossdock.api.listing import Out, Text, pick
from crossdock.api.rest import processes
from crossdock.api.rest.process_acts import Source
from crossdock.api.route import router
from crossdock.engine.backtest import Part, Proved
from crossdock.errors import Refused
from crossdock.process.backtest import Difference
from crossdock.process.durations import Duration

routes = router("processes")

MOST = 500  # runs of one part
_SECONDS = 5.0  # that one part takes, of what a client waits for an answer
_EXAMPLES = 5  # of each difference, in one part


class Prove(Given):
    """A version to prove, and on which runs."""

    source: Source = Field(description="The new version, YAML")
    within: Text | None = Field(None, description="Runs that began in so long: `30d`, `12h`; all without")
    before: Text | None = Field(None, description="Runs that are older than this one: `next` of a part")
    limit: int = Field(200, ge=1, le=MOST, description="So many runs at most; of long ones, fewer")
    assume: bool = Field(
        False,
        description="Where a case holds no answer, take the one that it gave to other content, or that it is "
        "done; take an approval as given. Each is told in `assumed`",
    )


class Example(Out):
    """A case, by its run."""

    run: str
    key: str
    detail: str | None = Field(None, description="What is to be known of this case alone")


class Group(Out):
    """One difference, or one open question, of all cases that have it."""

    kind: Literal["end", "step", "exception", "person", "time", "call", "event", "result"]
    step: str | None = None
    what: str
    count: int = Field(description="Cases")
    examples: list[Example]


class Assumed(Out):
    """An answer that was assumed."""

    what: str
    count: int


class Proven(Out):
    """What a part of the past would have come to."""

    process: str
    version: str = Field(description="Of the new version, by its content")
    cases: int
    same: int
    different: int
    undecided: int = Field(description="Cases that hold no answer to what the new version asks")
    differences: list[Group] = Field(description="Also of undecided cases: what they had by then")
    questions: list[Group] = Field(description="What the undecided cases hold no answer to")
    assumed: list[Assumed]
    left: int = Field(description="Older runs that are not in this part ...")
    next: str | None = Field(None, description="... and where they begin: `before` of the next part")


@routes.post("/processes/{process}/backtest", responses={200: {"model": Proven, "description": "Proved"}})
async def prove_process(call: Asked, process: str, given: Prove) -> Response:
    """Play past runs of a process under a new version, and tell what differs. Nothing is kept, nobody asked.

    A part of the runs, newest first: ask again with `next` as `before` until there is none.
    """
    await processes.found(call, process)
    made, part = await call.ground.acts.processes.backtest(
        call.principal,
        given.source,
        of=process,
        within=_length(given.within),
        before=call.number("run", given.before) if given.before is not None else None,
        most=given.limit,
        seconds=_SECONDS,
        assume=given.assume,
    )
    value = {"process": made.name, "version": made.version} | _told(call, part)
    return call.answer(pick(value, ()))


def _length(within: str | None) -> timedelta | None:
    """A length of time that needs no calendar. Raises `Refused`."""
    if within is None:
        return None
    length = Duration.parse(within, where="body.within")
    if length.business:
        raise Refused(f"{within} counts by a calendar", where="body.within", mend="write it as 30d or 12h")
    return length.exact


def _told(call: Asked, part: Part) -> dict[str, Any]:
    verdicts = [one.case.verdict for one in part.proved]
    differences = ((one, found) for one in part.proved for found in one.case.differences)
    questions = ((one, one.case.undecided) for one in part.proved if one.case.undecided is not None)
    assumed: dict[str, int] = {}
    for one in part.proved:
        for what, count in one.case.assumed.items():
            assumed[what] = assumed.get(what, 0) + count
    return {
        "cases": len(verdicts),
        "same": verdicts.count("same"),
        "different": verdicts.count("different"),
        "undecided": verdicts.count("undecided"),
        "differences": _groups(call, differences),
        "questions": _groups(call, questions),
        "assumed": [{"what": what, "count": count} for what, count in sorted(assumed.items())],
        "left": part.left,
        "next": call.names.name("run", part.proved[-1].run) if part.left else None,
    }


def _groups(call: Asked, found: Iterable[tuple[Proved, tuple[Difference, str]]]) -> list[dict[str, Any]]:
    """The same of many cases once, with the first of them; what most cases have first."""
    groups: dict[Difference, dict[str, Any]] = {}
    for one, (difference, detail) in found:
        group = groups.setdefault(
            difference,
            {
                "kind": difference.kind,
                "step": difference.step or None,
                "what": difference.what,
                "count": 0,
                "examples": [],
            },
        )
        group["count"] += 1
        if len(group["examples"]) < _EXAMPLES:
            example = {"run": call.names.name("run", one.run), "key": one.key, "detail": detail or None}
            group["examples"].append(pick(example, ()))
    return [pick(group, ()) for group in sorted(groups.values(), key=lambda group: -group["count"])]
