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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from crossdock.access.subjects import ERASED, RAW, TOKEN, Seal, Subjects, has_tokens, safe
from crossdock.engine.library import Library
from crossdock.engine.outbox import Caller, LeasedCall
from crossdock.errors import CrossdockError, Unreachable
from crossdock.model.personal import transformed
from crossdock.process.messages import RUN_START, CallEnded
from crossdock.store import Database

if TYPE_CHECKING:
    from crossdock.engine.inbox import Arrival

_LEAST_ECHO = 3  # letters of a value that is looked for in what a partner says; less would hide words
_MOST_RUNS = 50_000  # whose subject is kept in memory

# `up`: the runs that keys find, and their parents. The subjects, nearest first; then the runs that have none.
_BY_KEYS: LiteralString = """
with recursive k as (
  select * from unnest($2::int[], $3::text[], $4::text[]) as k(n, kind, value)
), up(n, id, parent, far) as (
  select k.n, r.id, r.parent, 1 from k
  join crossdock.alias a on a.tenant = $1 and a.kind = k.kind and a.value = k.value
  join crossdock.run r on r.tenant = $1 and r.id = a.run
  union all
  select up.n, r.id, r.parent, up.far + 1 from up
  join crossdock.run r on r.tenant = $1 and r.id = up.parent where up.far < 10
)
select k.n, s.handle, 0 as far, null::bigint as run from k
join crossdock.subject_key s on s.tenant = $1 and s.kind = k.kind and s.value = k.value
union all
select up.n, s.handle, up.far, null from up
join crossdock.alias a on a.tenant = $1 and a.run = up.id
join crossdock.subject_key s on s.tenant = $1 and s.kind = a.kind and s.value = a.value
union all
select up.n, null, 100, up.id from up where up.far = 1
order by 1, 3, 2, 4
"""
_BY_RUN: LiteralString = """
with recursive up(id, parent, far) as (
  select r.id, r.parent, 0 from crossdock.run r where r.tenant = $1 and r.id = $2
  union all
  select r.id, r.parent, up.far + 1 from up
  join crossdock.run r on r.tenant = $1 and r.id = up.parent where up.far < 10
)
select s.handle from up
join crossdock.alias a on a.tenant = $1 and a.run = up.id
join crossdock.subject_key s on s.tenant = $1 and s.kind = a.kind and s.value = a.value
order by up.far, s.handle limit 1
"""
_OWN: LiteralString = """
select a.kind, a.value, r.state from crossdock.run r
left join crossdock.alias a on a.tenant = r.tenant and a.run = r.id
where r.tenant = $1 and r.id = $2 order by a.value <> r.key, a.kind limit 1
"""
_KEEP: LiteralString = """
insert into crossdock.subject_key (tenant, kind, value, handle)
select distinct on (k.kind, k.value) $1::int, k.* from unnest($2::text[], $3::text[], $4::text[])
  as k(kind, value, handle) order by k.kind, k.value
on conflict do nothing
"""


