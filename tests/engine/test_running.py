"""A run from its event to its end."""

from __future__ import annotations

from played import chain, order


async def test_an_event_starts_a_run_whose_calls_follow_each_other_to_the_end(engine):
    await engine.publish(chain(steps=3))
    async with engine.working():
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
        assert receipt.fate == "routed"
        detail = await engine.ended("SO-1")
    assert [call.call.input["n"] for call in engine.world.calls] == [0, 1, 2]
    assert set(engine.world.done.values()) == {1}
    assert [line.event.type for line in detail.lines] == ["order.released"] + ["call.ended"] * 3
    assert detail.calls == []
    await engine.assert_sound()
