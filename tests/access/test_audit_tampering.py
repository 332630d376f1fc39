"""Whatever is done to an audit behind its back is found, and the first bad row is named."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit
from crossdock.access.audit_checkpoints import Checkpoint, CheckpointFile
from crossdock.access.audit_export import verify_lines
from crossdock.access.audit_form import GENESIS, Entry, body, entry_hash
from crossdock.access.audit_signer import Signer, key_name
from crossdock.errors import Broken, Refused
from crossdock.store import Database, Tenant

ENTRIES = 8  # signed are 1 to 3, and 1 to 6
COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "home": "home + 1",
    "kind": "'system'",
    "actor": "'alicf'",
    "behind": "'x'",
    "roles": "'{viewes}'",
    "action": "'run.cancem'",
    "on_kind": "'rum'",
    "on_id": "'6'",
    "outcome": "'failed'",
    "why": "why || ' '",
    "origin": "'10.0.0.8'",
    "count": "count + 1",
    "before": "'1'",
    "after": "replace(after, '}', ' }')",
    "previous": "set_byte(previous, 31, get_byte(previous, 31) # 1)",
    "hash": "set_byte(hash, 0, get_byte(hash, 0) # 128)",
}


@pytest.fixture
async def owner(url) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def signer(tmp_path) -> Signer:
    return Signer(tmp_path / "audit")


@pytest.fixture
async def audit(database: Database, tenant: Tenant, signer: Signer) -> Audit:
    audit = Audit(database, signer)
    for n in range(1, ENTRIES + 1):
        await record(audit, database, tenant, n)
        if n in {3, 6}:
            await audit.seal(tenant.id)
    assert (await audit.verify(tenant)).good
    return audit


async def record(audit: Audit, database: Database, tenant: Tenant, n: int) -> None:
    who = Principal(
        tenant=tenant.id, id="alice", kind="human", roles=frozenset({"viewer"}), origin="10.0.0.7"
    )
    async with database.of(tenant) as transaction:
        await audit.record(
            transaction, who, "run.cancel", Resource(kind="run", id="7"), why=f"reason {n}", after={"n": n}
        )


async def decide(database: Database, tenant: Tenant, run: int, seq: int) -> None:
    """A row of the history, as the engine writes them."""
    async with database.engine() as transaction:
        await transaction.execute(
            "insert into crossdock.history (tenant, run, seq, at, type, event, records) "
            "values ($1, $2, $3, now(), 'call.ended', $4, '[]')",
            tenant.id,
            run,
            seq,
            json.dumps({"n": seq}).encode(),
        )


async def test_one_changed_byte_in_any_column_is_found(audit, owner, tenant):
    for column, change in COLUMNS.items():
        for number in (ENTRIES, 5, 1):
            before = await owner.fetchval(f"select {column} from crossdock.audit where number = $1", number)
            await owner.execute(f"update crossdock.audit set {column} = {change} where number = $1", number)
            first = (await audit.verify(tenant)).first
            assert (first.kind, first.number) == ("changed", number), column
            await owner.execute(f"update crossdock.audit set {column} = $2 where number = $1", number, before)
    assert (await audit.verify(tenant)).good


async def test_every_column_is_tried(owner):
    rows = await owner.fetch(
        "select attname from pg_attribute where attrelid = 'crossdock.audit'::regclass and attnum > 0"
    )
    assert {row["attname"] for row in rows} == COLUMNS.keys() | {"tenant", "number"}


async def test_a_removed_entry_is_found(audit, owner, tenant):
    await owner.execute("delete from crossdock.audit where number = 4")
    report = await audit.verify(tenant)
    assert [(one.kind, one.number, one.what) for one in report.faults] == [
        ("removed", 4, "entry 4 is missing")
    ]


async def test_an_entry_that_is_moved_to_another_number_or_tenant_is_found(audit, owner, tenant, database):
    await owner.execute("update crossdock.audit set number = 40 where number = 4")
    assert (await audit.verify(tenant)).first.number == 4
    await owner.execute("update crossdock.audit set number = 4 where number = 40")
    assert (await audit.verify(tenant)).good
    other = await database.create_tenant("zeta")
    await owner.execute("update crossdock.audit set tenant = $1 where number = 1", other.id)
    assert (await audit.verify(tenant)).first.kind == "removed"
    assert (await audit.verify(other)).first.kind == "changed"


@pytest.mark.parametrize("pair", [(4, 5), (2, 7)])
async def test_swapped_entries_are_found(audit, owner, tenant, pair):
    a, b = pair
    for before, after in ((a, -1), (b, a), (-1, b)):
        await owner.execute("update crossdock.audit set number = $2 where number = $1", before, after)
    report = await audit.verify(tenant)
    assert (report.first.kind, report.first.number) == ("swapped", a)
    assert {(one.kind, one.number) for one in report.faults} >= {("swapped", a), ("swapped", b)}


async def test_contents_that_are_swapped_below_their_hashes_are_found(audit, owner, tenant):
    rows = await owner.fetch(
        "select why, after, at from crossdock.audit where number in (4, 5) order by number"
    )
    for number, row in zip((5, 4), rows, strict=True):
        await owner.execute(
            "update crossdock.audit set why = $2, after = $3, at = $4 where number = $1", number, *row
        )
    assert [(one.kind, one.number) for one in (await audit.verify(tenant)).faults] == [
        ("swapped", 4),
        ("swapped", 5),
    ]


async def test_the_newest_entry_that_was_removed_is_found_by_the_head(audit, owner, tenant):
    await owner.execute("delete from crossdock.audit where number = $1", ENTRIES)
    report = await audit.verify(tenant)
    assert [(one.kind, one.number) for one in report.faults] == [("truncated", ENTRIES)]


async def _cut(owner: asyncpg.Connection, to: int) -> None:
    """Remove the newest entries, and set the head back as if they had never been."""
    await owner.execute("delete from crossdock.audit where number > $1", to)
    await owner.execute(
        "update crossdock.audit_head h set number = a.number, at = a.at, previous = a.previous, hash = a.hash "
        "from crossdock.audit a where a.tenant = h.tenant and a.number = $1",
        to,
    )


async def test_newest_entries_that_were_removed_with_the_head_are_found_by_a_checkpoint(audit, owner, tenant):
    await _cut(owner, 5)
    report = await audit.verify(tenant)
    assert [(one.kind, one.number) for one in report.faults] == [("truncated", 6)]
    with pytest.raises(Broken):
        await audit.seal(tenant.id)


async def test_and_by_the_file_where_the_checkpoint_is_removed_as_well(audit, owner, tenant):
    await _cut(owner, 5)
    await owner.execute("delete from crossdock.audit_checkpoint where number = 2")
    report = await audit.verify(tenant)
    assert report.first.kind == "truncated"
    assert [(one.kind, one.number) for one in report.faults] == [("checkpoint", 2), ("truncated", 6)]
    with pytest.raises(Broken):  # nothing is signed over it
        await audit.seal(tenant.id)


async def test_no_act_is_done_over_a_head_that_was_set_back_alone(audit, owner, tenant, database):
    await owner.execute("update crossdock.audit_head set number = 5")
    with pytest.raises(Broken) as refused:
        await record(audit, database, tenant, 9)
    assert refused.value.mend == "see `crossdock audit verify`"
    await audit.settle()  # says so in the log, and goes on
    assert (await audit.verify(tenant)).first.kind == "head"


async def test_and_when_new_entries_take_their_place(audit, owner, tenant, database):
    await _cut(owner, 5)
    await owner.execute("delete from crossdock.audit_checkpoint where number = 2")
    for n in range(9):
        await record(audit, database, tenant, n)
    report = await audit.verify(tenant)
    assert (report.first.kind, report.first.number) == ("changed", 4)  # of 4 to 6, one was written anew
    assert report.count == 2


async def test_an_audit_that_is_gone_as_a_whole_is_found_by_the_file(audit, owner, tenant):
    for table in ("audit", "audit_head", "audit_checkpoint"):
        await owner.execute(f"delete from crossdock.{table}")
    report = await audit.verify(tenant)
    assert (report.first.kind, report.first.number) == ("truncated", 1)


async def test_what_no_checkpoint_covers_yet_can_be_hidden_and_the_report_says_how_far_it_is_signed(
    audit, owner, tenant
):
    await _cut(owner, 6)
    report = await audit.verify(tenant)
    assert (report.good, report.entries, report.signed) == (True, 6, 6)


async def _rewrite(owner: asyncpg.Connection, start: int, stop: int) -> None:
    """Say something else from `start` on, with hashes that fit, until before `stop`; then the head."""
    rows = await owner.fetch("select * from crossdock.audit where number >= $1 order by number", start)
    previous = bytes(rows[0]["previous"])
    for row in rows:
        if row["number"] >= stop:
            break
        entry = Entry(**{**dict(row), "roles": tuple(row["roles"]), "why": "nothing", "previous": previous})
        digest = entry.digest()
        await owner.execute(
            "update crossdock.audit set why = 'nothing', previous = $2, hash = $3 where number = $1",
            entry.number,
            previous,
            digest,
        )
        previous = digest
    if stop > ENTRIES:
        await _cut(owner, ENTRIES)


async def test_entries_that_were_written_anew_with_all_that_follows_are_found_by_checkpoints(
    audit, owner, tenant
):
    await _rewrite(owner, 5, ENTRIES + 1)
    report = await audit.verify(tenant)
    assert [(one.kind, one.number) for one in report.faults] == [("changed", 4)]
    with pytest.raises(Broken):
        await audit.seal(tenant.id)


async def test_an_entry_that_was_written_anew_alone_breaks_the_next(audit, owner, tenant):
    await _rewrite(owner, 2, 3)
    report = await audit.verify(tenant)
    assert [(one.kind, one.number) for one in report.faults] == [("changed", 3)]


@pytest.mark.parametrize(
    "change",
    [
        "number = number + 1",
        "hash = sha256(hash)",
        "previous = sha256(previous)",
        "at = at - interval '1 second'",
    ],
)
async def test_a_head_that_was_changed_is_found(audit, owner, tenant, change):
    await owner.execute(f"update crossdock.audit_head set {change}")
    assert (await audit.verify(tenant)).first.kind in {"head", "truncated"}


def _forged(one: Checkpoint, signing: Ed25519PrivateKey, **other) -> Checkpoint:
    said = {**json.loads(one.statement), **other}
    statement = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return Checkpoint.read(statement, signing.sign(statement.encode()))


async def _checkpoint(owner: asyncpg.Connection, number: int) -> Checkpoint:
    row = await owner.fetchrow(
        "select statement, signature from crossdock.audit_checkpoint where number = $1", number
    )
    return Checkpoint.read(row["statement"], bytes(row["signature"]))


@pytest.mark.parametrize("named", ["its own name", "the real key's name"])
async def test_a_forged_checkpoint_is_found(audit, owner, tenant, signer, named):
    """The chain is written anew, and the database's checkpoint is signed again with another key."""
    await _rewrite(owner, 5, ENTRIES + 1)
    newest = await owner.fetchval("select hash from crossdock.audit where number = 6")
    key = Ed25519PrivateKey.generate()
    own = key_name(key.public_key().public_bytes_raw())
    name = own if named == "its own name" else signer.name
    one = _forged(await _checkpoint(owner, 2), key, hash=bytes(newest).hex(), key=name)
    await owner.execute(
        "update crossdock.audit_checkpoint set statement = $1, signature = $2 where number = 2",
        one.statement,
        one.signature,
    )
    report = await audit.verify(tenant)
    assert {("checkpoint", 2), ("changed", 4)} == {(fault.kind, fault.number) for fault in report.faults}
    CheckpointFile(signer.directory, tenant.id).path.unlink()  # also without the file
    report = await audit.verify(tenant)
    assert [(fault.kind, fault.number) for fault in report.faults] == [("checkpoint", 2)]
    with pytest.raises(Broken):
        await audit.seal(tenant.id)


