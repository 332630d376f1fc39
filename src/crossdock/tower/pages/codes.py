"""Codes of partners beside ours: listed, set, forgotten, and taken in from a file with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from starlette.requests import Request
from starlette.responses import Response

from crossdock.connect.references import LineOutcome
from crossdock.errors import CrossdockError, Forbidden, NotFound, Refused, Unreachable
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back, doing, note_of, sentence
from crossdock.translate.codes import COLUMNS, DIRECTIONS, Code, Line, checked, read_lines
from crossdock.translate.work import KINDS, Kind

ON_A_PAGE = 100
_REPORTED = 500  # lines of a file that a page tells

_CODES: LiteralString = """
select scope, kind, ours, theirs, direction, since, by from crossdock.code
where tenant = crossdock.tenant() and ($1 = '' or scope = $1) and ($2 = '' or kind = $2)
  and ($3 = '' or ours = $3 or theirs = $3)
  and ($4::text[] is null or (scope, kind, theirs, ours) > ($4[1], $4[2], $4[3], $4[4]))
order by scope, kind, theirs, ours limit $5
"""


_SCOPES: LiteralString = """
select name from crossdock.connection where tenant = crossdock.tenant()
union select system from crossdock.connection where tenant = crossdock.tenant()
order by 1 limit 500
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a line, and why; without a code it could not be read."""

    line: int
    code: Code | None
    outcome: str
    why: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a file: its lines that are not as before, and how many came to what."""

    file: str
    done: bool
    lines: Sequence[Told]
    counts: Mapping[str, int]

    @property
    def refused(self) -> bool:
        """Whether nothing was set for what stands in it."""
        return bool(self.counts["unread"] or self.counts["conflict"])


async def codes(ground: Ground, request: Request) -> Response:
    """`/codes`, as many as fit on a page, after the place in `?after=`."""
    return await _page(ground, request)


@doing
async def change(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /codes`: say what a code means, forget that, take a file in or look what would become of it."""
    act = fields.get("act", "")
    if act in ("import", "look"):
        return await _file(ground, request, person, fields)
    if act == "set":
        return await _set(ground, request, person, fields)
    if act != "drop":
        raise Refused(f"{act!r} is nothing that is done with codes", mend="use the buttons of the page")
    scope, theirs, ours = (fields.get(name, "") for name in ("scope", "theirs", "ours"))
    where = {"back": fields.get("back", "") or "/codes"}
    try:
        await ground.acts.codes.drop(
            person.principal, scope, _kind(fields), theirs=theirs, ours=ours, note=note_of(fields)
        )
    except NotFound:
        return back(request, where, Notice("wait", "It was forgotten before."))
    return back(request, where, Notice("good", f"{theirs} of {scope} is {ours} no more."))


async def _set(ground: Ground, request: Request, person: Person, fields: Mapping[str, str]) -> Response:
    scope = fields.get("scope", "").strip()
    given = [fields.get(name, "").strip() for name in COLUMNS]
    try:
        code = checked(*given)
        (told,) = await ground.acts.codes.put(
            person.principal,
            scope,
            [(1, code)],
            replace=fields.get("replace", "") == "yes",
            note=note_of(fields),
        )
    except (Forbidden, Unreachable):
        raise
    except CrossdockError as error:
        place = error.where if error.where in COLUMNS else "scope" if isinstance(error, NotFound) else ""
        return await _page(ground, request, typed=fields, wrong={place: _said(error)})
    if told.outcome == "conflict":
        place = "theirs" if any(one.theirs == code.theirs for one in told.other) else "ours"
        said = f"{sentence(told.reason)} Tick that it is replaced, or give another code."
        return await _page(ground, request, typed=fields, wrong={place: said})
    where = {"back": fields.get("back", "") or "/codes"}
    if told.outcome == "same":
        return back(request, where, Notice("wait", "It was so before."))
    return back(request, where, Notice("good", f"{code.theirs} of {scope} is {code.ours}."))


async def _file(ground: Ground, request: Request, person: Person, fields: Mapping[str, str]) -> Response:
    scope, look, file = (
        fields.get("scope", "").strip(),
        fields.get("act") == "look",
        fields.get("file.name", ""),
    )
    try:
        lines = read_lines(fields.get("file", ""))
        unread = [one for one in lines if one.code is None]
        read = [(one.line, one.code) for one in lines if one.code is not None]
        told = await ground.acts.codes.put(
            person.principal,
            scope,
            read,
            replace=fields.get("replace", "") == "yes",
            only_look=look or bool(unread),
            note=note_of(fields),
        )
    except (Forbidden, Unreachable):
        raise
    except CrossdockError as error:
        place = "file_scope" if isinstance(error, NotFound) else "file"
        return await _page(ground, request, typed=fields, wrong={place: _said(error)})
    if not lines:
        said = "There is no line in it: write one for each code, or choose a file."
        return await _page(ground, request, typed=fields, wrong={"file": said})
    counts = {
        word: sum(one.outcome == word for one in told) for word in ("added", "changed", "same", "conflict")
    }
    report = Report(
        file=file,
        done=not look and not unread and not counts["conflict"],
        lines=_told(told, unread)[:_REPORTED],
        counts=counts | {"unread": len(unread)},
    )
    return await _page(ground, request, typed=fields, report=report)


async def _page(
    ground: Ground,
    request: Request,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    report: Report | None = None,
) -> Response:
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
        places = [row["name"] for row in await transaction.fetch(_SCOPES)]
        found = await transaction.fetch(_CODES, *wanted.values(), place, ON_A_PAGE + 1)
    page, more = found[:ON_A_PAGE], len(found) > ON_A_PAGE
    last = page[-1] if more else None
    following = [*((name, value) for name, value in wanted.items() if value)]
    if last is not None:
        following += [("after", last[name]) for name in ("scope", "kind", "theirs", "ours")]
    stands = bool(wrong) or (report is not None and report.refused)
    return await ground.page(
        request,
        "codes.html.jinja",
        times,
        waiting,
        status=400 if stands else 200,
        typed=typed or {},
        wrong=wrong or {},
        report=report,
        directions=DIRECTIONS,
        places=places,
        codes=page,
        scopes=scopes,
        wanted=wanted,
        kinds=list(KINDS),
        following=following if more else [],
        begun=place is not None,
    )


def _told(told: Sequence[LineOutcome], unread: Sequence[Line]) -> list[Told]:
    found = [
        Told(line=one.line, code=None, outcome="not read", why=one.problem, mend=one.mend) for one in unread
    ]
    found += [
        Told(line=one.line, code=one.code, outcome=one.outcome, why=one.reason)
        for one in told
        if one.outcome != "same" or one.reason
    ]
    return sorted(found, key=lambda one: one.line)


def _kind(fields: Mapping[str, str]) -> Kind:
    kind = fields.get("kind", "")
    return checked(kind, "x", "x").kind


def _said(error: CrossdockError) -> str:
    return " ".join(sentence(text) for text in (error.message, error.mend) if text)
