"""Keys: what they prove, what they may, and what becomes of those that are not in force."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from crossdock.access import Principal
from crossdock.access.audit import Audit, Filter
from crossdock.access.audit_signer import Signer
from crossdock.access.identity import Identity
from crossdock.access.tenants import Tenants
from crossdock.errors import Conflict, Forbidden, NotFound, NotProven, Refused
from crossdock.store import Database, Tenant

SOON = timedelta(days=1)


@pytest.fixture
async def owner(url):
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database)


@pytest.fixture
def root(tenant: Tenant) -> Principal:
    return Principal(tenant=tenant.id, id="root", kind="human", roles=frozenset({"operator-admin"}))


def person(tenant: Tenant, id_: str, *roles: str) -> Principal:
    return Principal(tenant=tenant.id, id=id_, kind="human", roles=frozenset(roles))


async def known(owner, tenant: Tenant, id_: str, *roles: str) -> Principal:
    """A person of the tenant, as the people's own tests make them."""
    await owner.execute(
        "insert into crossdock.person (tenant, id, roles) values ($1, $2, $3)", tenant.id, id_, list(roles)
    )
    return person(tenant, id_, *roles)


async def refused(identity: Identity, text: str) -> str:
    with pytest.raises(NotProven) as caught:
        await identity.by_bearer(text, origin="10.0.0.9")
    return str(caught.value)


async def test_a_key_says_who_it_is_of_which_tenant_and_what_it_may(identity, tenant, root):
    made = await identity.keys.create(
        tenant, root, roles=["viewer", "order-desk"], scopes=["run.read", "order.read"], name="shop"
    )
    assert made.text.startswith(f"cdk_{tenant.id}_{made.key.id}_")
    assert await identity.by_bearer(made.text, origin="10.0.0.9") == (
        tenant,
        Principal(
            tenant=tenant.id,
            id=f"key:{made.key.id}",
            kind="key",
            name="shop",
            roles=frozenset({"viewer", "order-desk"}),
            scopes=frozenset({"run.read", "order.read"}),
            behind="root",
            origin="10.0.0.9",
        ),
    )


async def test_a_key_without_scopes_may_what_its_roles_may(identity, tenant, root):
    made = await identity.keys.create(tenant, root, roles=["viewer"])
    assert (await identity.by_bearer(made.text, origin=""))[1].scopes is None


async def test_nothing_in_the_database_or_in_a_list_gives_the_key_back(identity, owner, tenant, root):
    made = await identity.keys.create(tenant, root, roles=["viewer"], name="shop")
    secret = made.text.split("_", 3)[3]
    raw = base64.urlsafe_b64decode(secret + "=")
    assert len(raw) == 32
    tables = await owner.fetch("select c.oid::regclass::text as name from pg_class c where relkind in ('r', 'p') "
                               "and relnamespace = 'crossdock'::regnamespace")  # fmt: skip
    for table in tables:
        for row in await owner.fetch(f"select to_jsonb(t)::text as text from {table['name']} t"):
            for form in (secret, raw.hex(), base64.b64encode(raw).decode()):
                assert form not in row["text"], table["name"]
    assert secret not in repr(made)
    assert secret not in repr(await identity.keys.of(tenant))


