"""Repair: of one run, of all with one cause; and runs that a broken decision has stopped."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
from played import chain, event, order

from crossdock.engine import Repairs
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Conflict, Refused
from crossdock.process.messages import STEP_SKIP, Actor, CallEnded


async def _refused(engine, *numbers):
    """Orders whose first call was refused."""
    mended = False

    async def answer(leased):
        if not mended:
            return CallEnded(command=leased.command, outcome="refused", reason="unknown customer 4711")
        return engine.world.do(leased)

    def mend():
        nonlocal mended
        mended = True

    engine.world.answers["erp.do"] = answer
    await engine.publish(chain(steps=2))
    await engine.inbox.put(engine.tenant, [order(number) for number in numbers])
    for number in numbers:
        await engine.ended(number, "held")
    return mend


async def _progress(engine, repairs, id_, status, **outcomes):
    async def is_so():
        progress = await repairs.progress(engine.tenant, id_)
        return progress.status == status and dict(progress.outcomes) == outcomes

    await engine.until(is_so)


async def test_all_runs_of_one_cause_are_repaired_a_few_first_then_the_rest_each_with_an_outcome(engine):
    repairs = Repairs(engine.database, engine.library)
    numbers = [f"SO-{n}" for n in range(7)]
    async with engine.working():
        mend = await _refused(engine, *numbers)
        cause = Cause(process="chain", step="s0", error="CUSTOMER 4711")
        assert await repairs.count(engine.tenant, cause) == 7
        assert await repairs.count(engine.tenant, Cause(error="something else")) == 0
        begun = await repairs.begin(engine.tenant, cause, Action(act="retry"), by="ada", trial=2, rate=1000)
        assert begun.counted == 7
        # The trial shows that the cause is still there: nothing else is sent.
        await _progress(engine, repairs, begun.id, "waiting", held=2)
        assert len(engine.world.calls) == 9
        mend()
        await repairs.proceed(engine.tenant, begun.id)
        await _progress(engine, repairs, begun.id, "done", held=2, mended=5)
        rest = await repairs.begin(engine.tenant, Cause(), Action(act="retry"), by="ada", trial=0, rate=1000)
        await _progress(engine, repairs, rest.id, "done", mended=2)
        for number in numbers:
            await engine.ended(number)
    assert await engine.history.exceptions(engine.tenant) == []
    await engine.assert_sound()


async def test_a_repair_can_supply_skip_or_cancel_and_survives_that_nobody_works(engine):
    repairs = Repairs(engine.database, engine.library)
    async with engine.working():
        await _refused(engine, "SO-1", "SO-2", "SO-3")
    one, two, three = sorted(await engine.history.exceptions(engine.tenant), key=lambda x: x.key)
    for exception, action in (
        (one, Action(act="supply", output={"found": True}, note="looked it up")),
        (two, Action(act="skip", note="not needed")),
        (three, Action(act="cancel", note="gone")),
    ):
        await repairs.begin(engine.tenant, Cause(runs=(exception.run,)), action, by="ada", trial=1, rate=1)
    assert len(engine.world.calls) == 3
    async with engine.working():
        await engine.ended("SO-3", "cancelled")
        for number in ("SO-1", "SO-2"):

            async def passed(number=number):
                detail = await engine.run_of(number)
                return detail.state.steps["s0"].status in ("succeeded", "skipped")

            await engine.until(passed)
    told = [r for line in (await engine.run_of("SO-1")).lines for r in line.records]
    assert {"found": True} in [r.data.get("output") for r in told if r.what == "step.succeeded"]
    assert (await engine.run_of("SO-2")).state.steps["s0"].status == "skipped"


async def test_a_run_that_somebody_mended_meanwhile_is_left_alone_by_the_repair_of_all(engine):
    repairs = Repairs(engine.database, engine.library)
    at_work = asyncio.Event()
    async with engine.working():
        await _refused(engine, "SO-1", "SO-2")
    held = {one.key: one for one in await engine.history.exceptions(engine.tenant)}

    async def slowly(leased):
        await at_work.wait()
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = slowly
    again = {"step": "s0", "exception": held["SO-1"].id}
    retried = msgspec.structs.replace(event("step.retry", again), actor=Actor(id="ada"))
    await engine.inbox.tell(engine.tenant, held["SO-1"].run, retried)
    begun = await repairs.begin(
        engine.tenant, Cause(step="s0"), Action(act="skip", note="not needed"), by="bob", trial=0, rate=1000
    )
    async with engine.working():

        async def told():
            lines = (await engine.run_of("SO-1")).lines
            return any(r.what == "repair.refused" for line in lines for r in line.records)

        await engine.until(told)
        assert (await engine.run_of("SO-1")).state.steps["s0"].status == "running"
        at_work.set()
        await engine.ended("SO-1", "completed")
        await _progress(engine, repairs, begun.id, "done", mended=2)
    assert (await engine.run_of("SO-1")).state.steps["s0"].status == "succeeded"
    assert (await engine.run_of("SO-2")).state.steps["s0"].status == "skipped"


async def test_a_repair_that_touches_nothing_is_refused_and_one_that_has_ended_cannot_be_stopped(engine):
    repairs = Repairs(engine.database, engine.library)
    with pytest.raises(Refused, match="nothing has that cause"):
        await repairs.begin(engine.tenant, Cause(process="chain"), Action(act="retry"), by="ada")
    async with engine.working():
        await _refused(engine, "SO-1")
        begun = await repairs.begin(engine.tenant, Cause(), Action(act="skip", note="x"), by="ada", trial=5)
        await _progress(engine, repairs, begun.id, "done", mended=1)
    with pytest.raises(Conflict, match="is not trial or waiting or running"):
        await repairs.stop(engine.tenant, begun.id)


async def test_a_repair_of_another_set_than_was_seen_is_not_begun(engine):
    repairs = Repairs(engine.database, engine.library)
    async with engine.working():
        await _refused(engine, "SO-1", "SO-2")
        with pytest.raises(Conflict, match="it would touch 2 by now, not 1"):
            await repairs.begin(engine.tenant, Cause(), Action(act="retry"), by="ada", seen=1)
        begun = await repairs.begin(engine.tenant, Cause(), Action(act="skip", note="x"), by="ada", seen=2)
        await _progress(engine, repairs, begun.id, "done", mended=2)
    assert begun.id == 1  # the first left nothing


LATE = """
process: late
owner: desk
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  paid:
    await: payment.received
    within: 1h
    late: { raise: pick_late, severity: medium }
