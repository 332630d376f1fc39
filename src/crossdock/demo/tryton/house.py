"""Tryton on this machine: installed once, its company made once, and copies of it that start in seconds.

    CACHE/tryton-DIGEST/
      venv/       its programs, in a virtual environment of their own
      postgres/   a PostgreSQL cluster with the company, not running; copied for each who starts one
      erp.json    the passwords in it

The digest is of all that the company is made from, so a change makes another. Two that want to make it at
once: one does, the other waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from crossdock.demo.tryton import founding
from crossdock.demo.tryton.erp import Erp
from crossdock.errors import Broken, Unreachable
from crossdock.store import EmbeddedServer
from crossdock.store.embedded import SUPERUSER, binaries

DATABASE = "erp"
ADMIN = "admin"
_HERE = Path(__file__).parent
_START_SECONDS = 90.0
_KEPT_SECONDS = 30 * 86_400.0
_STAGES = (
    # Each with fresh statistics: in one go the looks into the schema take twice as long.
    ("ir", "res"),
    ("account_product",),
    ("account_invoice", "stock"),
    founding.MODULES,
)
# A house that can be made anew need not survive the machine.
_FAST = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nshared_buffers = 128MB\n"
# Ends when whoever started it does: then its input ends.
_WATCHED = '"$@" </dev/null & erp=$!; read -r _; kill -9 $erp 2>/dev/null; wait $erp 2>/dev/null'

Say = Callable[[str], None]


@dataclass(slots=True)
class House:
    """A Tryton that runs, of which nothing is left when it is closed."""

    url: str
    password: str  # of the user of Crossdock
    admin_password: str
    http: aiohttp.ClientSession
    _folder: Path
    _programs: Path
    _port: int
    _process: asyncio.subprocess.Process | None = None

    def connection(self) -> dict[str, Any]:
        """What `connections.yaml` would say of it."""
        return {
            "connector": "tryton",
            "settings": {"url": self.url, "database": DATABASE, "weights": True},
            "secrets": {"user": founding.USER, "password": self.password},
        }

    async def admin(self) -> Erp:
        """A session of its administrator."""
        erp = Erp(self.http, self.url, DATABASE)
        await erp.login(ADMIN, self.admin_password)
        return erp

    async def start(self) -> None:
        """Start the server, and wait until it lets somebody in. Raises `Broken` where it does not."""
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *("sh", "-c", _WATCHED, "sh", str(self._programs / "python"), "-m", "trytond.cli"),
                *("-c", str(self._folder / "trytond.conf"), "-d", DATABASE),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self._folder,
            )
        try:
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    with contextlib.suppress(Unreachable):
                        await self.admin()
                        return
                    if self._process.returncode is not None:
                        break
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        said = log.read_text(errors="replace")[-600:]
        raise Broken(f"Tryton has not started: {said}", where=str(log), mend="read the log")

    async def kill(self) -> None:
        """End the server as a power cut would; `start` starts it again with what it had committed."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):
                child.kill()
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def running(say: Say = lambda _: None, *, cache: Path | None = None) -> AsyncIterator[House]:
    """Start a Tryton with an empty company; what it takes is installed and made at the first time."""
    home = await asyncio.to_thread(_made, say, cache or _cache())
    folder = Path(tempfile.mkdtemp(prefix="cd-tryton-"))
    server: EmbeddedServer | None = None
    try:
        say("Starting Tryton ...")
        await asyncio.to_thread(_copied, home / "postgres", folder / "postgres")
        server = await asyncio.to_thread(EmbeddedServer.open, folder)
        async with _served(home, folder, server) as house:
            yield house
    finally:
        if server is not None:
            await asyncio.to_thread(server.close)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _served(home: Path, folder: Path, server: EmbeddedServer) -> AsyncIterator[House]:
    known = json.loads((home / "erp.json").read_text())
    port = _free_port()
    _configure(folder, server, port)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        house = House(
            url=f"http://127.0.0.1:{port}",
            password=known.get("password", ""),
            admin_password=known["admin_password"],
            http=http,
            _folder=folder,
            _programs=home / "venv" / "bin",
            _port=port,
        )
        try:
            await house.start()
            yield house
        finally:
            await house.kill()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossdock"


