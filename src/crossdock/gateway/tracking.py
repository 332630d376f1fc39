"""Numbers on their way: carriers are asked for what happened, also to those that push, and silence is told.

A tracking number is followed from the decision that names it until its run has ended. Each is leased while it
is asked for, so that no two workers ask for one; of a connection no more at a time than it stands. What is
reported enters by the door of the webhooks, under the same ids, so that what was pushed changes nothing.
Tenders that a planner has not answered are asked for in the same way (`tenders`).

When the next news of a number is due and has not come, `shipment.silent` says so once, with the reason that
asking has shown (`silence`). An exception that came of it is closed when the carrier reports again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, LiteralString
from zlib import crc32

import structlog

from crossdock.access.redaction import hidden
from crossdock.connect import Calls, Lines, Registry
from crossdock.connect.arrivals import arrivals, source_of
from crossdock.connect.contract import Connector, Happening, Operation, RefusedByPartner
from crossdock.engine import Arrival, Inbox
from crossdock.engine.payloads import put_back
from crossdock.errors import CrossdockError
from crossdock.gateway import silence
from crossdock.gateway.outages import Outages
from crossdock.gateway.silence import Number
from crossdock.gateway.tenders import Tenders
from crossdock.gateway.turns import turns
from crossdock.process import State, decode_state
from crossdock.process.messages import EXCEPTION_CLOSE, Actor
from crossdock.store import Database, EngineTransaction, Tenant

log = structlog.get_logger(__name__)

LEASE_SECONDS = 120.0
ASK_SECONDS = 30.0
_AT_ONCE = 2  # numbers of a connection that are asked for at one time, where it does not say what it stands

_NEW: LiteralString = """
select a.tenant, a.run, a.kind as what, a.value as number, r.state
from (select tenant, run, kind, value from crossdock.alias
      where kind in ('tracking', 'tender') and live and not followed
      order by tenant, run limit 200 for update skip locked) a
join crossdock.run r on r.tenant = a.tenant and r.id = a.run
where r.state is not null
"""

_FOLLOW: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                       $8::text[], $9::float8[])
    as k(tenant, run, what, number, connection, service, lane, calendar, wait)
), looked as (
  update crossdock.alias a set followed = true from k
  where a.tenant = k.tenant and a.run = k.run and a.kind = k.what and a.value = k.number
)
insert into crossdock.tracking as t (tenant, connection, what, number, run, service, lane, calendar, due)
select k.tenant, k.connection, k.what, k.number, k.run, k.service, k.lane, k.calendar,
       crossdock.now() + make_interval(secs => k.wait)
from k join crossdock.connection c on c.tenant = k.tenant and c.name = k.connection
where k.what = 'tracking' or c.connector = any($10::text[])
on conflict (tenant, connection, what, number) do update set
  run = excluded.run, service = excluded.service, lane = excluded.lane, calendar = excluded.calendar,
  booked = excluded.booked, due = excluded.due, newest = null, code = '', silent = null, failures = 0,
  refused = false, error = ''
"""

_OVER: LiteralString = """
delete from crossdock.tracking t using (
  select x.tenant, x.connection, x.what, x.number from crossdock.tracking x
  where x.due <= crossdock.now() and (x.leased_until is null or x.leased_until < clock_timestamp())
    and not exists (select from crossdock.alias a
                    where a.tenant = x.tenant and a.run = x.run and a.kind = x.what and a.value = x.number
                      and a.live)
  limit 500 for update skip locked) d
where t.tenant = d.tenant and t.connection = d.connection and t.what = d.what and t.number = d.number
"""

_LEASE: LiteralString = """
update crossdock.tracking t set leased_until = clock_timestamp() + make_interval(secs => $2)
from (
  select x.tenant, x.connection, x.what, x.number, n.name as tenant_name, c.connector
  from crossdock.connection c
  join crossdock.tenant n on n.tenant = c.tenant and n.suspended is null
  cross join lateral (
    select y.tenant, y.connection, y.what, y.number, y.due from crossdock.tracking y
    where y.tenant = c.tenant and y.connection = c.name and y.due <= crossdock.now()
      and (y.leased_until is null or y.leased_until < clock_timestamp())
      and c.connector = any(case y.what when 'tender' then $5::text[] else $4::text[] end)
    order by y.due
    limit greatest(1, least(coalesce(c.concurrency, $3), ceil(coalesce(c.rate, $3)), $3)::int)
    for update of y skip locked) x
  where c.connector = any($4::text[] || $5::text[]) and c.stopped is null
    and (c.open_until is null or c.open_until < clock_timestamp())
  limit $1
) d
where t.tenant = d.tenant and t.connection = d.connection and t.what = d.what and t.number = d.number
returning t.*, d.tenant_name, d.connector, crossdock.now() as now,
  exists (select from crossdock.alias a where a.tenant = t.tenant and a.kind = t.what
          and a.value = t.number and a.run <> t.run) as twice
"""

