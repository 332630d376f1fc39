"""Mappings: partners' words and ours. Checked, tried, published, and their versions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.route import router
from crossdock.process.problems import Problem
from crossdock.store import TenantTransaction

routes = router("mappings")

Source = Annotated[str, StringConstraints(min_length=1, max_length=600_000)]
Note = Annotated[str, StringConstraints(max_length=2000)]

_CURRENT: LiteralString = """
select distinct on (m.name) m.name, m.version, m.published, m.published_by, m.source,
  (select coalesce(array_agg(c.name order by c.name), '{}') from crossdock.connection c
   where c.tenant = m.tenant and c.mapping = m.name) as connections
from crossdock.mapping m
where m.tenant = crossdock.tenant()"""
_ORDER: LiteralString = " order by m.name, m.published desc"


class Mapping(Out):
    """A mapping, and the version in use."""

    name: str
    version: str = Field(description="In use, by its content")
    published: datetime
    published_by: str | None = None
    connections: list[str] | None = Field(None, description="That pass through it")
    source: str | None = Field(None, description="Its text: of one mapping, not in lists")


class MappingPage(Out):
    """A page of mappings."""

    items: list[Mapping]
    next: str | None = Field(None, description="Cursor of the next page")


class MappingVersion(Out):
    """A version of a mapping."""

    name: str
    version: str = Field(description="By its content")
    published: datetime = Field(description="Last")
    published_by: str | None = None
    current: bool = Field(description="Whether it is in use")
    source: str | None = Field(None, description="Its text: of one version, not in lists")


class MappingVersionPage(Out):
    """A page of versions."""

    items: list[MappingVersion]
    next: str | None = Field(None, description="Cursor of the next page")


class CheckMapping(Given):
    """The text of a mapping."""

    source: Source = Field(description="YAML, as docs/reference/mapping.md says")


class TryMapping(Given):
    """A mapping, and an input of it."""

    source: Source = Field(description="YAML, as docs/reference/mapping.md says")
    input: Annotated[str, StringConstraints(max_length=2_000_000)] = Field(
        description="What comes in or goes out, as text"
    )
    connection: Text | None = Field(None, description="Whose settings and master data are taken")
    operation: Text | None = Field(None, description="It is the input of this call, as wms.create_pick")


class PublishMappings(Given):
    """Mappings to publish, all or none."""

    sources: list[Source] = Field(min_length=1, max_length=50, description="The texts, YAML")
    note: Note = Field("", description="Why: it stays in the audit")


class MappingProblem(Out):
    """One thing that is wrong, or that its author should know."""

    line: int
    column: int
    severity: Literal["error", "warning"]
    message: str
    mend: str | None = None


class CheckedMapping(Out):
    """Whether it may be published, and every problem."""

    valid: bool
    name: str | None = None
    version: str | None = None
    problems: list[MappingProblem]


class FieldOrigin(Out):
    """Where one field came from."""

    field: str
    kind: Literal["source", "worked out", "constant", "default", "table", "lookup"]
    value: Any = None
    source: str | None = Field(None, description="Path in the input")
    detail: str | None = Field(None, description="The expression, or the row that was looked up")


class MappingReject(Out):
    """Why the input is not taken."""

    message: str
    code: Literal["unmapped_value", "rejected"]
    field: str | None = Field(None, description="In what it should become")
    source: str | None = Field(None, description="Path in the input")
    mend: str | None = None


class TriedMapping(Out):
    """What a mapping makes of an input."""

    mapping: str
    version: str
    output: Any = Field(None, description="Events of a payload; else what the partner gets")
    fields: list[FieldOrigin]
    rejects: list[MappingReject]


class PublishedMappings(Out):
    """What is in use now."""

    items: list[Mapping]


NAMES = tuple(name for name in Mapping.model_fields if name != "source")


@routes.get("/mappings", responses={200: {"model": MappingPage}})
async def list_mappings(call: Asked, query: Annotated[Paged, Query()]) -> Response:
    """List mappings by name, with the version in use."""
    await call.allow("mapping.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        if place is not None:
            where.add("m.name > {}", place[0])
        sql = f"{_CURRENT}{where.sql}{_ORDER} limit {where.next(most)}"
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_shown(row) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row["name"]], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.post("/mappings/check", responses={200: {"model": CheckedMapping, "description": "Checked"}})
async def check_mapping(call: Asked, given: CheckMapping) -> Response:
    """Say whether a text is a mapping that may be published, and what is wrong with it. Nothing is kept."""
    await call.allow("mapping.read")
    mapping, problems = await asyncio.to_thread(call.ground.acts.mappings.check, given.source)
    value: dict[str, Any] = {"valid": mapping is not None, "problems": [_told(one) for one in problems]}
    if mapping is not None:
        value |= {"name": mapping.name, "version": mapping.version}
    return call.answer(value)


@routes.post("/mappings/try", responses={200: {"model": TriedMapping, "description": "Tried"}})
async def try_mapping(call: Asked, given: TryMapping) -> Response:
    """Show what a mapping makes of an input, and where each field came from. Nothing is kept."""
    mapping, outcome = await call.ground.acts.mappings.tried(
        call.principal,
        given.source,
        given.input.encode(),
        connection=given.connection or "",
        operation=given.operation or "",
    )
    return call.answer(
        {
            "mapping": mapping.name,
            "version": mapping.version,
            "output": outcome.value,
            "fields": [_said(asdict(one)) for one in outcome.origins],
            "rejects": [_said(asdict(one)) for one in outcome.rejects],
        }
    )


@routes.post("/mappings", responses={200: {"model": PublishedMappings, "description": "Published"}})
async def publish_mappings(call: Asked, given: PublishMappings) -> Response:
    """Publish mappings: what comes in and goes out from now on passes through them."""
    texts = {f"body.sources.{n}": text for n, text in enumerate(given.sources)}
    made = await call.ground.acts.mappings.publish(call.principal, texts, note=given.note)
    rows = [await _found(call, one.name) for one in made]
    return call.answer({"items": [pick(_shown(row), NAMES) for row in rows]})


@routes.get("/mappings/{mapping}", responses={200: {"model": Mapping}})
async def read_mapping(call: Asked, mapping: str, query: Annotated[View, Query()]) -> Response:
    """Read the version of a mapping that is in use, with its text."""
    chosen = chosen_fields(query.fields, tuple(Mapping.model_fields))
    row = await _found(call, mapping)
    value = pick(_shown(row) | {"source": row["source"]}, chosen)
    return call.answer(value, tag=f"{row['name']}/{row['version']}/{row['connections']}")


@routes.get("/mappings/{mapping}/versions", responses={200: {"model": MappingVersionPage}})
async def list_mapping_versions(call: Asked, mapping: str, query: Annotated[Paged, Query()]) -> Response:
    """List the versions of a mapping, the one in use first."""
    current = (await _found(call, mapping))["version"]

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where(mapping)
        if place is not None:
            where.add("(published, version) < ({}::text::timestamptz, {})", *place)
        sql = f"""
            select name, version, published, published_by from crossdock.mapping
            where tenant = crossdock.tenant() and name = $1{where.sql}
            order by published desc, version desc limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_version(row, current) for row in rows]

    names = tuple(name for name in MappingVersion.model_fields if name != "source")
    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["published"].isoformat(), row["version"]],
        show=show,
        names=names,
    )
    return await listing.answer(call, query)


