"""People: invited, given roles, shut out; signed in with password and codes; and whoever pretends to be them."""

from __future__ import annotations

import asyncio
import statistics
import time

import asyncpg
import pyotp
import pytest

from crossdock.access import Principal
from crossdock.access.audit import Audit, Filter
from crossdock.access.identity import Identity
from crossdock.access.sign_in import From, Half, Signed
from crossdock.errors import Conflict, Forbidden, NotFound, NotProven, Refused, Unreachable
from crossdock.store import Database, Tenant

HERE = From(origin="10.0.0.1", agent="tests")
WORDS = "correct horse battery"


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


@pytest.fixture
async def anna(identity, tenant, root) -> Signed:
    """Anna, who administers; signed in by her link."""
    return await joined(identity, tenant, root, "anna@acme.example", "tenant-admin")


async def joined(identity, tenant, by, email: str, *roles: str) -> Signed:
    link = await identity.people.invite(tenant, by, email=email, roles=roles)
    _, signed = await identity.sign_in.accept(link.path.rpartition("/")[2], password=WORDS, where=HERE)
    return signed


def text(link) -> str:
    return link.path.rpartition("/")[2]


async def who(identity, cookie: str) -> Principal:
    return (await identity.by_session(cookie, origin="10.0.0.1"))[1]


async def not_proven(awaitable) -> str:
    with pytest.raises(NotProven) as caught:
        await awaitable
    return str(caught.value)


async def test_the_first_who_comes_by_the_link_administers_and_the_link_is_used_up(identity, tenant):
    before = await identity.people.first(tenant)
    link = await identity.people.first(tenant)
    await not_proven(identity.people.link(text(before)))  # the newest alone works
    asked = await identity.people.link(text(link))
    assert (asked.purpose, asked.tenant) == ("first", tenant)
    of, signed = await identity.sign_in.accept(
        text(link), password=WORDS, where=HERE, email=" Anna@Acme.example "
    )
    assert of == tenant
    found = await who(identity, signed.cookie)
    assert (found.id, found.kind, found.roles, found.person) == ("anna", "human", {"tenant-admin"}, "anna")
    assert (await identity.people.find(tenant, "anna")).email == "anna@acme.example"
    assert await identity.people.first(tenant) is None
    await not_proven(identity.sign_in.accept(text(link), password=WORDS, where=HERE, email="eve@x.example"))
    assert [one.id for one in await identity.people.of(tenant)] == ["anna"]


async def test_of_two_who_use_a_link_at_once_one_gets_in(identity, tenant):
    link = text(await identity.people.first(tenant))
    tries = [
        identity.sign_in.accept(link, password=WORDS, where=HERE, email=f"{name}@acme.example")
        for name in ("anna", "eve", "ida")
    ]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["NotProven", "NotProven", "tuple"]
    assert len(await identity.people.of(tenant)) == 1


async def test_a_link_of_another_tenant_or_of_yesterday_works_no_more(
    identity, database, owner, tenant, root
):
    other = await database.create_tenant("zeta")
    theirs = await identity.people.invite(other, root, email="eve@zeta.example", roles=["viewer"])
    mine = text(theirs).replace(f"cdl_{other.id}_", f"cdl_{tenant.id}_")
    words = {await not_proven(identity.people.link(one)) for one in (mine, "", "x", text(theirs) + "x")}
    assert len(words) == 1
    await owner.execute("update crossdock.link set expires = now()")
    assert {await not_proven(identity.people.link(text(theirs)))} == words


async def test_looking_at_a_link_uses_up_nothing(identity, tenant, root):
    link = text(await identity.people.invite(tenant, root, email="bob@acme.example", roles=["viewer"]))
    for _ in range(3):
        assert (await identity.people.link(link)).email == "bob@acme.example"


async def test_password_lets_in_and_nothing_else_does(identity, tenant, anna):
    for email in ("anna@acme.example", "ANNA@acme.example "):
        signed = await identity.sign_in.password(tenant, email, WORDS, HERE)
        assert (await who(identity, signed.cookie)).id == "anna"
    wrong = [
        ("anna@acme.example", ""),
        ("anna@acme.example", WORDS + " "),
        ("nobody@acme.example", WORDS),
        ("", ""),
    ]
    assert len({await not_proven(identity.sign_in.password(tenant, *one, HERE)) for one in wrong}) == 1


