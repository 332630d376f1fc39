"""Signing in and out, and accounts that begin with a link. What was right about a wrong try is not told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from crossdock.access.passwords import SHORTEST
from crossdock.access.sign_in import BROWSER_LASTS, Half, Signed
from crossdock.access.sign_in_elsewhere import LASTS
from crossdock.errors import Conflict, CrossdockError, NotProven, Refused, Unreachable
from crossdock.tower.doors import BROWSER_COOKIE, Doors, from_
from crossdock.tower.ground import Ground
from crossdock.tower.guard import (
    LARGEST_FORM,
    Notice,
    drop,
    drop_session,
    keep,
    keep_session,
    own_address,
    posted,
    session_of,
    set_notice,
)

_HALF = "crossdock_half"
_ELSEWHERE = "crossdock_elsewhere"


async def ask(ground: Ground, doors: Doors, request: Request) -> Response:
    """`/sign-in`."""
    back = own_address(request.query_params.get("back", ""), "/")
    try:
        await ground.person(request)
    except NotProven:
        return await _page(ground, doors, request, back=back)
    return RedirectResponse(str(request.scope.get("root_path", "")) + back, status_code=303)


async def password(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /sign-in`: address and password."""
    fields = await posted(request)
    back, email = own_address(fields.get("back", ""), "/"), fields.get("email", "")
    try:
        found = await doors.identity.sign_in.password(
            ground.tenant, email, fields.get("password", ""), from_(request)
        )
    except (NotProven, Unreachable) as error:
        return await _page(ground, doors, request, error, back=back, email=email)
    if isinstance(found, Half):
        response = ground.door(request, "code.html.jinja", back=back, wrong="")
        keep(request, response, _HALF, found.text, seconds=300)
        return response
    return enter(request, found, back)