_DONE: LiteralString = """
update crossdock.tracking t
set leased_until = null, due = crossdock.now() + make_interval(secs => $4), failures = $5, refused = $6,
    error = $7, asked = case when $5 = 0 then crossdock.now() else t.asked end, newest = $8, code = $9,
    place = $10, silent = $11
where tenant = $1 and connection = $2 and what = 'tracking' and number = $3
"""

_ASKED_TENDER: LiteralString = """
update crossdock.tracking t
set leased_until = null, due = crossdock.now() + make_interval(secs => $4), failures = $5, error = $6,
    asked = case when $5 = 0 then crossdock.now() else t.asked end
where tenant = $1 and connection = $2 and what = 'tender' and number = $3
"""
_TENDER_OVER: LiteralString = """
delete from crossdock.tracking where tenant = $1 and connection = $2 and what = 'tender' and number = $3
"""
_ANSWERED: LiteralString = """
select exists (select from crossdock.history h where h.tenant = $1 and h.run = $2 and h.type = $3
               and position(convert_to(to_json($4::text)::text, 'UTF8') in h.event) > 0)
"""

_PUSHED: LiteralString = """
select max(h.at) from crossdock.history h
where h.tenant = $1 and h.run = $2 and h.type like 'shipment.%' and h.type <> 'shipment.silent'
"""

_SILENT: LiteralString = """
select id from crossdock.exception where tenant = $1 and run = $2 and type = 'no_movement' and closed is null
"""