async def test_one_who_is_shut_out_is_told_what_a_stranger_is(identity, tenant, root, anna):
    await joined(identity, tenant, root, "bob@acme.example", "viewer")
    await identity.people.shut_out(tenant, root, "bob", why="left")
    words = await not_proven(identity.sign_in.password(tenant, "bob@acme.example", WORDS, HERE))
    assert words == await not_proven(identity.sign_in.password(tenant, "no@acme.example", WORDS, HERE))
    await identity.people.let_in(tenant, root, "bob")
    assert isinstance(await identity.sign_in.password(tenant, "bob@acme.example", WORDS, HERE), Signed)


async def test_the_work_for_an_answer_does_not_tell_whether_there_is_an_account(
    database, audit, sealing, tenant, root, owner
):
    identity = Identity(database, audit, sealing)  # at the costs that hold outside of tests
    await joined(identity, tenant, root, "anna@acme.example", "viewer")

    async def one(email: str) -> float:
        await owner.execute("delete from crossdock.sign_in_failure")
        await identity.settle()
        begun = time.process_time()  # what this process works, whatever else the machine does
        await not_proven(identity.sign_in.password(tenant, email, "wrong wrong wrong", HERE))
        return time.process_time() - begun

    await one("warm@acme.example")
    times = {"anna@acme.example": [], "nobody@acme.example": []}
    for _ in range(8):
        for email, found in times.items():
            found.append(await one(email))
    known, unknown = (min(found) for found in times.values())
    # Argon2 takes tens of milliseconds, all the rest one or two.
    assert abs(known - unknown) < 0.5 * statistics.mean((known, unknown))


async def test_whoever_guesses_is_soon_slowed_and_others_are_not(identity, tenant, anna):
    guess = From(origin="203.0.113.9")
    for _ in range(5):
        await not_proven(identity.sign_in.password(tenant, "anna@acme.example", "wrong", guess))
    for password in ("wrong", WORDS):  # also with the right one
        with pytest.raises(Unreachable, match="too many attempts") as caught:
            await identity.sign_in.password(tenant, "anna@acme.example", password, guess)
        assert 0 < caught.value.retry_after <= 60
    elsewhere = From(origin="203.0.113.10")
    assert isinstance(await identity.sign_in.password(tenant, "anna@acme.example", WORDS, elsewhere), Signed)


async def test_accounts_that_do_not_exist_are_slowed_in_the_same_way(identity, tenant):
    for _ in range(5):
        await not_proven(identity.sign_in.password(tenant, "nobody@acme.example", "wrong", HERE))
    with pytest.raises(Unreachable, match="too many attempts"):
        await identity.sign_in.password(tenant, "nobody@acme.example", "wrong", HERE)


async def test_many_guesses_at_once_are_not_looked_at_all_together(identity, tenant, anna):
    guess = From(origin="203.0.113.9")
    tries = [identity.sign_in.password(tenant, "anna@acme.example", f"w{n}", guess) for n in range(15)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, NotProven) for one in found) <= 5


async def test_others_cannot_keep_a_person_out_of_a_browser_that_was_theirs(identity, tenant, anna, owner):
    crowd = [From(origin=f"203.0.113.{n}") for n in range(70)]
    await owner.execute("set search_path = crossdock")
    refused = 0
    for one in crowd:
        try:
            await identity.sign_in.password(tenant, "anna@acme.example", "wrong", one)
        except Unreachable:
            refused += 1
        except NotProven:
            pass
    assert refused >= 5  # the account as a whole is slowed
    stranger = From(origin="198.51.100.7")
    with pytest.raises(Unreachable):
        await identity.sign_in.password(tenant, "anna@acme.example", WORDS, stranger)
    hers = From(origin="198.51.100.7", browser=anna.browser)
    assert isinstance(await identity.sign_in.password(tenant, "anna@acme.example", WORDS, hers), Signed)
    # Neither another person's mark, nor one that was changed, stands in for hers.
    for mark in (anna.browser[:-4] + "AAAA", "x", ""):
        with pytest.raises(Unreachable):
            await identity.sign_in.password(
                tenant, "anna@acme.example", WORDS, From(origin="198.51.100.7", browser=mark)
            )