"""


async def test_exceptions_that_hold_nothing_are_closed_together_and_are_not_tried_again(engine):
    repairs = Repairs(engine.database, engine.library)
    await engine.publish(LATE)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(3)])
        await engine.idle()
        await engine.clock.step(timedelta(hours=2))

        async def open_(count):
            return len(await engine.history.exceptions(engine.tenant)) == count

        await engine.until(lambda: open_(3))
        cause = Cause(exception="pick_late")
        tried = await repairs.begin(engine.tenant, cause, Action(act="retry"), by="ada", trial=3)
        await _progress(engine, repairs, tried.id, "done", refused=3)
        closing = Action(act="close", note="the bank was closed")
        closed = await repairs.begin(engine.tenant, cause, closing, by="ada", trial=1, rate=1000)
        await _progress(engine, repairs, closed.id, "waiting", mended=1)
        await repairs.proceed(engine.tenant, closed.id)
        await _progress(engine, repairs, closed.id, "done", mended=3)
        assert await open_(0)
    told = [r for line in (await engine.run_of("SO-2")).lines for r in line.records]
    assert [r.data.get("note") for r in told if r.what == "exception.closed"] == ["the bank was closed"]


async def test_an_exception_is_as_grave_as_its_gravest_rung(engine):
    rungs = (
        "[{ raise: pick_late, severity: medium }, { after: 2h, raise: pick_late, severity: high },"
        " { after: 3h, raise: pick_late, severity: low }, { after: 4h, raise: pick_late }]"
    )
    await engine.publish(LATE.replace("{ raise: pick_late, severity: medium }", rungs))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        for hours, severity in ((2, "medium"), (1, "high"), (1, "high"), (1, "high")):
            await engine.idle()
            await engine.clock.step(timedelta(hours=hours))
            await engine.idle()
            found = await engine.history.exceptions(engine.tenant)
            assert [one.severity for one in found] == [severity]


async def test_a_decision_that_raises_stops_its_own_run_alone_until_it_is_released(engine):
    await engine.publish(chain(steps=1))
    repairs = Repairs(engine.database, engine.library)
    async with engine.working():
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
        poison = event("call.ended", {"command": 5}, id="poison")
        await engine.ended("SO-1")
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-2"), order("SO-3")][:1])
        await engine.ended("SO-2")
        await engine.inbox.tell(engine.tenant, receipt.runs[0], poison)
        detail = await engine.ended("SO-2", "held")
        assert "malformed" in detail.run.error
        ((error, kept),) = detail.aside
        assert (error, kept.id) == (detail.run.error, "poison")
        # What comes meanwhile waits in order; the others go on.
        await engine.inbox.tell(engine.tenant, receipt.runs[0], event(STEP_SKIP, {"step": "s0"}, id="later"))
        assert [e.id for _, e in (await engine.run_of("SO-2")).aside] == ["poison", "later"]
        await engine.inbox.put(engine.tenant, [order("SO-3")])
        await engine.ended("SO-3")
        assert await repairs.count(engine.tenant, Cause(stopped=True, error="malformed")) == 1
        await repairs.release(engine.tenant, detail.run.id)  # with the poison: stopped again
        await engine.until(lambda: _stopped(engine, "SO-2"))
        await repairs.release(engine.tenant, detail.run.id, again=False)
        await engine.idle()
        await engine.ended("SO-2")
    assert (await engine.run_of("SO-2")).aside == []
    assert [row.type for row in await engine.history.quarantine(engine.tenant)] == ["aside"]
    with pytest.raises(Conflict, match="is not stopped"):
        await repairs.release(engine.tenant, detail.run.id)
    await engine.assert_sound()


async def _stopped(engine, key):
    return (await engine.run_of(key)).run.error is not None


async def test_a_batch_that_the_database_refuses_is_halved_until_the_one_at_fault_is_alone(engine):
    await engine.publish(chain(steps=1))
    await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(9)])
    owner = await _owner(engine)
    # The database refuses what one run writes, whatever else is in the batch.
    await owner.execute(
        "alter table crossdock.run add constraint not_this_one check (key <> 'SO-4' or seq = 0) not valid"
    )
    await owner.close()
    async with engine.working(deciders=1):
        for n in range(9):
            await engine.ended(f"SO-{n}", "held" if n == 4 else "completed")
    assert "not_this_one" in (await engine.run_of("SO-4")).run.error
    assert set(engine.world.done.values()) == {1}
    assert len(engine.world.done) == 8


async def _owner(engine):
    import asyncpg

    return await asyncpg.connect(engine.database.url)


async def test_an_operator_without_a_name_is_not_needed_for_a_person_s_repair_to_be_in_the_history(engine):
    async with engine.working():
        await _refused(engine, "SO-1")
        detail = await engine.run_of("SO-1")
        skip = event(STEP_SKIP, {"step": "s0", "note": "agreed by phone"}, id="skip")
        await engine.inbox.tell(
            engine.tenant,
            detail.run.id,
            msgspec.structs.replace(skip, actor=Actor(id="ada", roles=("desk",))),
        )

        async def skipped():
            return (await engine.run_of("SO-1")).state.steps["s0"].status == "skipped"

        await engine.until(skipped)
    line = next(line for line in (await engine.run_of("SO-1")).lines if line.event.type == STEP_SKIP)
    assert line.event.actor.id == "ada"
