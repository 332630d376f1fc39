"""Master data: which of a partner's codes means which of ours; listed, set, fetched, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked
from crossdock.api.listing import Listing, Out, Paged, Row, Text, Where, pick
from crossdock.api.route import router
from crossdock.errors import Refused
from crossdock.store import TenantTransaction
from crossdock.translate.codes import Code, checked

routes = router("codes")

Kind = Literal["party", "item", "location", "service", "unit"]
Direction = Literal["both", "in", "out"]
Note = Annotated[str, StringConstraints(max_length=2000)]


class ShownCode(Out):
    """A cross reference."""

    scope: str = Field(description="A connection, or a system for all of its connections")
    kind: Kind
    ours: str
    theirs: str
    direction: Direction = Field(description="`in` only reads, `out` only writes")
    since: datetime
    by: str | None = None


class CodePage(Out):
    """A page of cross references."""

    items: list[ShownCode]
    next: str | None = Field(None, description="Cursor of the next page")


class CodeQuery(Paged):
    """Which cross references, by scope, kind and their code."""

    scope: Text | None = Field(None, description="Of this connection or system")
    kind: Kind | None = Field(None, description="Of this kind")
    ours: Text | None = Field(None, description="Of this code of ours")
    theirs: Text | None = Field(None, description="Of this code of theirs")


class CodeLine(Given):
    """A line: one of our codes and one of theirs."""

    kind: Kind
    ours: Text
    theirs: Text
    direction: Direction = Field("both", description="`in` only reads, `out` only writes")
    line: int | None = Field(
        None, ge=1, le=10_000_000, description="Its number in a file; else its place here"
    )


class SetCodes(Given):
    """Cross references to set, all or none."""

    scope: Text = Field(description="A connection, or a system for all of its connections")
    lines: list[CodeLine] = Field(min_length=1, max_length=20_000)
    replace: bool = Field(False, description="What stands against them is replaced")
    only_look: bool = Field(False, description="Only tell what would become of each")
    note: Note = Field("", description="Why: it stays in the audit")


class DropCodes(Given):
    """Cross references to forget: of theirs, of ours, or that pair."""

    scope: Text
    kind: Kind
    ours: Text | None = None
    theirs: Text | None = None
    note: Note = Field("", description="Why: it stays in the audit")


class OtherCode(Out):
    """A cross reference that a line stands against."""

    ours: str
    theirs: str
    direction: Direction


class CodeOutcome(Out):
    """What became of a line. `conflict`: it stands against others; `changed`: it replaces them."""

    line: int
    kind: Kind
    ours: str
    theirs: str
    direction: Direction
    outcome: Literal["added", "same", "changed", "conflict"]
    reason: str | None = None
    others: list[OtherCode] | None = None


class CodesSet(Out):
    """What became of all. Where one is a conflict, none was set."""

    done: bool = Field(description="Whether they hold now")
    added: int
    same: int
    changed: int
    conflicts: int
    lines: list[CodeOutcome] = Field(description="All but those that were the same already")


class FetchCodes(Given):
    """Master data to read from the system that keeps it."""

    connection: Text
    kinds: list[Kind] = Field(
        [], max_length=5, description="These; without any those of the last time, or all"
    )
    numbers: dict[Kind, Annotated[str, StringConstraints(min_length=1, max_length=60)]] = Field(
        {}, description="By kind, which of their numbers is our code, such as `gtin`; else it is their code"
    )
    anew: bool = Field(False, description="All from the beginning: shows also what is not there any more")
    only_look: bool = Field(False, description="Only tell what would become of it")
    note: Note = Field("", description="Why: it stays in the audit")


Finding = Literal["taken", "doubled", "renamed", "gone", "unknown"]


class FetchedCode(Out):
    """A cross reference that was set, or that would be."""

    kind: Kind
    ours: str
    theirs: str
    name: str | None = None


class WaitingCode(Out):
    """Master data of theirs that a person has to decide about."""

    connection: str
    kind: Kind
    id: str = Field(description="Theirs, which stays where the code changes")
    theirs: str
    finding: Finding = Field(
        description="`taken`: it means another of ours; `doubled`: two of theirs are for one of ours, or "
        "have one code; `renamed`; `gone`: in use no more; `unknown`: nothing says which of ours it is"
    )
    here: str = Field(description="How it stands here")
    there: str = Field(description="How it stands there")
    mend: str = Field(description="A command that mends it")
    found: datetime | None = Field(None, description="Since when")


class WaitingPage(Out):
    """A page of what waits."""

    items: list[WaitingCode]
    next: str | None = Field(None, description="Cursor of the next page")


class WaitingQuery(Paged):
    """What waits, by connection, kind and finding."""

    connection: Text | None = None
    kind: Kind | None = None
    finding: Finding | None = None


class FetchCount(Out):
    """What became of the records of a kind."""

    read: int
    added: int
    same: int
    inactive: int = Field(description="In use no more there, and not known here")
    waiting: int = Field(description="For a person to decide")


class CodesFetched(Out):
    """What a reading came to."""

    done: bool = Field(description="Whether it is kept now")
    more: bool = Field(description="A part is left for the next reading")
    counts: dict[str, FetchCount] = Field(description="By kind")
    added: list[FetchedCode] = Field(description="The first thousand")
    waiting: list[WaitingCode] = Field(description="The first thousand")


class CodesGone(Out):
    """What is forgotten."""

    items: list[OtherCode]


@routes.get("/codes", responses={200: {"model": CodePage}})
async def list_codes(call: Asked, query: Annotated[CodeQuery, Query()]) -> Response:
    """List cross references by scope, kind and their code."""
    await call.allow("code.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        for name in ("scope", "kind", "ours", "theirs"):
            where.maybe(f"{name} = {{}}", getattr(query, name))
        if place is not None:
            where.add("(scope, kind, theirs, ours) > ({}, {}, {}, {})", *place)
        sql = f"""
            select scope, kind, ours, theirs, direction, since, by from crossdock.code
            where tenant = crossdock.tenant(){where.sql}
            order by scope, kind, theirs, ours limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [{**dict(row), "by": row["by"] or None} for row in rows]

    names = tuple(ShownCode.model_fields)
    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["scope"], row["kind"], row["theirs"], row["ours"]],
        show=show,
        names=names,
        columns=("scope", "kind", "ours", "theirs", "direction"),
    )
    return await listing.answer(call, query)


