"""Who may come in: the people of the tenant and the keys of its programs; made, given roles, taken back.

A link and a key are shown once, on the page that answers the form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crossdock.access.keys import OPERATORS
from crossdock.access.people import Link
from crossdock.access.tokens import KEY
from crossdock.errors import CrossdockError, Forbidden, Refused
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back, doing
from crossdock.tower.pages.numbers import whole

_ROLE = "role."  # begins the field of each role that may be ticked
_MOST_DAYS = 3650
_PEOPLE, _KEYS = {"back": "/people"}, {"back": "/people/keys"}


async def people(ground: Ground, request: Request) -> Response:
    """`/people`."""
    return await _people(ground, request)


async def keys(ground: Ground, request: Request) -> Response:
    """`/people/keys`."""
    return await _keys(ground, request)


@doing
async def change(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /people`: invite somebody, give roles, shut out, let in, make a link for another password."""
    act, who, note = fields.get("act", ""), fields.get("person", ""), fields.get("note", "").strip()
    deeds, by = ground.acts.people, person.principal
    try:
        if act == "invite":
            email = fields.get("email", "").strip()
            name = fields.get("name", "").strip()
            link = await deeds.invite(by, email=email, roles=_ticked(fields), name=name, note=note)
            return await _people(ground, request, link=_shown(ground, request, link, email, "get an account"))
        if act == "roles":
            seen = fields.get("seen", "").split()
            await deeds.change(by, who, roles=_ticked(fields), seen=seen, note=note)
            return back(request, _PEOPLE, Notice("good", f"{who} has these roles now; their sessions ended."))
        if act == "suspend":
            await deeds.suspend(by, who, note=note)
            return back(request, _PEOPLE, Notice("good", f"{who} is shut out; their sessions ended."))
        if act == "resume":
            await deeds.resume(by, who, note=note)
            return back(request, _PEOPLE, Notice("good", f"{who} may sign in again."))
        if act == "reset":
            link = await deeds.reset(by, who, note=note)
            return await _people(ground, request, link=_shown(ground, request, link, who, "set a password"))
    except Forbidden:
        raise
    except Refused as error:
        return await _people(ground, request, error=error, typed=fields)
    raise Refused(f"{act!r} is nothing that a person takes", mend="use the buttons of the page")


@doing
async def change_keys(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /people/keys`: make a key, revoke one."""
    act, by, note = fields.get("act", ""), person.principal, fields.get("note", "").strip()
    try:
        if act == "key":
            made = await ground.acts.keys.create(
                by,
                roles=_ticked(fields),
                name=fields.get("name", "").strip(),
                expires=_until(fields.get("days", "")),
                note=note,
            )
            return await _keys(ground, request, text=made.text)
        if act == "revoke":
            gone = await ground.acts.keys.revoke(by, fields.get("key", ""), note=note)
            return back(request, _KEYS, Notice("good", f"{gone.name or gone.id} is revoked."))
    except Forbidden:
        raise
    except Refused as error:
        return await _keys(ground, request, error=error, typed=fields)
    raise Refused(f"{act!r} is nothing that a key takes", mend="use the buttons of the page")


async def _people(
    ground: Ground,
    request: Request,
    *,
    link: Mapping[str, Any] | None = None,
    error: CrossdockError | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    looking = await ground.person(request)
    found = await ground.acts.people.list(looking.principal)
    return await _page(
        ground, request, "people.html.jinja", error=error, typed=typed, people=found, link=link,
        known=await _roles(ground, looking, {role for one in found for role in one.roles}),
        signs_in=ground.signs_in,
    )  # fmt: skip


async def _keys(
    ground: Ground,
    request: Request,
    *,
    text: str = "",
    error: CrossdockError | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    looking = await ground.person(request)
    found = await ground.acts.keys.list(looking.principal)
    return await _page(
        ground, request, "keys.html.jinja", error=error, typed=typed, keys=found, text=text,
        prefix=f"{KEY}_{ground.tenant.id}_",
        known=await _roles(ground, looking, set()),
    )  # fmt: skip


async def _page(
    ground: Ground,
    request: Request,
    template: str,
    *,
    error: CrossdockError | None,
    typed: Mapping[str, str] | None,
    **values: Any,
) -> Response:
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
    wrong = ""
    if error is not None:
        wrong = f"{error.message[:1].upper()}{error.message[1:]}" + (
            f": {error.mend}." if error.mend else "."
        )
    return await ground.page(
        request,
        template,
        times,
        waiting,
        status=200 if error is None else 400,
        wrong=wrong,
        typed=typed or {},
        **values,
    )


async def _roles(ground: Ground, looking: Person, besides: Collection[str]) -> dict[str, str]:
    """The roles that may be given, by name, with what each is for; and those that somebody has already."""
    if not (looking.may("person.read") and (looking.may("person.change") or looking.may("key.change"))):
        return {}
    mine = looking.principal.roles
    known = {
        one.name: one.says
        for one in await ground.acts.explain.roles(looking.principal)
        if one.name not in OPERATORS or one.name in mine  # who does not run the installation gives none of it
    }
    return known | {
        name: "decides the tasks that ask for it" for name in sorted(besides) if name not in known
    }


def _ticked(fields: Mapping[str, str]) -> list[str]:
    """The roles that are ticked, and those that were typed besides."""
    ticked = [name.removeprefix(_ROLE) for name in fields if name.startswith(_ROLE)]
    return [*ticked, *fields.get("more", "").replace(",", " ").split()]


def _shown(ground: Ground, request: Request, link: Link, whom: str, what: str) -> dict[str, Any]:
    base = ground.address or str(request.base_url).rstrip("/")
    return {"address": base + link.path, "expires": link.expires, "whom": whom, "what": what}


def _until(days: str) -> datetime | None:
    """The end of so many days; None for an empty text, which is for ever. Raises `Refused`."""
    if not days.strip():
        return None
    number = whole(days, most=_MOST_DAYS)
    if not number:
        raise Refused(f"a key lasts 1 to {_MOST_DAYS} days", mend="give a whole number, or nothing")
    return datetime.now(UTC) + timedelta(days=number)