async def test_a_mark_written_otherwise_gives_no_new_guesses(identity, tenant, anna):
    wrong = 0
    for n in range(15):
        mark = anna.browser[:n] + "\n" + anna.browser[n:]  # decodes to the same
        try:
            await identity.sign_in.password(
                tenant, "anna@acme.example", "wrong", From(origin=f"203.0.113.{n}", browser=mark)
            )
        except NotProven:
            wrong += 1
        except Unreachable:
            pass
    assert wrong == 10


async def codes_on(identity, tenant) -> tuple[str, list[str]]:
    account = await identity.people.find(tenant, "anna")
    secret = await identity.sign_in.begin_codes(tenant, account, WORDS, HERE)
    codes = await identity.sign_in.codes_on(tenant, account, pyotp.TOTP(secret).now(), HERE)
    return secret, codes


async def forget_steps(owner) -> None:
    """As if the codes that were shown so far were of long ago."""
    await owner.execute("update crossdock.person set totp_step = 0")


async def test_with_codes_on_a_password_alone_opens_nothing(identity, tenant, anna, owner):
    secret, _ = await codes_on(identity, tenant)
    await forget_steps(owner)
    half = await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)
    assert isinstance(half, Half)
    await not_proven(identity.by_session(half.text, origin=""))
    await not_proven(identity.sign_in.code(tenant, half.text, "000000", HERE))
    signed = await identity.sign_in.code(tenant, half.text, pyotp.TOTP(secret).now(), HERE)
    assert (await who(identity, signed.cookie)).id == "anna"


async def test_a_code_is_taken_once_also_by_two_at_once(identity, tenant, anna, owner):
    secret, _ = await codes_on(identity, tenant)
    await forget_steps(owner)
    code = pyotp.TOTP(secret).now()
    halves = [await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE) for _ in range(3)]
    found = await asyncio.gather(
        *(identity.sign_in.code(tenant, half.text, code, HERE) for half in halves), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in found) == ["NotProven", "NotProven", "Signed"]


async def test_the_code_that_switched_codes_on_is_not_taken_again(identity, tenant, anna):
    secret, _ = await codes_on(identity, tenant)
    half = await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)
    assert "does not fit" in await not_proven(
        identity.sign_in.code(tenant, half.text, pyotp.TOTP(secret).now(), HERE)
    )


async def test_a_recovery_code_stands_in_once(identity, tenant, anna):
    _, codes = await codes_on(identity, tenant)
    assert len(set(codes)) == 10
    half = await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)
    found = await asyncio.gather(
        *(
            identity.sign_in.code(tenant, half.text, codes[3].upper().replace("-", " "), HERE)
            for _ in range(2)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == ["NotProven", "Signed"]


async def test_codes_are_guessed_no_faster_than_passwords(identity, tenant, anna):
    await codes_on(identity, tenant)
    half = await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)
    for n in range(5):
        await not_proven(identity.sign_in.code(tenant, half.text, f"{n:06}", HERE))
    with pytest.raises(Unreachable, match="too many attempts"):
        await identity.sign_in.code(tenant, half.text, "000000", HERE)


async def test_half_a_sign_in_is_of_one_person_and_tenant(identity, database, tenant, root, anna):
    other = await database.create_tenant("zeta")
    await codes_on(identity, tenant)
    half = await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)
    for of, given in (
        (other, half.text),
        (tenant, half.text[:-8] + "AAAAAAAA"),
        (tenant, anna.browser),
        (tenant, ""),
    ):
        assert "took too long" in await not_proven(identity.sign_in.code(of, given, "000000", HERE))


async def test_a_session_of_one_tenant_says_which(identity, database, tenant, root, anna):
    other = await database.create_tenant("zeta")
    theirs = await joined(identity, other, root, "eve@zeta.example", "tenant-admin")
    assert (await identity.by_session(theirs.cookie, origin=""))[0] == other
    await not_proven(identity.by_session(theirs.cookie.replace(f"_{other.id}_", f"_{tenant.id}_"), origin=""))
    await not_proven(identity.by_bearer(theirs.cookie, origin=""))
    with pytest.raises(NotFound):
        await identity.people.find(tenant, "eve")


