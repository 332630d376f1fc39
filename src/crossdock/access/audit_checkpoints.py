"""Checkpoints: signed statements about how far the audit and the history of a tenant had come.

A statement is a line of JSON, signed byte for byte:

    form      "crossdock.checkpoint.1"
    tenant, number, at          numbered for each tenant without gaps
    previous  SHA-256 of the statement before, in hex; 64 zeros for number 1
    entries, hash               the newest entry at that time and its hash: with the chain, all entries before
    history   rows whose transaction is at least `from` and before `upto`: how many (`rows`), and `digest`,
              SHA-256 over their leaves in the order of transaction, run, seq
    key       the name of the key that signs

A leaf is 32 bytes: run (8), seq (4), and the first 20 bytes of a SHA-256 over all of the row (`history_leaf`
in the database). Leaves stand beside the statement, so that the row that was changed can be named. Rows of
transactions that are still open are left to the next checkpoint: nothing is ever added behind `upto`.

A checkpoint is kept in the database, and then added to a file outside of it. What the database alone could
hide, newer rows that were removed together with the head, the file shows.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, LiteralString

from crossdock.access.audit_form import GENESIS, Entry, timestamp
from crossdock.access.audit_signer import Signer, is_signed
from crossdock.errors import Broken
from crossdock.store import Database

FORM = "crossdock.checkpoint.1"
MOST_ROWS = 5000  # of the history in one checkpoint, about; and the most entries
FIRST = "0" * 64
_TAIL = 8192  # bytes at the end of a file, in which the newest line is looked for first

_STATE: LiteralString = """
select c.statement, c.signature, h.number, h.hash
from (select 1) one
left join (select * from crossdock.audit_checkpoint where tenant = $1 order by number desc limit 1) c on true
left join crossdock.audit_head h on h.tenant = $1
"""

_SINCE: LiteralString = """
select * from crossdock.audit where tenant = $1 and number > $2 and number <= $3 order by number limit $4
"""

# Sorted below the aggregate: twice as fast as an aggregate that sorts.
LEAVES: LiteralString = """
select count(*) as rows, coalesce(string_agg(o.leaf, ''::bytea), '') as leaves
from (
  select crossdock.history_leaf(h) as leaf from crossdock.history h
  where h.tenant = $1 and h.xid >= $2::text::xid8 and h.xid < $3::text::xid8
  order by h.xid, h.run, h.seq, h.stored
) o
"""

# The same of what is new: below the oldest transaction that is open, about so many rows; none is cut.
_NEW: LiteralString = """
select count(*) as rows, coalesce(string_agg(o.leaf, ''::bytea), '') as leaves,
  max(o.xid::text::bigint) as newest, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin,
  statement_timestamp() as now
