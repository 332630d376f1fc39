"""What the audit keeps of each act, and who may touch it."""

from __future__ import annotations

import asyncio
import hashlib
import json

import asyncpg
import pytest

from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit, Filter
from crossdock.access.audit_attempts import MOST_KINDS, WINDOW, Attempts
from crossdock.access.audit_form import GENESIS, LARGEST_VALUE, Entry
from crossdock.access.audit_signer import Signer
from crossdock.errors import Broken, Refused
from crossdock.store import Database, Tenant
from crossdock.store.migrate import role_url

RUN = Resource(kind="run", id="7")


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
def audit(database: Database, tmp_path) -> Audit:
    return Audit(database, Signer(tmp_path / "audit"))


async def record(audit: Audit, database: Database, tenant: Tenant, who=None, action="run.cancel", **more):
    async with database.of(tenant) as transaction:
        resource = more.pop("resource", RUN)
        await audit.record(transaction, who or person(tenant), action, resource, **more)


async def kept(owner: asyncpg.Connection) -> list[Entry]:
    rows = await owner.fetch("select * from crossdock.audit order by tenant, number")
    return [Entry(**{**dict(row), "roles": tuple(row["roles"])}) for row in rows]


async def test_an_act_leaves_who_what_when_why_and_the_hash_that_the_form_says(
    audit, database, tenant, owner
):
    who = person(tenant, origin="10.0.0.7", roles=frozenset({"order-desk", "approver"}))
    for n in range(3):
        await record(
            audit,
            database,
            tenant,
            who,
            resource=Resource(kind="run", id=str(n)),
            why="the customer called, twice \u00e9\u4e2d\U0001f4e6",
            before={"status": "active"},
            after={"status": "cancelled", "n": n},
        )
    rows = await kept(owner)
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[0].previous == GENESIS
    for n, row in enumerate(rows):
        assert row.hash == row.digest()
        assert n == 0 or row.previous == rows[n - 1].hash
        assert (row.actor, row.roles, row.on_id) == ("alice", ("approver", "order-desk"), str(n))
        assert row.after == f'{{"n":{n},"status":"cancelled"}}'
        assert row.origin == "10.0.0.7"


async def test_the_form_is_what_the_documentation_says_it_is(audit, database, tenant, owner):
    """By hand, from the words at the head of `audit_form` alone."""
    await record(audit, database, tenant, person(tenant, behind="bob"), why="so", after=[1])
    row = (await owner.fetch("select * from crossdock.audit"))[0]
    texts = [str(row["home"]), "human", "alice", "bob", "1", "viewer", "run.cancel", "run", "7", "done", "so"]
    texts += ["", "1", "", "[1]"]
    body = b"".join(len(text.encode()).to_bytes(4, "big") + text.encode() for text in texts)
    at = round(row["at"].timestamp() * 1_000_000)
    numbers = b"".join(number.to_bytes(8, "big") for number in (tenant.id, 1, at))
    assert row["hash"] == hashlib.sha256(b"crossdock.audit.1" + bytes(32) + numbers + body).digest()


async def test_there_is_no_entry_without_its_act(audit, database, tenant, owner):
    await record(audit, database, tenant)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the act fails after its entry
        async with database.of(tenant) as transaction:
            await audit.record(transaction, person(tenant), "run.cancel", RUN)
            raise ZeroDivisionError
    await record(audit, database, tenant)
    assert [row.number for row in await kept(owner)] == [1, 2]
    assert (await audit.verify(tenant)).good


async def test_acts_of_an_operator_stand_in_the_tenant_that_it_acts_on_and_say_whose_it_is(
    audit, database, tenant
):
    operator = await database.create_tenant("operator")
    who = person(operator, id="root", roles=frozenset({"operator-admin"}))
    await record(audit, database, tenant, who)
    async with database.engine() as transaction:
        await audit.record(transaction, who, "run.cancel", RUN)
        await audit.record(transaction, who, "tenant.change", RUN, tenant=tenant.id)
    there = (await audit.entries(tenant)).items
    assert [(one.home, one.actor, one.action) for one in there] == [
        (operator.id, "root", "tenant.change"),
        (operator.id, "root", "run.cancel"),
    ]
    assert len((await audit.entries(operator)).items) == 1
    assert (await audit.verify(tenant)).good
    assert (await audit.verify(operator)).good


