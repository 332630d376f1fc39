"""What people see and decide, kept by the decision that changes it: tasks and exceptions.

Both follow from records alone, so they can be made anew from the history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from crossdock.process import State
from crossdock.process.messages import Record
from crossdock.store import EngineTransaction

_encode = msgspec.json.Encoder().encode

_TASKS: LiteralString = """
insert into crossdock.task as t (tenant, id, run, step, status, role, opened, due, ended, data)
select k.tenant, k.id, k.run, k.step, k.status, k.role, $1::timestamptz, k.due,
  case when k.status <> 'open' then $1::timestamptz end, k.data
from unnest($2::int[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
            $9::bytea[]) as k(tenant, id, run, step, status, role, due, data)
on conflict (tenant, id) do update set
  status = excluded.status, ended = excluded.ended,
  role = case when excluded.role <> '' then excluded.role else t.role end,
  due = coalesce(excluded.due, t.due),
  data = case when excluded.data <> '' then excluded.data else t.data end
"""

_EXCEPTIONS: LiteralString = """
insert into crossdock.exception as x (tenant, id, run, process, step, type, severity, owner,
                                      connection, message, count, opened, repeated, closed, data)
select k.tenant, k.id, k.run, k.process, k.step, k.type, k.severity, k.owner, k.connection, k.message,
       k.count, $1::timestamptz, case when k.count > 1 then $1::timestamptz end,
       case when k.closed then $1::timestamptz end, k.data
from unnest($2::int[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::int[], $13::bool[], $14::bytea[])
  as k(tenant, id, run, process, step, type, severity, owner, connection, message, count, closed, data)
on conflict (tenant, id) do update set
  count = greatest(x.count, excluded.count),
  message = case when excluded.message <> '' then excluded.message else x.message end,
  severity = case when array_position($15::text[], excluded.severity)
                     > array_position($15::text[], x.severity)
             then excluded.severity else x.severity end,
  repeated = coalesce(excluded.repeated, x.repeated), closed = excluded.closed
"""

_SEVERITIES = ["low", "medium", "high", "critical"]  # in this order


@dataclass(slots=True)
class Seen:
    """Gathers what a batch changes; `write` writes it."""

    now: datetime
    _tasks: dict[tuple[int, str], tuple[Any, ...]] = field(default_factory=dict)
    _exceptions: dict[tuple[int, str], list[Any]] = field(default_factory=dict)
    _changed: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)

    def take(self, tenant: int, run: int, state: State, records: Iterable[Record]) -> None:
        """Note what the records of one decision say."""
        for record in records:
            what = record.what
            if what.startswith("task."):
                self._task(tenant, run, state, record)
            elif what.startswith("exception."):
                self._exception(tenant, run, state, record)
            elif what == "escalated" and record.data.get("task"):
                self._task(tenant, run, state, record)

    def _task(self, tenant: int, run: int, state: State, record: Record) -> None:
        data = record.data
        id_ = str(data.get("task", ""))
        step = state.steps.get(record.step)
        due = step.due if step is not None else None
        before = self._tasks.get((tenant, id_))
        if record.what == "task.opened":
            row = (tenant, id_, run, record.step, "open", str(data.get("role", "")), due, _encode(data))
        elif record.what == "task.changed":
            old = before[7] if before is not None and before[7] else b""
            row = (tenant, id_, run, record.step, "open", before[5] if before else "", due, old)
            self._contents(row, data)
        elif record.what == "escalated":
            status = before[4] if before is not None else "open"
            row = (
                tenant,
                id_,
                run,
                record.step,
                status,
                str(data.get("to", "")),
                due,
                before[7] if before else b"",
            )
        else:
            status = record.what.removeprefix("task.")
            row = (
                tenant,
                id_,
                run,
                record.step,
                status,
                before[5] if before else "",
                due,
                before[7] if before else b"",
            )
        self._tasks[tenant, id_] = row

    def _contents(self, row: tuple[Any, ...], data: dict[str, Any]) -> None:
        """A changed content is merged into the stored one by `write`."""
        self._changed[row[0], row[1]] = data

    def _exception(self, tenant: int, run: int, state: State, record: Record) -> None:
        data = record.data
        id_ = str(data.get("exception", ""))
        row = self._exceptions.get((tenant, id_))
        told = data.get("severity", "medium" if record.what == "exception.raised" else "low")
        severity = told if told in _SEVERITIES else "medium"
        if row is None:
            row = self._exceptions[tenant, id_] = [
                tenant,
                id_,
                run,
                state.process,
                record.step,
                str(data.get("type", "")),
                severity,
                str(data.get("owner") or data.get("process_owner") or ""),
                str(data.get("connection", "")),
                "",
                1,
                False,
                _encode(data),
            ]
        if record.what == "exception.repeated":
            row[10] = int(data.get("count", 1))
            row[6] = max(row[6], severity, key=_SEVERITIES.index)
        row[11] = record.what == "exception.closed"
        if data.get("message"):
            row[9] = str(data["message"])
        if record.what == "exception.raised":
            row[12] = _encode(data)

    async def write(self, transaction: EngineTransaction) -> None:
        """Write what was noted."""
        if self._changed:
            await self._merge(transaction)
        if self._tasks:
            rows = [self._tasks[key] for key in sorted(self._tasks)]
            await transaction.execute(_TASKS, self.now, *zip(*rows, strict=True))
        if self._exceptions:
            rows_ = [self._exceptions[key] for key in sorted(self._exceptions)]
            await transaction.execute(_EXCEPTIONS, self.now, *zip(*rows_, strict=True), _SEVERITIES)

    async def _merge(self, transaction: EngineTransaction) -> None:
        for (tenant, id_), change in self._changed.items():
            row = self._tasks[tenant, id_]
            stored = row[7] or await transaction.value(
                "select data from crossdock.task where tenant = $1 and id = $2", tenant, id_
            )
            data = {**msgspec.json.decode(stored or b"{}"), **change}
            self._tasks[tenant, id_] = (*row[:7], _encode(data))
