"""Repair of many runs by their cause: choose and count, begin with a few, see what came of each, go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crossdock.desk.seen import cases_seen, repairs_seen
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Conflict, Forbidden, NotFound, Refused
from crossdock.store import TenantTransaction
from crossdock.tower import causes
from crossdock.tower.addresses import with_query
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import LONGEST_NOTE, back, doing, note_of, sentence
from crossdock.tower.pages.numbers import page_of, whole
from crossdock.tower.telling.words import plain

SHOWN = 20  # of a set, before a repair of it begins
PAGE = 100
TRIAL, RATE = 3, 10.0
FASTEST = 1000.0

# What is done to each, in the order in which one would try it, and what one says of it.
ACTS = {
    "retry": "Try the step again",
    "move": "Go on under the newest version of the process",
    "close": "Close the exceptions",
    "skip": "Skip the step",
    "cancel": "Cancel the runs",
}
_DONE = {**ACTS, "release": "Let them go on", "supply": "Supply the result", "redo": "Do the step again"}
_REASONED = ("skip", "cancel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One repair as pages show it. `left`: not sent yet; `open`: sent, and nothing came of it yet."""

    row: Any
    does: str
    cause: str
    note: str
    outcomes: Mapping[str, int]
    left: int
    open: int

    @property
    def may_proceed(self) -> bool:
        """Whether the rest waits for a person."""
        return self.row["status"] in ("waiting", "stopped") and self.left > 0

    @property
    def may_stop(self) -> bool:
        """Whether anything would still be sent."""
        return self.row["status"] in ("trial", "waiting", "running")


async def repairs(ground: Ground, request: Request) -> Response:
    """`/repairs`: open exceptions by cause, and the repairs so far."""
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        sees = partial(ground.visible, request)
        found = await causes.causes(transaction, sees)
        stopped = await causes.stopped(transaction, sees)
        rows = await _repairs(ground, request, transaction)
    return await ground.page(
        request,
        "repairs.html.jinja",
        times,
        waiting,
        causes=found,
        stopped=stopped,
        repairs=[_repair(row) for row in rows],
    )


async def choose(ground: Ground, request: Request) -> Response:
    """`/repairs/new`: what a repair of that cause would touch, before anything happens."""
    cause, person = _cause(request.query_params), await ground.person(request)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        rows = await causes.those_with(transaction, cause, limit=SHOWN)
        rows = await cases_seen(ground.acts.policies, person.principal, rows)
        known = await causes.causes(transaction, partial(ground.visible, request))
    return await ground.page(
        request,
        "repair_new.html.jinja",
        times,
        waiting,
        cause=cause,
        said=in_words(cause),
        state=msgspec.to_builtins(cause),
        number=await ground.acts.repairs.preview(person.principal, cause),
        rows=rows,
        types=sorted({row["type"] for row in known}),
        connections=sorted({row["connection"] for row in known if row["connection"]}),
        processes=sorted({row["process"] for row in known}),
        acts=_acts(cause),
        first="retry" if any(_holds(row) for row in rows) else "release" if cause.stopped else "close",
        trial=TRIAL,
        rate=RATE,
    )


