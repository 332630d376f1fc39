"""Values are sealed by data keys, and those by a master key that is nowhere in the database."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vault_stand_in import TOKEN, stand_in

from crossdock.access import sealing as of_sealing
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing, number_of
from crossdock.errors import Broken, Refused, Unreachable
from crossdock.store import Database, Tenant

BOUND = ("secret", "depot", "key")


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def with_keys(database: Database, folder: Path, *keys: str) -> Sealing:
    return Sealing(database, Masters(folder / "none" / "master.key", given=" ".join(keys)))


@pytest.fixture
def own(database: Database, tmp_path: Path) -> Sealing:
    return Sealing(database, Masters(tmp_path / "keys" / "master.key"))


async def copies(database: Database) -> list[tuple[int, int, str]]:
    async with database.engine() as transaction:
        rows = await transaction.fetch(
            "select tenant, number, master from crossdock.data_key order by 1, 2, 3"
        )
    return [tuple(row) for row in rows]


async def test_the_first_start_makes_a_key_for_its_owner_alone(own, tenant, tmp_path):
    await own.begin(tenant.id)
    file = tmp_path / "keys" / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(base64.b64decode(file.read_text())) == 32
    before = file.read_text()
    await own.begin(tenant.id)
    assert file.read_text() == before


async def test_a_value_opens_where_it_was_bound_and_nowhere_else(own, database, tenant):
    other = await database.create_tenant("other")
    await own.begin(tenant.id)
    sealed = await own.seal(tenant.id, BOUND, b"let me in")
    await own.seal(other.id, BOUND, b"theirs")
    assert b"let me in" not in sealed
    assert await own.open(tenant.id, BOUND, sealed) == b"let me in"
    for tenant_id, bound in (
        (other.id, BOUND),
        (tenant.id, ("secret", "depot", "hook")),
        (tenant.id, ("secret", "other", "key")),
        (tenant.id, ("secret", "depotk", "ey")),
        (tenant.id, ("secret", "depot")),
        (tenant.id, (*BOUND, "")),
    ):
        with pytest.raises(Broken, match="changed, or was put where it does not belong"):
            await own.open(tenant_id, bound, sealed)


async def test_no_changed_byte_opens(own, tenant):
    await own.begin(tenant.id)
    sealed = await own.seal(tenant.id, BOUND, b"x")
    for at in (0, *range(5, len(sealed))):  # bytes 1 to 4 name the data key: no such one
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(Broken):
            await own.open(tenant.id, BOUND, bytes(changed))
    for cut in (b"", sealed[:3], sealed[:17], sealed[:-1]):
        with pytest.raises(Broken):
            await own.open(tenant.id, BOUND, cut)


@given(bound=st.lists(st.text(), min_size=2, max_size=2), data=st.binary(max_size=200))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_sealed_opens_again_and_is_another_each_time(own, tenant, bound, data):
    await own.begin(tenant.id)
    one, two = await own.seal(tenant.id, bound, data), await own.seal(tenant.id, bound, data)
    assert one != two
    assert await own.open(tenant.id, bound, one) == await own.open(tenant.id, bound, two) == data


async def test_a_missing_or_another_master_key_is_told_plainly_and_nothing_is_lost(
    database, tenant, tmp_path
):
    right, wrong = new_key(), new_key()
    first = with_keys(database, tmp_path, right)
    await first.begin(tenant.id)
    sealed = await first.seal(tenant.id, BOUND, b"x")
    before = await copies(database)
    name = first.masters.current().name
    with pytest.raises(Refused, match=f"the secrets are sealed with another master key than held-.*: {name}"):
        await with_keys(database, tmp_path, wrong).begin(tenant.id)
    missing = Sealing(database, Masters(tmp_path / "keys" / "master.key"))
    with pytest.raises(Refused, match=f"sealed with a master key that is not here: {name}"):
        await missing.begin(tenant.id)
    assert not (tmp_path / "keys").exists()  # no new key is made beside what another one sealed
    with pytest.raises(Refused):
        await missing.open(tenant.id, BOUND, sealed)
    with pytest.raises(Refused):
        await with_keys(database, tmp_path, wrong).seal(tenant.id, BOUND, b"y")
    assert await copies(database) == before
    assert await with_keys(database, tmp_path, right).open(tenant.id, BOUND, sealed) == b"x"


@pytest.mark.parametrize("text", ["short", "é" * 32, "00" * 31, base64.b64encode(b"x" * 33).decode()])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path, text):
    masters = Masters(tmp_path / "master.key", given=text)
    with pytest.raises(Refused, match="this is no master key") as refused:
        masters.known()
    assert text not in str(refused.value)
    assert text not in repr(masters)


def test_a_key_may_be_hex_or_base64_in_a_file_with_words_for_people(tmp_path):
    key = secrets.token_bytes(32)
    file = tmp_path / "given"
    file.write_text(f"# of 2026\n{key.hex()}\n{base64.urlsafe_b64encode(key).decode().rstrip('=')}\n")
    one, two = Masters(tmp_path / "master.key", given_file=file).known()
    assert one.name == two.name
    file.write_text("# nothing\n")
    with pytest.raises(Refused, match="no master key in it"):
        Masters(tmp_path / "master.key", given_file=file).known()


async def test_the_master_is_rotated_and_everything_opens_at_any_moment(database, tenant, tmp_path):
    old, new = new_key(), new_key()
    only_old = with_keys(database, tmp_path, old)
    await only_old.begin(tenant.id)
    tenants = [tenant.id, *[(await database.create_tenant(f"t{n}")).id for n in range(20)]]
    sealed = {one: await only_old.seal(one, BOUND, b"%d" % one) for one in tenants}
    both = with_keys(database, tmp_path, new, old)
    late = await database.create_tenant("late")
    by_both = await both.seal(late.id, BOUND, b"late")
    assert await only_old.open(late.id, BOUND, by_both) == b"late"  # who knows only the old one goes on

    done = asyncio.Event()

    async def open_all() -> int:
        looked = 0
        while not done.is_set():
            fresh = with_keys(database, tmp_path, new, old)
            for one, value in sealed.items():
                assert await fresh.open(one, BOUND, value) == b"%d" % one
            looked += 1
        return looked

    looking = asyncio.create_task(open_all())
    assert await both.rotate_master() == 22
    done.set()
    assert await looking >= 1
    only_new = with_keys(database, tmp_path, new)
    await only_new.begin(tenant.id)
    assert await only_new.open(late.id, BOUND, by_both) == b"late"
    assert {master for _, _, master in await copies(database)} == {only_new.masters.current().name}
    with pytest.raises(Refused):
        await with_keys(database, tmp_path, old).begin(tenant.id)


async def test_a_key_of_our_own_is_replaced_while_others_run(own, database, tenant, tmp_path):
    await own.begin(tenant.id)
    other = Sealing(database, Masters(tmp_path / "keys" / "master.key"))
    sealed = await own.seal(tenant.id, BOUND, b"x")
    own.masters.make()
    assert await own.rotate_master() == 1
    assert await other.open(tenant.id, BOUND, sealed) == b"x"  # it reads the file again
    assert stat.S_IMODE((tmp_path / "keys" / "master.key").stat().st_mode) == 0o600
    assert len((tmp_path / "keys" / "master.key").read_text().split()) == 2  # for older backups


def test_a_key_that_is_given_from_outside_is_not_made_here(tmp_path):
    with pytest.raises(Refused, match="given from outside"):
        Masters(tmp_path / "master.key", given=new_key()).make()


async def test_many_that_start_at_once_begin_with_one_key(database, tenant, tmp_path):
    many = [Sealing(database, Masters(tmp_path / "keys" / "master.key")) for _ in range(6)]
    await asyncio.gather(*(one.begin(tenant.id) for one in many))
    sealed = await asyncio.gather(*(one.seal(tenant.id, BOUND, b"x") for one in many))
    assert {number_of(one) for one in sealed} == {1}
    assert [await many[0].open(tenant.id, BOUND, one) for one in sealed] == [b"x"] * 6
    assert len(await copies(database)) == 1


async def test_a_machine_that_starts_without_the_key_beside_one_that_has_it_is_told(
    database, tenant, tmp_path
):
    here = Sealing(database, Masters(tmp_path / "here" / "master.key"))
    there = Sealing(database, Masters(tmp_path / "there" / "master.key"))
    began = await asyncio.gather(here.begin(tenant.id), there.begin(tenant.id), return_exceptions=True)
    (refused,) = [one for one in began if isinstance(one, BaseException)]
    assert isinstance(refused, Refused)
    assert len([one for one in ("here", "there") if (tmp_path / one).exists()]) == 1


async def test_a_new_data_key_seals_what_is_new_and_the_old_one_opens_what_is_old(own, tenant):
    await own.begin(tenant.id)
    old = await own.seal(tenant.id, BOUND, b"old")
    assert await own.new_data_key(tenant.id) == 2
    new = await own.seal(tenant.id, BOUND, b"new")
    assert (number_of(old), number_of(new)) == (1, 2)
    assert await own.open(tenant.id, BOUND, old) == b"old"
    assert await own.open(tenant.id, BOUND, new) == b"new"


async def test_a_data_key_row_that_was_moved_to_another_tenant_does_not_open(own, database, tenant, tmp_path):
    other = await database.create_tenant("other")
    await own.begin(tenant.id)
    await own.seal(other.id, BOUND, b"x")
    async with database.engine() as transaction:
        await transaction.execute(
            "update crossdock.data_key d set sealed = s.sealed from crossdock.data_key s "
            "where d.tenant = $1 and s.tenant = $2",
            other.id,
            tenant.id,
        )
    fresh = Sealing(database, Masters(tmp_path / "keys" / "master.key"))
    with pytest.raises(Broken, match="data key was changed"):
        await fresh.seal(other.id, BOUND, b"y")


# -- Vault, for which a contract server stands -------------------------------------------------------------


def by_vault(database: Database, folder: Path, address: str, token: str = TOKEN, file: Path | None = None):
    masters = Masters(folder / "none" / "master.key", given=address, vault_token=token, vault_token_file=file)
    return Sealing(database, masters)


async def test_the_master_key_may_stay_in_vault(database, tenant, tmp_path):
    async with stand_in() as vault:
        sealing = by_vault(database, tmp_path, vault.address)
        await sealing.begin(tenant.id)
        sealed = await sealing.seal(tenant.id, BOUND, b"x")
        assert await sealing.open(tenant.id, BOUND, sealed) == b"x"
        assert await copies(database) == [(tenant.id, 1, "vault-transit/crossdock")]
        asked = len(vault.asked)
        assert await sealing.open(tenant.id, BOUND, sealed) == b"x"
        assert len(vault.asked) == asked  # not asked for each value
        assert not (tmp_path / "none").exists()


async def test_vault_that_is_away_is_waited_for_and_a_key_in_memory_serves_meanwhile(
    database, tenant, tmp_path, monkeypatch
):
    async with stand_in() as vault:
        running = by_vault(database, tmp_path, vault.address)
        await running.begin(tenant.id)
        sealed = await running.seal(tenant.id, BOUND, b"x")
        vault.status = 503
        monkeypatch.setattr(of_sealing, "FRESH", 0.0)
        assert await running.open(tenant.id, BOUND, sealed) == b"x"
        monkeypatch.setattr(of_sealing, "LONGEST", 0.0)
        with pytest.raises(Unreachable, match="Vault answers 503"):
            await running.open(tenant.id, BOUND, sealed)
        with pytest.raises(Unreachable):
            await by_vault(database, tmp_path, vault.address).begin(tenant.id)
        address = vault.address
    with pytest.raises(Unreachable, match="Vault does not answer"):
        await by_vault(database, tmp_path, address).begin(tenant.id)


async def test_vault_that_does_not_let_us_is_told_without_the_token(database, tenant, tmp_path):
    async with stand_in() as vault:
        with pytest.raises(Refused, match="Vault answers 403") as refused:
            await by_vault(database, tmp_path, vault.address, token="hvs.wrong-one").begin(tenant.id)
        assert "hvs.wrong-one" not in str(refused.value)
        await by_vault(database, tmp_path, vault.address).begin(tenant.id)
        del vault.keys["crossdock"]
        with pytest.raises(Refused, match="Vault answers 400"):
            await by_vault(database, tmp_path, vault.address).begin(tenant.id)


async def test_the_token_for_vault_is_read_from_its_file_each_time(database, tenant, tmp_path):
    token = tmp_path / "token"
    async with stand_in() as vault:
        sealing = by_vault(database, tmp_path, vault.address, "", token)
        with pytest.raises(Unreachable, match="cannot be read"):
            await sealing.begin(tenant.id)
        token.write_text(TOKEN + "\n")
        await sealing.begin(tenant.id)


async def test_a_key_in_a_file_gives_way_to_vault(database: Database, tenant: Tenant, tmp_path: Path):
    file = tmp_path / "keys" / "master.key"
    first = Sealing(database, Masters(file))
    await first.begin(tenant.id)
    sealed = await first.seal(tenant.id, BOUND, b"x")
    async with stand_in() as vault:
        both = Sealing(database, Masters(file, given=vault.address, vault_token=TOKEN))
        await both.begin(tenant.id)
        assert await both.rotate_master() == 1
        os.unlink(file)  # noqa: PTH108
        alone = Sealing(database, Masters(file, given=vault.address, vault_token=TOKEN))
        assert await alone.open(tenant.id, BOUND, sealed) == b"x"


@pytest.mark.parametrize(
    "address", ["vault+ftp://v/transit/k", "vault+https:///transit/k", "vault+https://v/k"]
)
def test_an_address_that_names_no_key_in_vault_is_refused(tmp_path, address):
    with pytest.raises(Refused, match="no address of a key in Vault"):
        Masters(tmp_path / "master.key", given=address).known()
