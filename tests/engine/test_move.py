"""Runs in flight go on under a newer version of their process, on a real database."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from played import chain, event, order

from crossdock.engine import Repairs
from crossdock.engine.repair import Action, Cause
from crossdock.errors import NotFound, Refused
from crossdock.process.messages import RUN_MOVE, STEP_SKIP, Actor, CallEnded

HEAD = """
process: fulfil
title: Fulfil
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  first:
    call: erp.do
    with: { order: "${ order.number }" }
    undo: none
"""
BROKEN = """  second:
    needs: first
    call: wms.pick
    with: { place: "${ steps.first.output.places + 1 }" }
    undo: wms.unpick
"""
MENDED = BROKEN.replace("places", "place")


async def _held(engine, *numbers, text=HEAD + BROKEN):
    async def answer(leased):
        return engine.world.do(leased, {"place": 6})

    engine.world.answers["erp.do"] = answer
    await engine.publish(text)
    await engine.inbox.put(engine.tenant, [order(number) for number in numbers])
    for number in numbers:
        await engine.ended(number, "held")


async def _progress(engine, repairs, id_, status, **outcomes):
    async def is_so():
        progress = await repairs.progress(engine.tenant, id_)
        return progress.status == status and dict(progress.outcomes) == outcomes

    await engine.until(is_so)


async def _move(engine, key, version, id="move"):
    detail = await engine.run_of(key)
    arrival = event(RUN_MOVE, {"version": version, "note": "mended"}, id=f"{id}/{key}")
    await engine.inbox.tell(engine.tenant, detail.run.id, arrival)
    await engine.idle()
    return await engine.run_of(key)


async def _version(engine, text):
    process, _ = await engine.library.publish(engine.tenant, text)
    return process.version


def _told(detail, what):
    return [r for line in detail.lines for r in line.records if r.what == what]


async def test_runs_that_a_mistake_of_their_process_holds_go_on_under_the_mended_version(engine):
    repairs = Repairs(engine.database, engine.library)
    numbers = [f"SO-{n}" for n in range(6)]
    async with engine.working():
        await _held(engine, *numbers)
        cause = Cause(exception="decision_failed", process="fulfil")
        assert await repairs.count(engine.tenant, cause) == 6
        with pytest.raises(Refused, match=r"go under version \w+ already"):
            await repairs.begin(engine.tenant, cause, Action(act="move"), by="ada")
        version = await _version(engine, HEAD + MENDED)
        # One has gone on by hand meanwhile, with something that the new version does not know.
        skip = event(STEP_SKIP, {"step": "second", "note": "picked by hand"}, id="skip")
        detail = await engine.run_of("SO-5")
        begun = await repairs.begin(
            engine.tenant,
            cause,
            Action(act="move", note="the output is `place`"),
            by="ada",
            trial=2,
            rate=1000,
        )
        assert begun.counted == 6
        await _progress(engine, repairs, begun.id, "waiting", moved=2)
        await engine.inbox.tell(engine.tenant, detail.run.id, skip)
        await engine.ended("SO-5")
        await repairs.proceed(engine.tenant, begun.id)
        await _progress(engine, repairs, begun.id, "done", moved=5, stayed=1)
        for number in numbers:
            await engine.ended(number)
    results = await repairs.results(engine.tenant, begun.id)
    assert [(r.key, r.outcome) for r in results] == [(n, "moved") for n in numbers[:5]] + [("SO-5", "stayed")]
    assert results[5].detail == "the run is completed"
    assert await engine.history.exceptions(engine.tenant) == []
    picks = [leased for leased in engine.world.calls if leased.call.operation == "pick"]
    keys = {leased.key.partition("/")[2] for leased in picks}
    assert keys == {f"fulfil/{number}/1/second" for number in numbers[:5]}
    assert {leased.call.input["place"] for leased in picks} == {7}
    assert set(engine.world.done.values()) == {1}
    moved = await engine.run_of("SO-0")
    assert (moved.run.version, moved.state.version) == (version, version)
    assert _told(moved, "run.moved")[0].data["by"] == "ada"
    await engine.assert_sound()


async def test_a_run_whose_history_is_not_valid_under_the_version_stays_and_says_why(engine):
    async with engine.working():
        await _held(engine, "SO-1")
        version = await _version(engine, (HEAD + MENDED).replace('${ order.number }" }', 'x" }'))
        detail = await _move(engine, "SO-1", version)
        assert detail.run.status == "held"
        refused = _told(detail, "run.move_refused")
        assert [(r.step, r.data["reason"]) for r in refused] == [
            ("first", "erp.do was done, and would have been called with other content")
        ]
        detail = await _move(engine, "SO-1", "nonsense", id="other")
        assert (
            _told(detail, "run.move_refused")[-1].data["reason"] == "there is no such version of its process"
        )
    await engine.assert_sound()


async def test_what_is_under_way_survives_the_move_calls_approvals_children_and_deadlines(engine):
    waits = asyncio.Event()
    text = (
        HEAD
        + """  asked:
    approve: { role: desk, not: ["${ run.started_by }"] }
    with: { order: "${ order.number }" }
    refused: { raise: trouble }
    within: 2 hours
    late: { raise: pick_late }
  ship:
    run: chain
    with: { number: "${ order.number + '-c' }" }