@doing
async def begin(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /repairs`: freeze the set and send the first few."""
    cause = _cause(fields)
    again = {**fields, "back": with_query("/repairs/new", msgspec.to_builtins(cause))}
    act, note = fields.get("act", ""), note_of(fields)
    if act not in _acts(cause):
        return back(request, again, Notice("bad", "Choose what is to be done."))
    if act in _REASONED and not note:
        return back(request, again, Notice("bad", "Give a reason: it stays with each run."))
    try:
        trial, rate = _count(fields.get("trial", "")), _rate(fields.get("rate", ""))
        begun = await ground.acts.repairs.begin(
            person.principal,
            cause,
            Action(act=act, note=note),  # type: ignore[arg-type] # one of ACTS, or release
            trial=trial,
            rate=rate,
            seen=_count(fields.get("seen", "")),
        )
    except Forbidden:
        raise
    except (Refused, Conflict) as error:
        return back(request, again, Notice("bad", sentence(f"{error.message}; {error.mend}")))
    first = min(trial, begun.counted)
    said = f"Begun: {first} of {begun.counted} go first." if first else f"Begun, with all {begun.counted}."
    return back(request, {"back": f"/repairs/{begun.id}"}, Notice("good", said))


async def repair(ground: Ground, request: Request) -> Response:
    """`/repairs/{id}`, with `?outcome=` as a filter and `?page=`."""
    number = int(request.path_params["id"])
    outcome, page = request.query_params.get("outcome", ""), request.query_params.get("page", "")
    at = page_of(page)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        rows = await _repairs(ground, request, transaction, number) if 0 < number < 2**63 else []
        if not rows:
            raise NotFound(f"there is no repair {number}", mend="see the repairs")
        items = await causes.items(transaction, number, outcome=outcome, limit=PAGE + 1, skip=(at - 1) * PAGE)
        more = len(items) > PAGE
        items = await ground.visible(request, "run.read", items[:PAGE], of="repair")
    return await ground.page(
        request,
        "repair.html.jinja",
        times,
        waiting,
        repair=_repair(rows[0]),
        items=items,
        outcome=outcome,
        number=at,
        more=more,
    )


@doing
async def turn(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /repairs/{id}`: send the rest, or send no more."""
    number, act = int(request.path_params["id"]), fields.get("act", "")
    where = {"back": f"/repairs/{number}"}
    try:
        if act == "proceed":
            await ground.acts.repairs.proceed(person.principal, number)
            return back(request, where, Notice("good", "The rest follows."))
        if act == "stop":
            await ground.acts.repairs.stop(person.principal, number)
            return back(request, where, Notice("good", "No more is sent. What was sent stays sent."))
    except Conflict:
        return back(request, where, Notice("wait", "It has gone on meanwhile: look again."))
    raise Refused(f"{act!r} is nothing that a repair takes", mend="use the buttons of the page")


def in_words(cause: Cause) -> str:
    """A cause as people say it."""
    if cause.stopped:
        what = "runs that a broken decision has stopped"
    else:
        what = plain(cause.exception) if cause.exception else "Every open exception"
    parts = [what]
    parts += [f"via {cause.connection}"] if cause.connection else []
    parts += [f"in {cause.process}"] if cause.process else []
    parts += [f"at step {plain(cause.step)}"] if cause.step else []
    parts += [f"saying “{cause.error}”"] if cause.error else []
    return sentence(" ".join(parts)).rstrip(".")


async def _repairs(ground: Ground, request: Request, transaction: TenantTransaction, id_: int = 0) -> Any:
    looking = (await ground.person(request)).principal
    rows = await causes.repairs(transaction, id_=id_)
    return await repairs_seen(ground.acts.policies, looking, transaction, rows)


def _repair(row: Any) -> Repair:
    action = msgspec.json.decode(row["action"], type=Action)
    outcomes: dict[str, int] = msgspec.json.decode(row["outcomes"])
    return Repair(
        row=row,
        does=_DONE[action.act],
        cause=in_words(msgspec.json.decode(row["filter"], type=Cause)),
        note=action.note,
        outcomes=outcomes,
        left=row["counted"] - row["sent"],
        open=row["sent"] - sum(outcomes.values()),
    )


def _holds(row: Any) -> bool:
    """Whether the step of an exception waits for it, so that it can be tried again."""
    return "data" in row.keys() and bool(msgspec.json.decode(row["data"]).get("holds"))  # noqa: SIM118 - a row


def _acts(cause: Cause) -> Mapping[str, str]:
    """What may be done to the runs of a cause."""
    if not cause.stopped:
        return ACTS
    return {"release": "Let them go on, with the event that stopped them", "move": ACTS["move"]}


def _cause(given: Mapping[str, str]) -> Cause:
    """The cause that an address or a form names."""

    def said(name: str) -> str:
        return given.get(name, "").replace("\0", "").strip()[:LONGEST_NOTE]

    return Cause(
        process=said("process"),
        step=said("step"),
        exception=said("exception"),
        connection=said("connection"),
        error=said("error"),
        stopped=said("stopped").lower() == "true",
    )


def _count(text: str) -> int:
    """A whole number that was typed. Raises `Refused`."""
    number = whole(text, most=9_999_999)
    if number is None:
        raise Refused(f"{text!r} is no number of runs", mend="give a whole number, such as 3")
    return number


def _rate(text: str) -> float:
    """Runs a second that were typed. Raises `Refused`."""
    try:
        rate = float(text.replace(",", "."))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST:
        raise Refused(f"{text!r} is no rate", mend=f"give runs a second, up to {FASTEST:g}")
    return rate