async def test_what_is_large_is_kept_as_its_digest_and_size(audit, database, tenant):
    value = {"text": "x" * LARGEST_VALUE}
    text = json.dumps(value, separators=(",", ":")).encode()
    await record(audit, database, tenant, before=value, after={"text": "x"}, why="w" * 5000)
    (entry,) = (await audit.entries(tenant)).items
    assert json.loads(entry.before) == {"$bytes": len(text), "$sha256": hashlib.sha256(text).hexdigest()}
    assert entry.after == '{"text":"x"}'
    assert len(entry.why) == 2000


@pytest.mark.parametrize(
    "value",
    [
        {"password": "geheim"},
        {"connection": {"settings": [{"api_key": "k"}]}},
        {"secrets": ["abc"]},
        {"name": "cdk_3_7f3k2q_s3cr3ts3cr3t"},
        "-----BEGIN PRIVATE KEY-----\nMC4CAQ",
        {"url": "https://user:pass@example.org/"},
        {"header": "Bearer abcdefghijkl"},
        ["eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.sig"],
    ],
)
async def test_a_secret_is_an_error_and_leaves_nothing(audit, database, tenant, owner, value):
    for side in ("before", "after"):
        with pytest.raises(Refused) as refused:
            await record(audit, database, tenant, **{side: value})
        assert "geheim" not in str(refused.value)
    assert await kept(owner) == []


async def test_what_is_said_of_secrets_is_none(audit, database, tenant):
    await record(audit, database, tenant, after={"password": True, "token": None, "api_key": ""})
    await record(audit, database, tenant, why="the key cdk_3_7f3k2q_s3cr3t was sent by mail\0\ud800")
    (entry, _) = (await audit.entries(tenant)).items
    assert entry.why == "the key [secret] was sent by mail\ufffd?"
    assert (await audit.verify(tenant)).good


async def test_what_is_no_act_or_no_json_is_refused(audit, database, tenant):
    with pytest.raises(Broken):
        await record(audit, database, tenant, action="Something else")
    for value in (object(), float("nan"), {"a": {1, 2}}):
        with pytest.raises(Refused):
            await record(audit, database, tenant, after=value)
    deep: list = []
    for _ in range(60):
        deep = [deep]
    with pytest.raises(Refused):
        await record(audit, database, tenant, after=deep)


async def test_writers_on_many_connections_leave_one_chain_without_gaps(url, tenant, tmp_path):
    other = None
    databases = [await Database.open(url, app_connections=4) for _ in range(3)]
    try:
        other = await databases[0].create_tenant("zeta")
        audits = [Audit(database) for database in databases]

        async def write(n: int, to: Tenant) -> None:
            for k in range(8):
                async with databases[n % 3].of(to) as transaction:
                    await audits[n % 3].record(
                        transaction, person(to, id=f"p{n}"), "run.cancel", RUN, after={"k": k}
                    )

        await asyncio.gather(*(write(n, to) for n in range(9) for to in (tenant, other)))
        for to in (tenant, other):
            report = await audits[0].verify(to)
            assert (report.entries, report.faults) == (72, [])
    finally:
        for database in databases:
            await database.close()


async def test_entries_are_found_by_who_what_on_what_and_when(audit, database, tenant):
    for n in range(7):
        who = person(tenant, id="key:1", kind="key", behind="alice") if n % 2 else person(tenant, id="bob")
        action, thing = ("key.change", Resource(kind="key", id=f"k{n}")) if n > 4 else ("run.cancel", RUN)
        await record(
            audit, database, tenant, who, action, resource=thing, outcome="failed" if n == 3 else "done"
        )

    async def numbers(**wanted) -> list[int]:
        return [one.number for one in (await audit.entries(tenant, Filter(**wanted))).items]

    assert await numbers(actor="alice") == [6, 4, 2]
    assert await numbers(actor="bob", action="run.cancel") == [5, 3, 1]
    assert await numbers(on_kind="key") == [7, 6]
    assert await numbers(on_kind="key", on_id="k5") == [6]
    assert await numbers(outcome="failed") == [4]
    everything = (await audit.entries(tenant)).items
    assert await numbers(since=everything[1].at) == [7, 6]
    assert await numbers(until=everything[1].at) == [5, 4, 3, 2, 1]
    first = await audit.entries(tenant, most=4)
    second = await audit.entries(tenant, cursor=first.next, most=4)
    assert [one.number for one in first.items + second.items] == [7, 6, 5, 4, 3, 2, 1]
    assert second.next is None


