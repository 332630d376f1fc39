"""What came in and has no run: kept for one, refused with a reason, or not readable; and what is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crossdock.errors import Conflict, CrossdockError, Forbidden, NotFound, Refused
from crossdock.tower import queries
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back, doing, note_of, sentence
from crossdock.tower.pages.numbers import whole
from crossdock.tower.queries import RunFilter
from crossdock.tower.telling import facts
from crossdock.tower.telling.timeline import entry, titles_of
from crossdock.tower.telling.times import instant_of

LONGEST = 20_000  # letters of an event that a page shows


async def events(ground: Ground, request: Request) -> Response:
    """`/events`: what nobody claimed, what was refused or not read, what was decided last."""
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        parked = await queries.parked(transaction)
        refused = await queries.quarantined(transaction)
        unread = await ground.visible(request, "event.read", await queries.unread(transaction), of="delivery")
        recent = await queries.recent(transaction, limit=100)
        recent = await ground.visible(request, "event.read", recent)
        titles = {
            row["name"]: titles_of(await ground.process(transaction, row["id"]))
            for row in await queries.published(transaction)
        }
    return await ground.page(
        request,
        "events.html.jinja",
        times,
        waiting,
        parked=[(row, _arrived(row["event"])) for row in parked],
        refused=[(row, _arrived(row["event"])) for row in refused],
        unread=[(row, _beginning(row["data"] or b"")) for row in unread],
        recent=[(row, entry(row, titles.get(row["process"], {}), times)) for row in recent],
    )


def _arrived(data: bytes) -> dict[str, Any]:
    """What an event says of itself. Evidence that is no event shows as it is."""
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        event = None
    if not isinstance(event, dict):
        return {"source": "", "happened": None, "about": [], "text": data.decode(errors="replace")[:LONGEST]}
    about = event.get("about")
    return {
        "source": str(event.get("source", "")),
        "happened": instant_of(event.get("time")),
        "about": sorted((str(k), str(v)) for k, v in about.items()) if isinstance(about, dict) else [],
        "text": facts.pretty(event.get("data", event))[:LONGEST],
    }


_Settle = Callable[[Ground, Person, int, dict[str, str]], Awaitable[Notice]]


@doing
async def settle(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /events`: what is done with one of them."""
    act, number = fields.get("act", ""), fields.get("event", "")
    event = whole(number)
    if event is None:
        raise Refused(f"{number!r} is no event", mend="use the buttons of the page")
    if act not in _SETTLE:
        raise Refused(f"{act!r} is nothing that an event takes", mend="use the buttons of the page")
    where = {"back": fields.get("back", "") or "/events"}
    try:
        notice = await _SETTLE[act](ground, person, event, fields)
    except (NotFound, Conflict):
        notice = Notice("wait", "Somebody was quicker: it is settled.")
    return back(request, where, notice)


async def _dismiss(ground: Ground, person: Person, number: int, _fields: dict[str, str]) -> Notice:
    await ground.acts.events.dismiss(person.principal, number)
    return Notice("good", "Dismissed.")


async def _attach(ground: Ground, person: Person, number: int, fields: dict[str, str]) -> Notice:
    """Give a parked event to the one run that a number names."""
    wanted = fields.get("number", "").replace("\0", "").strip()[:200]
    if not wanted:
        return Notice("bad", "Say which run: its key, a tracking number, or any other of its numbers.")
    async with ground.look() as (transaction, _):
        rows, why = await queries.find(transaction, RunFilter(number=wanted))
    exact = [row for row in rows if why[row["id"]][1].casefold() == wanted.casefold()]
    live = [row for row in exact if row["ended"] is None]
    if not live:
        ended = " live" if exact else ""
        return Notice("bad", f"No{ended} run has the number “{wanted}”. The event is kept.")
    if len(live) > 1:
        names = ", ".join(f"{row['process']} {row['key']}" for row in live[:5])
        return Notice("bad", f"“{wanted}” names several runs: {names}. Give a number that only one has.")
    await ground.acts.events.attach(person.principal, number, live[0]["id"])
    return Notice("good", f"Given to {live[0]['process']} {live[0]['key']}, which decides what comes of it.")


async def _release(ground: Ground, person: Person, number: int, _fields: dict[str, str]) -> Notice:
    receipt = await ground.acts.events.release(person.principal, number)
    said = {"routed": "It has found its run.", "parked": "No run has claimed it yet: it is kept."}
    tone = "good" if receipt.fate == "routed" else "wait"
    return Notice(tone, said.get(receipt.fate, sentence(f"{receipt.fate}: {receipt.reason}")))


async def _replay(ground: Ground, person: Person, number: int, _fields: dict[str, str]) -> Notice:
    """Read a delivery once more."""
    try:
        receipt = await ground.acts.deliveries.replay(person.principal, number)
    except (NotFound, Conflict, Forbidden):
        raise
    except CrossdockError as error:
        return Notice("bad", sentence(error.message))
    if receipt.outcome == "quarantined":
        return Notice("bad", sentence(f"it still cannot be read: {receipt.reason}"))
    events = f"{receipt.events} event{'' if receipt.events == 1 else 's'}"
    return Notice("good", f"Read: {events} came of it.")


async def _drop(ground: Ground, person: Person, number: int, fields: dict[str, str]) -> Notice:
    """Nobody needs a delivery."""
    if not note_of(fields):
        return Notice("bad", "Give a reason: it stays with what was sent.")
    await ground.acts.deliveries.dismiss(person.principal, number, reason=note_of(fields))
    return Notice("good", "Dismissed.")


_SETTLE: dict[str, _Settle] = {
    "dismiss": _dismiss,
    "attach": _attach,
    "release": _release,
    "replay": _replay,
    "drop": _drop,
}


def _beginning(body: bytes) -> str:
    """As much as is shown; what is sealed as a whole cannot be opened in part."""
    text = body.decode(errors="replace")
    return text if text.startswith("⟦") else text[:LONGEST]