from (
  select n.xid, n.leaf
  from (
    select h.xid, h.run, h.seq, h.stored, crossdock.history_leaf(h) as leaf from crossdock.history h
    where h.tenant = $1 and h.xid >= $2::text::xid8 and h.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by h.xid fetch first ($3) rows with ties
  ) n
  order by n.xid, n.run, n.seq, n.stored
) o
"""

_KEEP: LiteralString = """
insert into crossdock.audit_checkpoint (tenant, number, at, entries, upto, statement, signature, leaves)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing returning number
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One statement, read; `statement` is the text that was signed."""

    tenant: int
    number: int
    at: str
    previous: str
    entries: int
    hash: str
    since: int  # the history from this transaction on
    upto: int  # and before this one
    rows: int
    digest: str
    key: str
    statement: str
    signature: bytes

    @staticmethod
    def read(statement: str, signature: bytes) -> Checkpoint:
        """From its text. Raises `ValueError` where it is no statement."""
        try:
            said = json.loads(statement)
            history = said["history"]
            if said["form"] != FORM:
                raise ValueError("another form")
            return Checkpoint(
                tenant=int(said["tenant"]),
                number=int(said["number"]),
                at=str(said["at"]),
                previous=str(said["previous"]),
                entries=int(said["entries"]),
                hash=str(said["hash"]),
                since=int(history["from"]),
                upto=int(history["upto"]),
                rows=int(history["rows"]),
                digest=str(history["digest"]),
                key=str(said["key"]),
                statement=statement,
                signature=signature,
            )
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"no statement of a checkpoint: {error}") from None

    @property
    def fingerprint(self) -> str:
        """How the next one names this."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    def is_signed(self, keys: dict[str, bytes]) -> bool:
        """Whether one of these keys has signed it, and it is the one that it names."""
        public = keys.get(self.key)
        return public is not None and is_signed(public, self.signature, self.statement.encode())

    def line(self) -> str:
        """As it stands in a file."""
        signature = base64.b64encode(self.signature).decode()
        return json.dumps({"signature": signature, "statement": self.statement}, sort_keys=True)

    @staticmethod
    def from_line(line: str) -> Checkpoint:
        """From a line of a file. Raises `ValueError` where it is none."""
        try:
            kept = json.loads(line)
            signature = base64.b64decode(kept["signature"], validate=True)
            return Checkpoint.read(str(kept["statement"]), signature)
        except (KeyError, TypeError, binascii.Error, RecursionError) as error:
            raise ValueError(f"no line of a checkpoint: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What `make` did: the checkpoint, None where there was nothing to sign or another process was first; and
    whether there is more to sign than one checkpoint takes.
    """

    checkpoint: Checkpoint | None
    more: bool


async def make(database: Database, tenant: int, signer: Signer, *, outside: int) -> Made:
    """Sign what has come since the last checkpoint.

    `outside` is the number of the newest checkpoint in the file. What is signed was looked at: the last
    checkpoint and the entries since. Raises `Broken` where they do not hold: whatever was done there is not
    signed over.
    """
    keys = dict(signer.known())
    (state,) = await database.at_once(_STATE, tenant)
    last = None if state["statement"] is None else _reread(state["statement"], state["signature"], keys)
    if outside > (0 if last is None else last.number):
        raise _not_signed(tenant, f"checkpoint {outside} stands in the file, and not in the database")
    signed, newest = (0, GENESIS) if last is None else (last.entries, bytes.fromhex(last.hash))
    end = (0, GENESIS) if state["number"] is None else (state["number"], state["hash"])
    entries = signed
    if end != (signed, newest):
        entries, newest = await _follow(database, tenant, signed, newest, end)
    since = 0 if last is None else last.upto
    (new,) = await database.at_once(_NEW, tenant, str(since), MOST_ROWS)
    rows, leaves = new["rows"], bytes(new["leaves"])
    more = rows >= MOST_ROWS or entries - signed == MOST_ROWS
    if not rows and entries == signed:
        return Made(checkpoint=None, more=False)
    upto = since if not rows else new["newest"] + 1 if rows >= MOST_ROWS else new["xmin"]
    statement = json.dumps(
        {
            "at": timestamp(new["now"]),
            "entries": entries,
            "form": FORM,
            "hash": newest.hex(),
            "history": {
                "digest": hashlib.sha256(leaves).hexdigest(),
                "from": since,
                "rows": rows,
                "upto": upto,
            },
            "key": signer.name,
            "number": 1 if last is None else last.number + 1,
            "previous": FIRST if last is None else last.fingerprint,
            "tenant": tenant,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    made = Checkpoint.read(statement, signer.sign(statement.encode()))
    kept = await database.at_once(
        _KEEP, tenant, made.number, new["now"], entries, upto, statement, made.signature, leaves
    )
    return Made(checkpoint=made if kept else None, more=more)


async def _follow(
    database: Database, tenant: int, entries: int, newest: bytes, end: tuple[int, bytes]
) -> tuple[int, bytes]:
    """The chain from the entry that is signed up to its `end`, or as far as one checkpoint takes."""
    first = entries
    for found in await database.at_once(_SINCE, tenant, entries, end[0], MOST_ROWS):
        entry = as_entry(found)
        entries += 1
        if entry.number != entries or entry.previous != newest or entry.digest() != entry.hash:
            raise _not_signed(tenant, f"entry {entries} is not what was recorded")
        newest = entry.hash
    if (entries, newest) != end and entries < first + MOST_ROWS:
        raise _not_signed(tenant, f"the chain ends at entry {entries}, and its head says {end[0]}")
    return entries, newest


def as_entry(row: Any) -> Entry:
    """An entry, from its row."""
    return Entry(**{**dict(row), "roles": tuple(row["roles"])})


def _reread(statement: str, signature: bytes, keys: dict[str, bytes]) -> Checkpoint:
    try:
        last = Checkpoint.read(statement, signature)
    except ValueError as error:
        raise Broken(str(error), mend="see `crossdock audit verify`") from None
    if last.key not in keys:
        raise Broken(
            f"the last checkpoint of tenant {last.tenant} was signed by key {last.key}, not known here",
            mend="give all machines one key: CROSSDOCK_AUDIT_KEY",
        )
    if not last.is_signed(keys):
        raise _not_signed(last.tenant, f"checkpoint {last.number} has a bad signature")
    return last


def _not_signed(tenant: int, what: str) -> Broken:
    return Broken(
        f"the audit of tenant {tenant} is not signed any further: {what}", mend="see `crossdock audit verify`"
    )


class CheckpointFile:
    """The checkpoints of one tenant outside of the database: a line each, only ever added to."""

    def __init__(self, directory: Path, tenant: int) -> None:
        """Of that tenant, in the directory."""
        self.path = directory / f"{tenant}.checkpoints"

    def size(self) -> int:
        """How many bytes there are now; 0 where there is no file."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self, size: int) -> Iterator[str]:
        """The lines in the first `size` bytes."""
        if size:
            with self.path.open("rb") as file:
                while file.tell() < size and (line := file.readline()):
                    yield line.decode("utf-8", "replace")

    def last(self) -> int:
        """The number of the newest one; 0 for none."""
        try:
            with self.path.open("rb") as file:
                return _newest(file)
        except FileNotFoundError:
            return 0

    def add(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Add those that come after the newest one; they are on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            newest = _newest(file)
            text = "".join(one.line() + "\n" for one in checkpoints if one.number > newest)
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    text = "\n" + text  # a crash has cut the last line: it stays as it is
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def _newest(file: IO[bytes]) -> int:
    """The number in the last line that can be read."""
    size = file.seek(0, os.SEEK_END)
    for reach in (_TAIL, size):
        file.seek(max(0, size - reach))
        for line in reversed(file.read().splitlines()):
            with contextlib.suppress(ValueError):
                return Checkpoint.from_line(line.decode("utf-8", "replace")).number
    return 0
