"""Reads the audit out of the database, in pages, to verify it or to write it out."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import LiteralString

from crossdock.access import audit_export
from crossdock.access.audit_checkpoints import LEAVES, Checkpoint, CheckpointFile, as_entry
from crossdock.access.audit_form import GENESIS, Entry, timestamp
from crossdock.access.audit_signer import Signer
from crossdock.access.audit_verify import Report, Verifier, compare_leaves
from crossdock.store import Database, EngineTransaction, Tenant, TenantTransaction

_PAGE = 1000

_HEAD: LiteralString = """
select h.number, h.at, h.previous, h.hash,
  coalesce((select max(a.number) from crossdock.audit a where a.tenant = crossdock.tenant()), 0) as newest,
  coalesce((select max(c.number) from crossdock.audit_checkpoint c
            where c.tenant = crossdock.tenant()), 0) as checkpoint
from (select 1) one left join crossdock.audit_head h on h.tenant = crossdock.tenant()
"""
_PAGE_OF: LiteralString = """
select * from crossdock.audit where tenant = crossdock.tenant() and number > $1 and number <= $2
order by number limit $3
"""
_CHECKPOINTS: LiteralString = """
select number, at, entries, upto, statement, signature, sha256(leaves) as leaves
from crossdock.audit_checkpoint where tenant = $1 and number > $2 order by number limit $3
"""
_LEAVES_OF: LiteralString = """
select leaves from crossdock.audit_checkpoint where tenant = crossdock.tenant() and number = $1
"""
_UNSIGNED_ROWS: LiteralString = """
select count(*) from crossdock.history where tenant = crossdock.tenant() and xid >= $1::text::xid8
"""


async def checkpoints_after(
    transaction: EngineTransaction, tenant: int, number: int, keys: Mapping[str, bytes]
) -> list[Checkpoint]:
    """Checkpoints of a tenant after that number, as far as known keys have signed them."""
    found = []
    for row in await transaction.fetch(_CHECKPOINTS, tenant, number, _PAGE):
        try:
            one = Checkpoint.read(row["statement"], bytes(row["signature"]))
        except ValueError:
            break
        if not one.is_signed(dict(keys)):
            break
        found.append(one)
    return found


async def verify(database: Database, tenant: Tenant, signer: Signer | None) -> Report:
    """Compare all that is kept of a tenant's audit, and its history with what was signed.

    As of one moment, whatever is written meanwhile: the file is only ever behind the database, so its end is
    looked at first.
    """
    outside = CheckpointFile(signer.directory, tenant.id).size() if signer else 0
    verifier = Verifier(tenant.id, signer.known() if signer else {})
    report = verifier.report
    async with database.of(tenant) as transaction:
        head = await transaction.row(_HEAD)
    assert head is not None  # noqa: S101 - it has one row always
    signed: list[Checkpoint] = []
    both = _both(
        _inside(database, tenant, report, head["checkpoint"]),
        _outside(signer, tenant, report, outside),
        report,
    )
    ahead = await anext(both, None)
    last: Entry | None = None
    async for entry in _entries(database, tenant, head["newest"]):
        while ahead is not None and ahead.entries <= entry.number:
            _sign(verifier, ahead, signed)
            ahead = await anext(both, None)
        verifier.take(entry)
        last = entry
    while ahead is not None:
        _sign(verifier, ahead, signed)
        ahead = await anext(both, None)
    number = 0 if head["number"] is None else head["number"]
    newest = GENESIS if head["hash"] is None else bytes(head["hash"])
    if (
        last is not None
        and last.number == number
        and (last.at, last.previous)
        != (
            head["at"],
            head["previous"],
        )
    ):
        report.find("head", number, f"the head does not fit entry {number}")
    verifier.end(number=number, newest=newest)
    await _history(database, tenant, report, signed)
    return report


def _sign(verifier: Verifier, one: Checkpoint, signed: list[Checkpoint]) -> None:
    """Give a checkpoint to the verifier; those that hold and speak of the history are looked at later."""
    if verifier.sign(one) and (not signed or one.upto > signed[-1].upto):
        signed.append(one)


async def _entries(database: Database, tenant: Tenant, newest: int) -> AsyncIterator[Entry]:
    after = -(1 << 62)
    while True:
        async with database.of(tenant) as transaction:
            rows = await transaction.fetch(_PAGE_OF, after, newest, _PAGE)
        for row in rows:
            yield as_entry(row)
        if len(rows) < _PAGE:
            return
        after = rows[-1]["number"]


async def _both(
    rows: AsyncIterator[Checkpoint], lines: Iterator[Checkpoint], report: Report
) -> AsyncIterator[Checkpoint]:
    """The checkpoints in the database and in the file, in their order, each once; what differs is a fault."""
    outside = next(lines, None)
    async for inside in rows:
        while outside is not None and outside.number < inside.number:
            words = f"checkpoint {outside.number} stands in the file, and not in the database"
            report.find("checkpoint", outside.number, words)
            yield outside
            outside = next(lines, None)
        if outside is not None and outside.number == inside.number:
            if (outside.statement, outside.signature) != (inside.statement, inside.signature):
                words = f"checkpoint {inside.number} is another one in the file than in the database"
                report.find("checkpoint", inside.number, words)
            yield outside
            outside = next(lines, None)
        else:
            if outside is not None:
                words = f"checkpoint {inside.number} is missing in the file"
                report.find("checkpoint", inside.number, words)
            yield inside
    while outside is not None:
        words = f"checkpoint {outside.number} stands in the file, and not in the database"
        report.find("checkpoint", outside.number, words)
        yield outside
        outside = next(lines, None)


async def _inside(
    database: Database, tenant: Tenant, report: Report, newest: int
) -> AsyncIterator[Checkpoint]:
    after = -(1 << 62)
    while True:
        async with database.of(tenant) as transaction:
            rows = await transaction.fetch(_CHECKPOINTS, tenant.id, after, _PAGE)
        for row in rows:
            if row["number"] > newest:
                return
            words = f"checkpoint {row['number']} is not what was signed"
            try:
                one = Checkpoint.read(row["statement"], bytes(row["signature"]))
            except ValueError:
                report.find("checkpoint", row["number"], words)
                continue
            beside = (row["number"], row["entries"], row["upto"], timestamp(row["at"]))
            if beside != (one.number, one.entries, one.upto, one.at):
                report.find("checkpoint", row["number"], words)
            if bytes(row["leaves"]).hex() != one.digest:
                words = f"the leaves beside checkpoint {one.number} are not those that were signed"
                report.find("checkpoint", row["number"], words)
            yield one
        if len(rows) < _PAGE:
            return
        after = rows[-1]["number"]


def _outside(signer: Signer | None, tenant: Tenant, report: Report, size: int) -> Iterator[Checkpoint]:
    if signer is None:
        return
    file = CheckpointFile(signer.directory, tenant.id)
    for n, line in enumerate(file.lines(size), 1):
        report.outside = True
        try:
            yield Checkpoint.from_line(line)
        except ValueError:
            if line.strip():
                report.find("checkpoint", n, f"line {n} of {file.path} is no checkpoint")


async def _history(database: Database, tenant: Tenant, report: Report, signed: list[Checkpoint]) -> None:
    """Hold the rows of the history against what was signed over them."""
    reached = 0
    for one in signed:
        if one.since != reached:
            words = f"checkpoint {one.number} does not go on where the history was signed before"
            report.find("history", one.number, words)
        async with database.of(tenant) as transaction:
            await _rows(transaction, report, one, reached)
        reached = one.upto
    async with database.of(tenant) as transaction:
        report.unsigned_rows = await transaction.value(_UNSIGNED_ROWS, str(reached))


async def _rows(transaction: TenantTransaction, report: Report, one: Checkpoint, since: int) -> None:
    counted = await transaction.row(LEAVES, transaction.tenant.id, str(since), str(one.upto))
    assert counted is not None  # noqa: S101 - an aggregate
    report.rows += counted["rows"]
    found = bytes(counted["leaves"])
    if hashlib.sha256(found).hexdigest() != one.digest:
        kept = bytes(await transaction.value(_LEAVES_OF, one.number) or b"")
        whole = hashlib.sha256(kept).hexdigest() == one.digest
        compare_leaves(report, one, kept, found, whole=whole)


async def export(database: Database, tenant: Tenant, signer: Signer | None) -> AsyncIterator[str]:
    """The lines of an export, as far as the audit goes at its beginning."""
    async with database.of(tenant) as transaction:
        head = await transaction.row(_HEAD)
    assert head is not None  # noqa: S101 - it has one row always
    known = signer.known() if signer and signer.name else {}
    yield audit_export.head_line(tenant.id, tenant.name, known)
    written, reached, checkpoints = 0, GENESIS, 0
    unheard = Report(tenant=tenant.id)  # an export says what there is; whoever verifies it finds the faults
    inside = _inside(database, tenant, unheard, head["checkpoint"])
    ahead = await anext(inside, None)
    async for entry in _entries(database, tenant, head["newest"]):
        while ahead is not None and ahead.entries < entry.number:
            yield audit_export.checkpoint_line(ahead)
            checkpoints += 1
            ahead = await anext(inside, None)
        yield audit_export.entry_line(entry)
        written, reached = entry.number, entry.hash
    while ahead is not None and ahead.entries <= written:
        yield audit_export.checkpoint_line(ahead)
        checkpoints += 1
        ahead = await anext(inside, None)
    yield audit_export.end_line(tenant.id, written, reached, checkpoints, signer)
