"""What assistants propose: what would be done, why, by which model; accept it, or turn it down."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from crossdock.errors import Conflict, NotFound, Refused
from crossdock.tower import offers
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back, doing, note_of, sentence, told
from crossdock.tower.pages.numbers import whole


async def proposals(ground: Ground, request: Request) -> Response:
    """`/proposals`: those that are open, then those that were decided or fell."""
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        rows = [{"process": one.one.process, "shown": one} for one in await offers.shown(transaction)]
    seen = await ground.visible(request, "run.read", rows, of="proposal")
    found = [row["shown"] for row in seen]
    return await ground.page(
        request,
        "proposals.html.jinja",
        times,
        waiting,
        open_=[one for one in found if one.one.status == "open"],
        past=[one for one in found if one.one.status != "open"],
    )


@doing
async def turn(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /proposals`: accept one, or turn it down."""
    act, text = fields.get("act", ""), fields.get("proposal", "")
    number = whole(text) or 0
    if act == "accept":
        return await told(
            ground,
            request,
            person,
            fields,
            lambda: ground.acts.proposals.accept(person.principal, number, note=note_of(fields)),
        )
    if act != "decline":
        raise Refused(f"{act!r} is nothing that a proposal takes", mend="use the buttons of the page")
    try:
        await ground.acts.proposals.decline(person.principal, number, note=note_of(fields))
    except (Conflict, NotFound) as error:
        return back(request, fields, Notice("bad", sentence(error.message)))
    return back(request, fields, Notice("good", "Turned down; nothing of it is done."))
