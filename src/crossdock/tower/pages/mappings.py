"""How partners' words become ours: mappings, published from a file, and tried on an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from starlette.requests import Request
from starlette.responses import Response

from crossdock.access import Resource
from crossdock.errors import CrossdockError, Forbidden, NotFound, Refused, Unreachable
from crossdock.process.problems import Problem
from crossdock.store import TenantTransaction
from crossdock.tower.ground import Ground, Person
from crossdock.tower.pages.act import doing, note_of, sentence
from crossdock.translate.examples import Outcome

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was tried, and what came of it: an outcome, or what was wrong."""

    payload: str
    connection: str
    operation: str
    outcome: Outcome | None = None
    wrong: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file: what its mapping is called, all that is said of it, and whether it is in use now."""

    file: str
    name: str = ""
    problems: Sequence[Problem] = ()
    published: bool = False
    wrong: str = ""  # of the field of the file


async def mappings(ground: Ground, request: Request) -> Response:
    """`/mappings`."""
    return await _mappings(ground, request)


@doing
async def publish(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /mappings`: check the mapping in a file, and publish it where nothing stands against it."""
    act, text, file = fields.get("act", ""), fields.get("file", ""), fields.get("file.name", "")
    if act not in ("check", "publish"):
        raise Refused(f"{act!r} is nothing that is done with a mapping", mend="use the buttons of the page")
    if act == "publish":
        await ground.acts.policies.require(person.principal, "mapping.publish", Resource(kind="mapping"))
    if not text.strip():
        return await _mappings(
            ground, request, Checked(file=file, wrong="Choose a file with a mapping in it.")
        )
    found, problems = ground.acts.mappings.check(text, file)
    problems = sorted(problems, key=lambda one: (one.line, one.column))
    name = found.name if found is not None else ""
    if act == "check" or found is None or any(one.severity == "error" for one in problems):
        return await _mappings(ground, request, Checked(file=file, name=name, problems=problems))
    await ground.acts.mappings.publish(person.principal, {file or "mapping": text}, note=note_of(fields))
    return await _mappings(ground, request, Checked(file=file, name=name, problems=problems, published=True))


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


async def _mappings(ground: Ground, request: Request, checked: Checked | None = None) -> Response:
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        found = await transaction.fetch(_CURRENT)
    stands = checked is not None and (
        checked.wrong or any(one.severity == "error" for one in checked.problems)
    )
    return await ground.page(
        request,
        "mappings.html.jinja",
        times,
        waiting,
        status=400 if stands else 200,
        mappings=found,
        checked=checked,
        stands=bool(stands),
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
