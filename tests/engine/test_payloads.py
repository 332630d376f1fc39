"""Large payloads are kept once, and nothing changes for those who read."""

from __future__ import annotations

from played import chain, order


async def test_a_large_document_is_kept_once_however_many_decisions_are_made_on_it(engine):
    lines = [{"number": str(n), "item": f"SKU-{n}", "text": "x" * 50} for n in range(2000)]
    await engine.publish(chain(steps=4))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1", lines=lines), order("SO-2", lines=lines)])
        detail = await engine.ended("SO-1")
        await engine.ended("SO-2")
    assert detail.state.document["lines"] == lines
    assert detail.lines[0].event.data["lines"] == lines
    (row,) = await engine.sql("select count(*) as n, min(length(data)) as size from crossdock.blob")
    assert row["n"] == 1
    assert row["size"] > 150_000
    (row,) = await engine.sql("select max(length(state)) as states from crossdock.run, lateral (select 1) x")
    assert row["states"] < 5_000
    (row,) = await engine.sql("select sum(length(event) + length(records)) as told from crossdock.history")
    assert row["told"] < 20_000
    await engine.assert_sound()


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
"""
CHILD = """
process: child
title: A line
owner: tests
document: OrderLine
key: ${ order_line.number }
steps:
  a: { set: { done: true } }
"""


async def test_what_is_kept_of_many_children_is_not_kept_anew_with_every_decision(engine):
    await engine.publish(CHILD)
    await engine.publish(PARENT)
    lines = [{"number": f"SO-1/a-long-name-for-a-line/{n}", "item": "x" * 60} for n in range(1500)]
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1", lines=lines)])
        detail = await engine.ended("SO-1", process="parent")
    assert detail.state.document["lines"] == lines
    assert detail.state.steps["ship"].children.succeeded == 1500
    assert len(detail.lines) == 1501
    (row,) = await engine.sql("select count(*) as n from crossdock.blob")
    assert row["n"] <= 2  # the lines, and what the decision that began the children told
    await engine.assert_sound()
