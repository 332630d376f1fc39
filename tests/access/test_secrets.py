"""Secrets of connections: sealed in the database, seen by all processes at once, never shown."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.master import Masters
from crossdock.access.redaction import Redaction
from crossdock.access.sealing import Sealing
from crossdock.access.secrets import ConnectionSecrets
from crossdock.connect import SealedKeeper
from crossdock.connect.secret import Secret
from crossdock.errors import Broken, NotFound, Refused
from crossdock.store import Database, Tenant
from crossdock.store.migrate import role_url

ANNA = Principal(tenant=1, id="anna", kind="human", origin="here")


def opened(database: Database, folder: Path) -> ConnectionSecrets:
    sealing = Sealing(database, Masters(folder / "keys" / "master.key"))
    return ConnectionSecrets(database, sealing, Audit(database), Redaction())


@pytest.fixture
async def kept(database: Database, tenant: Tenant, tmp_path: Path) -> ConnectionSecrets:
    await Sealing(database, Masters(tmp_path / "keys" / "master.key")).begin(tenant.id)
    return opened(database, tmp_path)


async def test_what_one_process_sets_another_one_opens_at_once(kept, database, tenant, tmp_path):
    keeper = SealedKeeper(opened(database, tmp_path))
    assert await keeper.secrets(tenant.id, "depot") == {}
    changed = await kept.put(tenant.id, "depot", {"key": "a-key", "hook": ["new", "old"]}, by=ANNA)
    assert changed == ["key", "hook"]
    assert await keeper.secrets(tenant.id, "depot") == {
        "key": (Secret("a-key"),),
        "hook": (Secret("new"), Secret("old")),
    }
    await kept.put(tenant.id, "depot", {"key": "b-key"}, by=ANNA)
    assert (await keeper.secrets(tenant.id, "depot"))["key"] == (Secret("b-key"),)
    assert await keeper.secrets(tenant.id, "other") == {}
    assert await keeper.secrets((await database.create_tenant("zeta")).id, "depot") == {}


async def test_what_is_listed_tells_who_and_when_and_no_part_of_a_text(kept, tenant):
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    await kept.put(tenant.id, "depot", {"key": "canary-1234"}, by=ANNA, expires=expires)
    (one,) = await kept.known(tenant)
    assert (one.connection, one.name, one.place, one.set_by, one.expires) == (
        "depot",
        "key",
        0,
        "anna",
        expires,
    )
    assert abs(one.set_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert "canary" not in repr(one)
    assert "1234" not in repr(one)
    assert await kept.known(tenant, "other") == []


async def test_setting_what_is_so_already_changes_nothing(kept, tenant, database):
    await kept.put(tenant.id, "depot", {"key": "a-key"}, by=ANNA)
    before = await kept.known(tenant)
    assert (
        await kept.put(tenant.id, "depot", {"key": "a-key"}, by=Principal(tenant=1, id="bo", kind="key"))
        == []
    )
    assert await kept.known(tenant) == before
    assert len((await Audit(database).entries(tenant)).items) == 1


async def test_each_change_leaves_an_entry_in_the_audit_without_the_text(kept, tenant, database):
    await kept.put(tenant.id, "depot", {"key": "canary-one"}, by=ANNA)
    await kept.replace(tenant.id, "depot", "key", "canary-two", by=ANNA)
    await kept.drop(tenant.id, "depot", "key", by=ANNA)
    await kept.seal_again(tenant.id, by=ANNA)
    entries = (await Audit(database).entries(tenant)).items[::-1]
    assert [(one.action, one.on_id, one.actor) for one in entries] == [
        ("connection.change", "depot", "anna"),
        ("connection.change", "depot", "anna"),
        ("connection.change", "depot", "anna"),
        ("secret.sealed_again", str(tenant.id), "anna"),
    ]
    assert "canary" not in repr(entries)


async def test_the_old_text_holds_behind_the_new_one_until_its_time(kept, tenant, database):
    now = datetime.now(UTC)
    await kept.put(tenant.id, "depot", {"hook": "first"}, by=ANNA)
    await kept.replace(tenant.id, "depot", "hook", "second", by=ANNA, old_until=now + timedelta(hours=1))
    assert await kept.open(tenant.id, "depot") == {"hook": ["second", "first"]}
    await kept.replace(tenant.id, "depot", "hook", "third", by=ANNA, old_until=now - timedelta(seconds=1))
    assert await kept.open(tenant.id, "depot") == {"hook": ["third", "first"]}  # the second has had its time
    await kept.replace(tenant.id, "depot", "hook", "fourth", by=ANNA)
    with pytest.raises(Refused, match="4 texts of hook hold already"):
        await kept.replace(tenant.id, "depot", "hook", "fifth", by=ANNA)
    assert await kept.drop(tenant.id, "depot", "hook", by=ANNA, only_old=True) == 3
    assert await kept.open(tenant.id, "depot") == {"hook": ["fourth"]}
    with pytest.raises(NotFound):
        await kept.drop(tenant.id, "depot", "hook", by=ANNA, only_old=True)


async def test_the_one_in_use_is_used_though_its_day_has_come(kept, tenant):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await kept.put(tenant.id, "depot", {"key": "a-key"}, by=ANNA, expires=yesterday)
    assert await kept.open(tenant.id, "depot") == {"key": ["a-key"]}


@pytest.mark.parametrize("texts", ["", [], ["a", ""], ["a", "b", "c", "d", "e"], "x" * 65_537])
async def test_what_cannot_be_a_secret_is_refused(kept, tenant, texts):
    with pytest.raises(Refused):
        await kept.put(tenant.id, "depot", {"key": texts}, by=ANNA)
    assert await kept.known(tenant) == []


async def test_a_sealed_text_that_is_put_elsewhere_does_not_open(kept, tenant, database):
    zeta = await database.create_tenant("zeta")
    await kept.put(tenant.id, "depot", {"key": "a-key", "hook": "a-hook"}, by=ANNA)
    await kept.put(tenant.id, "other", {"key": "an-other"}, by=ANNA)
    await kept.put(zeta.id, "depot", {"key": "theirs"}, by=ANNA)
    for where in ("tenant = $2 and connection = 'depot' and name = 'key'",):
        for source in (
            f"tenant = {tenant.id} and connection = 'depot' and name = 'hook'",
            f"tenant = {tenant.id} and connection = 'other'",
            f"tenant = {zeta.id}",
        ):
            async with database.engine() as transaction:
                sealed = await transaction.value(f"select sealed from crossdock.secret where {source}")
                mine = await transaction.value(
                    f"select sealed from crossdock.secret where {where.replace('$2', '$1')}", tenant.id
                )
                await transaction.execute(
                    f"update crossdock.secret set sealed = $1 where {where}", sealed, tenant.id
                )
            with pytest.raises(Broken, match="changed, or was put"):
                await kept.open(tenant.id, "depot")
            async with database.engine() as transaction:
                await transaction.execute(
                    f"update crossdock.secret set sealed = $1 where {where}", mine, tenant.id
                )
    assert await kept.open(tenant.id, "depot") == {"key": ["a-key"], "hook": ["a-hook"]}
    async with database.engine() as transaction:
        await transaction.execute("update crossdock.secret set sealed = ''::bytea where name = 'key'")
    await kept.put(tenant.id, "depot", {"key": "set again"}, by=ANNA)  # which is the mend
    assert (await kept.open(tenant.id, "depot"))["key"] == ["set again"]


async def test_the_role_of_the_pages_cannot_read_what_is_sealed(kept, tenant, url):
    await kept.put(tenant.id, "depot", {"key": "a-key"}, by=ANNA)
    app = await asyncpg.connect(role_url(url, "crossdock_app"))
    await app.execute(f"set crossdock.tenant = '{tenant.id}'")
    assert await app.fetchval("select name from crossdock.secret") == "key"
    for table in ("secret", "data_key"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.fetch(f"select sealed from crossdock.{table}")
    await app.close()


async def test_all_values_are_sealed_again_with_a_new_data_key_while_others_set_and_open(
    kept, tenant, database, tmp_path
):
    for n in range(130):
        await kept.put(tenant.id, f"c{n:03}", {"key": f"text-{n}"}, by=ANNA)
    other = opened(database, tmp_path)
    again = asyncio.create_task(kept.seal_again(tenant.id, by=ANNA))
    n = 0
    while not again.done():
        assert await other.open(tenant.id, f"c{n % 130:03}") == {"key": [f"text-{n % 130}"]}
        n += 1
    assert await again == 130
    assert {one.key for one in await kept.known(tenant)} == {2}
    assert [await other.open(tenant.id, f"c{n:03}") for n in range(130)] == [
        {"key": [f"text-{n}"]} for n in range(130)
    ]


async def test_two_that_set_the_same_secret_at_once_leave_one(kept, tenant):
    await asyncio.gather(*(kept.put(tenant.id, "depot", {"key": f"text-{n}"}, by=ANNA) for n in range(6)))
    (texts,) = (await kept.open(tenant.id, "depot")).values()
    assert len(texts) == 1


async def test_the_file_that_held_secrets_is_taken_over_once_and_removed(kept, tenant, database, tmp_path):
    file = tmp_path / "secrets.json"
    file.write_text(
        json.dumps(
            {str(tenant.id): {"depot": {"key": ["a-key"], "hook": ["new", "old"]}, "b": {"key": ["x"]}}}
        )
    )
    await kept.put(tenant.id, "b", {"key": "set since"}, by=ANNA)
    with capture_logs() as logs:
        assert await kept.take_over(file, by=ANNA) == 2
    assert logs == [
        {
            "event": "secrets.taken_over",
            "where": str(file),
            "secrets": 2,
            "removed": True,
            "log_level": "info",
        }
    ]
    assert not file.exists()
    assert await kept.open(tenant.id, "depot") == {"key": ["a-key"], "hook": ["new", "old"]}
    assert await kept.open(tenant.id, "b") == {"key": ["set since"]}
    assert await kept.take_over(file, by=ANNA) == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"x": {}}', '{"1": {"depot": ["key"]}}', '{"1": 5}'])
async def test_a_file_of_secrets_that_is_spoilt_stays(kept, tmp_path, text):
    file = tmp_path / "secrets.json"
    file.write_text(text)
    if text == '{"x": {}}':  # names nothing
        assert await kept.take_over(file, by=ANNA) == 0
        return
    with pytest.raises(Broken, match="cannot be read"):
        await kept.take_over(file, by=ANNA)
    assert file.read_text() == text
