"""Personal data on its way in, out to partners, and back: for tenants that seal it, at no cost for others.

    in       `Personal.hide`: the one door (`Inbox`) makes tokens of personal values before all writing
    out      `SealedCalls`: a call is given what its tokens stand for, in memory, and its outcome is hidden
    raw      what could not be read is sealed as a whole, with a key that is destroyed after some days

The kernel, and all that is written, has tokens alone. Whose data an event holds:

    1  where a key that it names, or a run that the key finds, has a subject that was erased: that one's, and
       personal values are not kept at all
    2  where it names a customer: that customer's, `customer/ID`
    3  where a key that it names, or a run that the key finds, or its parent, has a subject: that one's
    4  else its first key's, an order's before others: `order/SO-1`

What a call answers, and what people say to a run, is the run's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from typing import Any, LiteralString, cast

import msgspec

from crossdock.access.seals import TOKEN, Seal, safe
from crossdock.access.subjects import RAW, Subjects
from crossdock.engine.arrival import Arrival
from crossdock.engine.library import Library
from crossdock.engine.outbox import Caller, LeasedCall
from crossdock.errors import CrossdockError, Unreachable
from crossdock.model.personal import transformed
from crossdock.process.messages import RUN_START, CallEnded
from crossdock.store import Database, Together

_LEAST_ECHO = 3  # letters of a value that is looked for in what a partner says; less would hide words
_MOST_KEPT = 50_000  # runs, and keys, whose subject is kept in memory

# `up`: the runs that keys find, and their parents. The subjects, nearest first; then the runs that have none.
_BY_KEYS: LiteralString = """
with recursive k as (
  select * from unnest($2::int[], $3::text[], $4::text[]) as k(n, kind, value)
), up(n, id, parent, far) as (
  select k.n, r.id, r.parent, 1 from k
  join crossdock.alias a on a.tenant = $1 and a.kind = any(array[k.kind]) and a.value = any(array[k.value])
  join crossdock.run r on r.tenant = $1 and r.id = any(array[a.run])
  union all
  select up.n, r.id, r.parent, up.far + 1 from up
  join crossdock.run r on r.tenant = $1 and r.id = any(array[up.parent]) where up.far < 10
)
select k.n, s.handle, 0 as far, null::bigint as run, k.kind, k.value from k
join crossdock.subject_key s
  on s.tenant = $1 and s.kind = any(array[k.kind]) and s.value = any(array[k.value])
union all
select up.n, s.handle, up.far, null, null, null from up
join crossdock.alias a on a.tenant = $1 and a.run = any(array[up.id])
join crossdock.subject_key s
  on s.tenant = $1 and s.kind = any(array[a.kind]) and s.value = any(array[a.value])
union all
select up.n, null, 100, up.id, null, null from up where up.far = 1
order by 1, 3, 2, 4
"""
_BY_RUN: LiteralString = """
with recursive up(run, id, parent, far) as (
  select r.id, r.id, r.parent, 0 from crossdock.run r where r.tenant = $1 and r.id = any($2::bigint[])
  union all
  select up.run, r.id, r.parent, up.far + 1 from up
  join crossdock.run r on r.tenant = $1 and r.id = any(array[up.parent]) where up.far < 10
)
select distinct on (up.run) up.run, s.handle from up
join crossdock.alias a on a.tenant = $1 and a.run = any(array[up.id])
join crossdock.subject_key s
  on s.tenant = $1 and s.kind = any(array[a.kind]) and s.value = any(array[a.value])