@pytest.mark.parametrize(
    "change",
    [
        "at = at + interval '1 second'",
        "entries = entries - 1",
        "upto = upto + 1",
        "number = number + 5",
        "statement = replace(statement, '\"entries\":6', '\"entries\":5')",
        "statement = 'x'",
        "signature = set_byte(signature, 7, get_byte(signature, 7) # 1)",
        "leaves = 'x'",
        "tenant = tenant + 1",
    ],
)
async def test_a_checkpoint_that_was_changed_in_any_column_is_found(audit, owner, tenant, change):
    await owner.execute(f"update crossdock.audit_checkpoint set {change} where number = 2")
    assert (await audit.verify(tenant)).first.kind == "checkpoint"


async def test_a_file_that_was_changed_is_found(audit, signer, tenant):
    path = CheckpointFile(signer.directory, tenant.id).path
    lines = path.read_text().splitlines(keepends=True)
    for changed in (
        [lines[1]],
        [lines[1], lines[0]],
        [lines[0].replace('entries\\":3', 'entries\\":2'), lines[1]],
        [lines[0][:40] + "\n", lines[1]],
    ):
        path.write_text("".join(changed))
        assert (await audit.verify(tenant)).first.kind == "checkpoint"
    path.write_text("".join(lines))
    assert (await audit.verify(tenant)).good


