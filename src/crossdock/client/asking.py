"""One question to a server, asked until it is answered or patience ends.

Asked again, after a while: what was never answered (the connection failed or was cut), 429, 502, 503, 504,
and 409 while the same request is still at work. A POST carries an idempotency key, the same one each time,
so what was done and never answered is not done twice. A server that says when (`Retry-After`) is taken at
its word; where that is later than patience lasts, the error says so at once.

Where patience ends: `Unreachable` if nothing can have happened, `UnknownOutcome` if a POST may have been
done; asked again with the same `once`, it is still done once.

The key goes to one place, over https or to this machine alone; redirects are not followed, and no text that
comes out of here has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import ipaddress
import random
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import msgspec
from yarl import URL

from crossdock.client.problems import error_of, name_of
from crossdock.errors import Broken, CrossdockError, NotFound, Refused, UnknownOutcome, Unreachable

T = TypeVar("T")

PATIENCE = 60.0  # seconds in which a question is asked again
TIMEOUT = 30.0  # seconds that one answer may take
_CONNECT = 10.0
_FIRST, _LONGEST = 0.2, 15.0  # seconds between two tries, doubling
_AGAIN = frozenset({429, 502, 503, 504})


class _Secret:
    """A text that shows itself to nobody."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "***"

    def hidden(self, text: str) -> str:
        return text.replace(self.text, "***")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its status, its headers by small letters, its body piece by piece."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]

    async def whole(self) -> bytes:
        """The body, all of it."""
        return b"".join([piece async for piece in self.body])