order by up.run, up.far, s.handle
"""
_OWN: LiteralString = """
select a.kind, a.value, r.state from crossdock.run r
left join crossdock.alias a on a.tenant = r.tenant and a.run = r.id
where r.tenant = $1 and r.id = $2 order by a.value <> r.key, a.kind limit 1
"""


@dataclass(slots=True, eq=False)
class _Sealing:
    """What is to be sealed: events, each for whose it is, or what belongs to one run."""

    put: Callable[[Sequence[Seal]], Any]  # given the seal of each, or that of the run
    arrivals: Sequence[Arrival] = ()
    run: int | None = None
    keys: Sequence[Sequence[tuple[str, str]]] = ()  # of each arrival


class Personal:
    """Makes tokens of what comes in, for the tenants that want it."""

    def __init__(self, database: Database, library: Library, subjects: Subjects) -> None:
        """Whether a tenant wants it, the library knows."""
        self.subjects = subjects
        self._database = database
        self._library = library
        self._runs: dict[tuple[int, int], str] = {}
        self._first: dict[tuple[int, str, str], str] = {}  # the subjects of business keys
        self._together: dict[int, Together[_Sealing, Any]] = {}

    async def seals(self, tenant: int) -> bool | None:
        """Whether what comes in is sealed now; None where it never was, so that nothing is to be opened."""
        await self._library.renew(tenant)
        return self._library.shelf_of(tenant).personal

    async def hide(
        self, tenant: int, arrivals: Sequence[Arrival], run: int | None = None
    ) -> Sequence[Arrival]:
        """Events with tokens for their personal values; those for one `run` are its subject's.

        Raises `Unreachable` where they cannot be sealed now: then they may not be kept.
        """
        seals = await self.seals(tenant)
        if seals is None or all(arrival.sealed for arrival in arrivals):
            return arrivals
        if not seals:
            return [
                one
                if one.sealed
                else msgspec.structs.replace(one, data=transformed(one.data, _as_it_is, safe), sealed=True)
                for one in arrivals
            ]

        def put(seals: Sequence[Seal]) -> Sequence[Arrival]:
            of = seals if run is None else [*seals] * len(arrivals)
            return [
                one
                if one.sealed
                else msgspec.structs.replace(
                    one, data=seal.hide(one.data, event=one.type), about=_safe_keys(one.about), sealed=True
                )
                for one, seal in zip(arrivals, of, strict=True)
            ]

        try:
            if run is not None:
                return cast("Sequence[Arrival]", await self._sealed(tenant, _Sealing(put, run=run)))
            keys = [self._keys(tenant, one) for one in arrivals]
            return cast("Sequence[Arrival]", await self._sealed(tenant, _Sealing(put, arrivals, keys=keys)))
        except Unreachable:
            raise
        except CrossdockError as error:
            raise Unreachable(f"personal data cannot be sealed now: {error}", retry_after=30) from error

    async def of_run(self, tenant: int, run: int, put: Callable[[Seal], Any]) -> Any:
        """What `put` makes with the seal of a run's subject, who is found by it from now on."""
        return await self._sealed(tenant, _Sealing(lambda seals: put(seals[0]), run=run))

    async def hide_by_hand(self, tenant: int, data: Any) -> Any:
        """What somebody gives for many runs at once: it is of nobody that is known."""
        if not await self.seals(tenant):
            return data
        seal = await self.subjects.named(tenant, "given/by-hand")
        hidden = seal.hide(data)
        await self.subjects.keep(tenant, [seal])
        return hidden

    async def seal_raw(self, tenant: int, data: bytes) -> bytes:
        """What came raw, sealed as a whole with the key of the day; as it is where nothing is sealed."""
        if not await self.seals(tenant):
            return data
        seal = await self.subjects.named(tenant, f"{RAW}{datetime.now(UTC):%Y-%m-%d}")
        return seal.of_bytes(data).encode()

    async def _sealed(self, tenant: int, what: _Sealing) -> Any:
        """What its `put` gives. All that comes at the same time is done in a few statements."""
        together = self._together.get(tenant)
        if together is None:
            together = Together(partial(self._seal, tenant), weigh=lambda one: len(one.arrivals) or 1)
            self._together[tenant] = together
        return await together.put(tenant, what)

    async def _seal(self, tenant: int, batch: Sequence[_Sealing]) -> list[Any]:
        arrivals = [pair for one in batch for pair in zip(one.arrivals, one.keys, strict=True)]
        known = await self._of_keys(tenant, [keys for _, keys in arrivals])
        by_run = await self._of_runs(tenant, {one.run for one in batch if one.run is not None})
        held = await self.subjects.held(tenant, {handle for handle in known if handle} | {*by_run.values()})
        names = _names(arrivals, [held[handle] if handle else None for handle in known])
        named = await self.subjects.all_named(tenant, {name for name in names if name})
        seals = [
            named[name] if name else held[handle or ""] for name, handle in zip(names, known, strict=True)
        ]
        new = [
            (*key, seal.handle)
            for (_, keys), seal in zip(arrivals, seals, strict=True)
            for key in keys
            if (tenant, *key) not in self._first
        ]
        used = iter(seals)
        mine = [
            list(islice(used, len(one.arrivals))) if one.run is None else [held[by_run[one.run]]]
            for one in batch
        ]
        done = [one.put(its) for one, its in zip(batch, mine, strict=True)]
        for kind, value, handle in await self.subjects.keep(tenant, chain(*mine), new):
            self._remember(tenant, kind, value, handle)
        return done

    async def _of_keys(self, tenant: int, events: Sequence[Sequence[tuple[str, str]]]) -> list[str | None]:
        """The subjects that events with those keys have already."""
        found: list[str | None] = [None] * len(events)
        numbered: list[tuple[int, str, str]] = []
        for n, keys in enumerate(events):
            first = [self._first.get((tenant, *key)) for key in keys]
            if first and None not in first:
                found[n] = min(handle for handle in first if handle)
            else:
                numbered += [(n, *key) for key in keys]
        if not numbered:
            return found
        rows = await self._database.at_once(_BY_KEYS, tenant, *zip(*numbered, strict=True))
        without: dict[int, int] = {}
        for row in rows:  # the nearest first
            n, handle = row["n"], row["handle"]
            if row["far"] == 0:
                self._remember(tenant, row["kind"], row["value"], handle)
            if found[n] is None and handle is not None:
                found[n] = handle
            elif found[n] is None:
                without.setdefault(n, row["run"])
        if without:
            by_run = await self._of_runs(tenant, set(without.values()))
            for n, run in without.items():
                found[n] = by_run[run]
        return found

    async def _of_runs(self, tenant: int, runs: set[int]) -> dict[int, str]:
        """The subjects of runs."""
        found = {run: self._runs[tenant, run] for run in runs if (tenant, run) in self._runs}
        left = runs - found.keys()
        if left:
            rows = await self._database.at_once(_BY_RUN, tenant, sorted(left))
            found |= {row["run"]: row["handle"] for row in rows}
            for run in sorted(left - found.keys()):
                found[run] = await self._begun(tenant, run)
            if len(self._runs) + len(left) > _MOST_KEPT:
                self._runs.clear()
            self._runs.update(((tenant, run), found[run]) for run in left)
        return found

    def _remember(self, tenant: int, kind: str, value: str, handle: str) -> None:
        """The first subject of a key stays, erased or not: this is true for ever."""
        if len(self._first) >= _MOST_KEPT:
            self._first.clear()
        self._first[tenant, kind, value] = handle

    async def _begun(self, tenant: int, run: int) -> str:
        """The subject of a run whose keys have none: whoever stands in its state, else its own key's."""
        (own,) = await self._database.at_once(_OWN, tenant, run) or (None,)
        kind, value = "run", str(run)
        if own is not None and own["kind"] is not None:
            kind, value = own["kind"], own["value"]
        held = TOKEN.search((own["state"] or b"").decode()) if own is not None else None
        handle = held.group(1) if held else (await self.subjects.named(tenant, f"{kind}/{value}")).handle
        await self.subjects.keep(tenant, [], [(kind, value, handle)])
        return handle

    def _keys(self, tenant: int, arrival: Arrival) -> list[tuple[str, str]]:
        """The business keys that an event names, an order's first; a customer or party is no case."""
        named = dict(arrival.about)
        if arrival.type == RUN_START and isinstance(arrival.data, Mapping):
            named |= self._started(tenant, arrival.data)
        kept = [(kind, value) for kind, value in named.items() if kind not in ("customer", "party")]
        return sorted(kept, key=lambda one: one[0] != "order")

    def _started(self, tenant: int, data: Mapping[str, Any]) -> dict[str, str]:
        """The key of the run that a start by hand begins."""
        shelf = self._library.shelf_of(tenant)
        published = shelf.published.get(str(data.get("process")))
        process = shelf.processes.get(published.id) if published is not None else None
        if process is None:
            return {}
        known = {process.variable: data.get("document"), "tenant": shelf.references[shelf.reference].tenant}
        try:
            return {process.kind: str(process.key.evaluate(known))}
        except CrossdockError:
            return {}  # the inbox says what is wrong with it