async def test_a_line_that_a_crash_has_cut_is_made_good_by_the_next_checkpoint(
    audit, database, signer, tenant
):
    path = CheckpointFile(signer.directory, tenant.id).path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1][:99])
    await record(audit, database, tenant, 9)
    await audit.seal(tenant.id)
    whole = path.read_text().splitlines(keepends=True)
    assert [whole[0], whole[2]] == lines
    assert [Checkpoint.from_line(line).number for line in (whole[0], whole[2], whole[3])] == [1, 2, 3]
    (only,) = (await audit.verify(tenant)).faults  # it is said, and nothing is lost
    assert only.what == f"line 2 of {path} is no checkpoint"


async def test_rows_of_the_history_that_were_changed_removed_or_added_are_named(
    audit, database, owner, tenant
):
    for run in (1, 2):
        for seq in (1, 2, 3):
            await decide(database, tenant, run, seq)
    await audit.seal(tenant.id)
    await decide(database, tenant, 3, 1)
    report = await audit.verify(tenant)
    assert (report.good, report.rows, report.unsigned_rows) == (True, 6, 1)

    async def found(sql: str) -> str:
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute(sql)
        await transaction.commit()
        report = await audit.verify(tenant)
        assert report.count == 1
        assert report.first.kind == "history"
        return report.first.what

    await owner.execute("create table saved as select * from crossdock.history")
    back = "delete from crossdock.history; insert into crossdock.history select * from saved; "
    at = "where run = 2 and seq = 2"
    changed = "step 2 of run 2 in the history was changed"
    one = "interval '1 microsecond'"
    for change in (
        "event = '{\"n\":3}'",
        "records = '[1]'",
        "type = 'x'",
        f"at = at + {one}",
        f"stored = stored + {one}",
    ):
        assert await found(f"{back} update crossdock.history set {change} {at}") == changed
    assert (
        await found(f"{back} delete from crossdock.history {at}")
        == "step 2 of run 2 in the history was removed"
    )
    added = "insert into crossdock.history select tenant, 9, seq, at, stored, xid, type, event, records from saved"
    assert await found(f"{back} {added} {at}") == "step 2 of run 9 in the history was added"
    await owner.execute(back)
    assert (await audit.verify(tenant)).good