async def test_a_session_ends_when_it_is_idle_old_closed_or_its_person_changes(
    identity, tenant, root, owner, anna
):
    async def session() -> str:
        return (await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)).cookie

    idle, old, closed = await session(), await session(), await session()
    assert len({idle, old, closed, anna.cookie}) == 4  # drawn anew each time
    await identity.sign_in.out(closed, HERE)
    await not_proven(who(identity, closed))
    assert await identity.sign_in.out(closed, HERE) is None
    await owner.execute("update crossdock.session set seen = now() - interval '8 hours 1 second'")
    await not_proven(who(identity, idle))
    kept = await session()
    await owner.execute("update crossdock.session set until = now(), seen = now() where origin <> ''")
    await not_proven(who(identity, old))
    await not_proven(who(identity, kept))
    await joined(identity, tenant, root, "bob@acme.example", "tenant-admin")
    for change in (
        identity.people.change(tenant, root, "anna", roles=["viewer"]),
        identity.people.shut_out(tenant, root, "anna"),
    ):
        kept = await session()
        assert (await who(identity, kept)).id == "anna"
        await change
        await not_proven(who(identity, kept))


async def test_another_password_ends_all_sessions_but_the_one_it_was_set_in(identity, tenant, anna):
    other = await identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE)
    account = await identity.people.find(tenant, "anna")
    await not_proven(identity.sign_in.change_password(tenant, account, "wrong", "some other words", HERE))
    now = await identity.sign_in.change_password(tenant, account, WORDS, "some other words", HERE)
    for cookie in (other.cookie, anna.cookie):
        await not_proven(who(identity, cookie))
    assert (await who(identity, now.cookie)).id == "anna"
    await not_proven(identity.sign_in.password(tenant, "anna@acme.example", WORDS, HERE))


async def test_a_reset_sets_another_password_and_ends_codes_and_sessions(identity, tenant, root, anna):
    await codes_on(identity, tenant)
    link = text(await identity.people.reset(tenant, root, "anna", why="lost the phone"))
    _, now = await identity.sign_in.accept(link, password="some other words", where=HERE)
    await not_proven(who(identity, anna.cookie))
    assert (await who(identity, now.cookie)).id == "anna"
    assert isinstance(
        await identity.sign_in.password(tenant, "anna@acme.example", "some other words", HERE), Signed
    )
    await not_proven(identity.sign_in.accept(link, password="some other words", where=HERE))


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaa", "password1234", "anna@acme12", "crossdock123", "x" * 257, "qwerty123456789"],
)
async def test_a_password_that_is_guessed_early_is_not_taken_and_the_link_stays(
    identity, tenant, root, password
):
    link = text(await identity.people.invite(tenant, root, email="anna@acme.example", roles=["viewer"]))
    with pytest.raises(Refused) as caught:
        await identity.sign_in.accept(link, password=password, where=HERE)
    assert "password" in str(caught.value)
    assert (await identity.sign_in.accept(link, password=WORDS, where=HERE))[0] == tenant


async def test_nobody_gives_roles_above_their_own(identity, tenant, root, anna):
    admin, desk = await who(identity, anna.cookie), Principal(
        tenant=tenant.id, id="dora", kind="human", roles=frozenset({"order-desk"}))  # fmt: skip
    await joined(identity, tenant, root, "olga@acme.example", "operator-admin")
    refusals = [
        identity.people.invite(tenant, desk, email="x@acme.example", roles=["tenant-admin"]),
        identity.people.invite(tenant, admin, email="x@acme.example", roles=["operator-admin"]),
        identity.people.change(tenant, admin, "anna", roles=["tenant-admin", "operator-admin"]),
        identity.people.change(tenant, admin, "olga", roles=["viewer"]),
        identity.people.shut_out(tenant, admin, "olga"),
        identity.people.reset(tenant, admin, "olga"),
        identity.people.reset(tenant, desk, "anna"),
        identity.people.change(tenant, desk, "anna", roles=["order-desk", "tenant-admin", "viewer"]),
    ]
    for act in refusals:
        with pytest.raises(Forbidden):
            await act