async def code(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /sign-in/code`: a one-time code, after the password."""
    fields = await posted(request)
    back = own_address(fields.get("back", ""), "/")
    half = request.cookies.get(_HALF, "")
    try:
        found = await doors.identity.sign_in.code(ground.tenant, half, fields.get("code", ""), from_(request))
    except (NotProven, Unreachable) as error:
        status, wrong = _said(error)
        response = ground.door(request, "code.html.jinja", status=status, back=back, wrong=wrong)
        return _later(response, error)
    response = enter(request, found, back)
    drop(request, response, _HALF)
    return response


async def out(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /sign-out`."""
    await posted(request)
    ended = await doors.identity.sign_in.out(session_of(request), from_(request))
    elsewhere = ""
    if ended is not None and ended["provider"]:
        redirect = f"{_here(doors, request)}/signed-out"
        elsewhere = await doors.identity.elsewhere.out(ground.tenant, ended, redirect=redirect)
    response = ground.door(request, "out.html.jinja", elsewhere=elsewhere)
    drop_session(request, response)
    return response


async def signed_out(ground: Ground, _doors: Doors, request: Request) -> Response:
    """`/signed-out`: back from a provider, where the session has ended as well."""
    return ground.door(request, "out.html.jinja", elsewhere="")


async def leave(ground: Ground, doors: Doors, request: Request) -> Response:
    """`/sign-in/with/NAME`: to an identity provider."""
    back = own_address(request.query_params.get("back", ""), "/")
    redirect = f"{_here(doors, request)}/sign-in/back"
    try:
        found = await doors.identity.elsewhere.begin(
            ground.tenant, request.path_params["name"], redirect=redirect, back=back
        )
    except Unreachable as error:
        return await _page(ground, doors, request, error, back=back)
    response = RedirectResponse(found.url, status_code=303)
    keep(request, response, _ELSEWHERE, found.cookie, seconds=LASTS, lax=True)
    return response


async def come_back(ground: Ground, doors: Doors, request: Request) -> Response:
    """`/sign-in/back`: from an identity provider. The cookie of the way there is used up in any case."""
    try:
        found = await doors.identity.elsewhere.finish(
            ground.tenant,
            request.cookies.get(_ELSEWHERE, ""),
            {name: value[:4000] for name, value in request.query_params.items()},
            from_(request),
            redirect=f"{_here(doors, request)}/sign-in/back",
        )
    except (Refused, Unreachable) as error:
        response = await _page(ground, doors, request, error, back="/")
    else:
        back = own_address(found.back, "/")
        response = RedirectResponse(str(request.scope.get("root_path", "")) + back, status_code=303)
        keep_session(request, response, found.cookie)
    drop(request, response, _ELSEWHERE)
    return response


async def ended(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /sign-in/ended/NAME`: a provider tells that sessions ended there (back-channel logout)."""
    form = parse_qs((await request.body())[:LARGEST_FORM].decode(errors="replace"), max_num_fields=20)
    try:
        token = form.get("logout_token", [""])[0]
        await doors.identity.elsewhere.ended(ground.tenant, request.path_params["name"], token)
    except Refused as error:
        said = {"error": "invalid_request", "error_description": error.message}
        return JSONResponse(said, status_code=400)
    return Response()


async def invitation(ground: Ground, doors: Doors, request: Request) -> Response:
    """`/invitation/LINK`: what it is for. To look at it uses up nothing."""
    return await _invitation(ground, doors, request, {}, None)


async def accept(ground: Ground, doors: Doors, request: Request) -> Response:
    """`POST /invitation/LINK`: an account, or another password."""
    fields = await posted(request)
    try:
        refuse_different(fields)
        await _for_this(ground, doors, request)
        _, found = await doors.identity.sign_in.accept(
            request.path_params["link"],
            password=fields.get("password", ""),
            where=from_(request),
            name=fields.get("name", ""),
            email=fields.get("email", ""),
        )
    except (Refused, Unreachable) as error:
        return await _invitation(ground, doors, request, fields, error)
    return enter(request, found, "/", Notice("good", "Welcome. You are signed in."))


def refuse_different(fields: Mapping[str, str]) -> None:
    """A new password is written twice. Raises `Refused`."""
    if fields.get("password", "") != fields.get("again", ""):
        raise Refused("the two passwords differ", where="password", mend="write the same twice")


def enter(request: Request, signed: Signed, back: str, notice: Notice | None = None) -> Response:
    """To the page that was asked for, signed in."""
    response = RedirectResponse(str(request.scope.get("root_path", "")) + back, status_code=303)
    keep_session(request, response, signed.cookie)
    keep(request, response, BROWSER_COOKIE, signed.browser, seconds=BROWSER_LASTS)
    if notice is not None:
        set_notice(request, response, notice)
    return response


async def _page(
    ground: Ground,
    doors: Doors,
    request: Request,
    error: CrossdockError | None = None,
    *,
    back: str,
    email: str = "",
) -> Response:
    status, wrong = _said(error)
    response = ground.door(
        request,
        "sign_in.html.jinja",
        status=status,
        back=back,
        email=email,
        wrong=wrong,
        providers=await doors.identity.providers.of(ground.tenant),
    )
    return _later(response, error)


async def _invitation(
    ground: Ground, doors: Doors, request: Request, fields: dict[str, str], error: CrossdockError | None
) -> Response:
    try:
        asked = await _for_this(ground, doors, request)
    except NotProven as gone:
        return ground.door(request, "gone.html.jinja", status=404, text=gone.message, mend=gone.mend)
    status, wrong = _said(error)
    if isinstance(error, Conflict):
        status = 409
    response = ground.door(
        request,
        "invitation.html.jinja",
        status=status,
        asked=asked,
        link=request.path_params["link"],
        name=fields.get("name", asked.name),
        email=fields.get("email", asked.email),
        wrong=wrong,
        shortest=SHORTEST,
    )
    return _later(response, error)


async def _for_this(ground: Ground, doors: Doors, request: Request) -> Any:
    """What the link is for. One of another tenant works no more here than one that never was."""
    asked = await doors.identity.people.link(request.path_params["link"])
    if asked.tenant != ground.tenant:
        await doors.identity.people.link("")
    return asked


def _here(doors: Doors, request: Request) -> str:
    return doors.address or str(request.base_url).rstrip("/")


def _said(error: CrossdockError | None) -> tuple[int, str]:
    if error is None:
        return 200, ""
    words = f"{error.message[:1].upper()}{error.message[1:]}"
    status = 429 if isinstance(error, Unreachable) else 401 if isinstance(error, NotProven) else 400
    return status, f"{words}: {error.mend}." if error.mend else f"{words}."


def _later(response: Response, error: CrossdockError | None) -> Response:
    if isinstance(error, Unreachable):
        response.headers["retry-after"] = str(max(1, round(error.retry_after or 1)))
    return response
