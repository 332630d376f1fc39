"""Buckets that refill, shared by processes: each `Throttle` here is what one process has."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.api.throttle import Draw, Throttle, Throttled, address_of
from crossdock.api.throttle_rules import KINDS, Agreements, Limit, Rules, limits_by_kind
from crossdock.api.throttle_store import Shared
from crossdock.errors import NotFound, Refused, Unreachable
from crossdock.settings import Settings
from crossdock.store import Database, Tenant

SLOW = Limit(amount=30, seconds=3600)  # nothing refills while a test runs


def throttle(database: Database, *, key: str = "", tenant: str = "", address: str = "") -> Throttle:
    return Throttle(
        Shared(database),
        Rules(
            key={"read": Limit.read(key)} if key else {},
            tenant={"read": Limit.read(tenant)} if tenant else {},
            address=Limit.read(address) if address else None,
            database=database,
        ),
    )


async def admitted(one: Throttle, *, tenant: int = 1, key: str = "key:a", times: int = 1) -> int:
    """How many of so many requests at once are let through."""
    done = await asyncio.gather(
        *(one.admit(tenant=tenant, key=key, kind="read") for _ in range(times)), return_exceptions=True
    )
    assert [e for e in done if isinstance(e, BaseException) and not isinstance(e, Throttled)] == []
    return sum(not isinstance(e, BaseException) for e in done)


async def test_a_key_gets_its_bucket_and_then_waits(database):
    one = throttle(database, key="30/hour")
    assert await admitted(one, times=50) == 30
    with pytest.raises(Throttled) as refused:
        await one.admit(tenant=1, key="key:a", kind="read")
    assert 0 < refused.value.retry_after <= 120
    assert refused.value.policies == ("read-key",)
    assert await admitted(one, key="key:b", times=50) == 30
    assert await admitted(one, tenant=2, times=50) == 30


async def test_many_processes_share_one_bucket_and_together_let_no_more_through(database):
    processes = [throttle(database, key="160/hour") for _ in range(4)]
    for _ in range(40):
        done = await asyncio.gather(*(admitted(one, times=2) for one in processes))
        if not any(done):
            break
    others = await asyncio.gather(*(admitted(one, times=160) for one in processes))
    assert others == [0, 0, 0, 0]
    drawn = await database.at_once(
        "select full_at - crossdock.throttle_now() as full_in from crossdock.throttle"
    )
    assert drawn[0]["full_in"] > 3600 * (159 / 160) - 60  # all of it was given out, none twice


async def test_what_is_admitted_in_total_is_the_bucket_and_what_refilled(database):
    limit = Limit.read("40/2 seconds")
    processes = [throttle(database, key="40/2 seconds") for _ in range(3)]
    begun = time.monotonic()
    total = 0
    while time.monotonic() - begun < 1.5:
        total += sum(await asyncio.gather(*(admitted(one, times=5) for one in processes)))
    seconds = time.monotonic() - begun
    assert total <= limit.amount + seconds / limit.each
    assert total >= limit.amount + 1.0 / limit.each / 2  # it does refill


async def test_most_requests_cost_no_statement(database):
    one = throttle(database, key="10000/minute", tenant="100000/minute")
    for _ in range(100):
        assert await admitted(one, times=10) == 10
    assert one.statements < 40


async def test_who_hammers_on_costs_no_statement(database):
    one = throttle(database, key="5/hour")
    await admitted(one, times=10)
    before = one.statements
    assert await admitted(one, times=500) == 0
    assert one.statements == before


async def test_what_a_tenant_may_ask_is_shared_by_its_keys(database):
    one = throttle(database, key="30/hour", tenant="40/hour")
    assert await admitted(one, key="key:a", times=30) == 30
    assert await admitted(one, key="key:b", times=30) == 10
    with pytest.raises(Throttled) as refused:
        await one.admit(tenant=1, key="key:b", kind="read")
    assert refused.value.policies == ("read-tenant",)
    # What was refused for the tenant was not taken from the key.
    (key, tenant) = refused.value.standing.policies
    assert (key.left, tenant.left) == (20, 0)


async def test_other_kinds_of_requests_have_buckets_of_their_own(database):
    rules = Rules(key=limits_by_kind(["read 3/hour", "write 2/hour"]), tenant={})
    one = Throttle(Shared(database), rules)
    for kind, times in (("read", 3), ("write", 2)):
        for _ in range(times):
            await one.admit(tenant=1, key="key:a", kind=kind)
        with pytest.raises(Throttled):
            await one.admit(tenant=1, key="key:a", kind=kind)
    assert (await one.admit(tenant=1, key="key:a", kind="bulk")).headers() == {}  # no limit, no header


async def test_a_heavy_request_takes_more_and_never_more_than_there_can_be(database):
    one = throttle(database, key="30/hour")
    await one.admit(tenant=1, key="key:a", kind="read", weight=28)
    with pytest.raises(Throttled) as refused:
        await one.admit(tenant=1, key="key:a", kind="read", weight=5)
    assert 240 < refused.value.retry_after <= 480
    assert await admitted(one, times=5) == 2  # lighter ones still find what is left
    # Heavier than a whole bucket: it waits for a full one, and not for ever.
    await one.admit(tenant=1, key="key:b", kind="read", weight=10_000)


async def test_headers_tell_what_is_agreed_and_what_is_left(database):
    one = throttle(database, key="30/hour", tenant="50/10 seconds")
    standing = await one.admit(tenant=1, key="key:a", kind="read")
    headers = standing.headers()
    assert headers["RateLimit-Policy"] == '"read-key";q=30;w=3600, "read-tenant";q=50;w=10'
    assert re.fullmatch(r'"read-key";r=29;t=(119|120), "read-tenant";r=49;t=1', headers["RateLimit"])
    await admitted(one, times=29)
    with pytest.raises(Throttled) as refused:
        await one.admit(tenant=1, key="key:a", kind="read")
    assert re.match(r'"read-key";r=0;t=(119|120), ', refused.value.standing.headers()["RateLimit"])


async def test_what_is_left_of_a_portion_goes_back(database):
    store = Shared(database)
    draw = Draw(tenant=1, name="x", each=60.0, span=600.0, want=8)
    (first,) = await store.draw([draw])
    assert (first.granted, round(first.full_in / 60)) == (8, 8)
    (second,) = await store.draw([Draw(tenant=1, name="x", each=60.0, span=600.0, want=1, back=6)])
    assert (second.granted, round(second.full_in / 60)) == (1, 3)
    (third,) = await store.draw([Draw(tenant=1, name="x", each=60.0, span=600.0, want=100, back=1000)])
    assert third.granted == 10  # never more than a whole bucket


async def test_statements_that_meet_in_many_buckets_do_not_lock_each_other_out(database):
    names = [f"k{n}" for n in range(50)]

    def draws(order: list[str]) -> list[Draw]:
        return [Draw(tenant=1, name=name, each=60.0, span=6000.0, want=1) for name in order]

    stores = [Shared(database) for _ in range(6)]
    await asyncio.gather(*(s.draw(draws(names if n % 2 else names[::-1])) for n, s in enumerate(stores * 5)))
    rows = await database.at_once(
        "select round((full_at - crossdock.throttle_now()) / 60) as n from crossdock.throttle"
    )
    assert [row["n"] for row in rows] == [30] * 50


async def test_nothing_of_it_waits_for_the_disk(database):
    (row,) = await database.at_once(
        "select relpersistence::text as kept from pg_class where oid = 'crossdock.throttle'::regclass"
    )
    assert row["kept"] == "u"


async def test_full_buckets_are_forgotten(database):
    store = Shared(database)
    await store.draw([Draw(tenant=1, name="x", each=0.001, span=0.01, want=1)])
    await store.draw([Draw(tenant=1, name="y", each=600, span=6000, want=1)])
    await database.at_once("update crossdock.throttle set full_at = full_at - 61 where name = 'x'")
    await store.tidy()
    assert [row["name"] for row in await database.at_once("select name from crossdock.throttle")] == ["y"]


class Away:
    """A store that does not answer."""

    asked = 0

    async def draw(self, draws):
        self.asked += 1
        raise Unreachable("it is away")


async def test_where_the_store_is_away_each_process_keeps_to_the_limits_by_itself():
    away = Away()
    one = Throttle(away, Rules(key={"read": SLOW}, tenant={}))
    assert await admitted(one, times=100) == 30
    assert away.asked == 1  # and is left alone for a while


async def test_where_the_store_takes_too_long_nobody_waits_for_it():
    class Silent:
        async def draw(self, draws):
            await asyncio.Event().wait()

    one = Throttle(Silent(), Rules(key={"read": SLOW}, tenant={}))
    begun = time.monotonic()
    assert await admitted(one, times=40) == 30
    assert time.monotonic() - begun < 5


# -- who cannot show who they are ------------------------------------------------------------------------


async def test_who_guesses_keys_is_refused_before_the_guess_is_looked_at(database):
    one = throttle(database, address="5/hour")
    for _ in range(5):
        one.refuse_shut("192.0.2.1")
        await one.failed("192.0.2.1")
    with pytest.raises(Throttled):
        await one.failed("192.0.2.1")
    with pytest.raises(Throttled) as refused:
        one.refuse_shut("192.0.2.1")
    assert refused.value.retry_after > 60
    one.refuse_shut("192.0.2.2")  # others are let through


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_subscriber_is_one_address(host, counts):
    assert address_of(host) == counts


# -- what is agreed --------------------------------------------------------------------------------------


async def test_a_key_and_a_tenant_may_have_agreed_on_something_else(database: Database, tenant: Tenant):
    agreements = Agreements(database, Audit(database))
    root = Principal(tenant=tenant.id, id="root", kind="human")
    await agreements.put(
        tenant, root, who="key:big", kind="read", limit=Limit.read("9/hour"), why="asked for"
    )
    await agreements.put(tenant, root, who="", kind="read", limit=Limit.read("12/hour"))
    one = throttle(database, key="5/hour", tenant="100/hour")
    assert await admitted(one, tenant=tenant.id, key="key:big", times=20) == 9
    assert await admitted(one, tenant=tenant.id, key="key:a", times=20) == 3
    other = await database.create_tenant("other")
    assert await admitted(one, tenant=other.id, key="key:big", times=20) == 5
    with pytest.raises(NotFound, match="nothing was agreed"):
        await agreements.put(tenant, root, who="key:a", kind="read", limit=None)
    with pytest.raises(Refused, match="there is no kind"):
        await agreements.put(tenant, root, who="key:a", kind="reed", limit=None)
    await agreements.put(tenant, root, who="key:big", kind="read", limit=None)
    assert await agreements.of(tenant) == {("", "read"): Limit(amount=12, seconds=3600)}
    rows = await database.at_once("select on_id, before, after from crossdock.audit order by number")
    assert [tuple(row) for row in rows] == [
        ("key:big/read", "", '{"limit":"9/hour"}'),
        ("*/read", "", '{"limit":"12/hour"}'),
        ("key:big/read", '{"limit":"9/hour"}', ""),
    ]


async def test_what_is_agreed_is_nothing_that_other_tenants_see(database: Database, tenant: Tenant):
    root = Principal(tenant=tenant.id, id="root", kind="human")
    await Agreements(database, Audit(database)).put(
        tenant, root, who="", kind="read", limit=Limit.read("12/hour")
    )
    other = await database.create_tenant("other")
    sql = "select count(*) from crossdock.throttle_limit"
    async with database.of(other) as transaction:
        assert await transaction.value(sql) == 0
    async with database.of(tenant) as transaction:
        assert await transaction.value(sql) == 1


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("600/minute", 600, 60),
        ("5/second", 5, 1),
        ("50/10 seconds", 50, 10),
        ("9 / 2 hours", 9, 7200),
        ("1/day", 1, 86400),
    ],
)
def test_limits_are_written_as_people_say_them(text, amount, seconds):
    assert Limit.read(text) == Limit(amount=amount, seconds=seconds)
    assert Limit.read(str(Limit.read(text))) == Limit.read(text)


@pytest.mark.parametrize(
    "text", ["", "0/minute", "600", "-1/minute", "1/0 minutes", "x/minute", "1/fortnight", "1.5/hour"]
)
def test_what_is_no_limit_is_refused_with_an_example(text):
    with pytest.raises(Refused, match="is no limit") as refused:
        Limit.read(text, where="throttle_key")
    assert refused.value.mend == "write 600/minute, or 50/10 seconds"


def test_a_limit_for_something_that_is_no_kind_is_refused():
    with pytest.raises(Refused, match="is a limit for nothing"):
        limits_by_kind(["600/minute"])


def test_settings_are_limits_for_every_kind(tmp_path: Path):
    settings = Settings.read(tmp_path, {})
    for texts in (settings.throttle_key, settings.throttle_tenant):
        assert set(limits_by_kind(texts)) == set(KINDS)
    assert Limit.read(settings.throttle_address).amount > 0