async def test_a_long_history_is_signed_in_parts_and_a_transaction_never_cut(audit, database, tenant, owner):
    for run, rows in ((1, 6000), (2, 3000), (3, 3000), (4, 10)):
        await owner.execute(
            "insert into crossdock.history (tenant, run, seq, at, type, event, records) "
            "select $1, $2, n, now(), 'x', '{}', '[]' from generate_series(1, $3::int) n",
            tenant.id,
            run,
            rows,
        )
    parts = [await audit.seal(tenant.id) for _ in range(5)]
    assert parts == [True, True, True, False, False]
    report = await audit.verify(tenant)
    assert (report.good, report.rows, report.unsigned_rows) == (True, 12010, 0)


async def test_all_parts_of_a_long_history_are_signed_at_once_and_stand_in_the_file(
    audit, database, tenant, owner, signer
):
    for run, rows in ((1, 6000), (2, 3000), (3, 3000), (4, 10)):
        await owner.execute(
            "insert into crossdock.history (tenant, run, seq, at, type, event, records) "
            "select $1, $2, n, now(), 'x', '{}', '[]' from generate_series(1, $3::int) n",
            tenant.id,
            run,
            rows,
        )
    await audit.seal_all(tenant.id)
    report = await audit.verify(tenant)
    assert (report.good, report.checkpoints, report.rows, report.unsigned_rows) == (True, 5, 12010, 0)
    lines = CheckpointFile(signer.directory, tenant.id).path.read_text().splitlines()
    assert [Checkpoint.from_line(line).number for line in lines] == [1, 2, 3, 4, 5]
    await owner.execute("delete from crossdock.history where run = 4 and seq = 10")  # the newest
    (only,) = (await audit.verify(tenant)).faults
    assert only.what == "step 10 of run 4 in the history was removed"


