"""The embedded server: shared, stopped by the last, and not disturbed by kills."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from crossdock.errors import Refused
from crossdock.store import EmbeddedServer, migrate


def _postmaster(directory: Path) -> int | None:
    try:
        return int((directory / "postgres" / "postmaster.pid").read_text().split()[0])
    except FileNotFoundError:
        return None


def test_the_last_of_those_who_share_it_stops_the_server(tmp_path):
    first, second = EmbeddedServer.open(tmp_path), EmbeddedServer.open(tmp_path)
    pid = _postmaster(tmp_path)
    first.close()
    assert _postmaster(tmp_path) == pid
    second.close()
    assert _postmaster(tmp_path) is None
    second.close()  # once more does nothing


_OPENS_AND_WAITS = """
import sys, time
from pathlib import Path
from crossdock.store import EmbeddedServer
server = EmbeddedServer.open(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(60)
"""


def _user(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _OPENS_AND_WAITS, str(directory)], stdout=subprocess.PIPE, text=True
    )


def test_two_first_starts_at_once_share_one_server_and_a_killed_user_leaves_nothing_behind(tmp_path):
    users = [_user(tmp_path), _user(tmp_path)]
    try:
        assert [user.stdout.readline() for user in users] == ["open\n", "open\n"]
        pid = _postmaster(tmp_path)
        for user in users:
            user.kill()
            user.wait()
        assert psutil.pid_exists(pid)  # nobody was left to stop it ...
        server = EmbeddedServer.open(tmp_path)
        assert _postmaster(tmp_path) == pid
        server.close()  # ... so the next to come does, as the last
        assert _postmaster(tmp_path) is None
    finally:
        for user in users:
            user.kill()
            user.wait()
            user.stdout.close()


async def test_what_was_committed_survives_the_kill_of_the_server(tmp_path):
    server = await asyncio.to_thread(EmbeddedServer.open, tmp_path)
    connection = await asyncpg.connect(server.url())
    await connection.execute("create table kept (n int); insert into kept values (7)")
    postmaster = psutil.Process(_postmaster(tmp_path))
    children = postmaster.children()
    postmaster.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("select 1")
    again = await asyncio.to_thread(EmbeddedServer.open, tmp_path)
    connection = await asyncpg.connect(again.url())
    assert await connection.fetchval("select n from kept") == 7
    await connection.close()
    server.close()
    again.close()


def test_a_server_that_was_killed_is_revived_and_one_that_runs_is_left_alone(tmp_path):
    server = EmbeddedServer.open(tmp_path)
    pid = _postmaster(tmp_path)
    assert server.revive() is False
    assert _postmaster(tmp_path) == pid
    postmaster = psutil.Process(pid)
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=10)
    assert server.revive() is True
    assert _postmaster(tmp_path) not in (pid, None)
    server.close()
    assert server.revive() is False  # a share that was given back starts nothing
    assert _postmaster(tmp_path) is None


def test_a_killed_server_that_nobody_buries_is_revived(tmp_path):
    """As in a container whose first process does not wait for orphans: here, this one adopts them."""
    adopt, adopts = 36, ctypes.CDLL(None).prctl
    assert adopts(adopt, 1, 0, 0, 0) == 0
    try:
        server = EmbeddedServer.open(tmp_path)
        killed = _postmaster(tmp_path)
        os.kill(killed, signal.SIGKILL)
        assert server.revive() is True
        assert psutil.Process(killed).status() == psutil.STATUS_ZOMBIE
        revived = _postmaster(tmp_path)
        server.close()
        for pid in (killed, revived):
            os.waitpid(pid, 0)
    finally:
        adopts(adopt, 0, 0, 0, 0)


def test_a_pid_file_whose_number_belongs_to_another_program_does_not_stop_the_start(tmp_path):
    server = EmbeddedServer.open(tmp_path)
    lines = (tmp_path / "postgres" / "postmaster.pid").read_text().split("\n")
    server.close()
    (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    server = EmbeddedServer.open(tmp_path)
    assert _postmaster(tmp_path) != os.getpid()
    server.close()


def test_a_directory_of_another_major_version_is_refused_with_the_command_that_converts_it(tmp_path):
    server = EmbeddedServer.open(tmp_path)  # whose directory others may reach, as it should be
    server.close()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Refused, match="of PostgreSQL 16; this Crossdock carries 18") as refused:
        EmbeddedServer.open(tmp_path)
    assert "pg_upgrade" in refused.value.mend
    assert str(tmp_path / "postgres") in refused.value.mend
    # There is no older PostgreSQL here to convert from; so far its first part comes, for root as well.
    done = subprocess.run(["sh", "-c", refused.value.mend], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert (tmp_path / "postgres.new" / "PG_VERSION").read_text().strip() == "18", done.stderr
    assert (tmp_path / "postgres" / "PG_VERSION").read_text().strip() == "16"


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refused, match="cannot be written") as refused:
        EmbeddedServer.open(tmp_path / "file" / "data")
    assert "DATABASE_URL" in refused.value.mend


async def test_a_long_path_works_too(tmp_path):
    directory = tmp_path / ("long-" * 20) / ("longer-" * 8)
    server = await asyncio.to_thread(EmbeddedServer.open, directory)
    await migrate(server.url())
    server.close()
