"""What the database cannot do now is told as that, and never as a fault of whoever asked."""

from __future__ import annotations

import pytest

from crossdock.errors import Unreachable
from crossdock.store import Database

# SQLSTATE, and what it means: PostgreSQL raises these by itself when the time has come.
NOT_NOW = {
    "53100": "the disk is full",
    "53200": "out of memory",
    "53300": "too many connections",
    "57014": "cancelled",
    "57P01": "shut down",
    "58030": "the disk cannot be read",
}


@pytest.mark.parametrize("code", NOT_NOW)
async def test_what_passes_by_itself_is_unreachable_and_nothing_is_written(database: Database, code: str):
    sql = f"do $$ begin raise exception 'x' using errcode = '{code}'; end $$"

    async def write() -> None:
        async with database.engine() as transaction:
            await transaction.execute("insert into crossdock.tenant (name) values ('acme')")
            await transaction.execute(sql)  # type: ignore[arg-type]

    with pytest.raises(Unreachable) as raised:
        await write()
    assert raised.value.retry_after == 1
    with pytest.raises(Unreachable):
        await database.at_once(sql)  # type: ignore[arg-type]
    assert await database.tenants() == []
