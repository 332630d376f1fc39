"""What every page stands on: tenant, database, the door for decisions, who looks, how a page is made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from crossdock.access import Principal, Resource
from crossdock.access.opening import asks
from crossdock.access.policy_form import SHIPPED
from crossdock.access.seals import shortened
from crossdock.access.who import EVERY_ROLE
from crossdock.desk import Acts
from crossdock.desk.seen import with_open
from crossdock.engine import Connections, Repairs
from crossdock.errors import CrossdockError, Forbidden
from crossdock.process import Process
from crossdock.store import Database, Tenant, TenantTransaction
from crossdock.tower import addresses, queries
from crossdock.tower.guard import TOKEN_FIELD, keep_token, take_notice, token_of
from crossdock.tower.telling import facts, words
from crossdock.tower.telling.times import Times, span
from crossdock.tower.waiting import waiting

HERE = Path(__file__).parent
_MOST_PROCESSES = 256
_KEPT_FOR = 10  # times as long as counting took
_SOON = 0.1  # seconds: what takes no longer is counted each time
# The acts that pages offer, besides what they show.
_OFFERED = (
    "run.cancel",
    "run.repair",
    "run.move",
    "event.settle",
    "exception.close",
    "proposal.decide",
    "connection.stop",
    "connection.change",
    "connection.test",
    "code.change",
    "mapping.publish",
    "connection.record",
    "person.change",
    "key.change",
    "personal.find",
    "personal.erase",
    "personal.change",
)
_SHOWN = (
    *("run.read", "task.read", "exception.read", "event.read", "process.read", "connection.read"),
    *("person.read", "key.read", "mapping.read", "code.read", "setting.read", "audit.read"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who looks at a page. `rights` are the acts they may do where nothing else is known of the thing."""

    principal: Principal
    signed_in: bool = False
    rights: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """As the audit names them."""
        return self.principal.id

    @property
    def name(self) -> str:
        """As people call them."""
        return self.principal.name

    @property
    def may_act(self) -> bool:
        """Whether pages offer anything to them: a right, or tasks of a role of theirs."""
        return bool(self.rights & set(_OFFERED)) or bool(self._decides())

    def may(self, action: str) -> bool:
        """Whether pages offer them that."""
        return action in self.rights

    def has(self, role: str) -> bool:
        """Whether they decide what asks for that role."""
        return not role or role in self.principal.roles or EVERY_ROLE in self.principal.roles

    def _decides(self) -> frozenset[str]:
        return self.principal.roles - SHIPPED


Who = Callable[[Request], Awaitable[Person]]


class Counts:
    """Numbers of runs by process and status, for all who look.

    A million runs take most of a second to count, and pages that are open ask again whenever something
    happens. So what took long is not counted again for ten times as long.
    """

    def __init__(self) -> None:
        """With nothing counted yet."""
        self._rows: list[queries.Row] = []
        self._until = self._at = -1.0
        self._counting = asyncio.Lock()

    async def of(self, transaction: TenantTransaction) -> tuple[list[queries.Row], int]:
        """The rows of `queries.counts`, and how many seconds ago they were counted."""
        async with self._counting:
            began = time.monotonic()
            if began >= self._until:
                self._rows = await queries.counts(transaction)
                self._at = time.monotonic()
                self._until = self._at + _KEPT_FOR * (self._at - began - _SOON)
            return self._rows, round(time.monotonic() - self._at)