class Asking:
    """A server and the key by which it is asked. Use it in `async with`."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        patience: float = PATIENCE,
        timeout: float = TIMEOUT,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Take the server's address without `/api/v1`, and a key as `crossdock key create` made it.

        `trust` is for a server whose certificate is of an authority of your own. Raises `Refused`.
        """
        self._url = _address(url)
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise Refused(
                "this is no key", where="key", mend="make one on the server: crossdock key create --role NAME"
            )
        self._key = _Secret(key)
        self._patience = patience
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, _CONNECT))
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._url)!r})"

    async def __aenter__(self) -> Self:
        """Open the connections."""
        connector = aiohttp.TCPConnector(ssl=self._trust if self._trust is not None else True)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, into: type[T], **query: Any) -> T:
        """What is at an address. Raises `CrossdockError` of every kind."""
        return await self._ask("GET", path, into, query=query)

    async def change(self, method: str, path: str, into: type[T], *, body: Any = None, **query: Any) -> T:
        """What comes of a change (PUT, PATCH, DELETE) of what is there, as it stands. Raises as `get`."""
        headers = {"if-match": "*"}
        if body is None:
            return await self._ask(method, path, into, query=query, headers=headers)
        headers["content-type"] = "application/json"
        data = msgspec.json.encode(body)
        return await self._ask(method, path, into, query=query, headers=headers, data=data)

    async def lines(self, path: str, **query: Any) -> AsyncIterator[str]:
        """What is written out at an address, line by line as it comes. Raises as `get`.

        It is asked once: what ends early raises `Unreachable`, and nothing says that it was whole.
        """
        asked, rest = f"GET {path}", b""
        try:
            async with self.ask_once("GET", self._at(path, query), {}, None, whole=False) as answer:
                if answer.status >= 300:
                    raise self._error(answer, await answer.whole(), asked)
                async for piece in answer.body:
                    *found, rest = (rest + piece).split(b"\n")
                    for line in found:
                        yield line.decode()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(error, asked) from None
        if rest:
            yield rest.decode()

    async def post(
        self,
        path: str,
        body: Any,
        into: type[T],
        *,
        once: str | None = None,
        prefer: str = "",
        media: str = "",
        tag: str = "",
    ) -> T:
        """What comes of an act. `once` names it: with the same name it is done once. Raises as `get`.

        `tag` is the ETag of what it is about; `*` is that as it stands.
        """
        headers = {"idempotency-key": once or str(uuid4()), "content-type": media or "application/json"}
        headers |= {"prefer": prefer} if prefer else {}
        headers |= {"if-match": tag} if tag else {}
        data = None if body is None else msgspec.json.encode(body)
        return await self._ask("POST", path, into, headers=headers, data=data)

    async def _ask(
        self,
        method: str,
        path: str,
        into: type[T],
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> T:
        url = self._at(path, query or {})
        asked = f"{method} {path}"
        given = dict(headers or {})
        once = given.get("idempotency-key", "")
        end = time.monotonic() + self._patience
        maybe, wait = False, _FIRST  # maybe: it may have been done, and the answer was lost
        while True:
            later: float | None = None
            try:
                async with self.ask_once(method, url, given, data) as answer:
                    body = await answer.whole()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failed = self._failed(error, asked)
                if isinstance(failed, Refused):
                    raise failed from None
                there = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
                maybe = maybe or (there and method != "GET")
            else:
                if answer.status < 300:
                    return self._read(body, into, asked)
                failed = self._error(answer, body, asked)
                later = _retry_after(answer.headers)
                again = answer.status in _AGAIN and isinstance(failed, Unreachable)
                at_work = name_of(body) == "at-work"
                maybe = maybe or at_work or (method != "GET" and answer.status in (502, 504))
                if not again and not at_work:
                    raise failed
            pause = (later or 0.0) + wait * random.uniform(0.5, 1.0)  # not all at once, whoever was told when
            wait = min(wait * 2, _LONGEST)
            if time.monotonic() + pause > end:
                if maybe:
                    raise UnknownOutcome(
                        f"it may have been done: {failed.message}",
                        where=asked,
                        mend=f"ask the same again with once={once!r}: it is done once"
                        if once
                        else "look whether it was done, then decide",
                    ) from None
                raise failed
            await asyncio.sleep(pause)

    @contextlib.asynccontextmanager
    async def ask_once(
        self, method: str, url: URL, headers: Mapping[str, str], data: bytes | None, *, whole: bool = True
    ) -> AsyncIterator[Answer]:
        """Ask once. Not `whole`: the time-out is for each piece of the answer, not for all of it."""
        if self._session is None:
            raise Broken("the client is not open", mend="use it in `async with`")
        with_key = {**headers, "authorization": f"Bearer {self._key.text}"}
        patient = self._timeout if whole else aiohttp.ClientTimeout(sock_read=self._timeout.total)
        async with self._session.request(
            method, url, headers=with_key, data=data, allow_redirects=False, timeout=patient
        ) as answer:
            yield Answer(answer.status, answer.headers, answer.content.iter_any())

    def _at(self, path: str, query: Mapping[str, Any]) -> URL:
        return URL(f"{str(self._url).rstrip('/')}/api/v1/{path}", encoded=True).with_query(_pairs(query))

    def _failed(self, error: Exception, asked: str) -> CrossdockError:
        """Why no answer came."""
        if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
            return Refused(
                "the server's certificate does not hold",
                where=str(self._url),
                mend="set SSL_CERT_FILE to the certificate of your own authority, or give `trust`; "
                "see docs/how-to/tls.md",
            )
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return Unreachable(
                f"{self._url} is not there", where=asked, mend="see that it runs, and that the address is its"
            )
        return Unreachable(f"no answer came: {type(error).__name__}", where=asked)

    def _error(self, answer: Answer, body: bytes, asked: str) -> CrossdockError:
        """What an answer says went wrong."""
        later = _retry_after(answer.headers)
        return error_of(answer.status, body, asked=asked, retry_after=later, hidden=self._key.hidden)

    def _read(self, body: bytes, into: type[T], asked: str) -> T:
        try:
            return msgspec.json.decode(body, type=into)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Broken(
                self._key.hidden(f"the answer is not as this client knows it: {error}"),
                where=asked,
                mend="see that the address is a Crossdock server, of a release that fits",
            ) from None


def _address(text: str) -> URL:
    """Where a server is. Raises `Refused`; never with what stands before an @."""
    try:
        url = URL(text.rstrip("/"))
        host = url.host
    except ValueError:
        url, host = URL(), None
    if url.scheme not in ("http", "https") or not host:
        raise Refused("this is no server's address", where="url", mend="write https://crossdock.example")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise Refused(
            "the address holds more than an address", where="url", mend="leave out name, ? and #; give a key"
        )
    if url.scheme == "http" and not _loopback(host):
        raise Refused(
            "a key is not sent in the clear",
            where="url",
            mend=f"write https://{host}; http is for this machine",
        )
    return url.with_path(url.path.removesuffix("/api/v1") or "/")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def named(name: str) -> str:
    """A name as one part of a path, whatever stands in it. Raises `NotFound` for what can name nothing."""
    if name in ("", ".", ".."):
        raise NotFound(f"nothing is named {name!r}", mend="give an id, as a list shows it")
    return quote(name, safe="")


def _pairs(query: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in query.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            found += [(name, _text(one))] if one is not None else []
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _retry_after(said: Mapping[str, str]) -> float | None:
    """The seconds that a server wants one to wait: it gives seconds, or an instant."""
    text = said.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
