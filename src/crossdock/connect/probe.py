"""Whether a connection works, and what is wrong where it does not: step by step, from the outside in.

    address      the setting `url` is one
    name         its host is known
    connection   something listens there
    certificate  and proves to be that host, over TLS
    sign in      it lets us in with the secrets that are set
    health       it answers what the connector asks it when all is well

The first step that fails says what it met with, and the mend; those behind it are not taken. Nothing is
changed there, and a connection that is stopped may be looked at too.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from crossdock.access.outbound import MEND, NotLetOut, Outbound
from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connect.lines import Line
from crossdock.connect.wire import CONNECT_SECONDS, Progress, Wire
from crossdock.errors import CrossdockError, Refused, Unreachable

Step = Literal["address", "name", "connection", "certificate", "sign in", "health"]
_SECONDS = 15.0  # for signing in, and for the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one step, after so many seconds."""

    step: Step
    good: bool
    detail: str
    mend: str = ""
    seconds: float = 0.0


class _Wrong(Exception):
    def __init__(self, detail: str, mend: str) -> None:
        self.detail = detail
        self.mend = mend


async def probe(line: Line, outbound: Outbound | None = None) -> list[Finding]:
    """Look at a connection; the last finding says whether it works. Never raises for what is wrong there.

    What `outbound` does not let be called is not looked at.
    """
    line = replace(line, session=None, session_until=float("inf"), signing=asyncio.Lock())
    findings = []
    wire = Wire(outbound=outbound)
    began = time.monotonic()
    try:
        async for step, taken in _steps(line, wire):
            began = time.monotonic()
            try:
                said, mend, good = await taken, "", True
            except _Wrong as wrong:
                said, mend, good = wrong.detail, wrong.mend, False
            except Exception as error:  # noqa: BLE001 - a connector reads what others send
                said, mend, good = f"{type(error).__name__}: {error}", "mend the connector", False
            findings.append(
                Finding(
                    step=step,
                    good=good,
                    detail=line.hide(said),
                    mend=mend,
                    seconds=round(time.monotonic() - began, 4),
                )
            )
            if not good:
                break
    finally:
        await wire.close()
    return findings


async def _steps(line: Line, wire: Wire) -> AsyncIterator[tuple[Step, Awaitable[str]]]:
    if line.base:
        yield "address", _address(line.base)
        url = urlsplit(line.base)
        yield "name", _name(url, wire.outbound)
        yield "connection", _connection(url, wire.outbound)
        if url.scheme == "https":
            yield "certificate", _certificate(url, wire.outbound)
    if line.connector.sign_in is not None:
        yield "sign in", _sign_in(line, wire)
    yield "health", _health(line, wire)


async def _address(base: str) -> str:
    try:
        url = urlsplit(base)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    if not good:
        raise _Wrong(f"{base} is no address", "give `url` as https://host, with a port and a path if need be")
    return base


async def _name(url: SplitResult, outbound: Outbound) -> str:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(
                url.hostname, _port(url), type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, TimeoutError) as error:
        said = getattr(error, "strerror", None) or str(error) or "no answer from the name server"
        raise _Wrong(
            f"the name {url.hostname} is not known here: {said}",
            "look at the setting `url`, and at the name server that this machine asks",
        ) from None
    await outbound.look()
    addresses = sorted({str(one[4][0]) for one in found})
    try:
        for address in addresses:
            outbound.refuse(address, _port(url))
    except NotLetOut as error:
        raise _Wrong(f"{url.hostname} is not called: {error}", MEND) from None
    return f"{url.hostname} is {', '.join(addresses)}"


async def _connection(url: SplitResult, outbound: Outbound) -> str:
    place = f"{url.hostname}:{_port(url)}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connected = await outbound.connect(url.hostname or "", _port(url))
    except TimeoutError:
        raise _Wrong(
            f"{place} did not answer within {CONNECT_SECONDS:g} s",
            "see whether a firewall stands between; ask them whether this machine's address may come in",
        ) from None
    except OSError as error:
        raise _Wrong(
            f"no connection to {place}: {os.strerror(error.errno) if error.errno else error}",
            "look at host and port of `url`, and whether the system runs",
        ) from None
    connected.close()
    return f"{place} takes connections"


async def _certificate(url: SplitResult, outbound: Outbound) -> str:
    place = f"{url.hostname}:{_port(url)}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connected = await outbound.connect(url.hostname or "", _port(url))
            _, writer = await asyncio.open_connection(
                sock=connected, ssl=ssl.create_default_context(), server_hostname=url.hostname
            )
    except ssl.SSLCertVerificationError as error:
        raise _Wrong(
            f"the certificate of {place} is not believed: {error.verify_message}",
            "if it is theirs, let this machine trust who signed it: SSL_CERT_FILE names a file of such",
        ) from None
    except (OSError, TimeoutError) as error:  # what else TLS raises is an OSError too
        raise _Wrong(
            f"{place} does not speak TLS as we do: {str(error) or 'no answer'}",
            "give http:// if it is plain, or the port at which it speaks TLS",
        ) from None
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    return f"{place} proves who it is, by {version}"


async def _sign_in(line: Line, wire: Wire) -> str:
    webhook = line.connector.webhook
    ours = [name for name in line.connector.secrets if webhook is None or name != webhook.secret]
    secrets = ", ".join(ours) or "no secrets"
    mend = f"set them anew, here ({secrets}) or there: crossdock secrets set {line.name} NAME"
    await _asked(wire.signed_in(line), mend=mend)
    return "signed in" if line.session_asked else "what shows who we are is ready; nothing was asked yet"


async def _health(line: Line, wire: Wire) -> str:
    health = line.connector.health
    if health is None:
        return f"{line.connector.name} does not say what to ask: that it works was not seen"
    context = Context(settings=line.settings, tenant=line.tenant, connection=line.name)
    secrets = ", ".join(line.connector.secrets) or "none"
    mend = f"see that the secrets ({secrets}) are those of this system, and may do what is asked"
    await _asked(wire.talk(line, health({}, context), Progress(changes=False)), mend=mend)
    return "it answers as it should"


async def _asked(talk: Awaitable[object], *, mend: str) -> None:
    try:
        async with asyncio.timeout(_SECONDS):
            await talk
    except TimeoutError:
        raise _Wrong(
            f"it did not answer within {_SECONDS:g} s", "ask them; calls would be tried again"
        ) from None
    except RefusedByPartner as error:
        if error.code == "404" or "answered 404" in error.message:
            mend = "look at the path of `url`: what is asked is not there"
        raise _Wrong(error.message, mend) from None
    except Unreachable as error:
        raise _Wrong(error.message, "ask them whether it is down; calls are tried again meanwhile") from None
    except Refused as error:
        raise _Wrong(error.message, error.mend or mend) from None
    except CrossdockError as error:  # the answer could not be read
        raise _Wrong(
            error.message, "see whether `url` leads to this system's interface, and not to a page for people"
        ) from None


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
