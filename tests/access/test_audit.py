"""What the audit keeps of each act, and who may touch it."""

from __future__ import annotations

import asyncpg
import pytest

from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit
from crossdock.access.audit_form import GENESIS, Entry
from crossdock.store import Database, Tenant


def person(tenant: Tenant, **more) -> Principal:
    return Principal(
        **{"tenant": tenant.id, "id": "alice", "kind": "human", "roles": frozenset({"viewer"}), **more}
    )


@pytest.fixture
async def owner(url):
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database)


async def test_an_act_leaves_who_what_when_why_and_the_hash_that_the_form_says(
    audit, database, tenant, owner
):
    who = person(tenant, behind="", origin="10.0.0.7", roles=frozenset({"order-desk", "approver"}))
    for n in range(3):
        async with database.of(tenant) as transaction:
            await audit.record(
                transaction,
                who,
                "run.cancel",
                Resource(kind="run", id=str(n)),
                why="the customer called — twice",
                before={"status": "active"},
                after={"status": "cancelled", "n": n},
            )
    rows = [Entry(**{**dict(row), "roles": tuple(row["roles"])}) for row in
            await owner.fetch("select * from crossdock.audit order by number")]  # fmt: skip
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[0].previous == GENESIS
    for n, row in enumerate(rows):
        assert row.hash == row.digest()
        assert n == 0 or row.previous == rows[n - 1].hash
        assert (row.actor, row.roles, row.on_id) == ("alice", ("approver", "order-desk"), str(n))
        assert row.after == f'{{"n":{n},"status":"cancelled"}}'