async def test_what_a_crash_kept_from_the_file_is_added_with_the_next_checkpoint(
    audit, database, tenant, signer
):
    path = CheckpointFile(signer.directory, tenant.id).path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0])
    await record(audit, database, tenant, 9)
    await audit.seal(tenant.id)
    found = path.read_text().splitlines(keepends=True)
    assert found[:2] == lines
    assert Checkpoint.from_line(found[2]).number == 3
    assert (await audit.verify(tenant)).good


async def test_processes_that_sign_at_the_same_time_leave_one_row_of_checkpoints(
    audit, database, tenant, url, signer
):
    other = await Database.open(url)
    try:
        both = (audit, Audit(other, Signer(signer.directory)))
        for n in range(20):
            await record(audit, database, tenant, n)
            await decide(database, tenant, 1, n)
            await asyncio.gather(*(one.seal(tenant.id) for one in both * 2))
        report = await audit.verify(tenant)
    finally:
        await other.close()
    assert (report.faults, report.unsigned_rows, report.signed) == ([], 0, ENTRIES + 20)
    lines = CheckpointFile(signer.directory, tenant.id).path.read_text().splitlines()
    assert [Checkpoint.from_line(line).number for line in lines] == [*range(1, report.checkpoints + 1)]


async def test_history_of_a_transaction_that_is_open_is_left_to_the_next_checkpoint(
    audit, database, tenant, url
):
    slow = await asyncpg.connect(url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(
        "insert into crossdock.history (tenant, run, seq, at, type, event, records) "
        "values ($1, 5, 1, now(), 'x', '{}', '[]')",
        tenant.id,
    )
    await decide(database, tenant, 1, 1)  # later, and done before
    await audit.seal(tenant.id)
    assert (await audit.verify(tenant)).unsigned_rows == 1
    await transaction.commit()
    await slow.close()
    await audit.seal(tenant.id)
    report = await audit.verify(tenant)
    assert (report.good, report.rows, report.unsigned_rows) == (True, 2, 0)


async def test_what_is_written_and_signed_meanwhile_is_no_fault(audit, database, tenant):
    async def go_on() -> None:
        for n in range(60):
            await record(audit, database, tenant, n)
            await decide(database, tenant, 1, n)
            await audit.seal(tenant.id)

    writing = asyncio.create_task(go_on())
    reports = []
    while not writing.done():
        reports.append(await audit.verify(tenant))
        exported = verify_lines([line async for line in audit.export(tenant)])
        assert exported.faults == []
    await writing
    assert [report.faults for report in reports] == [[]] * len(reports)
    assert len({report.entries for report in reports}) > 2


async def test_a_key_that_was_replaced_is_still_believed_and_an_unknown_one_is_not(
    audit, database, tenant, tmp_path
):
    new = base64.b64encode(random.randbytes(32)).decode()
    after = Audit(database, Signer(tmp_path / "audit", key=new))
    await record(after, database, tenant, 9)
    await after.seal(tenant.id)
    report = await after.verify(tenant)
    assert (report.good, len(report.keys)) == (True, 2)
    elsewhere = Audit(database, Signer(tmp_path / "other"))
    await record(elsewhere, database, tenant, 10)
    with pytest.raises(Broken):
        await elsewhere.seal(tenant.id)
    assert not (await elsewhere.verify(tenant)).good
    assert (await after.verify(tenant)).good


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path):
    one, two = Signer(tmp_path / "audit"), Signer(tmp_path / "audit")
    assert one.known() == {}
    assert one.name == two.name
    assert set(one.known()) == {one.name}
    file = tmp_path / "audit" / "signing.key"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(Refused):
        Signer(tmp_path / "audit").sign(b"x")
    for bad in ("x", base64.b64encode(b"short").decode()):
        with pytest.raises(Refused) as refused:
            Signer(tmp_path / "audit", key=bad).sign(b"x")
        assert bad not in str(refused.value.message)


