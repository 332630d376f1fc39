"""`crossdock audit`: who did what; whether it is still what was recorded; and all of it as a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from crossdock.access import Resource
from crossdock.access.audit import Filter
from crossdock.access.audit_export import entry_values, verify_lines
from crossdock.access.audit_signer import key_name
from crossdock.access.audit_verify import Report
from crossdock.assemble import System
from crossdock.cli.output import console, say_json, table, told
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system
from crossdock.cli.tenant import write_lines
from crossdock.errors import Refused
from crossdock.store import Tenant

audit = typer.Typer(help="Who did what, and whether that is still what was recorded.", no_args_is_help=True)

_Of = Annotated[str | None, typer.Option("--tenant", help="Of another tenant than the setting names")]
_PUBLIC = 32  # bytes


@audit.command("list")
def list_(
    actor: Annotated[
        str | None, typer.Option(help="Of this person or key, or of keys behind a person")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Of this action, as run.cancel")] = None,
    on: Annotated[str | None, typer.Option(help="On this: a kind, or kind/id, as run/7")] = None,
    outcome: Annotated[str | None, typer.Option(help="done, refused or failed")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this time on, in UTC")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time, in UTC")] = None,
    before: Annotated[int | None, typer.Option(help="Before the entry of this number: the next page")] = None,
    most: Annotated[int, typer.Option(help="So many entries", min=1, max=10_000)] = 50,
    tenant: _Of = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """List acts, newest first."""

    async def act(system: System) -> None:
        if outcome not in {None, "done", "refused", "failed"}:
            raise Refused(f"no act ends {outcome}", where="--outcome", mend="give done, refused or failed")
        kind, _, id_ = (on or "").partition("/")
        wanted = Filter(
            actor=actor,
            action=action,
            on_kind=kind or None,
            on_id=id_ or None,
            outcome=outcome,  # type: ignore[arg-type] # one of the three, see above
            since=since and since.replace(tzinfo=UTC),
            until=until and until.replace(tzinfo=UTC),
        )
        page = await system.audit.entries(await _of(system, tenant), wanted, before, most=most)
        if json:
            for entry in page.items:
                say_json(entry_values(entry))
            return
        table(
            "Audit",
            ["number", "at", "who", "action", "on", "outcome", "why", "from"],
            [
                (
                    entry.number,
                    entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
                    f"{entry.actor} for {entry.behind}" if entry.behind else entry.actor,
                    entry.action,
                    f"{entry.on_kind}/{entry.on_id}" if entry.on_id else entry.on_kind,
                    entry.outcome if entry.count == 1 else f"{entry.outcome}, {entry.count} times",
                    entry.why,
                    entry.origin,
                )
                for entry in page.items
            ],
            empty="No act is like that.",
        )
        if page.next is not None:
            console.print(f"older ones: --before {page.next}")

    with_system(directory, act, json=json)


@audit.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export, verified without any database")] = None,
    key: Annotated[
        str, typer.Option(help="Of an export: the public key to trust, as `audit key` tells")
    ] = "",
    tenant: _Of = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Find any entry, checkpoint or row of the history that is not what was recorded. Status 1 if one is."""
    if file is not None:
        with told(json=json):
            report = _verified(file, key)
    else:

        async def act(system: System) -> Report:
            await system.audit.settle()
            return await system.audit.verify(await _of(system, tenant))

        report = with_system(directory, act, json=json)
    _tell(report, offline=file is not None, pinned=bool(key), json=json)
    if not report.good:
        raise SystemExit(1)


@audit.command()
def export(
    to: Annotated[Path | None, typer.Option(help="Into this file, which must not exist yet")] = None,
    tenant: _Of = None,
    directory: Directory = HERE,
) -> None:
    """Write the whole audit as lines of JSON, which verify by themselves. The export is recorded as well."""

    async def act(system: System) -> None:
        of = await _of(system, tenant)
        who = replace(system.whoever(ORIGIN), tenant=of.id)
        await system.policies.require(who, "audit.read", Resource(kind="audit"))
        async with system.database.of(of) as transaction:
            await system.audit.record(transaction, who, "audit.read", Resource(kind="audit"), why="export")
        await system.audit.settle()
        await write_lines(system.audit.export(of), to)

    with_system(directory, act)


@audit.command("key")
def key_(directory: Directory = HERE, json: Json = False) -> None:
    """Tell the public keys that sign. Keep them where whoever may change the audit cannot."""

    async def act(system: System) -> None:
        known = system.audit.keys()
        if json:
            say_json({name: base64.b64encode(public).decode() for name, public in known.items()})
            return
        rows = [(name, base64.b64encode(public).decode()) for name, public in known.items()]
        table("Keys of the audit", ["name", "public key"], rows, empty="Nothing is signed yet.")

    with_system(directory, act, json=json)


async def _of(system: System, name: str | None) -> Tenant:
    return system.tenant if name is None else await system.database.tenant(name)


def _verified(file: Path, key: str) -> Report:
    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            return verify_lines(lines, keys=_trusted(key))
    except OSError as error:
        raise Refused(f"this cannot be read: {error.strerror}", where=str(file), mend="name a file") from None


def _trusted(key: str) -> Mapping[str, bytes] | None:
    if not key:
        return None
    try:
        public = base64.b64decode(key, validate=True)
    except binascii.Error:
        public = b""
    if len(public) != _PUBLIC:
        raise Refused(
            "this is no public key", where="--key", mend="give one that `crossdock audit key` tells"
        )
    return {key_name(public): public}


def _tell(report: Report, *, offline: bool, pinned: bool, json: bool) -> None:
    if json:
        first = None if report.first is None else asdict(report.first)
        say_json({"good": report.good, "first": first, **asdict(report)})
        return
    for fault in report.faults:
        console.print(f"[red]BAD[/red] {fault.kind}: {fault.what}", highlight=False)
    if report.count > len(report.faults):
        console.print(f"and {report.count - len(report.faults)} more")
    if report.first is not None:
        console.print(f"the first bad one: {report.first.what}", highlight=False)
    counted = f"{report.entries} entries, {report.checkpoints} checkpoints"
    word = "[green]good[/green]" if report.good else "[red]not what was recorded[/red]"
    rows = "" if offline else f", {report.rows} rows of the history"
    console.print(f"{word}: {counted}{rows}; signed until entry {report.signed}", highlight=False)
    if offline and not pinned:
        names = ", ".join(report.keys) or "nobody"
        console.print(f"signed by {names}, as the file itself says: hold that against your copy of the key")
    elif not offline and not report.outside:
        console.print("no checkpoints outside of the database were found here: newest ones may be missing")
    if report.unsigned_rows:
        console.print(f"{report.unsigned_rows} rows of the history are not signed yet", highlight=False)
