"""Personal data: find whose is held, see in which runs, erase it, and keep the certificate of that.

Who is looked for is posted, never in an address: addresses stand in logs. The page of one person is called by
a handle, which says nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crossdock.access import Resource
from crossdock.desk.personal import Gone, Held
from crossdock.errors import Forbidden, NotFound, Refused
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back, doing, note_of, sentence

_PAGE = {"back": "/personal"}


async def personal(ground: Ground, request: Request) -> Response:
    """`/personal`: whether it is sealed, a form to find somebody, and what was erased."""
    person = await ground.person(request)
    if not any(person.may(one) for one in ("personal.find", "setting.read", "audit.read")):
        await ground.acts.policies.require(person.principal, "personal.find", Resource(kind="personal"))
    return await _personal(ground, request)


async def subject(ground: Ground, request: Request) -> Response:
    """`/personal/{handle}`: what is held of somebody; once it is erased, the certificate."""
    person, handle = await ground.person(request), request.path_params["handle"]
    try:
        held, runs = await ground.acts.personal.held(person.principal, handle)
    except NotFound:
        for gone in await _erased(ground, person):
            if gone.handle == handle:
                return await _certificate(ground, request, gone)
        raise
    return await _subject(ground, request, held, runs)


@doing
async def turn(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /personal`: find somebody, erase their data, begin to seal or end it."""
    act, deeds, by = fields.get("act", ""), ground.acts.personal, person.principal
    if act == "find":
        text = fields.get("text", "").strip()
        try:
            return await _personal(ground, request, text=text, found=await deeds.find(by, text))
        except Forbidden:
            raise
        except Refused as error:
            return await _personal(ground, request, text=text, wrong=sentence(error.message))
    if act == "seal":
        await deeds.begin(by, note=note_of(fields))
        return back(request, _PAGE, Notice("good", "Personal data that comes in is sealed from now on."))
    if act == "stop":
        try:
            await deeds.end(by, note=note_of(fields))
        except NotFound:
            return back(request, _PAGE, Notice("wait", "It was ended before."))
        return back(request, _PAGE, Notice("good", "Nothing new is sealed; what was, stays so."))
    if act == "erase":
        return await _erase(ground, request, person, fields)
    raise Refused(f"{act!r} is nothing that is done here", mend="use the buttons of the page")


async def _erase(ground: Ground, request: Request, person: Person, fields: Mapping[str, str]) -> Response:
    """Erase what is held, where its name was typed as it stands there, and there is a reason."""
    handle, why = fields.get("subject", ""), note_of(fields)
    await ground.acts.policies.require(person.principal, "personal.erase", Resource(kind="personal"))
    held, runs = await ground.acts.personal.held(person.principal, handle)
    wrong = ""
    if fields.get("name", "").strip() != held.subject:
        wrong = f"Nothing was erased: type {held.subject}, as it stands above."
    elif not why:
        wrong = "Nothing was erased: say who asked for it, and when."
    if wrong:
        return await _subject(ground, request, held, runs, wrong=wrong, typed=fields)
    gone = await ground.acts.personal.erase(person.principal, held.handle, why=why)
    return await _certificate(ground, request, gone, just_now=True)


async def _erased(ground: Ground, person: Person) -> Sequence[Gone]:
    return await ground.acts.personal.erased(person.principal) if person.may("audit.read") else ()


async def _personal(
    ground: Ground,
    request: Request,
    *,
    text: str = "",
    found: Sequence[Held] | None = None,
    wrong: str = "",
) -> Response:
    person = await ground.person(request)
    state = await ground.acts.personal.state(person.principal) if person.may("setting.read") else None
    erased = await _erased(ground, person)
    return await _page(
        ground,
        request,
        "personal.html.jinja",
        status=400 if wrong else 200,
        state=state,
        text=text,
        found=found,
        wrong=wrong,
        erased=erased,
    )


async def _subject(
    ground: Ground,
    request: Request,
    held: Held,
    runs: Sequence[Any],
    *,
    wrong: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    return await _page(
        ground,
        request,
        "subject.html.jinja",
        status=400 if wrong else 200,
        held=held,
        runs=runs,
        wrong=wrong,
        typed=typed or {},
    )


async def _certificate(ground: Ground, request: Request, gone: Gone, *, just_now: bool = False) -> Response:
    return await _page(ground, request, "certificate.html.jinja", gone=gone, just_now=just_now)


async def _page(
    ground: Ground, request: Request, template: str, *, status: int = 200, **values: Any
) -> Response:
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
    return await ground.page(request, template, times, waiting, status=status, **values)
