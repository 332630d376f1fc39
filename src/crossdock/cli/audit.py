"""`crossdock audit`: who did what; whether it is still what was recorded; and all of it as a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.output import console, say_json, table, told
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.tenant import write_lines
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.access.audit_verify import Report
    from crossdock.client import Operator
    from crossdock.client.house_shapes import Verified

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
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List acts, newest first."""

    async def act(operator: Operator) -> None:
        if outcome not in {None, "done", "refused", "failed"}:
            raise Refused(f"no act ends {outcome}", where="--outcome", mend="give done, refused or failed")
        found = [
            entry
            async for entry in operator.audit(
                actor=actor,
                action=action,
                on=on,
                outcome=outcome,
                since=since and since.replace(tzinfo=UTC),
                until=until and until.replace(tzinfo=UTC),
                before=before,
                most=most + 1,
            )
        ]
        page, older = found[:most], found[most:]
        if json:
            for entry in page:
                say_json(msgspec.structs.asdict(entry))
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
                    f"{entry.on_kind}/{entry.on}" if entry.on else entry.on_kind,
                    entry.outcome if entry.count == 1 else f"{entry.outcome}, {entry.count} times",
                    entry.why,
                    entry.origin,
                )
                for entry in page
            ],
            empty="No act is like that.",
        )
        if older:
            console.print(f"older ones: --before {page[-1].number}")

    ask(Where(directory=directory, url=url, key=key), act, json=json, tenant=tenant)


@audit.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export, verified without any database")] = None,
    trust: Annotated[
        str, typer.Option("--public-key", help="Of an export: the key to trust, as `audit key` tells")
    ] = "",
    tenant: _Of = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Find any entry, checkpoint or row of the history that is not what was recorded. Status 1 if one is."""
    if file is not None:
        with told(json=json):
            values = _values(_verified(file, trust))
    else:

        async def act(operator: Operator) -> Verified:
            return await operator.verify_audit()

        found = ask(Where(directory=directory, url=url, key=key), act, json=json, tenant=tenant)
        values = msgspec.to_builtins(found)
    _tell(values, offline=file is not None, pinned=bool(trust), json=json)
    if not values["good"]:
        raise SystemExit(1)


@audit.command()
def export(
    to: Annotated[Path | None, typer.Option(help="Into this file, which must not exist yet")] = None,
    tenant: _Of = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
) -> None:
    """Write the whole audit as lines of JSON, which verify by themselves. The export is recorded as well."""

    async def act(operator: Operator) -> None:
        await write_lines(operator.export_audit(), to)

    ask(Where(directory=directory, url=url, key=key), act, tenant=tenant)


@audit.command("key")
def key_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """Tell the public keys that sign. Keep them where whoever may change the audit cannot."""

    async def act(operator: Operator) -> None:
        known = await operator.audit_keys()
        if json:
            say_json(known)
            return
        table("Keys of the audit", ["name", "public key"], known.items(), empty="Nothing is signed yet.")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _verified(file: Path, trust: str) -> Report:
    from crossdock.access.audit_export import verify_lines  # what it belongs to takes a while to import

    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            return verify_lines(lines, keys=_trusted(trust))
    except OSError as error:
        raise Refused(f"this cannot be read: {error.strerror}", where=str(file), mend="name a file") from None


def _trusted(trust: str) -> Mapping[str, bytes] | None:
    from crossdock.access.audit_signer import key_name  # what it belongs to takes a while to import

    if not trust:
        return None
    try:
        public = base64.b64decode(trust, validate=True)
    except binascii.Error:
        public = b""
    if len(public) != _PUBLIC:
        raise Refused(
            "this is no public key", where="--public-key", mend="give one that `crossdock audit key` tells"
        )
    return {key_name(public): public}


def _values(report: Report) -> dict[str, Any]:
    """What a file says, in the form in which a server tells it."""
    first = None if report.first is None else asdict(report.first)
    told = asdict(report)
    del told["tenant"], told["last"]
    return {"good": report.good, "first": first, **told}


def _tell(report: Mapping[str, Any], *, offline: bool, pinned: bool, json: bool) -> None:
    if json:
        say_json(report)
        return
    faults = report["faults"]
    for fault in faults:
        console.print(f"[red]BAD[/red] {fault['kind']}: {escape(fault['what'])}", highlight=False)
    if report["count"] > len(faults):
        console.print(f"and {report['count'] - len(faults)} more")
    if report["first"] is not None:
        console.print(f"the first bad one: {escape(report['first']['what'])}", highlight=False)
    counted = f"{report['entries']} entries, {report['checkpoints']} checkpoints"
    word = "[green]good[/green]" if report["good"] else "[red]not what was recorded[/red]"
    rows = "" if offline else f", {report['rows']} rows of the history"
    console.print(f"{word}: {counted}{rows}; signed until entry {report['signed']}", highlight=False)
    if offline and not pinned:
        names = ", ".join(report["keys"]) or "nobody"
        console.print(f"signed by {names}, as the file itself says: hold that against your copy of the key")
    elif not offline and not report["outside"]:
        console.print("no checkpoints outside of the database were found here: newest ones may be missing")
    if report["unsigned_rows"]:
        console.print(f"{report['unsigned_rows']} rows of the history are not signed yet", highlight=False)
