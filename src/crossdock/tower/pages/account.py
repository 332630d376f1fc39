"""One's own account: the password, and one-time codes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossdock.access.passwords import SHORTEST, totp_address
from crossdock.access.people import Account
from crossdock.errors import CrossdockError, NotProven, Refused, Unreachable
from crossdock.tower.doors import Doors, from_
from crossdock.tower.ground import Ground
from crossdock.tower.guard import Notice, posted, set_notice, take_notice
from crossdock.tower.pages.sign_in import enter, refuse_different


async def account(ground: Ground, doors: Doors, request: Request) -> Response:
    """`/account`."""
    return await _page(ground, doors, request)


async def change(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /account`: another password; one-time codes on or off."""
    fields = await posted(request)
    mine, act, old = await _mine(ground, doors, request), fields.get("act", ""), fields.get("old", "")
    sign_in, tenant, where = doors.identity.sign_in, ground.tenant, from_(request)
    try:
        if act == "password":
            refuse_different(fields)
            signed = await sign_in.change_password(tenant, mine, old, fields.get("password", ""), where)
            return enter(request, signed, "/account", Notice("good", "Your password is changed."))
        if act == "codes":
            secret = await sign_in.begin_codes(tenant, mine, old, where)
            address = totp_address(secret, mine.email, f"Crossdock {ground.title or tenant.name}")
            return await _page(ground, doors, request, secret=secret, otpauth=address)
        if act == "codes_on":
            codes = await sign_in.codes_on(tenant, mine, fields.get("code", ""), where)
            return await _page(ground, doors, request, codes=codes)
        if act == "codes_off":
            await sign_in.codes_off(tenant, mine, old, where)
            response = RedirectResponse(f"{request.scope.get('root_path', '')}/account", status_code=303)
            set_notice(request, response, Notice("good", "One-time codes are off."))
            return response
    except (Refused, Unreachable) as error:
        return await _page(ground, doors, request, error, act=act)
    raise Refused(f"{act!r} is nothing that an account takes", mend="use the buttons of the page")


async def _mine(ground: Ground, doors: Doors, request: Request) -> Account:
    person = await ground.person(request)
    if not person.signed_in:
        raise NotProven("nobody is signed in here", mend="sign in")
    return await doors.identity.people.find(ground.tenant, person.id)


async def _page(
    ground: Ground,
    doors: Doors,
    request: Request,
    error: CrossdockError | None = None,
    *,
    act: str = "",
    secret: str = "",
    otpauth: str = "",
    codes: list[str] | None = None,
) -> Response:
    mine = await _mine(ground, doors, request)
    values: dict[str, Any] = {"act": act, "secret": secret, "otpauth": otpauth, "codes": codes or []}
    wrong = ""
    if error is not None:
        wrong = f"{error.message[:1].upper()}{error.message[1:]}" + (
            f": {error.mend}." if error.mend else "."
        )
    response = ground.door(
        request,
        "account.html.jinja",
        status=200 if error is None else 400,
        mine=mine,
        wrong=wrong,
        notice=take_notice(request),
        shortest=SHORTEST,
        **values,
    )
    take_notice(request, response)
    return response
