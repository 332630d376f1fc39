"""Bring a database to the form that this code knows: numbered SQL files, applied in order, each once.

All that is pending is applied in one transaction under an advisory lock, so that many processes may start at
once and a failure leaves nothing half done. Forward only; a database that is newer than the code is refused.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString
from urllib.parse import urlsplit

import asyncpg

from crossdock.errors import Broken, Refused, Unreachable
from crossdock.store.reachable import reachable

ENGINE_ROLE: LiteralString = "crossdock_engine"
APP_ROLE: LiteralString = "crossdock_app"
_LOCK = 0x63726F7373646F63  # "crossdoc"
LOCK_TIMEOUT = "15s"

# How the engine's statements are planned: they join small arrays with keys, so an index is always right, and
# a plan made on an empty table stays right when the table has grown. For the same reason they join with
# `t.id = any(array[k.id])` where `t.id = k.id` is meant: only a probe for each row of the array can serve
# that, while a join on `=` may be planned as a walk through the whole index, as cheap while it is empty.
_ENGINE_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_memoize": "off",
    "jit": "off",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}
_APP_SETTINGS = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s", "jit": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered file; `checksum` tells whether it is still the one that was applied."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """The migrations that this code carries, in order."""
    found = [
        Migration(number=int(file.name[:4]), name=file.name[5:-4], sql=file.read_text())
        for file in resources.files("crossdock.store").joinpath("migrations").iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda m: m.number)


async def migrate(url: str) -> list[int]:
    """Apply what is pending to the database at `url`, as its owner; give the numbers that were applied.

    Raises `Refused` when the database is newer than the code or the user may not do it, `Broken` when an
    applied file has changed since, `Unreachable` when there is no database.
    """
    try:
        connection = await asyncpg.connect(url, statement_cache_size=0)
    except (asyncpg.ClientConfigurationError, ValueError):
        # Not with its words: they quote what was taken for a port or a scheme, which may be of the password.
        raise Refused(
            "this is no address of a database",
            where="DATABASE_URL",
            mend="write postgresql://user:password@host/database; in the password %2F for /, %23 for #",
        ) from None
    except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise Refused(
            f"the database does not let us in: {error}",
            where="DATABASE_URL",
            mend="create the database, and give its name and a user with a password that it knows",
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise Unreachable(
            f"the database cannot be reached: {error}", mend="see that it runs and that DATABASE_URL names it"
        ) from error
    try:
        with reachable():
            async with connection.transaction():
                return await _apply(connection, url)
    except asyncpg.LockNotAvailableError as error:
        raise Unreachable(
            "another process holds locks that the migration needs",
            mend="end long transactions, or try again later",
            retry_after=30,
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(
            f"the database user may not set Crossdock up: {error}",
            mend="give DATABASE_URL of a user that owns the database and may create roles",
        ) from error
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection[asyncpg.Record], url: str) -> list[int]:
    await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    if await connection.fetchval("select current_setting('server_version_num')::int") < 150000:
        raise Refused("the database is older than PostgreSQL 15", mend="use PostgreSQL 15 or newer")
    await connection.execute("create schema if not exists crossdock")
    await connection.execute(
        "create table if not exists crossdock.migration (number integer primary key, name text not null, "
        "checksum text not null, applied timestamptz not null default statement_timestamp())"
    )
    applied = {
        row["number"]: row
        for row in await connection.fetch("select number, name, checksum from crossdock.migration")
    }
    known = {m.number: m for m in migrations()}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise Refused(
            f"the database is newer than this Crossdock: it has migration {newer[-1]} "
            f"({applied[newer[-1]]['name']}), the newest known here is {max(known)}",
            mend="use the Crossdock release that migrated it, or a newer one",
        )
    for number, row in applied.items():
        if row["checksum"] != known[number].checksum:
            raise Broken(
                f"migration {number} ({row['name']}) was applied in another form than this code carries",
                mend="use the Crossdock release that migrated the database",
            )
    await _roles(connection, url)
    pending = [m for number, m in known.items() if number not in applied]
    for migration in pending:
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into crossdock.migration (number, name, checksum) values ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
    return [m.number for m in pending]


async def _roles(connection: asyncpg.Connection[asyncpg.Record], url: str) -> None:
    database = await connection.fetchval("select quote_ident(current_database())")
    for role, settings in ((ENGINE_ROLE, _ENGINE_SETTINGS), (APP_ROLE, _APP_SETTINGS)):
        found = await connection.fetchrow(
            "select rolsuper, rolbypassrls from pg_roles where rolname = $1", role
        )
        if found is None:
            await connection.execute(
                f"create role {role} login nosuperuser nocreatedb nocreaterole nobypassrls"
            )
        elif found["rolsuper"] or found["rolbypassrls"]:
            raise Refused(
                f"the role {role} may bypass row-level security",
                mend=f"alter role {role} nosuperuser nobypassrls",
            )
        password = role_password(url, role)
        if password and found is None:
            await connection.execute(f"alter role {role} password '{password}'")
        await connection.execute(f"grant connect on database {database} to {role}")
        for name, value in settings.items():
            await connection.execute(f"alter role {role} in database {database} set {name} = '{value}'")


def role_password(url: str, role: str) -> str:
    """The password of one of our roles, derived from the owner's in `url`; empty where that has none."""
    owner = urlsplit(url).password
    return hmac.new(owner.encode(), role.encode(), hashlib.sha256).hexdigest() if owner else ""


def role_url(url: str, role: str) -> str:
    """The address `url` for another user of ours."""
    parts = urlsplit(url)
    password = role_password(url, role)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}{':' + password if password else ''}@{host}").geturl()