class SealedCalls:
    """The engine's `Caller`: opens what a call says, in memory, and hides what it answers."""

    def __init__(self, calls: Caller, personal: Personal) -> None:
        """Around those calls."""
        self._calls = calls
        self._personal = personal

    async def call(self, leased: LeasedCall) -> CallEnded:
        """Call, and say how it ended. Never raises for what the other side does."""
        try:
            seals = await self._personal.seals(leased.tenant)
            if seals is None:
                return await self._calls.call(leased)
            opened = await self._personal.subjects.opened(leased.tenant, leased.call.input)
            if not seals and opened.said is None:
                return await self._calls.call(leased)
        except CrossdockError as error:
            return CallEnded(
                command=leased.command,
                outcome="unreachable",
                reason=f"personal data cannot be opened now: {error}",
                retry_after=error.retry_after if isinstance(error, Unreachable) else 30,
            )
        if opened.gone:
            return CallEnded(
                command=leased.command,
                outcome="refused",
                reason="the personal data that it would send was erased",
                code="erased",
            )
        said = opened.said or set()
        if opened.said is not None:
            leased = replace(leased, call=msgspec.structs.replace(leased.call, input=opened.data))
        ended = await self._calls.call(leased)
        found: list[str | float] = []

        def find(value: str | float) -> str:
            found.append(value)
            return ""

        hidden = _hidden(ended, find, said)
        if not found:
            return hidden
        try:
            return cast(
                "CallEnded",
                await self._personal.of_run(
                    leased.tenant, leased.run, lambda seal: _hidden(ended, seal.token, said)
                ),
            )
        except CrossdockError as error:
            return CallEnded(
                command=leased.command,
                outcome="unknown",
                reason=f"what the call gave cannot be sealed now: {error}",
            )


