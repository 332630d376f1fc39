"""More deadlines due at one instant than one look finds, and more parked events than one turn looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from played import event, order

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SLEEPS = """
process: sleeps
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  rest: { wait: 2h }
"""


async def test_all_deadlines_of_one_instant_fire_though_a_look_finds_only_some(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(SLEEPS)
    async with engine.working(batch=64):
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(400)])
        await engine.idle()
        await engine.clock.step(timedelta(hours=2))
        await engine.idle()
    assert await engine.history.counts(engine.tenant) == {("sleeps", "completed"): 400}


async def test_an_event_is_brought_to_its_run_behind_any_number_that_wait_for_none(engine):
    """As after two transactions that did not see each other: the event is parked, its alias is live."""
    await engine.publish(
        SLEEPS.replace("{ wait: 2h }", "{ await: shipment.delivered, within: 2h, late: skip }")
    )
    async with engine.working():
        (started,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
    strangers = [event("shipment.delivered", {}, tracking=f"X-{n}") for n in range(2500)]
    for begin in range(0, len(strangers), 500):
        await engine.inbox.put(engine.tenant, strangers[begin : begin + 500])
    await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-1")])
    await engine.sql("update crossdock.parked set stored = stored - interval '5 minutes'")
    await engine.sql(
        "insert into crossdock.alias (tenant, run, process, kind, value) "
        "values ($1, $2, 'sleeps', 'tracking', 'T-1')",
        engine.tenant.id,
        started.runs[0],
    )
    async with engine.working():
        await engine.ended("SO-1")
    assert len(await engine.history.parked(engine.tenant, most=5000)) == 2500
