"""How partners' words become ours: mappings with a form to try one, and the codes of partners beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from starlette.requests import Request
from starlette.responses import Response

from crossdock.errors import CrossdockError, Forbidden, NotFound, Unreachable
from crossdock.store import TenantTransaction
from crossdock.tower.ground import Ground, Person
from crossdock.tower.pages.act import doing, sentence
from crossdock.translate.examples import Outcome

CODES_ON_A_PAGE = 100
KINDS = ("party", "item", "location", "service", "unit")
_MOST_VERSIONS = 50

_CURRENT: LiteralString = """
select distinct on (m.name) m.name, m.version, m.published, m.published_by,
  (select coalesce(array_agg(c.name order by c.name), '{}') from crossdock.connection c
   where c.tenant = m.tenant and c.mapping = m.name) as connections,
  (select count(*) from crossdock.mapping v where v.tenant = m.tenant and v.name = m.name) as versions
from crossdock.mapping m where m.tenant = crossdock.tenant()
order by m.name, m.published desc, m.version desc
"""
_VERSIONS: LiteralString = """
select version, published, published_by, source from crossdock.mapping
where tenant = crossdock.tenant() and name = $1 order by published desc, version desc limit $2
"""
_USED_BY: LiteralString = """
select name from crossdock.connection where tenant = crossdock.tenant() and mapping = $1 order by name
"""
_CODES: LiteralString = """
select scope, kind, ours, theirs, direction, since, by from crossdock.code
where tenant = crossdock.tenant() and ($1 = '' or scope = $1) and ($2 = '' or kind = $2)
  and ($3 = '' or ours = $3 or theirs = $3)
  and ($4::text[] is null or (scope, kind, theirs, ours) > ($4[1], $4[2], $4[3], $4[4]))
order by scope, kind, theirs, ours limit $5
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was tried, and what came of it: an outcome, or what was wrong."""

    payload: str
    connection: str
    operation: str
    outcome: Outcome | None = None
    wrong: str = ""
    mend: str = ""


async def mappings(ground: Ground, request: Request) -> Response:
    """`/mappings`."""
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        found = await transaction.fetch(_CURRENT)
    return await ground.page(request, "mappings.html.jinja", times, waiting, mappings=found)


async def mapping(ground: Ground, request: Request) -> Response:
    """`/mappings/{name}`, of the version `?version=` or the one in use."""
    return await _mapping(ground, request, request.query_params.get("version", ""))


@doing
async def try_mapping(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /mappings/{name}`: what that version makes of an input. Nothing is kept."""
    version = fields.get("version", "")
    async with ground.look() as (transaction, _):
        source = (await _chosen(transaction, request.path_params["name"], version))["source"]
    tried = Tried(
        payload=fields.get("input", ""),
        connection=fields.get("connection", ""),
        operation=fields.get("operation", "").strip(),
    )
    try:
        _, outcome = await ground.acts.mappings.tried(
            person.principal,
            source,
            tried.payload.encode(),
            connection=tried.connection,
            operation=tried.operation,
        )
    except (Forbidden, Unreachable):
        raise
    except CrossdockError as error:
        tried = _wrong(tried, error)
    else:
        tried = Tried(
            payload=tried.payload, connection=tried.connection, operation=tried.operation, outcome=outcome
        )
    return await _mapping(ground, request, version, tried)


async def codes(ground: Ground, request: Request) -> Response:
    """`/codes`, as many as fit on a page, after the place in `?after=`."""
    asked = request.query_params
    wanted = {name: asked.get(name, "").strip() for name in ("scope", "kind", "code")}
    after = asked.getlist("after")
    place = after if len(after) == 4 else None
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        scopes = await transaction.fetch(
            "select scope, count(*) as codes from crossdock.code where tenant = crossdock.tenant() "
            "group by scope order by scope limit 200"
        )
        found = await transaction.fetch(_CODES, *wanted.values(), place, CODES_ON_A_PAGE + 1)
    page, more = found[:CODES_ON_A_PAGE], len(found) > CODES_ON_A_PAGE
    last = page[-1] if more else None
    following = [*((name, value) for name, value in wanted.items() if value)]
    if last is not None:
        following += [("after", last[name]) for name in ("scope", "kind", "theirs", "ours")]
    return await ground.page(
        request,
        "codes.html.jinja",
        times,
        waiting,
        codes=page,
        scopes=scopes,
        wanted=wanted,
        kinds=KINDS,
        following=following if more else [],
        begun=place is not None,
    )


async def _mapping(ground: Ground, request: Request, version: str, tried: Tried | None = None) -> Response:
    name = request.path_params["name"]
    person = await ground.person(request)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        chosen = await _chosen(transaction, name, version)
        versions = await transaction.fetch(_VERSIONS, name, _MOST_VERSIONS)
        used = [row["name"] for row in await transaction.fetch(_USED_BY, name)]
    read, _ = ground.acts.mappings.check(chosen["source"])
    lines: list[str] = []
    if person.may("connection.read"):
        lines = [one.name for one in await ground.connections.of(ground.tenant)]
    return await ground.page(
        request,
        "mapping.html.jinja",
        times,
        waiting,
        status=400 if tried is not None and tried.wrong else 200,
        name=name,
        chosen=chosen,
        current=versions[0]["version"],
        versions=versions,
        source=chosen["source"].splitlines(),
        used=used,
        lines=sorted(lines, key=lambda one: (one not in used, one)),
        operations=list(read.operations) if read is not None else [],
        tried=tried,
    )


async def _chosen(transaction: TenantTransaction, name: str, version: str) -> Any:
    """A version of a mapping, the one in use where none is named. Raises `NotFound`."""
    rows = await transaction.fetch(_VERSIONS, name, 10_000 if version else 1)
    for row in rows:
        if version in ("", row["version"]):
            return row
    raise NotFound(f"there is no mapping {name} {version}".strip(), mend="see the mappings")


def _wrong(tried: Tried, error: CrossdockError) -> Tried:
    return Tried(
        payload=tried.payload,
        connection=tried.connection,
        operation=tried.operation,
        wrong=sentence(error.message),
        mend=sentence(error.mend) if error.mend else "",
    )
