"""What stands between a browser and the pages: what they may load, tokens against forged posts, and
bounded forms.

A post is taken only with the token that stands both in the form and in a cookie which other sites can neither
read nor have sent along (SameSite), and never when the browser says that another site asked for it. Of who is
signed in, the token follows from the session: it is of no use with another, and ends with it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from crossdock.access.cookies import session_cookie, session_token
from crossdock.errors import Refused
from crossdock.tower import uploads as uploading

TOKEN_COOKIE = "crossdock_token"  # noqa: S105 - a name
NOTICE_COOKIE = "crossdock_notice"
TOKEN_FIELD = "token"  # noqa: S105 - a name
LARGEST_FORM = 1_000_000  # bytes
MOST_FIELDS = 500

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page of ours may load: nothing from elsewhere."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says once, above its content: what came of a post. `tone`: good, wait or bad."""

    tone: str
    text: str


def token_of(request: Request) -> str:
    """The token of this browser: the one it has, or a new one."""
    if session := session_of(request):
        return session_token(session)
    found = request.cookies.get(TOKEN_COOKIE, "")
    return found if len(found) == 43 and found.replace("-", "").replace("_", "").isalnum() else new_token()


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(32)


def keep_token(request: Request, response: Response, token: str) -> None:
    """Let the browser keep its token."""
    if not session_of(request) and request.cookies.get(TOKEN_COOKIE) != token:
        _set(request, response, TOKEN_COOKIE, token, seconds=12 * 3600)


async def posted(request: Request) -> dict[str, str]:
    """The fields of a posted form, after its token was checked. Raises `Refused`."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused("another site asked for this", mend="do it on the page itself")
    media = request.headers.get("content-type", "")
    uploads = media.startswith(uploading.MEDIA)
    if not uploads and not media.startswith("application/x-www-form-urlencoded"):
        raise Refused("this is not a posted form", mend="send the form of the page")
    body, most = bytearray(), uploading.LARGEST if uploads else LARGEST_FORM
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise Refused(f"the form has more than {most:,} bytes", mend="shorten it")
    try:
        fields = (
            uploading.fields_of(media, bytes(body), most=MOST_FIELDS)
            if uploads
            else dict(
                parse_qsl(
                    body.decode().replace("%00", ""), keep_blank_values=True, max_num_fields=MOST_FIELDS
                )
            )
        )
    except ValueError as error:
        raise Refused(f"the form cannot be read: {error}", mend="send the form of the page") from error
    session = session_of(request)
    cookie = session_token(session) if session else request.cookies.get(TOKEN_COOKIE, "")
    given = fields.pop(TOKEN_FIELD, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), given.encode()):
        raise Refused("the page was too old to act on", mend="open the page again, then decide")
    return fields


def session_of(request: Request) -> str:
    """The cookie of the session that the browser shows; empty for none."""
    return request.cookies.get(_session_name(request), "")


def keep_session(request: Request, response: Response, text: str) -> None:
    """Let the browser keep its session. Over https it is bound to this host, and never sent without it.

    Strict would leave it out of the way back from an identity provider; posts have their token.
    """
    response.set_cookie(
        _session_name(request),
        text,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    response.delete_cookie(TOKEN_COOKIE, path=_path(request))


def drop_session(request: Request, response: Response) -> None:
    """Let the browser forget its session."""
    secure = request.url.scheme == "https"
    response.delete_cookie(_session_name(request), path="/", secure=secure, httponly=True, samesite="lax")


def keep(
    request: Request, response: Response, name: str, value: str, *, seconds: int, lax: bool = False
) -> None:
    """Let the browser keep something that only we read. `lax`: also on the way here from another site."""
    _set(request, response, name, value, seconds=seconds, samesite="lax" if lax else "strict")


def drop(request: Request, response: Response, name: str) -> None:
    """Let the browser forget it."""
    response.delete_cookie(name, path=_path(request))


def set_notice(request: Request, response: Response, notice: Notice) -> None:
    """Let the next page say this once."""
    text = json.dumps([notice.tone, notice.text[:600]])
    _set(request, response, NOTICE_COOKIE, base64.urlsafe_b64encode(text.encode()).decode(), seconds=60)


def take_notice(request: Request, response: Response | None = None) -> Notice | None:
    """What this page shall say; with `response`, it is not said again."""
    value = request.cookies.get(NOTICE_COOKIE)
    if value is None:
        return None
    if response is not None:
        response.delete_cookie(NOTICE_COOKIE, path=_path(request))
    try:
        tone, text = json.loads(base64.urlsafe_b64decode(value))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        return None
    return Notice(tone if tone in ("good", "wait", "bad") else "wait", str(text))


def own_address(given: str, otherwise: str) -> str:
    """An address to go back to, if it is one of ours."""
    ours = given.startswith("/") and not given.startswith("//") and "\\" not in given and given.isprintable()
    return given if ours else otherwise


def _session_name(request: Request) -> str:
    return session_cookie(secure=request.url.scheme == "https")


def _set(
    request: Request,
    response: Response,
    name: str,
    value: str,
    *,
    seconds: int,
    samesite: Literal["lax", "strict"] = "strict",
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite=samesite,
    )


def _path(request: Request) -> str:
    return str(request.scope.get("root_path", "")) or "/"
