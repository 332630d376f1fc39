"""The verdict: what Crossdock believes against what the partners have written down, and against itself.

ends      every order, shipment, return, claim and chain is at exactly one right end
effects   each call that a run knows as done was done once, and nothing was done that no run knows of
events    what was acknowledged is decided, parked or in quarantine; nothing is decided twice
rests     nothing leased, no row without its run, no alias, deadline or case of a run that has ended
replay    every run's events, decided again, give its stored state byte for byte
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString

import msgspec

from crossdock.assemble import System
from crossdock.connect.call import short_key
from crossdock.demo.partners import CARRIERS, Partners
from crossdock.engine import replay
from crossdock.engine.correlate import decode_event
from crossdock.engine.inbox import name_of
from crossdock.engine.payloads import put_back
from crossdock.process.messages import CALL_ENDED
from torture.house import House
from torture.people import People
from torture.post import Post
from torture.work import Work

# What changes something at a partner: operation of ours, and how its ledger calls it.
_EFFECTS = {
    ("wms", "create_pick"): ("wms", "pick.create"),
    ("wms", "expect_return"): ("wms", "return.create"),
    ("erp", "release_invoice"): ("erp", "invoice.post"),
    ("erp", "authorise_return"): ("erp", "return.create"),
    ("erp", "create_credit"): ("erp", "credit_note.create"),
    ("erp", "credit_invoice"): ("erp", "credit_note.create"),
    ("customer", "notify"): ("postbox", "message.send"),
}
_BOOKS = {"quayline": "label.create", "farrow": "consignment.create", "oldbridge": "book"}

_RESTS: dict[str, LiteralString] = {
    "calls that are leased or reported": "select command as what from crossdock.outbox "
    "where status in ('leased', 'reported')",
    "calls that wait": "select command || ' ' || status as what from crossdock.outbox "
    "where status not in ('leased', 'reported')",
    "events that nobody has decided": "select run::text as what from crossdock.inbox",
    "events that are set aside": "select run::text as what from crossdock.aside",
    "calls without a run": "select o.command as what from crossdock.outbox o where not exists "
    "(select 1 from crossdock.run r where r.tenant = o.tenant and r.id = o.run)",
    "events without a run": "select i.run::text as what from crossdock.inbox i where not exists "
    "(select 1 from crossdock.run r where r.tenant = i.tenant and r.id = i.run)",
    "deadlines of runs that have ended": "select key as what from crossdock.run "
    "where ended is not null and wake_at is not null",
    "live names of runs that have ended": "select a.value as what from crossdock.alias a join crossdock.run r "
    "on r.tenant = a.tenant and r.id = a.run where a.live and r.ended is not null",
    "open cases of runs that have ended": "select x.id as what from crossdock.exception x join crossdock.run r "
    "on r.tenant = x.tenant and r.id = x.run where x.closed is null and r.ended is not null",
    "open tasks of runs that have ended": "select t.id as what from crossdock.task t join crossdock.run r "
    "on r.tenant = t.tenant and r.id = t.run where t.status = 'open' and r.ended is not null",
    "parked events that a live run would take": "select p.type || ' ' || x.value as what "
    "from crossdock.parked p join crossdock.parked_key x on x.tenant = p.tenant and x.parked = p.id "
    "join crossdock.alias a on a.tenant = x.tenant and a.kind = x.kind and a.value = x.value and a.live "
    "where p.dismissed is null",
    "parked keys without their event": "select x.value as what from crossdock.parked_key x where not exists "
    "(select 1 from crossdock.parked p where p.tenant = x.tenant and p.id = x.parked)",
    "children whose parent waits for nobody": "select c.key as what from crossdock.run c join crossdock.run p "
    "on p.tenant = c.tenant and p.id = c.parent where c.ended is null and p.ended is not null",
}


@dataclass(slots=True)
class Verdict:
    """What was found. `wrong` is empty where all is as it must be; `seen` is what was looked at."""

    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    ledgers: dict[str, Any] = field(default_factory=dict)  # by service

    def unless(self, right: object, words: str) -> None:
        """Note it, unless it is right."""
        if not right:
            self.wrong.append(words)


@dataclass(slots=True)
class _Run:
    id: int
    process: str
    key: str
    generation: int
    status: str
    version: int


async def judge(
    system: System, partners: Partners, house: House, post: Post, work: Work, people: People
) -> Verdict:
    """Look at everything, after all has come to rest."""
    verdict = Verdict()
    async with system.database.engine() as transaction:
        rows = await transaction.fetch(
            "select id, process, key, generation, status, version from crossdock.run order by id"
        )
        runs = {row["id"]: _Run(**dict(row)) for row in rows}
        for what, sql in _RESTS.items():
            left = [row["what"] for row in await transaction.fetch(sql)]
            verdict.unless(not left, f"{what}: {len(left)}, such as {', '.join(left[:4])}")
    verdict.seen["runs"] = len(runs)
    _ends(verdict, runs, work)
    ledgers = {name: await partners.ledger(name) for name in partners.services}
    verdict.ledgers = {**ledgers, "house": dict(house.lines)}
    done = await _history(verdict, system, work)
    _effects(verdict, runs, done, ledgers, house, people)
    _standing(verdict, runs, ledgers, work, people)
    await _deliveries(verdict, system, post)
    for run in runs.values():
        replayed = await replay(system.database, system.library, system.tenant, run.id)
        verdict.seen["decisions replayed"] += replayed.decisions
        where = f" (first at {replayed.differs_at})" if replayed.differs_at else ""
        verdict.unless(replayed.same, f"{run.process}/{run.key} replays to another state{where}")
    return verdict


def _ends(verdict: Verdict, runs: Mapping[int, _Run], work: Work) -> None:
    of: defaultdict[str, Counter[str]] = defaultdict(Counter)
    live: defaultdict[tuple[str, str], list[_Run]] = defaultdict(list)
    for run in runs.values():
        of[run.process][run.status] += 1
        live[run.process, run.key].append(run)
        verdict.unless(
            run.status in ("completed", "cancelled"), f"{run.process}/{run.key} has come to rest {run.status}"
        )
    verdict.unless(
        all(len(many) == 1 for many in live.values()), "a key has several runs, where none may run again"
    )
    for process, statuses in of.items():
        for status, count in statuses.items():
            verdict.seen[f"{process} {status}"] = count
    for order in work.orders:
        verdict.unless(("order-to-cash", order.number) in live, f"order {order.number} has no run")
    for n in range(work.plan.chains):
        found = live["chain", f"C-{n}"]
        verdict.unless([run.status for run in found] == ["completed"], f"chain C-{n} is not completed")
    for number in work.returns:
        verdict.unless(("return-to-credit", f"R-{number}") in live, f"the return of {number} has no run")
    for number in work.claims:
        verdict.unless(("carrier-claim", f"CL-{number}") in live, f"the claim of {number} has no run")


async def _history(verdict: Verdict, system: System, work: Work) -> dict[int, set[str]]:
    """Calls that were done, by run; and what was decided, against what was accepted."""
    done: defaultdict[int, set[str]] = defaultdict(set)
    kept: set[Any] = set()
    decided: Counter[tuple[int, str, str]] = Counter()
    tenant = system.tenant.id
    async with system.database.engine() as transaction:
        for row in await transaction.fetch(
            "select run, event from crossdock.history where tenant = $1 order by run, seq", tenant
        ):
            (whole,) = await put_back(transaction, tenant, row["event"])
            event = decode_event(whole)
            kept.add(name_of(event.source, event.id))
            if event.source != "engine":
                decided[row["run"], event.source, event.id] += 1
            if event.type == CALL_ENDED and event.data["outcome"] == "done":
                done[row["run"]].add(event.data["command"])
        for table in ("parked", "quarantine", "aside", "inbox"):
            sql: Any = f"select event from crossdock.{table} where tenant = $1"
            for row in await transaction.fetch(sql, tenant):
                (whole,) = await put_back(transaction, tenant, row["event"])
                try:
                    event = decode_event(whole)
                except msgspec.MsgspecError:  # evidence of a late answer
                    verdict.seen["late answers kept as evidence"] += 1
                    continue
                kept.add(name_of(event.source, event.id))
        accepted = {row["event"] for row in await transaction.fetch("select event from crossdock.seen")}
    verdict.seen["events accepted"] = len(accepted)
    twice = [name for name, count in decided.items() if count > 1]
    verdict.unless(not twice, f"decided twice: {twice[:5]}")
    lost = accepted - kept
    verdict.unless(not lost, f"{len(lost)} events were accepted and stand nowhere")
    for source, id_ in work.acknowledged:
        verdict.unless(name_of(source, id_) in kept, f"acknowledged and lost: {source} {id_}")
    return done


def _effects(
    verdict: Verdict,
    runs: Mapping[int, _Run],
    done: Mapping[int, set[str]],
    ledgers: Mapping[str, Any],
    house: House,
    people: People,
) -> None:
    """One effect for each call that was done, told by the key that it carried."""
    believed: Counter[str] = Counter()  # keys of calls of which a run knows that they were done
    bookings: Counter[str] = Counter()  # by shipment, for carriers that know no keys
    for id_, commands in done.items():
        run = runs[id_]
        for command in commands:
            believed[short_key(f"{_TENANT}/{run.process}/{run.key}/{run.generation}/{command}")] += 1
            if run.process == "deliver-shipment" and command.partition("#")[0] == "book":
                bookings[run.key] += 1
    written: Counter[str] = Counter()
    for service, operation in set(_EFFECTS.values()):
        for entry in ledgers[service]["entries"]:
            if entry["operation"] == operation:
                written[entry["reference"] or entry["idempotency_key"]] += 1
    for line, count in house.lines.items():
        written[line] += count
    for key, count in written.items():
        verdict.unless(count == 1, f"{_named(key, runs, done)} was done {count} times")
        known = believed[key] or key in people.supplied
        verdict.unless(known, f"{key} was done, and no run knows of it")
    verdict.seen["effects at partners"] = sum(written.values())
    booked: Counter[str] = Counter()
    for carrier, operation in _BOOKS.items():
        for entry in ledgers[carrier]["entries"]:
            if entry["operation"] == operation:
                booked[entry["key"]] += 1
    for shipment in booked.keys() | bookings.keys():
        verdict.unless(
            booked[shipment] == bookings[shipment],
            f"shipment {shipment} was booked {booked[shipment]} times, and its run knows of "
            f"{bookings[shipment]}",
        )
    verdict.seen["bookings at carriers"] = sum(booked.values())
    effects = {"create_pick", "expect_return", "release_invoice", "authorise_return", "create_credit"}
    for id_, commands in done.items():
        run = runs[id_]
        for command in commands:
            if _operation(run.process, command) in effects:
                key = short_key(f"{_TENANT}/{run.process}/{run.key}/{run.generation}/{command}")
                verdict.unless(written[key] == 1, f"{run.key}: {command} is done for us, and not for them")


_TENANT = "default"
_OPERATIONS = {
    ("order-to-cash", "pick"): "create_pick",
    ("order-to-cash", "invoice"): "release_invoice",
    ("return-to-credit", "authorise"): "authorise_return",
    ("return-to-credit", "expect"): "expect_return",
    ("return-to-credit", "credit"): "create_credit",
}


def _operation(process: str, command: str) -> str:
    """The operation of a call, '' for those that are not looked at one by one, and for undos."""
    return "" if "!" in command else _OPERATIONS.get((process, command.partition("#")[0]), "")


def _named(key: str, runs: Mapping[int, _Run], done: Mapping[int, set[str]]) -> str:
    for id_, commands in done.items():
        run = runs[id_]
        for command in commands:
            if short_key(f"{_TENANT}/{run.process}/{run.key}/{run.generation}/{command}") == key:
                return f"{run.process}/{run.key}: {command}"
    return key


def _standing(
    verdict: Verdict, runs: Mapping[int, _Run], ledgers: Mapping[str, Any], work: Work, people: People
) -> None:
    """What stands at the partners for each order, now that all is over."""
    picks = Counter(ledgers["wms"]["standing"].get("pick", {}))
    invoices = Counter(ledgers["erp"]["standing"].get("invoice", {}))
    bookings: Counter[str] = Counter()
    for carrier in CARRIERS:
        bookings.update(ledgers[carrier]["standing"].get("shipment", {}))
    by_key = {(run.process, run.key): run for run in runs.values()}
    for order in work.orders:
        run = by_key.get(("order-to-cash", order.number))
        if run is None:
            continue
        number, story = order.number, work.stories[order.number]
        ended = run.status == "completed"
        names = (f"{number}/", f"{number}-")  # as the order says, or as the warehouse counts a second one
        shipments = [r for r in runs.values() if r.process == "deliver-shipment" and r.key.startswith(names)]
        verdict.unless(
            story == "cancelled" or ended, f"order {number} ({story}) has come to rest {run.status}"
        )
        packed_before = (number, "pick") in people.left_standing  # what is left may be told after the end
        verdict.unless(
            picks[number] == ended + packed_before, f"order {number} is {run.status}: {picks[number]} picks"
        )
        wanted = {1} if ended and story != "cancelled" else {0, 1} if ended else {0}
        verdict.unless(
            invoices[number] in wanted, f"order {number} is {run.status}: {invoices[number]} invoices"
        )
        count = 2 if story == "two parts" else 1
        verdict.unless(
            not ended or len(shipments) in {count, count + packed_before},
            f"order {number} ({story}) has {len(shipments)} shipments",
        )
        for shipment in shipments:
            left = (shipment.key, "book") in people.left_standing
            right = bookings[shipment.key] == (shipment.status == "completed") + left
            verdict.unless(
                right, f"shipment {shipment.key} is {shipment.status}: {bookings[shipment.key]} bookings"
            )
    credited = ledgers["erp"]["counts"].get("credit_note.create", {})
    for number in work.returns:
        verdict.unless(
            credited.get(number, 0) == 1, f"the return of {number} has {credited.get(number, 0)} credits"
        )


async def _deliveries(verdict: Verdict, system: System, post: Post) -> None:
    """Each message that a door acknowledged is kept, as it was sent."""
    async with system.database.engine() as transaction:
        rows = await transaction.fetch("select distinct connection, body from crossdock.delivery")
        bodies = {row["hash"] for row in await transaction.fetch("select hash from crossdock.blob")}
    kept = {(row["connection"], row["body"]) for row in rows}
    lost = post.taken - kept
    verdict.seen["webhooks acknowledged"] = len(post.taken)
    verdict.unless(not lost, f"{len(lost)} webhooks were acknowledged and are not kept")
    verdict.unless(all(body in bodies for _, body in kept), "a delivery has lost its body")