async def test_links_do_not_outlive_the_right_of_whoever_made_them(identity, tenant, root, anna):
    await joined(identity, tenant, root, "bob@acme.example", "tenant-admin")
    for end in ("change", "shut out", "key"):
        bob = Principal(tenant=tenant.id, id="bob", kind="human", roles=frozenset({"tenant-admin"}))
        made = await identity.keys.create(tenant, bob, roles=["tenant-admin"])
        by_key = (await identity.by_bearer(made.text, origin=""))[1]
        links = [
            text(await identity.people.invite(tenant, by_key, email="eve@x.example", roles=["tenant-admin"])),
            text(await identity.people.invite(tenant, bob, email="ida@x.example", roles=["tenant-admin"])),
        ]
        for link in links:
            assert (await identity.people.link(link)).purpose == "invitation"
        if end == "change":
            await identity.people.change(tenant, root, "bob", roles=["viewer"])
            await identity.people.change(tenant, root, "bob", roles=["tenant-admin"])
        elif end == "shut out":
            await identity.people.shut_out(tenant, root, "bob")
            await identity.people.let_in(tenant, root, "bob")
        else:
            await identity.keys.revoke(tenant, root, made.key.id)
            links = links[:1]
        for link in links:
            await not_proven(identity.people.link(link))


async def test_somebody_who_administers_is_always_left(identity, tenant, root, anna):
    for act in (
        identity.people.change(tenant, root, "anna", roles=["viewer"]),
        identity.people.shut_out(tenant, root, "anna"),
    ):
        with pytest.raises(Conflict, match="anna is the last who administers this tenant"):
            await act
    await joined(identity, tenant, root, "bob@acme.example", "tenant-admin")
    await asyncio.gather(
        identity.people.shut_out(tenant, root, "anna"),
        identity.people.shut_out(tenant, root, "bob"),
        return_exceptions=True,
    )
    left = [one for one in await identity.people.of(tenant) if one.suspended is None]
    assert len(left) == 1


async def test_ids_are_not_given_twice_nor_taken_from_the_machine(identity, tenant, root):
    made = [
        (await joined(identity, tenant, root, email, "viewer")).person
        for email in (
            "bob@acme.example",
            "bob@zeta.example",
            "crossdock@acme.example",
            "Zoë.Ü+x@acme.example",
        )
    ]
    assert made == ["bob", "bob-2", "crossdock-1", "zo-.-x"]
    with pytest.raises(Conflict, match="known here already"):
        await identity.people.invite(tenant, root, email="BOB@acme.example", roles=["viewer"])


@pytest.mark.parametrize(
    "email", ["", "x", "a@b@c.example", "a b@c.example", "a@c.example\nbcc: x", "<a@c.example>"]
)
async def test_what_is_no_address_is_refused(identity, tenant, root, email):
    with pytest.raises(Refused, match="no e-mail address"):
        await identity.people.invite(tenant, root, email=email, roles=["viewer"])


async def test_what_people_do_about_people_stands_in_the_audit_and_no_secret_does(
    identity, audit, tenant, root, anna
):
    await codes_on(identity, tenant)
    await identity.people.change(tenant, root, "anna", roles=["tenant-admin", "viewer"], why="looks as well")
    await not_proven(identity.sign_in.password(tenant, "anna@acme.example", "wrong", HERE))
    await identity.settle()
    entries = [(e.actor, e.action, e.outcome, e.after) for e in (await audit.entries(tenant)).items]
    assert entries == [
        ("anna", "session.opened", "refused", ""),
        ("root", "person.change", "done", '{"roles":["tenant-admin","viewer"]}'),
        ("anna", "person.change", "done", '{"codes":"on"}'),
        ("anna", "session.opened", "done", '{"how":"link"}'),
        ("anna", "person.change", "done", '{"by_link":"invitation","roles":["tenant-admin"]}'),
        ("root", "person.change", "done", '{"invited":"anna@acme.example","roles":["tenant-admin"]}'),
    ]
    refused = (await audit.entries(tenant, Filter(outcome="refused"))).items
    assert refused[0].origin == "10.0.0.1"


async def test_the_database_holds_nothing_that_lets_anybody_in(identity, owner, tenant, root, anna):
    secret, codes = await codes_on(identity, tenant)
    link = text(await identity.people.invite(tenant, root, email="bob@acme.example", roles=["viewer"]))
    secrets = [WORDS, secret, *codes, anna.cookie.rpartition("_")[2], link.split("_", 3)[3]]
    for name in ("person", "session", "link", "audit", "sign_in_failure"):
        for row in await owner.fetch(f"select to_jsonb(t)::text as text from crossdock.{name} t"):
            for one in secrets:
                assert one not in row["text"], name
    assert await owner.fetchval("select password from crossdock.person") != ""
    assert (await owner.fetchval("select password from crossdock.person")).startswith("$argon2id$")