async def test_a_tenant_neither_sees_nor_verifies_entries_of_another(audit, database, tenant, owner):
    other = await database.create_tenant("zeta")
    await record(audit, database, tenant)
    for _ in range(2):
        await record(audit, database, other)
    assert [one.tenant for one in (await audit.entries(tenant)).items] == [tenant.id]
    lines = [line async for line in audit.export(tenant)]
    assert len(lines) == 3
    assert all("zeta" not in line for line in lines)
    await owner.execute("update crossdock.audit set why = 'x' where tenant = $1", other.id)
    assert (await audit.verify(tenant)).good
    assert not (await audit.verify(other)).good
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.of(tenant) as transaction:
            await transaction.execute(
                "insert into crossdock.audit_head values ($1, 1, now(), '', '')", other.id
            )


@pytest.mark.parametrize("role", ["crossdock_app", "crossdock_engine"])
async def test_no_role_of_ours_can_change_or_delete_what_was_recorded(audit, database, tenant, url, role):
    await record(audit, database, tenant)
    await audit.seal(tenant.id)
    connection = await asyncpg.connect(role_url(url, role))
    await connection.execute(f"set crossdock.tenant = '{tenant.id}'")
    for sql in (
        "update crossdock.audit set why = 'x'",
        "delete from crossdock.audit",
        "truncate crossdock.audit",
        "delete from crossdock.audit_head",
        "truncate crossdock.audit_head",
        "update crossdock.audit_checkpoint set entries = 0",
        "delete from crossdock.audit_checkpoint",
        "truncate crossdock.audit_checkpoint",
        "merge into crossdock.audit a using (values (1)) k (n) on a.number = k.n when matched then delete",
        "alter table crossdock.audit disable row level security",
        "select * from crossdock.erase_kept(1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)
    assert await connection.fetchval("select count(*) from crossdock.audit") == 1
    await connection.close()


async def test_equal_attempts_become_one_entry_with_their_count(audit, database, tenant):
    for n in range(500):
        await record(
            audit,
            database,
            tenant,
            outcome="refused",
            resource=Resource(kind="run", id=str(n)),
            why="may not",
        )
    assert [one.count for one in (await audit.entries(tenant)).items] == [1]
    await audit.settle()
    entries = (await audit.entries(tenant)).items
    assert [(one.count, one.outcome, one.actor) for one in entries] == [
        (499, "refused", "alice"),
        (1, "refused", "alice"),
    ]
    await audit.settle()
    assert len((await audit.entries(tenant)).items) == 2
    assert (await audit.verify(tenant)).good


async def test_many_different_attempts_leave_few_entries_and_each_is_counted(audit, database, tenant):
    for n in range(300):
        await record(audit, database, tenant, person(tenant, id=f"p{n}"), outcome="refused")
    await record(audit, database, tenant)  # what is done is not counted with them
    await audit.settle()
    entries = (await audit.entries(tenant)).items
    assert len(entries) == MOST_KINDS + 3
    assert sum(one.count for one in entries) == 301


def test_a_minute_is_counted_together_and_then_told() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    said = dict.fromkeys(("home", "kind", "actor", "action", "on_kind", "origin", "on_id"), "x")
    assert attempts.first(1, dict(said))
    assert not attempts.first(1, dict(said))
    assert attempts.first(2, dict(said))
    assert attempts.over() == []
    now[0] = WINDOW
    assert attempts.over() == [(1, said | {"count": 1})]
    assert attempts.first(1, dict(said))


async def test_a_running_process_settles_and_signs_by_itself(audit, database, tenant):
    running = asyncio.create_task(audit.run())
    try:
        await record(audit, database, tenant)
        while (await audit.verify(tenant)).signed != 1:
            await asyncio.sleep(0.1)
    finally:
        running.cancel()
    assert (await audit.verify(tenant)).good
