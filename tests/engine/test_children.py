"""Runs that start, tell and undo other runs, and events that runs emit."""

from __future__ import annotations

import asyncio

import pytest
from played import chain, event, order

from crossdock.process.messages import RUN_CANCEL, CallEnded

PARENT = """
process: parent
title: One child for each line
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  ship:
    each: ${ order.lines }
    item_key: ${ item.number }
    run: child
    with: ${ item }
  after:
    needs: ship
    call: erp.do
    with: { proofs: "${ steps.ship.outputs }" }
    undo: none
"""

CHILD = """
process: child
title: Ships one line
owner: tests
document: OrderLine
key: ${ order_line.number }
start: []
steps:
  pick:
    call: wms.pick
    with: { line: "${ order_line.number }" }
    undo: wms.unpick
output: { proof: "${ steps.pick.output.ok }" }
"""


def lines(*numbers):
    return [{"number": number, "item": "X", "quantity": {"value": "1", "unit": "EA"}} for number in numbers]


async def test_a_parent_ends_when_all_its_children_have_and_gets_their_outputs(engine):
    await engine.publish(CHILD)
    await engine.publish(PARENT)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1", lines=lines("L1", "L2", "L3"))])
        detail = await engine.ended("SO-1", process="parent")
    assert {child.key: child.status for child in detail.children} == dict.fromkeys(
        ["L1", "L2", "L3"], "completed"
    )
    (call,) = [c for c in engine.world.calls if c.call.system == "erp"]
    assert call.call.input == {"proofs": [{"proof": True}] * 3}
    await engine.assert_sound()


async def test_cancelling_the_parent_undoes_what_its_children_did(engine):
    await engine.publish(CHILD)
    await engine.publish(PARENT)

    async def holds(leased):
        return CallEnded(command=leased.command, outcome="refused", reason="not today")

    engine.world.answers["erp.do"] = holds
    async with engine.working():
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-1", lines=lines("L1", "L2"))])
        await engine.ended("SO-1", "held", process="parent")
        await engine.inbox.tell(
            engine.tenant, receipt.runs[0], event(RUN_CANCEL, {"reason": "changed my mind"}, id="cancel")
        )
        detail = await engine.ended("SO-1", "cancelled", process="parent")
    assert {child.status for child in detail.children} == {"cancelled"}
    undone = [c.call.input for c in engine.world.calls if c.call.operation == "unpick"]
    assert sorted(call["line"] for call in undone) == ["L1", "L2"]
    await engine.assert_sound()


async def test_a_child_that_cannot_be_started_fails_the_parent_s_step_with_the_reason(engine):
    await engine.publish(CHILD)
    await engine.publish(PARENT)
    gate = asyncio.Event()

    async def holds(leased):
        await gate.wait()
        return engine.world.do(leased)

    engine.world.answers["wms.pick"] = holds
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1", lines=lines("L1"))])
        await engine.until(lambda: _asked(engine))
        await engine.inbox.put(engine.tenant, [order("SO-2", lines=lines("L1", "L2"))])
        await engine.ended("SO-2", "held", process="parent")
        gate.set()
        await engine.ended("SO-1", process="parent")
    (exception,) = await engine.history.exceptions(engine.tenant)
    assert exception.key == "SO-2"
    assert "a run of child for L1 is live already" in exception.message
    await engine.assert_sound()


async def _asked(engine):
    return engine.world.calls


PLAYBOOK = """
process: playbook
title: Tried again when the hall opens
owner: tests
document: ExceptionCase
key: ${ exception.id }
start:
  - on: exception.raised
on:
  exception.closed: { do: nothing }
steps:
  ask: { call: erp.do, with: { type: "${ exception.type }" }, undo: none }
  settle: { needs: ask, emit: exception.close, data: { action: "${ steps.ask.output.action }" } }
"""


@pytest.mark.parametrize(("action", "picked"), [("retry", 1), ("skip", 0)])
async def test_a_playbook_closes_its_exception_and_the_held_step_goes_on(engine, action, picked):
    await engine.publish(PLAYBOOK)
    await engine.publish(
        """
process: fails
title: Fails
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  pick: { call: wms.pick, with: { }, undo: none }
"""
    )

    async def refuses_once(leased):
        if len([c for c in engine.world.calls if c.call.system == "wms"]) > 1:
            return engine.world.do(leased)
        return CallEnded(command=leased.command, outcome="refused", reason="the hall is closed")

    async def decides(leased):
        return engine.world.do(leased, {"action": action})

    engine.world.answers |= {"wms.pick": refuses_once, "erp.do": decides}
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        detail = await engine.ended("SO-1", process="fails")
        await engine.ended("fails/SO-1/1/x1", process="playbook")
    told = [r.data for line in detail.lines for r in line.records]
    assert any("Tried again when the hall opens" in (d.get("note"), d.get("reason")) for d in told)
    assert await engine.history.exceptions(engine.tenant) == []
    assert [n for key, n in engine.world.done.items() if "/pick" in key] == [1] * picked
    await engine.assert_sound()


async def test_nobody_outside_closes_an_exception_by_an_event(engine):
    await engine.publish(chain(steps=1))

    async def refuses(leased):
        return CallEnded(command=leased.command, outcome="refused", reason="no")

    engine.world.answers["erp.do"] = refuses
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1", "held")
        data = {"exception": "chain/SO-1/1/x1", "action": "skip"}
        told = event("exception.close", data, exception="chain/SO-1/1/x1")
        (receipt,) = await engine.inbox.put(engine.tenant, [told])
        assert receipt.runs == ()
        await engine.idle()
    assert len(await engine.history.exceptions(engine.tenant)) == 1


async def test_an_open_exception_starts_the_process_that_says_what_to_do_about_it(engine):
    await engine.publish(
        """
process: triage
title: Triage
owner: tests
document: ExceptionCase
key: ${ exception.id }
start:
  - on: exception.raised
steps:
  note: { call: erp.do, with: { type: "${ exception.type }" }, undo: none }
"""
    )
    await engine.publish(
        """
process: fails
title: Fails
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  pick: { call: wms.pick, with: { }, undo: none }
"""
    )

    async def refuses(leased):
        return CallEnded(command=leased.command, outcome="refused", reason="no such item")

    engine.world.answers["wms.pick"] = refuses
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1", "held", process="fails")
        await engine.ended("fails/SO-1/1/x1", process="triage")
    (exception,) = await engine.history.exceptions(engine.tenant)
    assert (exception.type, exception.step, exception.run) == ("refused_by_partner", "pick", 1)
    (call,) = [c for c in engine.world.calls if c.call.system == "erp"]
    assert call.call.input == {"type": "refused_by_partner"}
    await engine.assert_sound()
