"""What is proposed: a deed of the desk, by an assistant that may not do it, for a person to decide.

- What may be proposed are the deeds on one run, task or exception that name the deed (`once`): they are read
  from the desk itself, with what each is given.
- Whoever proposes may see the thing, and has the right `run.propose`. Nothing else happens.
- A proposal is about what was seen: a task as it was shown, an exception that is open and has not come again,
  a run that has decided nothing since. When that has changed, it falls, and cannot be accepted.
- Whoever proposes has at most `MOST_OPEN` that stand and wait: people have to read them. What has fallen, or
  was decided, does not count.
- Whoever accepts does the deed, by their own rights, as if they had begun it. Where a decision takes two
  people, whoever answers for the assistant is as little one of them as the assistant is.
- Both are in the audit: who proposed, with which model and why; who decided, and what came of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

import msgspec

from crossdock.access import Principal, Resource
from crossdock.access.resource import Value
from crossdock.desk.exceptions import Exceptions
from crossdock.desk.ground import Asked, Ground, needs, note_of
from crossdock.desk.runs import Runs
from crossdock.desk.tasks import Tasks, excluded_from
from crossdock.engine import Arrival
from crossdock.engine.repair import Progress
from crossdock.errors import Conflict, CrossdockError, NotFound, Refused, Unreachable
from crossdock.store import EngineTransaction

LONGEST_MODEL = 200
MOST_OPEN = 100  # of whoever proposes, at a time
_OURS = {"self", "by", "once", "seen"}  # what is not given with a proposal
_EVENT = "proposal.given"  # as what its values are sealed

Status = Literal["open", "accepted", "declined", "fallen"]
Deed = Callable[..., Awaitable[Asked | Progress]]

# `stands`: what it is about is still as it was seen; one that does not has fallen, if nobody has decided it.
PROPOSAL: LiteralString = """
select p.id, p.run, p.task, p.exception, p.deed, p.given, p.seen, p.by, p.person, p.model, p.why, p.at,
  p.decided, p.decided_by, p.note, r.process, r.key, r.generation, n.stands,
  case when p.status = 'open' and not n.stands then 'fallen' else p.status end as status
from crossdock.proposal p
join crossdock.run r on r.tenant = p.tenant and r.id = p.run
left join crossdock.task t on t.tenant = p.tenant and t.id = p.task
left join crossdock.exception e on e.tenant = p.tenant and e.id = p.exception
cross join lateral (
  select coalesce(case
    when p.task <> '' then t.status = 'open'
      and coalesce(convert_from(t.data, 'UTF8')::json ->> 'seen', '') = p.seen
    when p.exception <> '' then e.closed is null and e.count::text = p.seen
    else r.ended is null and r.seq::text = p.seen
  end, false) as stands
) n
where p.tenant = crossdock.tenant()"""
_MAKE: LiteralString = """
insert into crossdock.proposal (tenant, run, task, exception, deed, given, seen, by, person, model, why)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id
"""
# Who proposes several at once does so one after the other: no two count without each other.
_MINE: LiteralString = "select pg_advisory_xact_lock($1, hashtext('crossdock.proposal ' || $2))"
_WAITING: LiteralString = (
    PROPOSAL.replace("p.tenant = crossdock.tenant()", "p.tenant = $1")
    + " and p.status = 'open' and p.by = $2"
)
_FALLEN: LiteralString = """
update crossdock.proposal set status = 'fallen', decided = statement_timestamp()
where tenant = $1 and id = any($2::bigint[]) and status = 'open'
"""
_TURN: LiteralString = """
update crossdock.proposal set status = $4, decided = case when $4 <> 'open' then statement_timestamp() end,
  decided_by = $5, note = $6