def _names(
    arrivals: Sequence[tuple[Arrival, Sequence[tuple[str, str]]]], known: Sequence[Seal | None]
) -> list[str]:
    """The subjects that events name, or that are made for them; "" for one that is the known one's."""
    names = [
        "" if seal is not None and seal.erased else customer_of(one.type, one.data)
        for (one, _), seal in zip(arrivals, known, strict=True)
    ]
    beside = {key: name for (_, keys), name in zip(arrivals, names, strict=True) if name for key in keys}
    for n, ((one, keys), seal) in enumerate(zip(arrivals, known, strict=True)):
        if not names[n] and seal is None:
            first = [beside[key] for key in keys if key in beside]
            first += [f"{kind}/{value}" for kind, value in keys]
            names[n] = first[0] if first else f"event/{one.source}/{one.id}"
    return names


def customer_of(type_: str, data: Any) -> str:
    """The customer that an event names, as a subject; "" where it names none."""
    if not isinstance(data, Mapping):
        return ""
    if type_.startswith("party."):
        roles = data.get("roles") or ("customer",)
        kind = "customer" if "customer" in roles or "bill_to" in roles else "party"
        return f"{kind}/{data['id']}" if data.get("id") else ""
    inner = [data.get(name) for name in ("document", "order", "shipment", "invoice", "return")]
    for place in (data, *inner):
        customer = place.get("customer") if isinstance(place, Mapping) else None
        id_ = customer.get("id") if isinstance(customer, Mapping) else customer
        if isinstance(id_, str | int) and not isinstance(id_, bool) and str(id_).strip():
            return f"customer/{id_}"
    return ""


def _as_it_is(value: Any) -> Any:
    return safe(value) if isinstance(value, str) else value


def _safe_keys(about: Mapping[str, str]) -> dict[str, str]:
    return {safe(kind): safe(value) for kind, value in about.items()}


def _hidden(ended: CallEnded, token: Callable[[str | float], str], said: set[str]) -> CallEnded:
    """An outcome with tokens: for personal values, and for what the call has said where it comes back."""
    longest = sorted((one for one in said if len(one) >= _LEAST_ECHO), key=len, reverse=True)
    folded = [_folded(one) for one in longest]
    echo: re.Pattern[str] | None = None

    def unsaid(text: str) -> str:
        nonlocal echo
        text, plain = safe(text), _folded(text)
        if not any(one in plain for one in folded):  # mostly so, and an expression for each call is dear
            return text
        if echo is None:
            words = "|".join(re.escape(one) for one in longest)
            echo = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
        return echo.sub(lambda match: token(match.group()), text)

    return msgspec.structs.replace(
        ended,
        output=transformed(ended.output, token, unsaid),
        reason=unsaid(ended.reason),
        code=unsaid(ended.code),
    )


def _folded(text: str) -> str:
    """Alike for all texts that are alike to `re.IGNORECASE`, which takes the Turkish letters for an i."""
    return (
        text.casefold()
        .replace("\N{LATIN SMALL LETTER DOTLESS I}", "i")
        .replace("\N{COMBINING DOT ABOVE}", "")
    )