@routes.get("/mappings/{mapping}/versions/{version}", responses={200: {"model": MappingVersion}})
async def read_mapping_version(
    call: Asked, mapping: str, version: str, query: Annotated[View, Query()]
) -> Response:
    """Read one version of a mapping, with its text."""
    chosen = chosen_fields(query.fields, tuple(MappingVersion.model_fields))
    current = (await _found(call, mapping))["version"]
    async with call.look() as transaction:
        row = await transaction.row(
            "select name, version, published, published_by, source from crossdock.mapping "
            "where tenant = crossdock.tenant() and name = $1 and version = $2",
            mapping,
            version,
        )
    if row is None:
        raise missing("version", version)
    value = _version(row, current) | {"source": row["source"]}
    return call.answer(pick(value, chosen), tag=f"{mapping}/{version}/{value['current']}/{row['published']}")


async def _found(call: Call, name: str) -> Row:
    await call.allow("mapping.read", name)
    async with call.look() as transaction:
        row = await transaction.row(f"{_CURRENT} and m.name = $1{_ORDER} limit 1", name)
    if row is None:
        raise missing("mapping", name)
    return row


def _shown(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "version": row["version"],
        "published": row["published"],
        "published_by": row["published_by"] or None,
        "connections": list(row["connections"]) or None,
    }


def _version(row: Row, current: str) -> dict[str, Any]:
    return {
        "name": row["name"],
        "version": row["version"],
        "published": row["published"],
        "published_by": row["published_by"] or None,
        "current": row["version"] == current,
    }


def _told(problem: Problem) -> dict[str, Any]:
    said = {name: getattr(problem, name) for name in ("line", "column", "severity", "message")}
    return said | ({"mend": problem.mend} if problem.mend else {})


def _said(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one not in ("", None)}
