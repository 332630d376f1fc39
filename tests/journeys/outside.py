"""Crossdock as a process of its own: started, listened to, ended; and whether anything of it stays behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from crossdock.cli import main

CROSSDOCK = str(Path(sys.executable).with_name("crossdock"))


def environment(**more: str) -> dict[str, str]:
    """This one without what would lead Crossdock elsewhere."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CROSSDOCK_")}
    kept.pop("DATABASE_URL", None)
    return {**kept, "COLUMNS": "120", "LINES": "40", **more}


def crossdock(
    *arguments: str, cwd: Path, seconds: float = 90, **more: str
) -> subprocess.CompletedProcess[str]:
    """Give a command and wait for its end; what goes on for long is a process of its own."""
    if arguments[0] not in ("demo", "serve", "worker"):
        return here(*arguments, cwd=cwd, **more)
    return subprocess.run(
        [CROSSDOCK, *arguments],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def here(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Give a command that ends soon in this process, which has imported what takes each new one seconds."""
    out, err, before, argv = io.StringIO(), io.StringIO(), dict(os.environ), sys.argv
    status: Any = 0
    given = environment(**more)
    os.environ.clear()
    os.environ.update(given)
    sys.argv = ["crossdock", *arguments]
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(before)
    return subprocess.CompletedProcess([*arguments], status, out.getvalue(), err.getvalue())


def wait_for(holds: Callable[[], Any], what: str, *, seconds: float = 60) -> Any:
    """What it gives once that is true."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


def servers_in(directory: Path) -> list[int]:
    """The processes of PostgreSQL that run on a directory, and of ours that name it."""
    return [
        process.info["pid"]
        for process in psutil.process_iter(["pid", "cmdline"])
        if any(str(directory) in part for part in process.info["cmdline"] or [])
    ]


@dataclass
class Running:
    """A command that runs. What it says is read from files, so that no pipe fills up."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    children: set[int] = field(default_factory=set)

    def first_object(self) -> Any:
        """The first line that it says, once it is there."""
        line = wait_for(lambda: "\n" in self.said() and self.said().splitlines()[0], "its first line")
        told = json.loads(line)
        assert "error" not in told, told
        return told

    def said(self) -> str:
        """Standard output so far."""
        assert self.process.poll() is None or self.out.read_text(), self.err.read_text()[-2000:]
        return self.out.read_text()

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 30) -> int:
        """Send a signal and wait for the end; gives the status."""
        self.children |= {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextlib.contextmanager
def running(*arguments: str, cwd: Path, name: str = "run", **more: str) -> Iterator[Running]:
    """Start a command; it is ended at the end, if it has not by then."""
    out, err = cwd / f"{name}.out", cwd / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [CROSSDOCK, *arguments], cwd=cwd, env=environment(**more), stdout=stdout, stderr=stderr
        )
    try:
        yield Running(process, out, err)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Terminal:
    """A command in a terminal, as a person has it; `screen` is all that was written to it."""

    def __init__(self, *arguments: str, cwd: Path, **more: str) -> None:
        self.screen = ""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(CROSSDOCK, [CROSSDOCK, *arguments], environment(TERM="xterm-256color", **more))
        os.set_blocking(self._master, False)
        self.status: int | None = None

    def read(self) -> str:
        """What has been written so far."""
        with contextlib.suppress(BlockingIOError, OSError):
            while piece := os.read(self._master, 65536):
                self.screen += piece.decode(errors="replace")
        return self.screen

    def wait_for(self, words: str, *, seconds: float = 60) -> None:
        """Until these words have been written."""
        wait_for(lambda: words in self.read() or self._gone(), words, seconds=seconds)
        assert words in self.screen, self.screen[-2000:]

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._master, b"\x03")

    def ended(self, *, seconds: float = 30) -> int:
        """Wait for the end; gives the status."""
        wait_for(self._gone, "its end", seconds=seconds)
        assert self.status is not None
        return self.status

    def _gone(self) -> bool:
        self.read()
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def close(self) -> None:
        """End it, if it runs."""
        if not self._gone():
            os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(AssertionError):
                self.ended()
        os.close(self._master)