async def test_a_key_that_is_not_in_force_is_refused_in_the_same_words_whatever_is_wrong(
    identity, database, owner, tenant, root
):
    other = await database.create_tenant("zeta")
    good = await identity.keys.create(tenant, root, roles=["viewer"])
    revoked = await identity.keys.create(tenant, root, roles=["viewer"])
    await identity.keys.revoke(tenant, root, revoked.key.id)
    expired = await identity.keys.create(tenant, root, roles=["viewer"], expires=datetime.now(UTC) + SOON)
    await owner.execute("update crossdock.key set expires = now() where id = $1", expired.key.id)
    anna = await known(owner, tenant, "anna", "tenant-admin")
    hers = await identity.keys.create(tenant, anna, roles=["viewer"])
    await owner.execute("update crossdock.person set suspended = now()")
    prefix, number, id_, secret = good.text.split("_", 3)
    last = "A" if secret[-1] != "A" else "E"
    wrong = [
        "", "x", "cdk", f"{prefix}_{number}_{id_}_", f"{good.text} ", f" {good.text}", f"{good.text}\n",
        f"{prefix}_{number}_{id_}_{secret[:-1]}{last}", f"{prefix}_{number}_{id_}_{secret[:-1]}",
        f"{prefix}_{number}_{'a' * 12}_{secret}", f"{prefix}_{other.id}_{id_}_{secret}",
        f"{prefix}_0{number}_{id_}_{secret}", f"{prefix}_999999999_{id_}_{secret}", f"cdt_{number}_{id_}_{secret}",
        f"CDK_{number}_{id_}_{secret}", revoked.text, expired.text, hers.text, "\0", "é" * 43, "a" * 100_000,
        f"{prefix}_{number}_{id_}_{'A' * 43}",
    ]  # fmt: skip
    assert len({await refused(identity, text) for text in wrong}) == 1
    assert (await identity.by_bearer(good.text, origin=""))[0] == tenant


async def test_a_key_of_another_tenant_does_not_become_one_of_this_by_its_number(
    identity, database, tenant, root
):
    other = await database.create_tenant("zeta")
    theirs = await identity.keys.create(other, root, roles=["viewer"])
    assert (await identity.by_bearer(theirs.text, origin=""))[1].tenant == other.id
    await refused(identity, theirs.text.replace(f"cdk_{other.id}_", f"cdk_{tenant.id}_"))
    assert await identity.keys.of(tenant) == []
    with pytest.raises(NotFound, match="there is no key"):
        await identity.keys.revoke(tenant, root, theirs.key.id)


async def test_when_a_key_was_used_is_written_once_a_minute(identity, owner, tenant, root):
    made = await identity.keys.create(tenant, root, roles=["viewer"])
    assert made.key.used is None
    await identity.by_bearer(made.text, origin="10.0.0.1")
    first = await identity.keys.find(tenant, made.key.id)
    await identity.by_bearer(made.text, origin="10.0.0.2")
    assert await identity.keys.find(tenant, made.key.id) == first
    assert first.used_from == "10.0.0.1"
    await owner.execute("update crossdock.key set used = now() - interval '61 seconds'")
    await identity.by_bearer(made.text, origin="10.0.0.3")
    assert (await identity.keys.find(tenant, made.key.id)).used_from == "10.0.0.3"


async def test_nobody_makes_a_key_that_may_more_than_they(identity, tenant):
    desk = person(tenant, "dora", "order-desk", "viewer")
    admin = person(tenant, "anna", "tenant-admin")
    narrow = Principal(tenant=tenant.id, id="key:x", kind="key", roles=frozenset({"tenant-admin"}),
                       scopes=frozenset({"run.read", "key.change"}))  # fmt: skip
    with pytest.raises(Forbidden, match="dora may not give the role finance-controller"):
        await identity.keys.create(tenant, desk, roles=["viewer", "finance-controller"])
    with pytest.raises(Forbidden, match="dora may not give the role tenant-admin"):
        await identity.keys.create(tenant, desk, roles=["tenant-admin"])
    with pytest.raises(Forbidden, match="anna may not give the role operator-admin"):
        await identity.keys.create(tenant, admin, roles=["operator-admin"])
    with pytest.raises(Forbidden, match=r"may not give run\.cancel"):
        await identity.keys.create(tenant, narrow, roles=["viewer"], scopes=["run.read", "run.cancel"])
    assert (await identity.keys.create(tenant, narrow, roles=["viewer"])).key.scopes == (
        "key.change",
        "run.read",
    )
    assert (await identity.keys.create(tenant, desk, roles=["viewer"])).key.behind == "dora"
    assert (await identity.keys.create(tenant, admin, roles=["finance-controller"])).key.works


async def test_a_key_has_at_most_what_the_person_behind_it_could_give_now(identity, owner, tenant):
    anna = await known(owner, tenant, "anna", "tenant-admin")
    made = await identity.keys.create(tenant, anna, roles=["finance-controller", "viewer"])

    async def roles() -> set[str]:
        return set((await identity.by_bearer(made.text, origin=""))[1].roles)

    assert await roles() == {"finance-controller", "viewer"}
    await owner.execute("update crossdock.person set roles = '{viewer}'")
    assert await roles() == {"viewer"}
    await owner.execute("update crossdock.person set roles = '{}'")
    assert await roles() == set()
    await owner.execute("update crossdock.person set suspended = now()")
    await refused(identity, made.text)


