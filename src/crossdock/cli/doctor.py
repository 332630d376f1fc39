"""`crossdock doctor`: whether this machine and this installation can do the work, and the mend where not."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import socket
import sys
from typing import Any

from rich.markup import escape

from crossdock.assemble import opened
from crossdock.cli.output import console, say_json
from crossdock.cli.place import HERE, Directory, Json, run, settings_in
from crossdock.errors import CrossdockError
from crossdock.settings import Settings

_LEAST_FREE = 1 << 30  # bytes: a database that runs full stops acknowledging


def doctor(directory: Directory = HERE, json: Json = False) -> None:
    """Look at everything that has to be right, and say what is not. Status 1 if anything is not."""
    findings: list[dict[str, Any]] = []

    def find(what: str, good: bool, detail: str, mend: str = "") -> None:
        findings.append({"what": what, "good": good, "detail": detail, "mend": "" if good else mend})

    version = ".".join(map(str, sys.version_info[:3]))
    find(
        "Python",
        sys.version_info >= (3, 11),
        f"{version} on {platform.platform()}",
        "install Python 3.11 or newer",
    )
    find("Crossdock", True, importlib.metadata.version("crossdock"))
    try:
        settings = settings_in(directory)
    except CrossdockError as error:
        find("settings", False, str(error), error.mend)
    else:
        find(
            "settings", True, f"data in {settings.data}" if not settings.database_url else "a database server"
        )
        _disk(settings, find)
        _port(settings, find)
        run(_installation(settings, find))
    if json:
        say_json({"good": all(one["good"] for one in findings), "findings": findings})
    else:
        for one in findings:
            mark = "[green]ok [/green]" if one["good"] else "[red]BAD[/red]"
            console.print(f"{mark} [bold]{one['what']}[/bold] {escape(one['detail'])}", highlight=False)
            if one["mend"]:
                console.print(f"      [dim]mend:[/dim] {escape(one['mend'])}", highlight=False)
    if not all(one["good"] for one in findings):
        raise SystemExit(1)


def _disk(settings: Settings, find: Any) -> None:
    place = settings.data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    find("disk", free > _LEAST_FREE, f"{free / 2**30:.1f} GB free at {place}", "make room, or move `data`")


def _port(settings: Settings, find: Any) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            detail = f"{settings.host}:{settings.port}: {error.strerror}"
            find("port", False, detail, "another `crossdock serve` may run; else set `port`")
        else:
            find("port", True, f"{settings.host}:{settings.port} is free")


async def _installation(settings: Settings, find: Any) -> None:
    try:
        async with opened(settings, set_up=True) as system:
            async with system.database.engine() as transaction:
                server = await transaction.value("show server_version")
            find("database", True, f"PostgreSQL {server}, tenant {system.tenant.name}")
            for name, why in system.installed.connectors.problems.items():
                find(f"connector {name}", False, why, "mend or remove the package")
            found = ", ".join(sorted(system.installed.connectors.connectors))
            find("connectors", True, found or "none")
            for one in await system.connections.of(system.tenant):
                good = one.stopped is None and one.open_until is None
                detail = f"{one.connector}, {one.waiting} calls wait, {one.out} out"
                find(f"connection {one.name}", good, detail, "see why it is stopped or failing")
    except CrossdockError as error:
        find("database", False, error.message, error.mend)
