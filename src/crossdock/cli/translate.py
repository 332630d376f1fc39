"""`crossdock translate`: which events a payload of a partner becomes, or why it does not."""

from __future__ import annotations

import json as plain_json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from crossdock.assemble import System
from crossdock.cli.output import console, say_json, table, told
from crossdock.cli.place import HERE, Directory, with_system
from crossdock.connect import Connector
from crossdock.engine import Arrival
from crossdock.errors import Conflict, Refused
from crossdock.gateway import Through
from crossdock.gateway import translate as translated
from crossdock.installed import Installed
from crossdock.model import EXCEPTIONS
from crossdock.model.codes import instant_text
from crossdock.model.journey import journey

_NOTHING = "it says nothing that concerns us"


def translate(
    connector: Annotated[str, typer.Argument(help="The connector by name, such as ups")],
    file: Annotated[Path, typer.Argument(help="The payload as it came, - for standard input")],
    connection: Annotated[
        str | None,
        typer.Option("--connection", help="A connection: its settings, mapping and master data are taken"),
    ] = None,
    feed: Annotated[
        str | None, typer.Option("--feed", help="Read it as a record or page of this feed only")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", help="A header that it came with: Name: value")
    ] = None,
    directory: Directory = HERE,
    json: Annotated[
        bool, typer.Option("--json", help="A CloudEvent a line; a refusal as one object")
    ] = False,
) -> None:
    """Print the events that a payload of a connector's system becomes, as webhooks and feeds read it.

    Nothing is sent or kept, and neither server nor database is needed without --connection. Status 1 where it
    cannot be read: the reason, where in the payload, and the mend.
    """
    with told(json=json):
        payload = _bytes(file)
        headers = _headers(header or [])
        if connection is None:
            known = Installed.find(Path("connectors")).connectors.connector(connector)
            _say(known, _read(known, payload, file, feed=feed, headers=headers), json=json)
            return

    async def act(system: System) -> None:
        line = await system.lines.line(system.tenant.id, connection)
        if line.connector.name != connector:
            raise Conflict(
                f"{connection} is a connection of {line.connector.name}, not of {connector}",
                mend=f"crossdock translate {line.connector.name} {file} --connection {connection}",
            )
        events = await system.lines.with_rows(
            line,
            lambda rows: _read(
                line.connector,
                payload,
                file,
                connection=connection,
                settings=line.settings,
                feed=feed,
                headers=headers,
                through=Through.of(line, rows),
            ),
        )
        _say(line.connector, events, json=json)

    with_system(directory, act, json=json)


def _read(connector: Connector, payload: bytes, file: Path, **given: Any) -> list[Arrival]:
    try:
        return translated(connector, payload, **given)
    except Refused as error:
        where = f"{file}: {error.where}" if error.where else str(file)
        mend = error.mend or (
            f"see that it is what {connector.title or connector.name} sent; then teach the connector"
        )
        raise type(error)(error.message, where=where, mend=mend) from None


def _say(connector: Connector, events: Sequence[Arrival], *, json: bool) -> None:
    if json:
        against = _contradicting(events)
        for event in events or ():
            say_json(_cloud_event(event, contradicts=id(event.data) in against))
        if not events:
            say_json({"outcome": "ignored", "events": 0, "reason": _NOTHING})
        return
    against = _contradicting(events)
    table(
        f"What {connector.title or connector.name} says",
        ["time", "event", "about", "milestone", "why", "told", "words"],
        [_row(event, against=against) for event in events],
        empty=f"No event: {_NOTHING}.",
    )
    if not events:
        return
    console.print(f"{len(events)} event{'s' if len(events) != 1 else ''}. With --json, all of each.")


def _contradicting(events: Sequence[Arrival]) -> set[int]:
    """The data of those that say that goods still move which were delivered before, by identity."""
    told_of: dict[str, list[Arrival]] = {}
    for event in events:
        if _milestone(event):
            told_of.setdefault(str(event.data.get("tracking_number")), []).append(event)
    found: set[int] = set()
    for group in told_of.values():
        by_milestone = {id(_milestone(event)): id(event.data) for event in group}
        for step in journey([_milestone(event) for event in group]):
            if step.contradicts:
                found.add(by_milestone[id(step.milestone)])
    return found


def _cloud_event(event: Arrival, *, contradicts: bool) -> dict[str, Any]:
    """CloudEvents 1.0, structured; `exception` names the type of exception that it tells of.

    `contradicts` marks one that is told to have happened after a delivery that it cannot have followed.
    """
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": instant_text(event.time) if event.time else None,
    }
    reason = _milestone(event).get("reason")
    if reason in EXCEPTIONS:
        found["exception"] = reason
    if contradicts:
        found["contradicts"] = "delivered"
    return {**found, "data": event.data}


def _row(event: Arrival, *, against: set[int]) -> list[str]:
    milestone = _milestone(event)
    said = [milestone.get("code_told"), milestone.get("reason_told")]
    return [
        _time(event) if "time" in milestone else milestone.get("local_time") or _time(event),
        event.type,
        " ".join(f"{kind}={value}" for kind, value in event.about.items()),
        milestone.get("code") or "",
        "contradicts the delivery" if id(event.data) in against else milestone.get("reason") or "",
        " ".join(word for word in said if word),
        milestone.get("text") or "",
    ]


def _time(event: Arrival) -> str:
    return instant_text(event.time) if event.time else ""


def _milestone(event: Arrival) -> Mapping[str, Any]:
    found = event.data.get("milestone") if isinstance(event.data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _bytes(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(
            f"it cannot be read: {error.strerror}", where=str(file), mend="name a file that is there"
        ) from None


def _headers(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Refused(
                f"{plain_json.dumps(line)} is no header", where="--header", mend="write it as Name: value"
            )
        found[name.strip().lower()] = value.strip()
    return found