def _digest() -> str:
    """Names what the company is made from: the programs, what is put in, the years that it has."""
    texts = [(_HERE / name).read_bytes() for name in ("requirements.txt", "founding.py")]
    texts += [str(date.today().year).encode(), sys.version.encode()]  # noqa: DTZ011 - Tryton's own calendar
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


def _made(say: Say, cache: Path) -> Path:
    """The folder with programs and company, made where it is not there yet."""
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"tryton-{_digest()}"
    with _alone(cache / "tryton.lock"):
        if not (home / "ready").exists():
            say(f"Installing Tryton and making its company in {home} (once, about two minutes) ...")
            for old in cache.glob("tryton-*"):
                if old == home or _unused(old):
                    shutil.rmtree(old, ignore_errors=True)
            home.mkdir()
            _installed(home, say)
            asyncio.run(_founded(home, say))
        (home / "ready").touch()
    return home


def _unused(home: Path) -> bool:
    """Whether nobody has started one from there for a month."""
    ready = home / "ready"
    return ready.exists() and time.time() - ready.stat().st_mtime > _KEPT_SECONDS


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _installed(home: Path, say: Say) -> None:
    say("  its programs")
    _run([sys.executable, "-m", "venv", str(home / "venv")], home)
    pip = [str(home / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--disable-pip-version-check", "-r", str(_HERE / "requirements.txt")], home)


async def _founded(home: Path, say: Say) -> None:
    """Make the database with its modules, then the company in it, by HTTP."""
    known = {"admin_password": secrets.token_urlsafe(16)}
    _keep(home / "erp.json", known)
    server = EmbeddedServer.open(home)
    try:
        with (home / "postgres" / "postgresql.auto.conf").open("a") as settings:
            settings.write(_FAST)
        _psql(server, "createdb", DATABASE, "--template=template0")
        _configure(home, server, _free_port())
        (home / "admin.pass").write_text(known["admin_password"])
        email = [
            "--email",
            "admin@northway.example",
        ]  # only at first: later it would cost the administrator's rights
        for modules in _STAGES:
            say(f"  its modules {', '.join(modules)}")
            tool = [str(home / "venv" / "bin" / "python"), "-m", "trytond.cli.admin"]
            tool += ["-c", str(home / "trytond.conf"), "-d", DATABASE, "-u", *modules]
            _run([*tool, "--activate-dependencies", *email], home, TRYTONPASSFILE=str(home / "admin.pass"))
            _psql(server, "psql", "-d", DATABASE, "-qc", "analyze")
            email = []
        (home / "admin.pass").unlink()
        say("  its company")
        async with _served(home, home, server) as house:
            known["password"] = await founding.found(await house.admin())
        _keep(home / "erp.json", known)
    finally:
        server.close()


def _keep(path: Path, known: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(known))


def _configure(folder: Path, server: EmbeddedServer, port: int) -> None:
    (folder / "files").mkdir(exist_ok=True)
    (folder / "trytond.conf").write_text(
        f"[web]\nlisten = 127.0.0.1:{port}\nroot = {folder / 'www'}\n"
        f"[database]\nuri = postgresql://{SUPERUSER}@/?host={server.socket}\npath = {folder / 'files'}\n"
        "[session]\ntimeout = 86400\n"
    )


def _copied(of: Path, to: Path) -> None:
    """A copy of a cluster that does not run, with its owner, whom Python's own copying forgets."""
    _run(["cp", "-Rp", str(of), str(to)], of.parent)


def _psql(server: EmbeddedServer, program: str, *arguments: str) -> None:
    host = ["-h", str(server.socket), "-U", SUPERUSER]
    _run([str(binaries() / program), *host, *arguments], server.directory)


def _run(command: list[str], where: Path, **more: str) -> None:
    """Run a program to its end. Raises `Broken` with the end of what it said."""
    done = subprocess.run(  # noqa: S603 - programs and arguments are ours
        command,
        cwd=where,
        env={**os.environ, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-800:]
        raise Broken(
            f"setting up Tryton failed: {said}", where=" ".join(command[:4]), mend="see what it says"
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