class Tracker:
    """Follows the numbers of all tenants."""

    def __init__(
        self, database: Database, inbox: Inbox, lines: Lines, calls: Calls, registry: Registry
    ) -> None:
        """Into that inbox, through these connections."""
        self._database = database
        self._inbox = inbox
        self._lines = lines
        self._calls = calls
        self._tracks: Mapping[str, Operation] = {
            connector.name: operation
            for connector in registry.connectors.values()
            for operation in connector.operations
            if (connector.system_of(operation), operation.name) == ("carrier", "track")
            and "track_every" in connector.settings
        }
        self._outages = Outages("tracking")
        self._tenders = Tenders(database, inbox, lines, calls, registry, self._outages)

    async def run(self, *, look: float = 1.0) -> None:
        """Ask for what is due until cancelled, looking every `look` seconds."""
        await turns("tracking", self.turn, look=look)

    async def turn(self, most: int = 16) -> int:
        """Ask for up to `most` numbers that are due, few of one connection; gives how many there were."""
        if not self._tracks and not self._tenders.connectors:
            return 0
        async with self._database.engine() as transaction:
            await self._begin(transaction)
            await transaction.execute(_OVER)
            rows = await transaction.fetch(
                _LEASE, most, LEASE_SECONDS, _AT_ONCE, list(self._tracks), self._tenders.connectors
            )
        await asyncio.gather(
            *(self._tenders.ask(row) if row["what"] == "tender" else self._follow(row) for row in rows)
        )
        return len(rows)

    async def _begin(self, transaction: EngineTransaction) -> None:
        """Follow the numbers that have come since."""
        found: list[tuple[Any, ...]] = []
        for row in await transaction.fetch(_NEW):
            (whole,) = await put_back(transaction, row["tenant"], row["state"])
            state, number = decode_state(whole), row["number"]
            if row["what"] == "tender":
                planner = await self._tenders.planner(transaction, row["tenant"], state, number)
                carried, wait = (planner, "", "", ""), 0
            else:
                carried = _carried(state, number)
                wait = crc32(number.encode()) % 600  # seconds: never all at once
            found.append((row["tenant"], row["run"], row["what"], number, *carried, wait))
        if found:
            await transaction.execute(
                _FOLLOW, *(list(column) for column in zip(*found, strict=True)), self._tenders.connectors
            )

    async def _follow(self, row: Any) -> None:
        tenant = Tenant(id=row["tenant"], name=row["tenant_name"])
        connection, number = row["connection"], row["number"]
        failures, refused, error, every, followed = 0, False, "", 0.0, False
        last = (row["newest"], row["code"], row["place"])
        try:
            line = await self._lines.line(tenant.id, connection)
            every = float(line.settings.get("track_every") or 0)
            followed = every > 0 and row["now"] - row["booked"] < silence.FOLLOWED
            if followed:
                last = await self._ask(tenant, line.connector, connection, number) or last
                self._outages.answered(tenant.name, connection=connection)
        except RefusedByPartner as problem:
            failures, refused, error = row["failures"] + 1, True, problem.message
        except CrossdockError as problem:
            failures, error = row["failures"] + 1, str(problem)
        except Exception as problem:  # noqa: BLE001 - a connector reads what others send
            failures, error = row["failures"] + 1, f"{type(problem).__name__}: {problem}"
        error = hidden(error)[:2000]
        known = Number(
            carrier=connection,
            service=row["service"],
            lane=row["lane"],
            booked=row["booked"],
            newest=last[0],
            code=last[1],
            place=last[2],
            failures=failures,
            refused=refused,
            error=error,
            twice=row["twice"],
        )
        wait = silence.asked_after(known, every or 1440.0, row["now"])
        if refused and failures == 1:
            log.warning("tracking.refused", tenant=tenant.name, connection=connection, error=error)
        elif failures and not refused:
            self._outages.failed(tenant.name, error, connection=connection)
        with contextlib.suppress(CrossdockError):  # the lease ends by itself
            silent = await self._hush(tenant, row, known) if followed else row["silent"]
            async with self._database.engine() as transaction:
                await transaction.execute(
                    _DONE,
                    *(tenant.id, connection, number, wait.total_seconds(), failures, refused),
                    (await self._inbox.raw(tenant.id, error.encode())).decode() if error else "",
                    *(*last, silent),
                )

    async def _ask(
        self, tenant: Tenant, connector: Connector, connection: str, number: str
    ) -> tuple[datetime, str, str] | None:
        """Take in what the carrier reports; gives what happened last."""
        operation = self._tracks[connector.name]
        output = await self._calls.ask(
            tenant.id, connection, operation.do, {"tracking_number": number}, seconds=ASK_SECONDS
        )
        events = output.get("events") or []
        told = [
            Happening(
                id=event["id"],
                type=event["type"],
                time=datetime.fromisoformat(event["time"]),
                data=event["data"],
            )
            for event in events
        ]
        if told:
            await self._inbox.put(tenant, arrivals(told, connector, connection, f"track/{number}"))
        return silence.newest(events)

    async def _hush(self, tenant: Tenant, row: Any, number: Number) -> datetime | None:
        """Tell of silence, or that it has ended; gives since when silence was told."""
        async with self._database.engine() as transaction:
            pushed = await transaction.value(_PUSHED, tenant.id, row["run"])
        number = replace(number, newest=max(filter(None, (number.newest, pushed)), default=None))
        since: datetime = number.newest or number.booked
        silent: datetime | None = row["silent"]
        if silent is not None and since > silent:
            await self._heard(tenant, row["run"], since)
            silent = None
        await self._inbox.library.renew(tenant.id)
        shelf = self._inbox.library.shelf_of(tenant.id)
        reference = shelf.references[shelf.reference]
        calendar = reference.calendar(row["calendar"]) or reference.calendar("default")
        rules = reference.tenant.get("settings", {}).get("silence")
        if silent is not None or row["now"] < silence.due(number, rules, calendar):
            return silent
        word, sentence = silence.why(number)
        data = {
            "tracking_number": row["number"],
            "carrier": number.carrier,
            "reason": "no_movement",
            "silence": word,
            "silence_told": sentence[:500],
        }
        name = f"silent/{row['number']}/{since.isoformat()}"
        await self._inbox.put(
            tenant,
            [
                Arrival(
                    id=name,
                    source=source_of(number.carrier),
                    type="shipment.silent",
                    data=data,
                    about={"tracking": row["number"]},
                )
            ],
        )
        return since

    async def _heard(self, tenant: Tenant, run: int, since: datetime) -> None:
        """Close what the silence opened."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_SILENT, tenant.id, run)
        for row in rows:
            await self._inbox.tell(
                tenant,
                run,
                Arrival(
                    id=f"heard/{row['id']}/{since.isoformat()}",
                    source="gateway/tracking",
                    type=EXCEPTION_CLOSE,
                    data={"exception": row["id"], "action": "close", "note": "the carrier reports again"},
                    actor=Actor(id="crossdock", kind="system"),
                ),
            )


def _carried(state: State, number: str) -> tuple[str, str, str, str]:
    """Who carries a number: connection, service, lane, and the calendar of the run."""
    document = state.document if isinstance(state.document, dict) else {}
    carrier, service = str(document.get("carrier") or ""), str(document.get("service") or "")
    for step in state.steps.values():
        output = step.output if isinstance(step.output, dict) else {}
        if output.get("tracking_number") == number and step.via:
            carrier = step.via
            given = step.input if isinstance(step.input, dict) else {}
            service = str(given.get("service") or service)
    ends = [document.get(end) for end in ("ship_from", "ship_to")]
    lane = "-".join(str(end.get("country", "")) if isinstance(end, dict) else "" for end in ends)
    return carrier, service, lane, state.calendar