@pytest.fixture
async def lines(audit, tenant) -> list[str]:
    await audit.seal(tenant.id)
    return [line async for line in audit.export(tenant)]


async def test_an_export_verifies_by_itself(lines, signer, tenant):
    report = verify_lines(line + "\n" for line in lines)
    assert (report.good, report.entries, report.checkpoints, report.signed) == (True, ENTRIES, 3, ENTRIES)
    assert verify_lines(lines, keys=signer.known()).good
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert not verify_lines(lines, keys={key_name(stranger): stranger}).good
    with pytest.raises(Refused):
        verify_lines(lines[1:])
    with pytest.raises(Refused):
        verify_lines([])


async def test_an_export_of_nothing_verifies(database, signer):
    empty = await database.create_tenant("empty")
    report = verify_lines([line async for line in Audit(database, signer).export(empty)])
    assert (report.good, report.entries) == (True, 0)


async def test_an_export_that_was_cut_swapped_or_changed_is_found(lines):
    assert verify_lines(lines[:-1]).first.kind == "truncated"
    end = lines[-1].replace(f'"entries":{ENTRIES}', f'"entries":{ENTRIES - 1}')
    assert end != lines[-1]
    assert not verify_lines([*lines[:-3], end]).good
    swapped = [*lines]
    swapped[2], swapped[3] = swapped[3], swapped[2]
    assert (verify_lines(swapped).first.kind, verify_lines(swapped).first.number) == ("swapped", 2)
    assert verify_lines(lines[:2] + lines[3:]).first.number == 2
    assert verify_lines([*lines, lines[-1]]).first.kind == "truncated"


async def test_any_byte_that_changes_in_an_export_is_found(lines):
    """The first line is what is trusted: it is held against keys from elsewhere."""
    text = "\n".join(lines[1:])

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(text) - 1), st.characters(min_codepoint=10, max_codepoint=0x2FF))
    def tampered(place: int, character: str) -> None:
        if text[place] == character:
            return
        changed = text[:place] + character + text[place + 1 :]
        report = verify_lines([lines[0], *changed.split("\n")])
        assert not report.good

    tampered()