@dataclass(slots=True, kw_only=True)
class Ground:
    """What pages are given. Nothing here is global: two towers of two tenants may stand in one process."""

    database: Database
    tenant: Tenant
    acts: Acts
    connections: Connections
    repairs: Repairs
    read: Callable[[str], Process]  # compiles the text of a process
    who: Who
    zone: ZoneInfo
    title: str
    templates: Environment
    signs_in: bool = False  # whether people sign in at these pages
    address: str = ""  # how they are called from outside; empty: as requests say
    counts: Counts = field(default_factory=Counts)
    _processes: dict[int, Process | None] = field(default_factory=dict)

    async def person(self, request: Request) -> Person:
        """Who looks, with what pages may offer them. Asked once for a request."""
        found = getattr(request.state, "looking", None)
        if not isinstance(found, Person):
            found = await self.who(request)
            if found.principal.tenant != self.tenant.id:
                raise Forbidden("these pages are of another tenant", mend="go to the pages of your own")
            asks(request.scope, self.tenant.id, found.principal)
            rights = set()
            for action in (*_SHOWN, *_OFFERED):
                about = Resource(kind=action.partition(".")[0])
                if (await self.acts.policies.decide(found.principal, action, about)).allowed:
                    rights.add(action)
            found = request.state.looking = replace(found, rights=frozenset(rights))
        return found

    async def again(self, request: Request) -> Person:
        """Who looks by now, where an answer goes on for long. Raises `NotProven` where nobody does."""
        request.state.looking = None
        return await self.person(request)

    async def visible(self, request: Request, action: str, rows: Sequence[Any], of: str = "") -> list[Any]:
        """Those rows of a list that who looks may see; `of`: see `Policies.visible`."""
        looking = (await self.person(request)).principal
        return await self.acts.policies.visible(looking, action, rows, of=of)

    async def waiting(self, request: Request, transaction: TenantTransaction) -> queries.Row:
        """How much waits for people, for the menu; see `queries.desk_counts`."""
        looking = await self.person(request)
        return await waiting(self.acts.policies, looking.principal, looking.rights, transaction)

    async def with_open(
        self, request: Request, transaction: TenantTransaction, rows: Sequence[Any]
    ) -> list[Any]:
        """Runs, with the numbers of what is open in them that who looks may see."""
        looking = (await self.person(request)).principal
        return await with_open(self.acts.policies, looking, transaction, rows)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[tuple[TenantTransaction, Times]]:
        """A transaction that sees the tenant, and the time it is."""
        async with self.database.of(self.tenant) as transaction:
            clock = await queries.clock(transaction)
            yield transaction, Times(self.zone, clock["now"], clock["rate"] if clock["virtual"] else None)

    async def process(self, transaction: TenantTransaction, number: int) -> Process | None:
        """The process version of that number; None where its text cannot be read any more."""
        if number not in self._processes:
            text = await queries.source(transaction, number)
            try:
                found = self.read(text) if text is not None else None
            except CrossdockError:
                found = None  # what it calls is no longer installed: the text is shown, the picture is not
            while len(self._processes) >= _MOST_PROCESSES:
                self._processes.pop(next(iter(self._processes)))
            self._processes[number] = found
        return self._processes[number]

    async def page(
        self,
        request: Request,
        template: str,
        times: Times,
        waiting: Any,
        *,
        status: int = 200,
        **values: Any,
    ) -> Response:
        """A page made of `template`; `waiting` is what the method of that name gave, for the menu."""
        token = token_of(request)
        text = self.templates.get_template(template).render(
            times=times,
            waiting=waiting,
            person=await self.person(request),
            tenant=self.title or self.tenant.name,
            root=str(request.scope.get("root_path", "")),
            here=request.url.path.removeprefix(str(request.scope.get("root_path", ""))) or "/",
            query=str(request.url.query),
            token=token,
            token_field=TOKEN_FIELD,
            notice=take_notice(request),
            **values,
        )
        response = HTMLResponse(text, status_code=status)
        keep_token(request, response, token)
        take_notice(request, response)
        return response

    def door(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page for those who are not signed in: it tells nothing of the tenant but its name."""
        token = token_of(request)
        page = self.templates.get_template(template).render(
            tenant=self.title or self.tenant.name,
            root=str(request.scope.get("root_path", "")),
            token=token,
            token_field=TOKEN_FIELD,
            **values,
        )
        response = HTMLResponse(page, status_code=status)
        keep_token(request, response, token)
        return response

    def plain_page(self, request: Request, *, status: int, title: str, text: str, mend: str) -> Response:
        """A page that says one thing, without asking the database: for errors."""
        page = self.templates.get_template("error.html.jinja").render(
            root=str(request.scope.get("root_path", "")),
            tenant=self.title or self.tenant.name,
            title=title,
            text=text,
            mend=mend,
        )
        return HTMLResponse(page, status_code=status)


def templates() -> Environment:
    """The templates, with the words and formats that they use. Everything is escaped; a gap is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["truncate"] = shortened  # counts what a token stands for, and cuts none
    environment.globals.update(
        run_page=addresses.run_page,
        run_page_of=addresses.run_page_of,
        with_query=addresses.with_query,
        STEP_STATUS=words.STEP_STATUS,
        RUN_STATUS=words.RUN_STATUS,
        SEVERITY=words.SEVERITY,
        CONNECTION=words.CONNECTION,
        REPAIR_STATUS=words.REPAIR_STATUS,
        OUTCOME=words.OUTCOME,
        look=words.look,
        plain=words.plain,
        pretty=facts.pretty,
        span=span,
    )
    return environment
