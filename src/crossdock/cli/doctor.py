"""`crossdock doctor`: whether this machine and this installation can do the work, and the mend where not."""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import platform
import shutil
import socket
import ssl
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from rich.markup import escape

from crossdock.assemble import System, opened
from crossdock.cli.output import console, say_json
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, run, settings_in
from crossdock.desk.health import Health
from crossdock.engine.connections import Connection
from crossdock.errors import CrossdockError
from crossdock.process.problems import NotAProcess
from crossdock.settings import Settings
from crossdock.tower.telling.times import span

_SOON = timedelta(days=14)  # a secret that expires before then is told
_ENOUGH, _TOO_MANY = 10, 0.5  # calls within an hour, and the share of them that failed
_FEED_FAILS = 3  # readings in a row
_LEAST_FREE = 1 << 30  # bytes: a database that runs full stops acknowledging


def doctor(directory: Directory = HERE, json: Json = False) -> None:
    """Look at everything that has to be right, and say what is not. Status 1 if anything is not.

    Nothing is changed. Where nothing is installed yet, an installation is tried out that is thrown away.
    """
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
        find("settings", False, f"{error.where}: {error.message}", error.mend)
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
                console.print(
                    f"      [dim]mend:[/dim] {escape(one['mend'])}", highlight=False, soft_wrap=True
                )
    if not all(one["good"] for one in findings):
        raise SystemExit(1)


def _disk(settings: Settings, find: Any) -> None:
    place = settings.data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    find("disk", free > _LEAST_FREE, f"{free / 2**30:.1f} GB free at {place}", "make room, or move `data`")
    if not settings.database_url:
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            mend = "give a directory that this user may write, or DATABASE_URL of a PostgreSQL server"
            find("data directory", False, f"{place} cannot be written: {error.strerror}", mend)


def _port(settings: Settings, find: Any) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            ours = _answers(settings)
            detail = f"a Crossdock answers at {place}" if ours else f"{place}: {error.strerror}"
            find("port", ours, detail, "end what runs there, or set another `port`")
        else:
            find("port", True, f"{settings.host}:{settings.port} is free")


def _answers(settings: Settings) -> bool:
    """Whether pages of ours are served there: what serves them already is no fault."""
    # Whose certificate it is does not matter: only a picture that everybody has is asked for.
    asked = (
        http.client.HTTPSConnection(
            settings.host,
            settings.port,
            timeout=3,
            context=ssl._create_unverified_context(),  # noqa: S323, SLF001
        )
        if settings.tls_certificate
        else http.client.HTTPConnection(settings.host, settings.port, timeout=3)
    )
    try:
        asked.request("GET", "/static/icon.svg")
        return (
            asked.getresponse().read()
            == resources.files("crossdock.tower").joinpath("static/icon.svg").read_bytes()
        )
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


async def _installation(settings: Settings, find: Any) -> None:
    there = bool(settings.database_url) or (settings.data / "postgres").exists()
    with contextlib.ExitStack() as stack:
        if not there:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-doctor-"))
            settings = replace(settings, data=Path(scratch))
        try:
            async with opened(settings, set_up=not there) as system:
                await _look(system, find, there=there)
        except NotAProcess as error:
            find("processes", False, error.message)
        except CrossdockError as error:
            find("installation", False, f"{error.where}: {error.message}".removeprefix(": "), error.mend)


async def _look(system: System, find: Any, *, there: bool) -> None:
    async with system.database.engine() as transaction:
        server = await transaction.value("show server_version")
    said = f"tenant {system.tenant.name}" if there else "nothing is installed here yet: crossdock serve"
    find("database", True, f"PostgreSQL {server}, {said}")
    await _secrets(system, find, there=there)
    for name, why in system.installed.connectors.problems.items():
        find(f"connector {name}", False, why, "mend or remove the package")
    find("connectors", True, ", ".join(sorted(system.installed.connectors.connectors)) or "none")
    if there:
        wrong = system.problems(system.texts())
        find("processes", not wrong, "\n".join(map(str, wrong)) or f"{len(system.texts())} may be published")
        try:
            await system.wanted()
        except CrossdockError as error:
            find("connections", False, f"{error.where}: {error.message}", error.mend)
    healths = await system.acts.connections.health(system.whoever(ORIGIN))
    for one in await system.connections.of(system.tenant):
        _connection(one, healths.get(one.name, Health()), find)


def _connection(one: Connection, health: Health, find: Any) -> None:
    """How a connection stands, and how its calls went within the last hour."""
    said = [f"{one.connector}, {one.waiting} calls wait, {one.out} out"]
    wrong = []
    if one.stopped is not None:
        wrong.append(f"stopped by {one.stopped_by}: crossdock connections start {one.name}")
    if one.open_until is not None:
        wrong.append(f"it failed too often: crossdock connections test {one.name}")
    if health.last_success is not None:
        said.append(f"last success {health.last_success:%Y-%m-%d %H:%M}")
    if (rate := health.error_rate) is not None:
        said.append(f"calls within the hour: {health.calls}, {rate:.0%} failed")
        if health.calls >= _ENOUGH and rate >= _TOO_MANY:
            wrong.append(f"too many fail: crossdock connections test {one.name}")
    if health.quota_left is not None:
        of = f" of {health.quota_limit:g}" if health.quota_limit is not None else ""
        said.append(f"quota {health.quota_left:g}{of} left")
        if health.quota_left <= 0:
            wrong.append("its quota is used up: wait until there is more, or give the connection a `rate`")
    for feed in health.feeds:
        lag = "never read to its end" if feed.lag is None else f"read {span(feed.lag)} ago"
        said.append(f"feed {feed.name} {lag}")
        if feed.failures >= _FEED_FAILS:
            wrong.append(f"feed {feed.name} failed {feed.failures} times in a row: see the log of the worker")
    find(f"connection {one.name}", not wrong, "; ".join(said), "; ".join(wrong))


async def _secrets(system: System, find: Any, *, there: bool) -> None:
    masters = system.sealing.masters
    try:
        locks = await system.sealing.look()
    except CrossdockError as error:
        find("master key", False, f"{error.where}: {error.message}".removeprefix(": "), error.mend)
        return
    if masters.open_to_others():
        find("master key", False, f"others may read {masters.own_file}", f"chmod 600 {masters.own_file}")
    elif not locks.current or (not there and masters.where == str(masters.own_file)):
        find("master key", True, "none yet; the first start makes one")
    else:
        old = [name for name in locks.sealed_by if name != locks.current]
        behind = f", and {', '.join(old)} still: crossdock secrets rotate" if old else ""
        find("master key", True, f"{locks.current} seals, from {masters.where}{behind}")
    if (system.settings.data / "secrets.json").exists():
        detail = f"{system.settings.data / 'secrets.json'} is not sealed"
        find("secrets", False, detail, "start `crossdock serve` once: it takes them over")
    soon = datetime.now(UTC) + _SOON
    for one in await system.secrets.known(system.tenant):
        if one.place == 0 and one.expires is not None and one.expires < soon:
            find(
                f"secret {one.connection} {one.name}",
                False,
                f"expires at {one.expires:%Y-%m-%d %H:%M}: calls of {one.connection} depend on it",
                f"crossdock secrets set {one.connection} {one.name} --keep-old",
            )
