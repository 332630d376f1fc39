"""One run: where it stands, its picture, its story, its step in hand, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crossdock.access import Resource
from crossdock.engine.milestones import Happened, Telling, stories
from crossdock.errors import NotFound
from crossdock.process import Process, State, decode_state
from crossdock.process.definition import Step
from crossdock.process.messages import Call
from crossdock.process.state import ENDED_RUN, ENDED_STEP, StepState
from crossdock.tower import offers, queries
from crossdock.tower.addresses import from_address
from crossdock.tower.ground import Ground
from crossdock.tower.pages.cases import Case, calendars_of, of_exception, of_task, ordered
from crossdock.tower.pages.numbers import whole
from crossdock.tower.picture import does, draw
from crossdock.tower.telling import facts
from crossdock.tower.telling.timeline import Entry, entry, titles_of
from crossdock.tower.telling.times import Times
from crossdock.tower.telling.traces import Trace, traces
from crossdock.tower.telling.words import plain, step_title

ENTRIES = 60
# Which step a reader wants to see first.
_INTEREST = ("held", "waiting", "running", "failed")
_call = msgspec.json.Decoder(Call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One step of the run as its panel shows it; `acts` are the repairs that make sense now.

    `held_by`: the exception that they answer, where one holds it.
    """

    name: str
    title: str
    kind: str
    does: str
    state: StepState
    trace: Trace
    needs: tuple[str, ...]
    acts: tuple[str, ...]
    held_by: str
    given: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """What happened to the goods: once, with who told it, and what it contradicts."""

    at: datetime
    day: bool  # the day alone is known
    what: str
    why: str
    text: str
    place: str
    package: str
    by: str
    told: int
    against: Milestone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A call that is not settled, in words."""

    step: str
    operation: str
    text: str
    error: str


async def find_run(transaction: Any, request: Request) -> Any:
    """The run that the address names. Raises `NotFound`."""
    path = request.path_params
    generation = int(path["generation"])
    row = None
    if generation < 2**31:
        row = await queries.run(transaction, path["process"], from_address(path["key"]), generation)
    if row is None:
        name = f"{path['process']}/{from_address(path['key'])}/{generation}"
        raise NotFound(f"there is no run {name}", mend="search for it by any of its numbers")
    return row


async def run(ground: Ground, request: Request) -> Response:
    """`/runs/{process}/{key}/{generation}`, with the step `?step=` in its panel."""
    before = request.query_params.get("before", "")
    async with ground.look() as (transaction, times):
        row = await find_run(transaction, request)
        about = {"process": row["process"], "status": row["status"]}
        await ground.acts.policies.require(
            (await ground.person(request)).principal,
            "run.read",
            Resource(kind="run", id=str(row["id"]), attributes=about),
        )
        waiting = await ground.waiting(request, transaction)
        process = await ground.process(transaction, row["version"])
        state = decode_state(row["state"]) if row["state"] else None
        history = await queries.history(
            transaction,
            row["id"],
            before=whole(before, most=2**31 - 1) or 0,
            limit=ENTRIES + 1,
        )
        told = traces(await queries.told(transaction, row["id"]))
        children = await ground.visible(request, "run.read", await queries.children(transaction, row["id"]))
        aliases = await queries.aliases(transaction, row["id"])
        calls = await queries.calls_out(transaction, row["id"])
        closed = [one for one in await queries.exceptions_of(transaction, row["id"]) if one["closed"]]
        closed = await ground.visible(request, "exception.read", closed)
        aside = await queries.set_aside(transaction, row["id"]) if row["error"] else []
        cases = await _cases(ground, request, transaction, row["id"], process, times)
        happened = (await stories(transaction, [row["id"]])).get(row["id"], [])
        version = await queries.version(transaction, row["version"])
        proposed = await offers.shown(transaction, row["id"])
        newer = await queries.newer(transaction, row["process"], row["version"])
    titles = titles_of(process)
    entries: list[Entry] = [entry(line, titles, times) for line in history[:ENTRIES]]
    chosen = _chosen(request, state, told)
    document = state.document if state is not None else None
    return await ground.page(
        request,
        "run.html.jinja",
        times,
        waiting,
        run=row,
        state=state,
        process=process,
        version=version,
        graph=draw(process, state) if process is not None else None,
        facts=facts.facts(document, times),
        document=facts.pretty(document) if document is not None else "",
        steps=[
            _detail(step, state, told.get(name, Trace()), row)
            for name, step in process.steps.items()
            if state is not None and name in state.steps
        ]
        if process is not None
        else [],
        chosen=chosen,
        titles=titles,
        entries=entries,
        older=history[ENTRIES - 1]["seq"] if len(history) > ENTRIES else 0,
        milestones=[_milestone(one) for one in happened],
        children=children,
        aliases=aliases,
        calls=[_outgoing(one, titles, times) for one in calls],
        closed=closed,
        aside=aside,
        cases=cases,
        proposed=proposed,
        live=row["status"] not in ENDED_RUN,
        newer=newer,
    )


async def _cases(
    ground: Ground, request: Request, transaction: Any, run_: int, process: Process | None, times: Times
) -> list[Case]:
    calendars = calendars_of(await queries.calendars(transaction))
    tasks = await queries.tasks(transaction, run=run_)
    exceptions = await queries.exceptions(transaction, run=run_)
    found = [of_task(row, process, times) for row in await ground.visible(request, "task.read", tasks)]
    seen = await ground.visible(request, "exception.read", exceptions)
    found += [of_exception(row, process, times, calendars) for row in seen]
    return ordered(found)


def _milestone(one: Happened) -> Milestone:
    against = None if one.contradicts is None else _told(one.contradicts, ())
    return _told(one.telling, one.also, against)


def _told(one: Telling, also: Sequence[Telling], against: Milestone | None = None) -> Milestone:
    said = one.milestone
    place = said.get("place")
    where = place if isinstance(place, dict) else {}
    sources = dict.fromkeys(told.source.rpartition("/")[2] for told in (one, *also))
    return Milestone(
        at=one.happened,
        day=said.get("precision") == "day",
        what=plain(str(said.get("code") or one.type.partition(".")[2])),
        why=plain(str(said["reason"])) if said.get("reason") else "",
        text=str(said.get("text") or said.get("code_told") or ""),
        place=", ".join(str(where[name]) for name in ("name", "city", "country") if where.get(name)),
        package=one.package,
        by=" and ".join(sources),
        told=1 + len(also),
        against=against,
    )


def _chosen(request: Request, state: State | None, told: Mapping[str, Trace]) -> str:
    """The step in the panel: the one asked for, else the one that most wants to be seen."""
    wanted = request.query_params.get("step", "")
    if state is None or wanted in state.steps:
        return wanted if state is not None else ""
    for status in _INTEREST:
        for name, step in state.steps.items():
            if step.status == status:
                return name
    ended = [(trace.ended, name) for name, trace in told.items() if trace.ended and name in state.steps]
    return max(ended)[1] if ended else next(iter(state.steps), "")


def _detail(step: Step, state: State, trace: Trace, row: Any) -> Detail:
    own = state.steps[step.name]
    holding = [id_ for id_, one in state.exceptions.items() if one.step == step.name and one.holds]
    given, output = own.input or trace.given, own.output or trace.output
    return Detail(
        name=step.name,
        title=step_title(step.name, step.title),
        kind=step.kind,
        does=does(step),
        state=own,
        trace=trace,
        needs=(*step.needs, *step.needs_any),
        acts=tuple(acts(own)) if row["status"] not in ENDED_RUN and not row["error"] else (),
        held_by=holding[-1] if holding else "",
        given=facts.pretty(given) if given is not None else "",
        output=facts.pretty(output) if output is not None else "",
    )


def acts(own: StepState) -> list[str]:
    """The repairs of a step that the kernel would take, in the order in which one would try them."""
    found = []
    if own.status == "held" or (own.call is not None and own.call.out):
        found.append("retry")
    if own.status in {"held", "waiting"}:
        found.append("supply")
    if own.status in {"held", "waiting", "running"}:
        found.append("skip")
    if own.status in ENDED_STEP or own.status == "held":
        found.append("redo")
    return found


def _outgoing(row: Any, titles: dict[str, str], times: Times) -> Outgoing:
    try:
        call = _call.decode(row["call"])
        step, operation = titles.get(call.step, call.step), f"{call.system}.{call.operation}"
        operation = f"undo: {operation}" if call.undo else operation
    except msgspec.DecodeError:
        step, operation = row["command"], ""
    if row["stopped"]:
        text = f"waits: {row['connection']} is stopped"
    elif row["status"] == "leased":
        text = "is being called now"
    elif row["status"] == "queued":
        text = f"waits behind another call about this document to {row['connection']}"
    elif row["attempt"] > 1 and row["due"] > times.now:
        text = f"try {row['attempt']} at {times.at(row['due'])} ({times.away(row['due'])})"
    else:
        text = f"waits to leave to {row['connection']}"
    if row["withdrawn"]:
        text += "; being taken back"
    elif row["doubt"]:
        text += "; an earlier try may have done it, so it is found out first"
    return Outgoing(step=step, operation=operation, text=text, error=row["error"])