async def test_an_assistants_key_is_an_assistant(identity, tenant, root):
    made = await identity.keys.create(tenant, root, roles=["assistant"])
    assert (await identity.by_bearer(made.text, origin=""))[1].kind == "assistant"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"roles": []}, "a key without a role may nothing"),
        ({"roles": ["two words"]}, "'two words' is no role"),
        ({"roles": [""]}, "'' is no role"),
        ({"roles": [f"r{n}" for n in range(51)]}, "51 roles; at most 50"),
        ({"roles": ["viewer"], "scopes": ["run.reed"]}, "there is no act 'run.reed'\n  mend: did you mean `run.read`?"),
        ({"roles": ["viewer"], "name": "a\nb"}, "a name has at most 100 letters, in one line"),
        ({"roles": ["viewer"], "expires": datetime(2020, 1, 1, tzinfo=UTC)}, "would have expired already"),
        ({"roles": ["viewer"], "expires": datetime(2999, 1, 1)}, "would have expired already"),  # noqa: DTZ001
    ],
)  # fmt: skip
async def test_what_no_key_can_have_is_refused(identity, tenant, root, given, words):
    with pytest.raises(Refused) as caught:
        await identity.keys.create(tenant, root, **given)
    assert words in str(caught.value)
    assert await identity.keys.of(tenant) == []


async def test_making_and_revoking_stand_in_the_audit_without_the_key(identity, audit, tenant, root):
    made = await identity.keys.create(tenant, root, roles=["viewer"], name="shop")
    gone = await identity.keys.revoke(tenant, root, made.key.id, why="the shop closed")
    assert (gone.works, gone.revoked_by) == (False, "root")
    with pytest.raises(Conflict, match="is revoked already"):
        await identity.keys.revoke(tenant, root, made.key.id)
    revoked, created = (await audit.entries(tenant, Filter(action="key.change"))).items
    assert (created.actor, created.on_id, created.after) == (
        "root", made.key.id, '{"expires":null,"name":"shop","roles":["viewer"],"scopes":null}')  # fmt: skip
    assert (revoked.why, revoked.after) == ("the shop closed", '{"name":"shop","revoked":true}')
    assert await identity.keys.of(tenant) == []
    assert [key.id for key in await identity.keys.of(tenant, revoked=True)] == [made.key.id]


async def test_a_suspended_tenants_key_says_who_it_is_and_a_deleted_ones_nothing(
    identity, database, audit, tenant, tmp_path
):
    operator = await database.create_tenant("operator")
    by = Principal(tenant=operator.id, id="root", kind="human", roles=frozenset({"operator-admin"}))
    tenants = Tenants(database, Audit(database, Signer(tmp_path / "audit")))
    made = await identity.keys.create(tenant, by, roles=["viewer"])
    await tenants.suspend(tenant.name, by, why="unpaid")
    assert (await identity.by_bearer(made.text, origin=""))[0] == tenant  # its people may see why
    await tenants.delete(tenant.name, by, why="gone")
    await refused(identity, made.text)


async def test_attempts_with_keys_that_are_not_in_force_are_recorded_and_counted(
    identity, audit, tenant, root
):
    made = await identity.keys.create(tenant, root, roles=["viewer"])
    for letter in "ABCDEFG":
        await refused(identity, f"cdk_{tenant.id}_{made.key.id}_{letter * 43}")
    await refused(identity, f"cdk_999999_{made.key.id}_{'A' * 43}")
    await identity.settle()
    await audit.settle()
    entries = (await audit.entries(tenant, Filter(outcome="refused"))).items
    assert [(e.actor, e.action, e.on_id, e.origin, e.count) for e in entries] == [
        ("unknown", "key.shown", made.key.id, "10.0.0.9", 6),
        ("unknown", "key.shown", made.key.id, "10.0.0.9", 1),
    ]
