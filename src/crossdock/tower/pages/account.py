"""One's own account: the password, one-time codes, and the keys behind which one stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossdock.access import Resource
from crossdock.access.keys import Key
from crossdock.access.passwords import SHORTEST, totp_address
from crossdock.access.people import Account
from crossdock.errors import CrossdockError, NotFound, NotProven, Refused, Unreachable
from crossdock.tower.doors import Doors, from_
from crossdock.tower.ground import Ground
from crossdock.tower.guard import Notice, posted, set_notice, take_notice
from crossdock.tower.pages.numbers import whole
from crossdock.tower.pages.sign_in import enter, refuse_different

_MOST_DAYS = 3650


async def account(ground: Ground, doors: Doors, request: Request) -> Response:
    """`/account`."""
    return await _page(ground, doors, request)


async def change(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /account`: another password; one-time codes on or off; a key made or revoked."""
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
            return _again(request, "One-time codes are off.")
        if act == "key":
            return await _page(ground, doors, request, key=await _new_key(ground, request, fields))
        if act == "revoke":
            by = (await ground.person(request)).principal
            if fields.get("key", "") not in {one.id for one in await _keys(ground, doors, request)}:
                raise NotFound("this key is not yours", mend="see the keys")
            gone = await ground.acts.keys.revoke(by, fields["key"], note="on the page of the account")
            return _again(request, f"The key {gone.name or gone.id} is revoked.")
    except (Refused, Unreachable) as error:
        return await _page(ground, doors, request, error, act=act)
    raise Refused(f"{act!r} is nothing that an account takes", mend="use the buttons of the page")


def _again(request: Request, words: str) -> Response:
    response = RedirectResponse(f"{request.scope.get('root_path', '')}/account", status_code=303)
    set_notice(request, response, Notice("good", words))
    return response


async def _new_key(ground: Ground, request: Request, fields: Mapping[str, str]) -> str:
    """The text of a new key, to be shown this once."""
    days = whole(fields.get("days", "90"), most=_MOST_DAYS)
    if not days:
        raise Refused(f"a key lasts 1 to {_MOST_DAYS} days", mend="give a whole number")
    made = await ground.acts.keys.create(
        (await ground.person(request)).principal,
        roles=fields.get("roles", "").replace(",", " ").split(),
        name=fields.get("name", ""),
        expires=datetime.now(UTC) + timedelta(days=days),
        note="on the page of the account",
    )
    return made.text


async def _keys(ground: Ground, doors: Doors, request: Request) -> list[Key]:
    """The keys in force behind which whoever looks stands."""
    me = (await ground.person(request)).id
    return [one for one in await doors.identity.keys.of(ground.tenant) if one.behind == me and one.works]


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
    key: str = "",
) -> Response:
    mine = await _mine(ground, doors, request)
    by = (await ground.person(request)).principal
    values: dict[str, Any] = {
        "act": act,
        "secret": secret,
        "otpauth": otpauth,
        "codes": codes or [],
        "key": key,
        "keys": await _keys(ground, doors, request),
        "makes_keys": (await ground.acts.policies.decide(by, "key.change", Resource(kind="key"))).allowed,
    }
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