@routes.post("/codes", responses={200: {"model": CodesSet, "description": "What became of each"}})
async def set_codes(call: Asked, given: SetCodes) -> Response:
    """Set cross references, all or none: none where one stands against another, unless that is replaced."""
    lines = [(one.line or n, _checked(one, n)) for n, one in enumerate(given.lines, 1)]
    told = await call.ground.acts.codes.put(
        call.principal,
        given.scope,
        lines,
        replace=given.replace,
        only_look=given.only_look,
        note=given.note,
    )
    count = {
        word: sum(one.outcome == word for one in told) for word in ("added", "same", "changed", "conflict")
    }
    shown = [
        {
            "line": one.line,
            "outcome": one.outcome,
            "kind": one.code.kind,
            **_pair(one.code),
            **({"reason": one.reason} if one.reason else {}),
            **({"others": [_pair(other) for other in one.other]} if one.other else {}),
        }
        for one in told
        if one.outcome != "same" or one.reason
    ]
    return call.answer(
        {
            "done": not given.only_look and not count["conflict"],
            "added": count["added"],
            "same": count["same"],
            "changed": count["changed"],
            "conflicts": count["conflict"],
            "lines": shown,
        }
    )


@routes.post("/codes/fetch", responses={200: {"model": CodesFetched, "description": "What it came to"}})
async def fetch_codes(call: Asked, given: FetchCodes) -> Response:
    """Read the master data that a system keeps, and set what is new; what stands against it waits."""
    imported = await call.ground.acts.codes.fetch(
        call.principal,
        given.connection,
        given.kinds,
        numbers=given.numbers,
        anew=given.anew,
        only_look=given.only_look,
        note=given.note,
    )
    added = [
        {"kind": one.kind, "ours": one.ours, "theirs": one.theirs, **({"name": one.name} if one.name else {})}
        for one in imported.added
    ]
    names = ("kind", "id", "theirs", "finding", "here", "there", "mend")
    waiting = [
        {"connection": given.connection, **{name: getattr(one, name) for name in names}}
        for one in imported.waiting
    ]
    return call.answer(
        {
            "done": not given.only_look,
            "more": imported.more,
            "counts": {kind: msgspec.to_builtins(one) for kind, one in imported.counts.items()},
            "added": added,
            "waiting": waiting,
        }
    )


@routes.get("/codes/waiting", responses={200: {"model": WaitingPage}})
async def list_waiting_codes(call: Asked, query: Annotated[WaitingQuery, Query()]) -> Response:
    """List master data that a person has to decide about, as the last reading found it."""
    await call.allow("code.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        for name in ("connection", "kind", "finding"):
            where.maybe(f"{name} = {{}}", getattr(query, name))
        if place is not None:
            where.add("(connection, kind, id) > ({}, {}, {})", *place)
        sql = f"""
            select connection, kind, id, code as theirs, finding, here, there, mend, found
            from crossdock.master where tenant = crossdock.tenant() and finding <> ''{where.sql}
            order by connection, kind, id limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [dict(row) for row in rows]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["connection"], row["kind"], row["id"]],
        show=show,
        names=tuple(WaitingCode.model_fields),
    )
    return await listing.answer(call, query)


@routes.post("/codes/drop", responses={200: {"model": CodesGone, "description": "Forgotten"}})
async def drop_codes(call: Asked, given: DropCodes) -> Response:
    """Forget cross references of a scope and kind: of theirs, of ours, or that pair."""
    if call.done is not None:
        return call.answer({"items": []})
    gone = await call.ground.acts.codes.drop(
        call.principal, given.scope, given.kind, theirs=given.theirs, ours=given.ours, note=given.note
    )
    return call.answer({"items": [pick(_pair(one), ()) for one in gone]})


def _checked(one: CodeLine, n: int) -> Code:
    try:
        return checked(one.kind, one.ours, one.theirs, one.direction)
    except Refused as error:
        raise Refused(error.message, where=f"body.lines.{n - 1}.{error.where}", mend=error.mend) from None


def _pair(code: Code) -> dict[str, Any]:
    return {"ours": code.ours, "theirs": code.theirs, "direction": code.direction}
