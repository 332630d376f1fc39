"""Requests over HTTP: signed, sent, and their answers sorted by what they say about whether it was done."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import unquote, urlencode

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from crossdock.access.outbound import MEND, NotLetOut, Outbound
from crossdock.connect.contract import Access, RefusedByPartner, Request, Response, Session
from crossdock.connect.lines import Line
from crossdock.connect.traffic import began, entry_of
from crossdock.connect.watch import Watch
from crossdock.errors import Refused, UnknownOutcome, Unreachable

MOST_BYTES = 16 * 2**20  # of one answer
CONNECT_SECONDS = 5.0
KEEP_SECONDS = 4.0  # idle connections; less than servers keep them, or a request meets one that just closed
_MOMENTS = (0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.0, 0.0)  # seconds between tries of what is busy; then it is told
_LEAST_TOKEN = 12  # letters
_SLASH = re.compile(r"[/\\]")
_BREAK = re.compile(r"[\r\n\0]")
LONGEST_WAIT = 86_400.0  # that a Retry-After may ask for

_encode = msgspec.json.Encoder(decimal_format="number").encode
_ASKS = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_NOT_NOW = frozenset({408, 425, 429})  # said by the protocol: it was not done, come back


@dataclass(slots=True)
class Progress:
    """How far a talk has come. `touched`: something may have changed there by now."""

    changes: bool = True  # whether the operation changes anything at all
    asked: int = 0
    touched: bool = False
    before: bool = False  # `touched` before the last request
    data: Any = None  # what the call is about: what is personal in it is not recorded
    signing: bool = False


class Wire:
    """One HTTP client for all connections; no cookies, so that nothing is shared between them."""

    def __init__(self, watch: Watch | None = None, *, outbound: Outbound | None = None) -> None:
        """Make the client; needs a running loop. `close` it. What is seen of calls is told to `watch`.

        `outbound` says which addresses may be called; without it all but those that never are.
        """
        self.watch = watch
        self.outbound = outbound or Outbound()
        self._http = aiohttp.ClientSession(
            connector=self.outbound.connector(limit=0, ttl_dns_cache=30, keepalive_timeout=KEEP_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            headers={"User-Agent": "Crossdock", "Accept": "application/json, */*"},
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def talk(self, line: Line, talk: Generator[Request, Response, Any], progress: Progress) -> Any:
        """Lead a talk to its end and give what it returns; raises what it or the wire raises."""
        try:
            request = next(talk)
            while True:
                response = await self._ask(line, request, progress)
                request = talk.send(response)
        except StopIteration as stop:
            return stop.value
        finally:
            talk.close()

    async def signed_in(self, line: Line) -> Session:
        """Sign in anew. Raises as a talk does."""
        return await self._signed_in(line, line.session)

    async def _ask(self, line: Line, request: Request, progress: Progress) -> Response:
        """Ask once, signed in; a session that has ended is replaced once."""
        for pause in _MOMENTS:
            response = await self._answered(line, request, progress)
            if response.status not in line.connector.busy or "retry-after" in response.headers:
                break
            if pause:
                progress.touched = progress.before
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        return self._sorted(line, request, response, progress)

    async def _answered(self, line: Line, request: Request, progress: Progress) -> Response:
        session = line.session
        if session is None or time.monotonic() >= line.session_until:
            session = await self._signed_in(line, session)
        response = await self._send(line, request, session, progress)
        if response.status == 401 and line.session_asked and 401 not in request.accept:
            session = await self._signed_in(line, session)
            response = await self._send(line, request, session, progress)
        return response

    async def _signed_in(self, line: Line, old: Session | None) -> Session:
        """Sign in, once for all that wait; `old` is the session that does no longer."""
        async with line.signing:
            if line.session is not None and line.session is not old:
                return line.session
            if line.connector.sign_in is None:
                line.session = Session()
                return line.session
            access = Access(
                settings=line.settings,
                secrets={name: secrets[0] for name, secrets in line.secrets.items() if secrets},
                now=datetime.now(UTC),
            )
            asks = line.connector.sign_in(access)
            progress = Progress(changes=False, signing=True)
            try:
                request = next(asks)
                while True:
                    response = await self._send(line, request, Session(), progress)
                    line.tokens |= _texts_in(response.body)
                    request = asks.send(self._sorted(line, request, response, progress))
            except StopIteration as stop:
                session: Session = stop.value
            except KeyError as error:
                raise Refused(
                    f"the connection has no {error.args[0]}", where=line.name, mend="set it"
                ) from None
            except Refused as error:
                raise RefusedByPartner(f"signing in was refused: {error.message}", code="sign_in") from None
            finally:
                asks.close()
            line.session_asked = progress.asked > 0
            seconds = session.seconds
            line.session_until = (
                float("inf") if seconds is None else time.monotonic() + max(seconds - 30, seconds * 0.5)
            )
            line.session = session
            return session

    async def _send(self, line: Line, request: Request, session: Session, progress: Progress) -> Response:
        if session.sign is not None:
            request = session.sign(request)
        headers: dict[str, str] = {}
        data: bytes | None = None
        if request.json is not None:
            data = _encode(request.json)
            headers |= _JSON
        elif request.form is not None:
            data = urlencode(request.form).encode()
            headers |= _FORM
        elif request.body is not None:
            data = request.body
        headers |= session.headers
        if request.headers:
            headers |= request.headers
        changing = self._changing(request, progress)
        url = _url(line, request)
        _refuse_broken(headers)
        await self.outbound.look()
        progress.asked += 1
        progress.before = progress.touched
        progress.touched = progress.touched or changing
        start = time.monotonic()
        try:
            async with self._http.request(
                request.method, url, data=data, headers=headers, allow_redirects=False
            ) as reply:
                answer = Response(reply.status, _headers(reply.headers), await _body(reply))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            progress.touched = progress.before  # it never left
            if isinstance(getattr(error, "os_error", None), NotLetOut):
                raise Refused(f"{line.name} is not called: {_why(error)}", mend=MEND) from None
            raise Unreachable(f"no connection to {line.name}: {_why(error)}") from None
        except (aiohttp.ClientError, OSError, EOFError) as error:
            raise self._lost(line, changing, _why(error)) from None
        if self.watch is not None:
            self.watch.answered(line.tenant, line.name, answer.headers)
            if line.record_until is not None:
                seconds = time.monotonic() - start
                entry = partial(
                    entry_of,
                    line,
                    request,
                    url=str(url),
                    headers=headers,
                    body=data,
                    answer=answer,
                    at=began(datetime.now(UTC), seconds),
                    seconds=seconds,
                    signing=progress.signing,
                    data=progress.data,
                )
                self.watch.record(line.tenant, line.name, line.recorded, entry)
        return answer

    def _lost(self, line: Line, changing: bool, why: str) -> Unreachable | UnknownOutcome:  # noqa: FBT001
        said = f"{line.name} was asked and did not answer in full: {why}"
        return UnknownOutcome(said) if changing else Unreachable(said)

    def _changing(self, request: Request, progress: Progress) -> bool:
        if not progress.changes:
            return False
        return request.method not in _ASKS if request.changes is None else request.changes

    def _sorted(self, line: Line, request: Request, response: Response, progress: Progress) -> Response:
        """The answer, where the talk reads it; else what it means, raised."""
        status = response.status
        if 200 <= status < 300 or status in request.accept:
            return response
        changing = self._changing(request, progress)
        code, words = line.connector.said(response)
        said = line.hide(
            f"{line.name} answered {status}: {words}" if words else f"{line.name} answered {status}"
        )
        if status in _NOT_NOW or status in line.connector.not_done:
            progress.touched = progress.before
            raise Unreachable(said, retry_after=_retry_after(response))
        if status >= 500:
            if changing:
                raise UnknownOutcome(said)
            raise Unreachable(said, retry_after=_retry_after(response))
        progress.touched = progress.before
        raise RefusedByPartner(said, code=code or str(status))


def _texts_in(body: bytes) -> frozenset[str]:
    """Texts of an answer that may be a token, whatever they are called there."""
    try:
        left, found = [msgspec.json.decode(body)], set()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()
    while left:
        value = left.pop()
        if isinstance(value, str) and len(value) >= _LEAST_TOKEN:
            found.add(value)
        elif isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
    return frozenset(found)


def _refuse_leaving(path: str) -> None:
    """Raises `Refused` for a path with a step up: servers take it, and values of partners stand in paths."""
    for step in path.partition("?")[0].split("/"):
        if step == "." or ".." in _SLASH.split(unquote(step)):
            raise Refused(f"the path {path} leaves its place", mend="no value in a path may be . or ..")


def _refuse_broken(headers: Mapping[str, str]) -> None:
    """Raises `Refused` for a header that would begin another one."""
    for name, value in headers.items():
        if _BREAK.search(name) or _BREAK.search(value):
            raise Refused(
                f"the header {_BREAK.sub(' ', name)} would hold a line break",
                mend="see where its value is from",
            )


def _url(line: Line, request: Request) -> URL:
    path = request.path
    _refuse_leaving(path)
    whole = path if "://" in path else line.base + path
    if request.query:
        whole += ("&" if "?" in path else "?") + urlencode(request.query)
    return URL(whole, encoded=True)


def _headers(headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    """The body, up to a size; what is compressed is counted as it comes out."""
    if (reply.content_length or 0) > MOST_BYTES:
        raise EOFError(f"the answer is larger than {MOST_BYTES // 2**20} MB")
    if reply.content_length is not None and "Content-Encoding" not in reply.headers:
        return await reply.read()
    parts: list[bytes] = []
    size = 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > MOST_BYTES:
            raise EOFError(f"the answer is larger than {MOST_BYTES // 2**20} MB")
        parts.append(part)
    return b"".join(parts)


def _retry_after(response: Response) -> float | None:
    """Seconds that the other side asks us to wait: a number, or a date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time.time()
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124 - not NaN


def _why(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error) or type(error.os_error).__name__
    if isinstance(error, asyncio.TimeoutError):
        return f"no connection within {CONNECT_SECONDS:g} s"
    return str(error) or type(error).__name__
