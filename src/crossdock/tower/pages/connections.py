"""The outside systems: how their calls stand; stop one, start it again, let its backlog drain at a rate."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from crossdock.desk.health import Health
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages import connection
from crossdock.tower.pages.act import back, doing
from crossdock.tower.telling.times import span

FASTEST = 1000.0  # calls a second


async def connections(ground: Ground, request: Request) -> Response:
    """`/connections`."""
    known = await ground.connections.of(ground.tenant)
    rows = [{"connection": one.name, "system": one.system, "known": one} for one in known]
    found = [row["known"] for row in await ground.visible(request, "connection.read", rows)]
    healths = await ground.acts.connections.health((await ground.person(request)).principal)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
    return await ground.page(
        request,
        "connections.html.jinja",
        times,
        waiting,
        connections=found,
        healths={one.name: healths.get(one.name, Health()) for one in found},
        closes={
            one.name: span(max(0.0, (one.open_until - times.now).total_seconds()))
            for one in found
            if one.open_until is not None
        },
    )


@doing
async def turn(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /connections`: stop one, or start it; or what else the pages of connections offer."""
    act, name, where = fields.get("act", ""), fields.get("connection", ""), {"back": "/connections"}
    if act == "stop":
        still = fields.get("stand_still", "") == "yes"
        await ground.acts.connections.stop(person.principal, name, deadlines_run=not still)
        said = "Its calls wait, and deadlines that wait for it stand still." if still else "Its calls wait."
        return back(request, where, Notice("good", f"{name} is stopped. {said}"))
    if act == "start":
        text = fields.get("rate", "").strip().replace(",", ".")
        rate = _rate(text) if text else None
        if text and rate is None:
            return back(
                request, where, Notice("bad", f"{text!r} is no rate: give calls a second, such as 5.")
            )
        if not await ground.acts.connections.start(person.principal, name, drain_rate=rate):
            return back(request, where, Notice("wait", f"{name} was started before."))
        said = (
            f"What waited leaves in its order, {rate:g} a second."
            if rate
            else "What waited leaves in its order."
        )
        return back(request, where, Notice("good", f"{name} is started. {said}"))
    return await connection.act(ground, request, person, fields)


def _rate(text: str) -> float | None:
    """Calls a second, or None where the text says none."""
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate <= FASTEST else None
