"""Runs in test call connections of a sandbox alone, and meet no run that is not in test."""

from __future__ import annotations

from played import event, order
from test_routing import WAITS, books

from crossdock.engine import Arrival, Connections
from crossdock.process.messages import RUN_START
from crossdock.tower.queries import RunFilter, find


async def beside(engine):
    """A sandbox of the transport system, beside the one in production."""
    await Connections(engine.database).put(
        engine.tenant, "tms-sandbox", system="tms", connector="tests", environment="sandbox"
    )
    called = []

    async def answer(leased):
        called.append((leased.connection, leased.call.input["order"]))
        return engine.world.do(leased, {"tracking": "T-1"})

    engine.world.answers["tms.book"] = answer
    return called


def in_test(arrival):
    return Arrival(**{**{name: getattr(arrival, name) for name in arrival.__struct_fields__}, "test": True})


async def test_two_orders_of_one_number_go_two_ways_and_meet_nowhere(engine):
    called = await beside(engine)
    await engine.publish(WAITS)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        (receipt,) = await engine.inbox.put(
            engine.tenant, [in_test(event("order.released", order("SO-1").data, id="second", order="SO-1"))]
        )
        assert receipt.fate == "routed"
        await engine.idle()
        assert sorted(called) == [("tms", "SO-1"), ("tms-sandbox", "SO-1")]
        # Both have the tracking number T-1; each hears of its own alone.
        sent = event("shipment.delivered", {}, tracking="T-1")
        sandbox = Arrival(id="d1", source="connection/tms-sandbox", type=sent.type, data={}, about=sent.about)
        await engine.inbox.put(engine.tenant, [sandbox])
        tried = await engine.ended("test/SO-1")
        assert tried.state.test
        assert tried.state.alias == {"order": "test/SO-1", "tracking": "test/T-1"}
        assert (await engine.run_of("SO-1")).state.steps["delivered"].status == "waiting"
        await engine.inbox.put(engine.tenant, [sent])
        assert not (await engine.ended("SO-1")).state.test
    async with engine.database.of(engine.tenant) as transaction:  # who looks for one finds both
        rows, _ = await find(transaction, RunFilter(number="so-1"))
    assert [row["key"] for row in rows] == ["test/SO-1", "SO-1"]
    await engine.assert_sound()


async def test_what_a_sandbox_sends_is_in_test_and_what_waits_for_it_is_found(engine):
    called = await beside(engine)
    await engine.publish(WAITS)
    early = Arrival(
        id="e", source="connection/tms-sandbox", type="order.cancelled", data={}, about={"order": "SO-2"}
    )
    async with engine.working():
        (parked,) = await engine.inbox.put(engine.tenant, [early])
        assert parked.fate == "parked"
        await engine.inbox.put(engine.tenant, [order("SO-2")])
        await engine.idle()
        assert (await engine.run_of("SO-2")).state.steps["delivered"].status == "waiting"
        released = order("SO-2")
        await engine.inbox.put(
            engine.tenant,
            [
                Arrival(
                    id="o",
                    source="connection/tms-sandbox",
                    type=released.type,
                    data=released.data,
                    about=released.about,
                )
            ],
        )
        await engine.ended("test/SO-2", "cancelled")
    assert ("tms-sandbox", "SO-2") not in called[:1]
    await engine.assert_sound()


async def test_a_run_in_test_without_a_sandbox_is_held_and_production_is_not_called(engine):
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        start = {"process": "waits", "document": order("SO-3").data}
        await engine.inbox.put(
            engine.tenant, [Arrival(id="s", source="tests", type=RUN_START, data=start, test=True)]
        )

        async def held():
            detail = await engine.run_of("test/SO-3")
            return detail and detail.state and detail.state.steps["book"].status == "held"

        await engine.until(held)
    (one,) = await engine.history.exceptions(engine.tenant)
    assert one.type == "connection_missing"
    assert "tms of a sandbox, and the run is in test" in one.message
    assert not engine.world.done
    await engine.assert_sound()


async def test_a_process_in_test_and_a_tenant_in_test_call_no_production_system(engine):
    called = await beside(engine)
    await engine.publish(WAITS.replace("owner: tests", "owner: tests\nenvironment: sandbox"))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-4")])
        await engine.idle()
        assert called == [("tms-sandbox", "SO-4")]
        await engine.publish(WAITS)
        await engine.library.set_reference(engine.tenant, settings={"environment": "sandbox"}, calendars={})
        await engine.inbox.put(engine.tenant, [order("SO-5")])
        await engine.idle()
        assert called[1:] == [("tms-sandbox", "SO-5")]
        assert (await engine.run_of("test/SO-5")).state.test
    await engine.assert_sound()