"""
    )
    more = text + "  besides:\n    call: tms.book\n    undo: none\n"

    async def answer(leased):
        await waits.wait()
        return engine.world.do(leased)

    async with engine.working():
        engine.world.answers["erp.do"] = answer
        await engine.publish(chain(steps=1).replace("order.released", "order.created"))
        await engine.publish(text)
        await engine.inbox.put(engine.tenant, [order("SO-1")])

        async def is_out():
            return len(engine.world.calls) == 2  # its own, and that of its child

        await engine.until(is_out)
        before = await engine.run_of("SO-1", "fulfil")
        (task,) = await engine.history.tasks(engine.tenant)
        version = await _version(engine, more)
        arrival = event(RUN_MOVE, {"version": version}, id="move")
        await engine.inbox.tell(engine.tenant, before.run.id, arrival)

        async def has_booked():
            return any(leased.call.operation == "book" for leased in engine.world.calls)

        await engine.until(has_booked)
        assert [t.id for t in await engine.history.tasks(engine.tenant)] == [task.id]
        after = await engine.run_of("SO-1", "fulfil")
        assert (after.run.version, after.run.wake_at) == (version, before.run.wake_at)
        waits.set()
        decision = event("task.decided", {"task": task.id, "decision": "approved"}, id="yes")
        decision = msgspec.structs.replace(decision, actor=Actor(id="eve", roles=("desk",)))
        await engine.inbox.tell(engine.tenant, before.run.id, decision)
        await engine.ended("SO-1", process="fulfil")
    assert len(engine.world.calls) == 3
    assert set(engine.world.done.values()) == {1}
    await engine.assert_sound()


async def test_a_refused_call_is_made_again_with_other_content_and_a_key_of_its_own_and_a_run_moves_twice(
    engine,
):
    text = (
        HEAD
        + '  second:\n    needs: first\n    call: wms.pick\n    with: { place: "A" }\n    undo: wms.unpick\n'
    )

    async def strict(leased):
        if leased.call.input["place"] != "C":
            return CallEnded(command=leased.command, outcome="refused", reason="no such place")
        return engine.world.do(leased)

    async with engine.working():
        engine.world.answers["wms.pick"] = strict
        await engine.publish(text)
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1", "held")
        await _move(engine, "SO-1", await _version(engine, text.replace('"A"', '"B"')))
        await engine.ended("SO-1", "held")
        await engine.assert_sound()
        await _move(engine, "SO-1", await _version(engine, text.replace('"A"', '"C"')), id="again")
        await engine.ended("SO-1")
    picks = [c for c in engine.world.calls if c.call.operation == "pick"]
    assert [c.key.rpartition("/")[2] for c in picks] == ["second", "second#1", "second#2"]
    await engine.assert_sound()


async def test_events_that_wait_for_a_use_are_taken_by_a_run_that_has_one_after_its_move(engine):
    text = HEAD + "  rest:\n    wait: 30 days\n"
    more = (
        text
        + "  packed:\n    await: shipment.delivered\n    within: 1 day\n    late: { raise: delivery_late }\n"
    )
    other = more.replace("process: fulfil", "process: other").replace("order.released", "order.created")
    async with engine.working():
        await engine.publish(text)
        await engine.publish(other)  # so that somebody has a use for such events
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        (receipt,) = await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, order="SO-1")])
        assert receipt.fate == "parked"
        await _move(engine, "SO-1", await _version(engine, more))
        await engine.idle()
    detail = await engine.run_of("SO-1")
    assert detail.state.steps["packed"].status == "succeeded"
    assert await engine.history.parked(engine.tenant) == []
    await engine.assert_sound()


async def test_a_move_comes_in_one_batch_with_what_was_decided_just_before(engine):
    text = (
        HEAD
        + BROKEN
        + "  scanned:\n    await: shipment.delivered\n    within: 1 day\n    late: { raise: delivery_late }\n"
    )
    async with engine.working():
        await _held(engine, "SO-1", text=text)
    version = await _version(engine, text.replace("places", "place"))
    detail = await engine.run_of("SO-1")
    await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, order="SO-1")])
    await engine.inbox.tell(engine.tenant, detail.run.id, event(RUN_MOVE, {"version": version}, id="move"))
    async with engine.working():
        await engine.ended("SO-1")
    detail = await engine.run_of("SO-1")
    assert [line.event.type for line in detail.lines][-3:] == ["shipment.delivered", "run.move", "call.ended"]
    await engine.assert_sound()


async def test_a_move_of_runs_of_several_processes_or_to_a_version_that_is_not_there_is_refused(engine):
    repairs = Repairs(engine.database, engine.library)
    async with engine.working():
        await _held(engine, "SO-1")
        await _held(engine, "SO-2", text=(HEAD + BROKEN).replace("process: fulfil", "process: other"))
    with pytest.raises(Refused, match="these are runs of fulfil, other"):
        await repairs.begin(engine.tenant, Cause(exception="decision_failed"), Action(act="move"), by="ada")
    with pytest.raises(NotFound, match="fulfil has no version 12345"):
        await repairs.begin(
            engine.tenant, Cause(process="fulfil"), Action(act="move", version="12345"), by="ada"
        )


async def test_a_run_that_a_decision_has_stopped_goes_on_under_a_version_that_can_decide_it(engine):
    text = HEAD + "  wait:\n    needs: first\n    wait: 1 day\n"
    parts = '  parts:\n    each: "${{ {} }}"\n    run: chain\n    with: {{ number: "${{ item.number }}" }}\n'
    broken = text + parts.format("order.lines")
    mended = text + parts.format("order.lines.filter(l, l.number == '1')")
    repairs = Repairs(engine.database, engine.library)
    async with engine.working():
        child = chain(steps=1).replace("order.released", "order.created")
        await engine.publish(child + "\n  rest:\n    wait: 1 day\n")
        await engine.publish(broken)
        await engine.inbox.put(engine.tenant, [order("SO-1", version="1", lines=[{"number": "1"}])])
        await engine.idle()
        lines = [{"number": str(n)} for n in range(10_001)]
        change = event("order.changed", {"number": "SO-1", "version": "2", "lines": lines}, order="SO-1")
        await engine.inbox.put(engine.tenant, [change])

        async def stopped():
            detail = await engine.run_of("SO-1", "fulfil")
            return detail.run.error

        assert "more than 10000 items" in await engine.until(stopped)
        await _version(engine, mended)
        cause = Cause(stopped=True, process="fulfil")
        begun = await repairs.begin(engine.tenant, cause, Action(act="move"), by="ada", trial=1)
        await _progress(engine, repairs, begun.id, "done", moved=1)
        detail = await engine.run_of("SO-1", "fulfil")
        assert (detail.run.error, detail.aside) == (None, [])
        types = [line.event.type for line in detail.lines]
        assert types.index("run.move") < types.index("order.changed")
    await engine.assert_sound()