def _row(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[tuple]:
    columns = st.sampled_from(sorted(COLUMNS))
    return st.one_of(
        st.tuples(st.just("change"), numbers, columns),
        st.tuples(st.just("remove"), numbers, st.none()),
        st.tuples(st.just("swap"), numbers, numbers),
        st.tuples(st.just("cut"), st.integers(0, 5), st.none()),
        st.tuples(st.just("checkpoint"), st.integers(1, 2), st.none()),
        st.tuples(st.just("rewrite"), st.integers(1, 6), st.none()),
    )


async def test_any_change_of_what_is_signed_is_found(audit, owner, tenant):
    loop = asyncio.get_running_loop()
    saved = {
        name: await owner.fetch(f"select * from crossdock.{name}")
        for name in ("audit", "audit_head", "audit_checkpoint")
    }

    async def restored() -> None:
        for name, rows in saved.items():
            await owner.execute(f"delete from crossdock.{name}")
            marks = ", ".join(f"${n}" for n in range(1, len(rows[0]) + 1))
            await owner.executemany(
                f"insert into crossdock.{name} values ({marks})", [tuple(row) for row in rows]
            )

    async def done(acts: list[tuple]) -> None:
        await restored()
        for what, number, more in acts:
            if what == "change":
                await owner.execute(
                    f"update crossdock.audit set {more} = {COLUMNS[more]} where number = $1", number
                )
            elif what == "remove":
                await owner.execute("delete from crossdock.audit where number = $1", number)
            elif what == "swap" and number != more:
                for before, after in ((number, -1), (more, number), (-1, more)):
                    await owner.execute(
                        "update crossdock.audit set number = $2 where number = $1", before, after
                    )
            elif what == "cut":
                await _cut(owner, number)
            elif what == "checkpoint":
                await owner.execute("delete from crossdock.audit_checkpoint where number = $1", number)
            elif what == "rewrite" and await owner.fetchval(
                "select 1 from crossdock.audit where number = $1", number
            ):
                await _rewrite(owner, number, ENTRIES + 1)

    async def differs() -> bool:
        """Whether anything that was signed is another now than it was."""
        for name in ("audit", "audit_checkpoint"):
            now = {repr(tuple(row)) for row in await owner.fetch(f"select * from crossdock.{name}")}
            before = {repr(tuple(row)) for row in saved[name] if name != "audit" or row["number"] <= 6}
            if not before <= now:
                return True
        return False

    async def example(acts: list[tuple]) -> tuple[bool, bool]:
        await done(acts)
        return await differs(), (await audit.verify(tenant)).good

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(_row(st.integers(1, ENTRIES)), min_size=1, max_size=4))
    def tampered(acts: list[tuple]) -> None:
        different, good = asyncio.run_coroutine_threadsafe(example(acts), loop).result(60)
        assert not (different and good)

    failed: list[BaseException] = []

    def run() -> None:
        try:
            tampered()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.05)
    assert failed == []


def test_the_hash_of_a_chain_is_fixed_for_ever():
    """What was written under this form must verify under every later release."""
    at = datetime(2026, 11, 24, 5, 30, 0, 123456, UTC)
    who = {"home": 1, "kind": "human", "actor": "alice", "behind": "", "roles": ("a", "b")}
    what = {"action": "run.cancel", "on_kind": "run", "on_id": "7", "outcome": "done", "why": "\u00e9"}
    said = body(**who, **what, origin="cli", count=1, before="", after='{"n":1}')
    assert (
        entry_hash(GENESIS, 3, 1, at, said).hex()
        == "458918a9f8a624b900233733c03cc7f63a5da236b87c24a4c30cee35e825bc75"
    )