class Personal:
    """Makes tokens of what comes in, for the tenants that want it."""

    def __init__(self, database: Database, library: Library, subjects: Subjects) -> None:
        """Whether a tenant wants it, the library knows."""
        self.subjects = subjects
        self._database = database
        self._library = library
        self._runs: dict[tuple[int, int], str] = {}

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
        try:
            if run is not None:
                found = [await self.of_run(tenant, run)] * len(arrivals)
            else:
                found = await self._of_keys(tenant, arrivals)
            hidden = [
                one
                if one.sealed
                else msgspec.structs.replace(
                    one, data=seal.hide(one.data, event=one.type), about=_safe_keys(one.about), sealed=True
                )
                for one, seal in zip(arrivals, found, strict=True)
            ]
            await self.subjects.keep(tenant, {id(seal): seal for seal in found}.values())
        except Unreachable:
            raise
        except CrossdockError as error:
            raise Unreachable(f"personal data cannot be sealed now: {error}", retry_after=30) from error
        return hidden

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

    async def of_run(self, tenant: int, run: int) -> Seal:
        """The seal of a run's subject."""
        handle = self._runs.get((tenant, run))
        if handle is None:
            rows = await self._database.at_once(_BY_RUN, tenant, run)
            if rows:
                handle = rows[0]["handle"]
            else:
                handle = await self._begun(tenant, run)
            if len(self._runs) >= _MOST_RUNS:
                self._runs.clear()
            self._runs[tenant, run] = handle
        return await self.subjects.held(tenant, handle)

    async def _begun(self, tenant: int, run: int) -> str:
        """The subject of a run whose keys have none: whoever stands in its state, else its own key's."""
        (own,) = await self._database.at_once(_OWN, tenant, run) or (None,)
        kind, value = "run", str(run)
        if own is not None and own["kind"] is not None:
            kind, value = own["kind"], own["value"]
        held = TOKEN.search((own["state"] or b"").decode()) if own is not None else None
        handle = held.group(1) if held else (await self.subjects.named(tenant, f"{kind}/{value}")).handle
        await self._database.at_once(_KEEP, tenant, [kind], [value], [handle])
        return handle

    async def _of_keys(self, tenant: int, arrivals: Sequence[Arrival]) -> list[Seal]:
        keys = [self._keys(tenant, one) for one in arrivals]
        numbered = [(n, kind, value) for n, own in enumerate(keys) for kind, value in own]
        known: dict[int, str] = {}
        if numbered:
            for row in await self._database.at_once(_BY_KEYS, tenant, *zip(*numbered, strict=True)):
                if row["n"] not in known:
                    known[row["n"]] = row["handle"] or (await self.of_run(tenant, row["run"])).handle
        by_name: dict[str, Seal] = {}
        found: list[Seal] = []
        new: list[tuple[str, str, str]] = []
        for n, one in enumerate(arrivals):
            seal = await self.subjects.held(tenant, known[n]) if n in known else None
            name = "" if seal is not None and seal.erased else customer_of(one.type, one.data)
            if name or seal is None:
                name = name or next(
                    (f"{kind}/{value}" for kind, value in keys[n]), f"event/{one.source}/{one.id}"
                )
                seal = by_name.get(name) or await self.subjects.named(tenant, name)
                by_name[name] = seal
            found.append(seal)
            new += [(kind, value, seal.handle) for kind, value in keys[n]]
        if new:
            await self._database.at_once(_KEEP, tenant, *zip(*sorted(set(new)), strict=True))
        return found

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
            sealed = has_tokens(leased.call.input)
            if not seals and not sealed:
                return await self._calls.call(leased)
            opened = leased.call.input
            if sealed:
                opened = await self._personal.subjects.reveal(leased.tenant, opened)
            seal = await self._personal.of_run(leased.tenant, leased.run)
        except CrossdockError as error:
            return CallEnded(
                command=leased.command,
                outcome="unreachable",
                reason=f"personal data cannot be opened now: {error}",
                retry_after=error.retry_after if isinstance(error, Unreachable) else 30,
            )
        said: set[str] = set()
        if sealed:
            if not _spoken(leased.call.input, opened, said):
                return CallEnded(
                    command=leased.command,
                    outcome="refused",
                    reason="the personal data that it would send was erased",
                    code="erased",
                )
            call = msgspec.structs.replace(leased.call, input=opened)
            leased = replace(leased, call=call)
        ended = await self._calls.call(leased)
        hidden = _hidden(ended, seal, said)
        if seal.words:
            await self._personal.subjects.keep(leased.tenant, [seal])
        return hidden


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


def _spoken(tokens: Any, opened: Any, said: set[str]) -> bool:
    """Gather the values that a call says; False where one of them was erased."""
    if isinstance(tokens, str):
        if tokens == opened:
            return True
        text = str(opened)
        if ERASED in text:
            return False
        if tokens.startswith("⟦p:") and tokens.endswith("⟧"):
            said.add(text)
        return True
    if isinstance(tokens, Mapping):
        pairs = zip(tokens.values(), opened.values(), strict=True)
    elif isinstance(tokens, list | tuple):
        pairs = zip(tokens, opened, strict=True)
    else:
        return True
    return all(_spoken(one, other, said) for one, other in pairs)


def _hidden(ended: CallEnded, seal: Seal, said: set[str]) -> CallEnded:
    """An outcome with tokens: for personal values, and for what the call has said where it comes back."""
    longest = sorted((one for one in said if len(one) >= _LEAST_ECHO), key=len, reverse=True)
    words = "|".join(re.escape(one) for one in longest)
    echo = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if longest else None

    def unsaid(text: str) -> str:
        text = safe(text)
        return echo.sub(lambda match: seal.token(match.group()), text) if echo is not None else text

    return msgspec.structs.replace(
        ended,
        output=transformed(ended.output, seal.token, unsaid),
        reason=unsaid(ended.reason),
        code=unsaid(ended.code),
    )
