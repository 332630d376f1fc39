"""Which addresses may be called: those of partners, and never what only this machine can reach.

Whoever sets a connection or an identity provider names a host, and has us speak with it from where we stand.
So each address is looked at when a connection to it is made: the address itself, after its name was resolved,
which then is the one that is connected to. A name that means another address a moment later gains nothing.

    never      link-local (where clouds tell machines their credentials) and metadata addresses of clouds,
               unspecified, multicast and reserved ones; the ports of our own database, counter and pages
    private    loopback and networks of one's own: an ERP in the same house stands there, and so does what
               other houses have. Allowed or not, as the setting says; "auto": while one tenant alone is here
    others     always
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString, TypeAlias
from urllib.parse import parse_qsl

import aiohttp

from crossdock.errors import Refused
from crossdock.store import Database

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MEND = "whoever runs the installation may let it: the settings outbound_private and outbound_networks"
_FRESH = 5.0  # seconds after which is looked again who is here

_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(one)
    for one in (
        *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/128", "fe80::/10", "fec0::/10", "ff00::/8"),
        # Metadata that clouds serve elsewhere: Amazon, Google, Alibaba, Oracle, Azure.
        *("fd00:ec2::/32", "fd20:ce::254/128", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32"),
    )
)
_PORT = re.compile(r":[0-9]+\Z")
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_SEVERAL: LiteralString = """
select count(*) > 1 from (
  select from crossdock.tenant where name <> 'operator' limit 2
) t
"""


class NotLetOut(OSError):
    """An address is not called. Does not say which: what names mean in this house is nobody's business."""


def networks_of(texts: Iterable[str], *, where: str) -> tuple[Network, ...]:
    """Networks and addresses as settings write them. Raises `Refused` for one that is none."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise Refused(
                f"{text!r} is no network", where=where, mend="write it like 10.1.0.0/16 or 10.1.2.3"
            ) from None
    return tuple(found)


def places_of(url: str, port: int) -> list[tuple[str, int]]:
    """Hosts and ports of a server's address, as of a database's; `port` where it names none."""
    # A database may have several hosts, and newer Pythons refuse to split an address with a second one in [].
    rest, _, asked = url.partition("://")[2].partition("?")
    query = dict(parse_qsl(asked))
    hosts = rest.partition("/")[0].rpartition("@")[2] or query.get("host", "")
    found = []
    for one in hosts.split(","):
        host, _, number = one.rpartition(":") if _PORT.search(one) else (one, "", "")
        number = number or query.get("port", "").partition(",")[0]
        if host and not host.startswith("/"):  # that is a socket in the file system
            found.append((host.strip("[]"), int(number) if number.isdecimal() else port))
    return found


class Outbound:
    """Says which addresses may be called. `look` now and then; makes what connects."""

    def __init__(
        self,
        *,
        private: str = "allow",
        networks: Iterable[Network] = (),
        own: Iterable[tuple[str, int]] = (),
        database: Database | None = None,
    ) -> None:
        """`private`: allow, deny, or auto, which asks `database` who is here.

        `networks` may be called though they are private; `own` are hosts and ports of ours.
        """
        self._private = private
        self._networks = tuple(networks)
        self._own = tuple(own)
        self._database = database
        self._shut: dict[int, frozenset[_Address]] = {port: frozenset() for _, port in self._own}
        self._open = private == "allow"
        self._looked = float("-inf")
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """See who is here, where that was not seen of late. Raises `Unreachable` without the database."""
        if time.monotonic() - self._looked < _FRESH:
            return
        async with self._looking:
            if time.monotonic() - self._looked >= _FRESH:
                await self._look()

    async def _look(self) -> None:
        if self._private == "auto" and self._database is not None:
            async with self._database.engine() as transaction:
                self._open = not await transaction.value(_SEVERAL)
        found: dict[int, frozenset[_Address]] = {port: frozenset() for _, port in self._own}
        for host, port in self._own:
            with contextlib.suppress(OSError, UnicodeError):
                infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found[port] |= {ipaddress.ip_address(info[4][0]) for info in infos}
        self._shut, self._looked = found, time.monotonic()

    def refuse(self, host: str, port: int) -> None:
        """Raises `NotLetOut` for an address, as numbers, that is not called."""
        for address in _meant(ipaddress.ip_address(host.partition("%")[0])):
            if any(address in network for network in _NEVER):
                raise NotLetOut("its address is one that only machines of this network use: never called")
            if port in self._shut and (address in self._shut[port] or _is_ours(address)):
                raise NotLetOut("its address is Crossdock's own: never called")
            if self._open or address.is_global:
                continue
            if not any(address in network for network in self._networks):
                raise NotLetOut("its address is private, and private networks are not called from here")

    def connector(self, **options: Any) -> aiohttp.TCPConnector:
        """What connects an HTTP client, to what may be called alone."""
        return aiohttp.TCPConnector(socket_factory=self._socket, **options)

    async def connect(self, host: str, port: int) -> socket.socket:
        """A TCP connection to the first address of a name that answers. Raises `NotLetOut`, `OSError`."""
        await self.look()
        loop = asyncio.get_running_loop()
        error: OSError = OSError(f"{host} has no address")
        for info in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                made = self._socket(info)
            except OSError as failed:
                error = failed
                continue
            try:
                made.setblocking(False)
                await loop.sock_connect(made, info[4])
            except OSError as failed:
                made.close()
                error = failed
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise error

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = info
        self.refuse(str(where[0]), int(where[1]))
        return socket.socket(family=family, type=kind, proto=protocol)


def _meant(address: _Address) -> Iterator[_Address]:
    """An address, and those of version 4 that stand in it and are reached by it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:  # the same address, written in another way
            yield address.ipv4_mapped
            return
        if 1 < int(address) < 2**32 or any(address in network for network in _NAT64):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour:
            yield address.sixtofour
    yield address


def _is_ours(address: _Address) -> bool:
    """Whether an address is one of this machine: it alone can be bound here."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        try:
            one.bind((str(address), 0))
        except OSError:
            return False
    return True
