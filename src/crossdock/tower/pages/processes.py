"""The processes: which are published, and one of them as a picture, as it is written, and in words."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from crossdock.errors import NotFound
from crossdock.process import Process
from crossdock.process.source import Source
from crossdock.process.wiring import actions_of
from crossdock.tower import queries
from crossdock.tower.ground import Ground
from crossdock.tower.pages.overview import loads
from crossdock.tower.picture import does, draw
from crossdock.tower.telling.words import plain, step_title


async def processes(ground: Ground, request: Request) -> Response:
    """`/processes`."""
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        published = await queries.published(transaction)
        numbers, _ = await ground.counts.of(transaction)
        numbers = await ground.visible(request, "run.read", numbers)
        counted = {load.process: load for load in loads(numbers)}
        found = [(row, await ground.process(transaction, row["id"])) for row in published]
    return await ground.page(request, "processes.html.jinja", times, waiting, processes=found, loads=counted)


async def process(ground: Ground, request: Request) -> Response:
    """`/processes/{name}`, of the version `?version=` or the one that new runs take."""
    name, wanted = request.path_params["name"], request.query_params.get("version", "")
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        versions = await queries.versions(transaction, name)
        current = next((row for row in await queries.published(transaction) if row["name"] == name), None)
        number = next(
            (row["id"] for row in versions if row["version"] == wanted), current["id"] if current else None
        )
        chosen = next((row for row in versions if row["id"] == number), None)
        if chosen is None or (wanted and chosen["version"] != wanted):
            raise NotFound(f"there is no process {name} {wanted}".strip(), mend="see the published processes")
        source = await queries.source(transaction, chosen["id"]) or ""
        found = await ground.process(transaction, chosen["id"])
    return await ground.page(
        request,
        "process.html.jinja",
        times,
        waiting,
        name=name,
        process=found,
        graph=draw(found) if found is not None else None,
        steps=_steps(found) if found is not None else [],
        source=source.splitlines(),
        chosen=chosen,
        current=current,
        versions=versions,
    )


def _steps(process: Process) -> list[dict[str, str]]:
    """The table that says in words what the picture shows."""
    rows = []
    raw = Source(process.source).value["steps"]
    for name, step in process.steps.items():
        needs = list(step.needs) + ([f"one of {', '.join(step.needs_any)}"] if step.needs_any else [])
        called_by = sorted(process.triggers.get(name, ()))
        if name in process.triggers:
            needs.append(
                f"only when {', '.join(called_by)} calls for it" if called_by else "only when called for"
            )
        written = raw.get(name) or {}
        by = ", ".join(f"{word} {_words(written[word])}" for word in ("within", "by") if word in written)
        what_if = [f"{cause}: {_verb(action.verb, action.word)}" for cause, action in actions_of(step)]
        rows.append(
            {
                "name": name,
                "title": step_title(name, step.title),
                "kind": step.kind,
                "does": does(step),
                "needs": ", ".join(needs) or "the start",
                "by": by,
                "else": "; ".join(what_if),
                "undo": _undo(step.undo.kind, f"{step.undo.system}.{step.undo.operation}")
                if step.undo
                else "",
            }
        )
    return rows


def _words(written: object) -> str:
    """A deadline as it stands in the file, on one line."""
    if isinstance(written, Mapping):
        return ", ".join(f"{plain(str(name)).lower()} {value}" for name, value in written.items())
    return " ".join(str(written).split())


def _verb(verb: str, word: str) -> str:
    return f"{verb} {plain(word).lower()}" if word else verb


def _undo(kind: str, operation: str) -> str:
    return {"call": operation, "none": "nothing to undo"}.get(kind, "cannot be undone")