where tenant = $1 and id = $2 and status = $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is proposed. `thing` is its task or exception, "" where it is on the run; `status` as of now.

    `stands`: what it is about is still as it was seen.
    """

    id: int
    run: int
    process: str
    key: str
    generation: int
    deed: str
    thing: str
    given: Mapping[str, Any]
    seen: str
    by: str
    person: str
    model: str
    why: str
    at: datetime
    status: Status
    stands: bool
    decided: datetime | None
    decided_by: str
    note: str

    @property
    def kind(self) -> str:
        """What it is done to: run, task or exception."""
        return self.deed.partition(".")[0]


class Proposals:
    """What is done with proposals."""

    def __init__(self, ground: Ground, runs: Runs, tasks: Tasks, exceptions: Exceptions) -> None:
        """Of what may be done with these."""
        self._ground = ground
        self._tasks = tasks
        self._exceptions = exceptions
        self._deeds: dict[str, Deed] = {}
        self._given: dict[str, type[msgspec.Struct]] = {}
        for kind, of in (("run", runs), ("task", tasks), ("exception", exceptions)):
            for name, method in inspect.getmembers(of, inspect.iscoroutinefunction):
                parameters = inspect.signature(method, eval_str=True).parameters
                if not name.startswith("_") and {kind, "once"} <= parameters.keys():
                    self._deeds[f"{kind}.{name}"] = method
                    self._given[f"{kind}.{name}"] = _struct(name, parameters, _OURS | {kind})

    @property
    def deeds(self) -> tuple[str, ...]:
        """What may be proposed: `run.retry`, `task.decide` and so on."""
        return tuple(sorted(self._deeds))

    async def make(
        self,
        by: Principal,
        deed: str,
        thing: int | str,
        given: Mapping[str, Any],
        *,
        why: str,
        model: str = "",
        seen: str = "",
    ) -> Proposal:
        """Propose a deed on a run (by its number), a task or an exception. It changes nothing else.

        `seen` is what was looked at: of a run how often it had decided, of a task its `seen`, of an exception
        how often it had come. Without, it is as of now. Raises `Refused`, `Conflict` where it is not so, or
        where `MOST_OPEN` of whoever proposes wait already.
        """
        if deed not in self._deeds:
            raise Refused(
                f"{deed!r} cannot be proposed", where="deed", mend=f"one of {', '.join(self.deeds)}"
            )
        try:
            msgspec.convert(dict(given), self._given[deed])
        except msgspec.ValidationError as error:
            raise Refused(
                f"{deed} is not given so: {error}", where="given", mend="see what it takes"
            ) from None
        why = needs(why, "reason")
        if len(model) > LONGEST_MODEL:
            raise Refused(f"more than {LONGEST_MODEL} letters", where="model", mend="shorten it")
        run, now, resource = await self._look(by, deed, thing)
        for action in (f"{resource.kind}.read", "run.propose"):
            await self._ground.policies.require(by, action, resource)
        if now is None:
            raise Conflict("nothing is left to do there", where=str(thing), mend="see what is open")
        if seen and seen != now:
            raise Conflict("it has changed since it was looked at", where="seen", mend="look at it again")
        tenant = await self._ground.tenant(by)
        arrival = Arrival(id="", source="", type=_EVENT, data=dict(given))
        (arrival,) = await self._ground.inbox.sealed(tenant, [arrival], run)
        kind = deed.partition(".")[0]
        async with self._ground.database.engine() as transaction:
            await _refuse_more(transaction, by)
            number: int = await transaction.value(
                _MAKE,
                tenant.id,
                run,
                thing if kind == "task" else "",
                thing if kind == "exception" else "",
                deed,
                msgspec.json.encode(arrival.data),
                now,
                by.id,
                by.person,
                model.strip(),
                why,
            )
            after = {"proposal": number, "deed": deed, "model": model.strip(), "seen": now}
            note = self._ground.noted(by, "run.propose", resource, why=why, after=after, made=str(number))
            await note(transaction)
        return await self.find(by, number)

    async def find(self, by: Principal, number: int) -> Proposal:
        """A proposal, as it stands now. Raises `NotFound`."""
        async with self._ground.look(by) as transaction:
            row = await transaction.row(PROPOSAL + " and p.id = $1", number)
        if row is None:
            raise NotFound(f"there is no proposal {number}", mend="see what is proposed")
        return proposal_of(row)

    async def accept(self, by: Principal, number: int, *, note: str = "") -> Asked | Progress:
        """Do what is proposed, by one's own rights. Asked again before anything came of it, it is done once.

        Raises `Conflict` where it was decided, or what it is about has changed; and as the deed does: then
        the proposal is open as before.
        """
        found = await self._may_decide(by, number)
        # Accepted, and killed before it was done? What has changed since is not done any more.
        mine = found.status == "accepted" and found.decided_by == by.id and found.stands
        if not mine:
            await self._refuse_gone(by, found)
            await self._turn(by, found, "open", "accepted", note_of(note))
        given = await self._opened(by, found)
        more = {"seen": found.seen} if found.deed == "task.decide" and found.seen else {}
        subject = found.run if found.kind == "run" else found.thing
        try:
            return await self._deeds[found.deed](by, subject, **given, **more, once=f"proposal/{number}")
        except Unreachable:
            raise
        except CrossdockError as error:
            if not mine:
                await self._turn(by, found, "accepted", "open", error.message)
            raise

    async def decline(self, by: Principal, number: int, *, note: str = "") -> None:
        """Turn it down. Raises `Conflict` where it was decided before."""
        found = await self._may_decide(by, number)
        await self._refuse_gone(by, found)
        await self._turn(by, found, "open", "declined", note_of(note))

    async def _may_decide(self, by: Principal, number: int) -> Proposal:
        found = await self.find(by, number)
        _, _, resource = await self._look(by, found.deed, found.run if found.kind == "run" else found.thing)
        about: dict[str, Value] = dict(resource.attributes)
        if found.kind != "task":
            step = str(found.given.get("step") or about.get("step") or "")
            async with self._ground.look(by) as transaction:
                about["excluded"] = await excluded_from(transaction, [(found.run, step)])
        excluded = about.get("excluded")
        if isinstance(excluded, tuple) and excluded:  # it takes two people, and these are one
            about["excluded"] = tuple(sorted({*excluded, found.by, found.person} - {""}))
        await self._ground.policies.require(
            by, "proposal.decide", Resource(kind="proposal", id=str(number), attributes=about)
        )
        return found

    async def _refuse_gone(self, by: Principal, found: Proposal) -> None:
        if found.status == "fallen":
            async with self._ground.database.engine() as transaction:
                await transaction.execute(_TURN, by.tenant, found.id, "open", "fallen", "", "")
            raise Conflict(
                "what it is about has changed since it was proposed: it is void",
                mend="look at it as it is now, and decide that",
            )
        if found.status != "open":
            raise Conflict(f"it was {found.status} by {found.decided_by}", mend="see what is proposed")

    async def _turn(self, by: Principal, found: Proposal, before: str, after: str, note: str) -> None:
        resource = Resource(kind="proposal", id=str(found.id))
        told = {"status": after, "deed": found.deed, "run": found.run, "proposed_by": found.by}
        entry = self._ground.noted(
            by, "proposal.decide", resource, why=note, before={"status": before}, after=told
        )
        who, said = (by.id, note) if after != "open" else ("", "")
        async with self._ground.database.engine() as transaction:
            if not await transaction.execute(_TURN, by.tenant, found.id, before, after, who, said):
                raise Conflict("somebody was quicker", mend="see what is proposed")
            await entry(transaction)

    async def _opened(self, by: Principal, found: Proposal) -> dict[str, Any]:
        """What the deed is given, as it was proposed: it is sealed again where it is told."""
        personal = self._ground.inbox.personal
        if personal is None:
            return dict(found.given)
        opened = await personal.subjects.opened(by.tenant, dict(found.given))
        if opened.gone:
            raise Refused("personal data in it was erased", mend="decide it by yourself")
        return dict(opened.data)

    async def _look(self, by: Principal, deed: str, thing: int | str) -> tuple[int, str | None, Resource]:
        """The run, what is seen there now (None where nothing is left to do), and the thing itself."""
        if deed.startswith("task."):
            task = await self._tasks.find(by, str(thing))
            return task.run, task.seen if task.open else None, task.resource()
        if deed.startswith("exception."):
            row, resource = await self._exceptions.find(by, str(thing))
            async with self._ground.look(by) as transaction:
                count = await transaction.value(
                    "select count from crossdock.exception where tenant = crossdock.tenant() and id = $1",
                    str(thing),
                )
            return row["run"], None if row["closed"] is not None else str(count), resource
        if not isinstance(thing, int):
            raise NotFound(f"there is no run {thing}", mend="see the runs")
        run = await self._ground.run(by, thing)
        return run.id, None if run.ended else str(run.seq), run.resource()


def proposal_of(row: Any) -> Proposal:
    """A row of `PROPOSAL`."""
    named = {name: value for name, value in dict(row).items() if name not in ("task", "exception", "given")}
    given = msgspec.json.decode(row["given"], type=dict[str, Any])
    return Proposal(**named, thing=row["task"] or row["exception"], given=given)


async def _refuse_more(transaction: EngineTransaction, by: Principal) -> None:
    """Raises `Conflict` where as many of theirs wait as may. Those that have fallen are put away."""
    await transaction.value(_MINE, by.tenant, by.id)
    rows = await transaction.fetch(_WAITING, by.tenant, by.id)
    if fallen := [row["id"] for row in rows if not row["stands"]]:
        await transaction.execute(_FALLEN, by.tenant, fallen)
    if len(rows) - len(fallen) >= MOST_OPEN:
        raise Conflict(
            f"{by.id} has {len(rows) - len(fallen)} proposals that nobody has decided yet, and may have "
            f"{MOST_OPEN} at a time",
            mend="propose again when some of them are accepted, turned down or have fallen",
        )


def _struct(name: str, parameters: Mapping[str, inspect.Parameter], ours: set[str]) -> type[msgspec.Struct]:
    """What a deed is given, as a type that refuses what it does not know."""
    fields: list[Any] = []
    for one in parameters.values():
        if one.name not in ours:
            plain = (one.name, one.annotation)
            fields.append(plain if one.default is one.empty else (*plain, one.default))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
