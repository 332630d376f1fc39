"""What every endpoint stands on: the database, who asks, what they may, and how an answer is made."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from crossdock.access import Policies, Principal, Resource
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.tenants import Tenants
from crossdock.access.who import PARTNER
from crossdock.api.door import entered, still
from crossdock.api.importing import Imports
from crossdock.api.names import NameBook, Names
from crossdock.api.problems import Changed, Unconditional
from crossdock.api.throttle import Throttle
from crossdock.desk import Acts
from crossdock.desk import Asked as Told
from crossdock.desk.seen import with_open
from crossdock.engine import Connections
from crossdock.process import Process
from crossdock.process.problems import Problem
from crossdock.store import Database, Tenant, TenantTransaction

if TYPE_CHECKING:  # the graph stands on this
    from crossdock.api.graphql.measure import Bounds
    from crossdock.api.graphql.persisted import Persisted


PIECE = 500  # rows or lines of a long answer between which it is seen whether who asks is still let in


@dataclass(slots=True, kw_only=True)
class Ground:
    """What the API is given. Nothing here is of one tenant."""

    database: Database
    names: NameBook
    identity: Identity
    throttle: Throttle
    policies: Policies
    acts: Acts
    connections: Connections
    imports: Imports
    tenants: Tenants
    audit: Audit
    persisted: Persisted  # queries of the graph that are known by their hash
    query_bounds: Bounds  # how much one of them may be
    read: Callable[[str], Process]  # compiles the text of a process
    # Says what is wrong with one, which may run those in the other texts.
    check: Callable[[str, Sequence[str]], tuple[Process | None, list[Problem]]]
    address: str = ""  # where the pages are for who comes from outside; "" is where one asks

    async def call(self, request: Request) -> Call:
        """A request of somebody known. Raises `NotProven`."""
        kind = _kind(request)
        tenant, principal = await entered(request.scope, self.identity, self.throttle, kind=kind)
        return Call(
            ground=self,
            request=request,
            tenant=tenant,
            principal=principal,
            names=await self.names.of(tenant),
        )


@dataclass(slots=True, kw_only=True)
class Call:
    """One request: of whom, for which tenant."""

    ground: Ground
    request: Request
    tenant: Tenant
    principal: Principal
    names: Names
    done: str | None = None  # what a request with this idempotency key has done before it could answer
    used: dict[str, tuple[str, int]] = field(default_factory=dict)  # names that were given: kind and number
    _allowed: list[tuple[str, Resource]] = field(default_factory=list)

    @property
    def partners(self) -> tuple[str, ...]:
        """Of a partner: those whose things alone it sees; empty for everybody else."""
        roles = self.principal.roles
        return tuple(sorted(role.removeprefix(PARTNER) for role in roles if role.startswith(PARTNER)))

    def number(self, kind: str, name: str) -> int:
        """The number behind a name. Raises `NotFound`."""
        number = self.names.number(kind, name)
        self.used[name] = (kind, number)
        return number

    def once(self) -> str:
        """What names the deed of a request with an idempotency key, for acts; "" without one."""
        key = self.request.headers.get("idempotency-key", "").strip().strip('"')
        return _digest(f"{self.principal.id}\n{self.request.url.path}\n{key}") if key else ""

    def asked(self) -> Told | None:
        """What this request has asked of a run before, where it was killed before it answered."""
        run, _, event = (self.done or "").partition(" ")
        if not event:
            return None
        return Told(run=int(run), event=event, source=f"desk/{self.principal.id}", after=0, again=True)

    async def allow_list(self, action: str) -> None:
        """As `allow`, for a list: a partner may see one of what is its own. Raises `Forbidden`."""
        await self.allow(action, **({"partner": self.partners[0]} if self.partners else {}))

    async def allow(
        self, action: str, id_: str = "", **attributes: str | int | bool | tuple[str, ...]
    ) -> None:
        """Let it go on only if who asks may do that. Raises `Forbidden`."""
        resource = Resource(kind=action.partition(".")[0], id=id_, attributes=attributes)
        await self.ground.policies.require(self.principal, action, resource)
        self._allowed.append((action, resource))

    async def still(self) -> None:
        """See that who asks is still let in, and may still do what was allowed. For answers that take long.

        What follows is theirs in the roles that are left. Raises `NotProven`, `Forbidden`.
        """
        self.principal = await still(self.request.scope, self.ground.identity)
        for action, resource in self._allowed:
            await self.ground.policies.require(self.principal, action, resource)

    async def as_long_as_allowed(self, lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
        """The same lines, as long as who asks may still read them; else they break off."""
        async with contextlib.aclosing(_in_pieces(lines)) as pieces:
            async for piece in pieces:
                yield piece
                await self.still()

    async def visible(self, action: str, rows: Sequence[Any], of: str = "") -> list[Any]:
        """Those rows of a list that may be seen: each is decided about as when it is read alone.

        `of`: the kind that they are, where they are seen by a right to something else. A partner's were
        chosen as its own.
        """
        own = {"partner": self.partners[0]} if self.partners else {}
        return await self.ground.policies.visible(self.principal, action, rows, of=of, **own)

    async def with_open(self, transaction: TenantTransaction, runs: Sequence[Any]) -> Sequence[Any]:
        """Runs, with the numbers of what is open in them that who asks may see."""
        return await with_open(self.ground.policies, self.principal, transaction, runs)

    def look(self) -> AbstractAsyncContextManager[TenantTransaction]:
        """A transaction that sees the tenant's rows and no others."""
        return self.ground.database.of(self.tenant)

    def answer(
        self,
        value: Any,
        status: int = 200,
        *,
        tag: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """JSON; with a `tag`, an ETag, and 304 where the asker has it already."""
        sent = dict(headers or {})
        if tag:
            sent["etag"] = self._etag(tag)
            if self.request.method == "GET" and _names_tag(self._tags("if-none-match"), sent["etag"]):
                return Response(status_code=304, headers=sent)
        return Response(msgspec.json.encode(value), status, sent, "application/json")

    def seen(self, tag: str, *, must: bool = True) -> None:
        """See that `If-Match` names what is there now. Raises `Changed`, and `Unconditional` without one.

        An ETag holds for its thing in all views: what follows the dot is the view's. What is done already was
        about what was seen.
        """
        if self.done is not None:
            return
        given = self._tags("if-match")
        if not given:
            if must:
                raise Unconditional(
                    "a change says what it changes",
                    where="header.If-Match",
                    mend="read it, and send its ETag as If-Match",
                )
            return
        if given.strip() == "*":
            return
        known = [part.strip().strip('"').partition(".")[0] for part in given.split(",")]
        if _digest(tag) not in known:
            raise Changed(
                "it is not what you have seen any more",
                where="header.If-Match",
                mend="read it again, and decide again",
            )

    def _tags(self, header: str) -> str:
        """All that a header names; it may stand several times (RFC 9110, section 5.3)."""
        return ",".join(self.request.headers.getlist(header))

    def _etag(self, tag: str) -> str:
        view = [self.request.query_params.get(name, "") for name in ("fields", "expand")]
        more = "." + _digest("\n".join(view))[:6] if any(view) else ""
        return f'"{_digest(tag)}{more}"'


async def _in_pieces(lines: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
    piece: list[str] = []
    async for line in lines:
        piece.append(line.rstrip("\n"))
        if len(piece) == PIECE:
            yield "\n".join((*piece, "")).encode()
            piece = []
    yield "\n".join((*piece, "")).encode()


def _kind(request: Request) -> str:
    """What a request is to the throttle: much at once, a search, a change, or a look."""
    query, path = request.query_params, request.url.path
    if query.get("format", "json") != "json" or path.endswith(("/imports", "/export", "/exceptions/close")):
        return "bulk" if request.method == "POST" or not path.endswith("/imports") else "read"
    if request.method != "GET":
        return "write"
    return "search" if "q" in query else "read"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _names_tag(header: str, tag: str) -> bool:
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]


async def _asked(request: Request) -> Call:
    call: Call = request.state.call  # put there by the route, before anything else is looked at
    return call


Asked = Annotated[Call, Depends(_asked)]
Lines = AsyncIterator[bytes]
