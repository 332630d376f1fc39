"""What Crossdock stands on here: a disk that can be filled, PostgreSQL on it, and Crossdock's own processes.

The disk is a small file system of its own where we may mount one (as root). Where not, a limit on the size of
files stands for it (RLIMIT_FSIZE): then PostgreSQL cannot begin another segment of its log, which it answers as it
answers a full disk there: it stops, and recovers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from crossdock.errors import CrossdockError
from crossdock.store import EmbeddedServer
from crossdock.store.embedded import _account, _run

_DISK_MB = 1400
_FILE_LIMIT = 15 * 2**20  # less than a segment of the log
TESTS = Path(__file__).parents[1]


@dataclass(slots=True)
class Ground:
    """PostgreSQL of one round, in `folder`/server."""

    folder: Path
    struck: Counter[str] = field(default_factory=Counter)
    mounted: bool = False
    wrong: list[str] = field(default_factory=list)
    _server: EmbeddedServer | None = None

    @property
    def place(self) -> Path:
        """The directory of the embedded server."""
        return self.folder / "server"

    async def start(self) -> None:
        """Mount the disk and start the server, by two at once."""
        self.place.mkdir(parents=True)
        done = await asyncio.to_thread(
            subprocess.run,
            ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m,mode=755", "torture", str(self.place)],
            capture_output=True,
            check=False,
        )
        self.mounted = done.returncode == 0
        await self.open_twice()

    async def close(self, keep: Path | None = None) -> None:
        """Stop the server, `keep` a copy of what it holds, and unmount the disk."""
        if self._server is not None:
            with contextlib.suppress(CrossdockError):
                await asyncio.to_thread(self._server.close)
        if keep is not None and self.mounted:
            copy = ["cp", "-a", str(self.place / "postgres"), str(keep)]
            await asyncio.to_thread(subprocess.run, copy, check=False)
        if self.mounted:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(self.place)], check=False)

    @property
    def socket(self) -> Path:
        """The folder of the server's socket."""
        assert self._server is not None
        return self._server.socket

    def url(self) -> str:
        """The owner's address, not through the line."""
        assert self._server is not None
        return self._server.url()

    async def open_twice(self) -> None:
        """Two processes start the server of one directory at once: both must get it, and it must be one."""
        self.struck["two starts of one directory at once"] += 1
        openers = [self._opener() for _ in range(2)]
        said = await asyncio.gather(*(asyncio.to_thread(self._first_line, one) for one in openers))
        if said != [b"open\n", b"open\n"]:
            errors = [one.stderr.read().decode()[-800:] if one.poll() is not None else "" for one in openers]  # type: ignore[union-attr]
            self.wrong.append(f"two starts at once: one did not get the server: {errors}")
        if self._server is None:
            self._server = await asyncio.to_thread(EmbeddedServer.open, self.place)
        for one in openers:
            with contextlib.suppress(OSError):
                one.communicate(timeout=30)
        if self.postmaster() is None:
            self.wrong.append("two starts at once: the server does not run after both have ended")
            await asyncio.to_thread(EmbeddedServer.open, self.place)

    def _opener(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "torture.opener", str(self.place)],
            cwd=TESTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @staticmethod
    def _first_line(opener: subprocess.Popen[bytes]) -> bytes:
        assert opener.stdout is not None
        return opener.stdout.readline()

    def postmaster(self) -> psutil.Process | None:
        """The server's first process, if it lives."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.place / "postgres" / "postmaster.pid").read_text().split()[0]))
            if "postgres" in process.name():
                return process
        return None

    async def stop_at_once(self) -> None:
        """Stop it as pg_ctl does in immediate mode: no checkpoint, nobody is waited for."""
        data = self.place / "postgres"
        await asyncio.to_thread(
            _run, "pg_ctl", ["-D", str(data), "-m", "immediate", "-w", "stop"], _account(data)
        )

    def kill(self) -> None:
        """Kill the first process; its children find out by themselves."""
        process = self.postmaster()
        if process is not None:
            process.kill()

    def kill_backend(self, choose: Callable[[list[psutil.Process]], psutil.Process]) -> bool:
        """Kill a process that serves a connection: the server then restarts by itself."""
        process = self.postmaster()
        children = [
            one for one in (process.children() if process else []) if "crossdock_" in " ".join(one.cmdline())
        ]
        if not children:
            return False
        choose(children).kill()
        return True

    async def fill_disk(self, seconds: float) -> None:
        """Leave no room for a while, and make the server want some."""
        filler = self.place / "filler"
        process = self.postmaster()
        if self.mounted:
            await asyncio.to_thread(_fill, filler)
        elif process is not None:
            _limit(process, _FILE_LIMIT)
        self.struck["disk full" if self.mounted else "no larger files"] += 1
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                with contextlib.suppress(
                    OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError
                ):
                    connection = await asyncpg.connect(self.url(), timeout=2)
                    try:
                        await connection.execute(
                            "select pg_logical_emit_message(false, 'torture', 'x', false); select pg_switch_wal()"
                        )
                    finally:
                        connection.terminate()
                await asyncio.sleep(0.15)
        finally:
            filler.unlink(missing_ok=True)
            if not self.mounted and (process := self.postmaster()) is not None:
                _limit(process, resource.RLIM_INFINITY)
        await self.ensure()

    async def ensure(self) -> None:
        """Start the server where it does not run, and wait until it takes connections."""
        for n in range(100):
            if self.postmaster() is None or n % 30 == 29:  # it lives and takes nobody in: a start mends that
                await self.open_twice()
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                connection = await asyncpg.connect(self.url(), timeout=5)
                await connection.close()
                return
            await asyncio.sleep(0.1)
        self.wrong.append("the database does not come back")


def _fill(filler: Path) -> None:
    """Take all the room there is on its file system."""
    file = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        free = os.fstatvfs(file)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file, 0, max(1, free.f_bavail * free.f_frsize))
        os.lseek(file, 0, os.SEEK_END)
        with contextlib.suppress(OSError):
            while os.write(file, bytes(4096)):
                pass
    finally:
        os.close(file)


def _limit(process: psutil.Process, size: int) -> None:
    with contextlib.suppress(psutil.Error, OSError):
        for one in (process, *process.children()):
            hardest = resource.prlimit(one.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (size if size >= 0 else hardest, hardest))


def runs(said: Path) -> bool:
    """Whether a process has said that it runs."""
    return any(word in said.read_text() for word in ('"url"', '"worker"'))


@dataclass(slots=True)
class Hand:
    """One process of Crossdock, started again whenever it ends."""

    number: int
    folder: Path
    arguments: tuple[str, ...]
    environment: dict[str, str]
    skews: tuple[float, ...]
    struck: Counter[str]
    starts: int = 0
    skew: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    frozen: bool = False
    fell: list[str] = field(default_factory=list)  # ends of its own, after it had said that it runs
    _stopping: bool = False
    _killed: bool = False
    _task: asyncio.Task[None] | None = None
    _pauses: Callable[[], float] = field(default=lambda: 0.3)

    def begin(self) -> None:
        """Start it, and keep it running."""
        self._task = asyncio.create_task(self._keep())

    @property
    def log(self) -> Path:
        """What it says on standard error, of all its lives."""
        return self.folder / f"crossdock-{self.number}.log"

    def _spawn(self) -> Path:
        self.skew = self.skews[(self.number + 3 * self.starts) % len(self.skews)] if self.starts else 0.0
        if "serve" in self.arguments:
            self.skew = 0.0  # a door with a wrong clock refuses what is signed with a time
        if self.skew:
            self.struck["worker started with a wrong clock"] += 1
        self.starts += 1
        said = self.folder / f"crossdock-{self.number}.{self.starts}.out"
        with self.log.open("ab") as errors, said.open("wb") as out:
            errors.write(f"== start {self.starts}, clock {self.skew:+g} h\n".encode())
            errors.flush()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "torture.skewed", str(self.skew), *self.arguments],
                cwd=TESTS,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
            )
        return said

    async def _keep(self) -> None:
        while not self._stopping:
            said = self._spawn()
            assert self.process is not None
            while self.process.poll() is None:
                await asyncio.sleep(0.05)
            if not self._asked_to_end():
                if not runs(said) and '"Unreachable"' in said.read_text():
                    self.struck["start given up, the database was away"] += 1
                else:
                    words = (said.read_text() + self.log.read_text())[-300:]
                    status = self.process.returncode
                    self.fell.append(f"process {self.number} ended by itself, status {status}: {words}")
            self._killed = False
            await asyncio.sleep(self._pauses())

    def _asked_to_end(self) -> bool:
        return self._stopping or self._killed

    def kill(self) -> bool:
        """SIGKILL; gives whether there was anything to kill."""
        if self.process is None or self.process.poll() is not None:
            return False
        self._killed = True
        self.process.kill()
        return True

    async def freeze(self, seconds: float) -> bool:
        """Stop it in its tracks for a while."""
        process = self.process
        if process is None or process.poll() is not None:
            return False
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
        return True

    def has_port(self, port: int) -> bool:
        """Whether one of its connections begins at this port."""
        return any(one.laddr.port == port for one in self._connections())

    def calls_port(self, port: int) -> bool:
        """Whether one of its connections leads to this port."""
        return any(one.raddr and one.raddr.port == port for one in self._connections())

    def _connections(self) -> list[Any]:
        if self.process is None or self.process.poll() is not None:
            return []
        with contextlib.suppress(psutil.Error):
            return list(psutil.Process(self.process.pid).net_connections("tcp"))
        return []

    async def end(self) -> int | None:
        """Tell it to end in good order; gives its status, None where it had to be killed."""
        self._stopping = True
        process = self.process
        status: int | None = None
        if process is not None and process.poll() is None:
            process.terminate()
            for _ in range(600):
                if process.poll() is not None:
                    break
                await asyncio.sleep(0.05)
            else:
                process.kill()
                process.wait()
                self.fell.append(f"process {self.number} did not end within 30 s of SIGTERM")
        if process is not None:
            status = process.poll()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        return status
