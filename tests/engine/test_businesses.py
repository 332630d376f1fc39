"""The kernel's example businesses on the real engine: events early, late, twice and in odd orders."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from played import event

from crossdock.errors import Refused
from crossdock.process.messages import Actor, CallEnded

EXAMPLES = Path(__file__).parents[1] / "process" / "examples"


def text(name: str) -> str:
    return (EXAMPLES / f"{name}.yaml").read_text()


def each(count: int) -> dict[str, str]:
    return {"value": str(count), "unit": "EA"}


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def gives(engine: Any, **outputs: Any) -> None:
    """Say what operations give; `erp__do` is erp.do."""

    def answering(output: Any):
        async def answer(leased):
            return engine.world.do(leased, output(leased.call.input) if callable(output) else output)

        return answer

    for name, output in outputs.items():
        engine.world.answers[name.replace("__", ".")] = answering(output)


async def decide(engine: Any, key: str, step: str, decision: str, by: str, role: str, **more: Any) -> None:
    """A person decides the open task of a step, when it is open."""

    async def opened():
        return [t for t in await engine.history.tasks(engine.tenant) if t.step == step]

    (task,) = await engine.until(opened)
    detail = await engine.run_of(key)
    data = {"task": task.id, "decision": decision, **more}
    told = event("task.decided", data, id=f"{task.id} {decision} {by}")
    told = msgspec.structs.replace(told, actor=Actor(id=by, roles=(role,)))
    await engine.inbox.tell(engine.tenant, detail.run.id, told)


async def test_a_blanket_order_with_three_hundred_call_offs_in_any_order_and_twice(engine):
    chance = random.Random(7)
    await engine.connect("erp")
    await engine.publish(text("call-off"))
    await engine.publish(text("blanket-order"))
    blanket = {
        "number": "BO",
        "customer": "C",
        "agreed": each(300),
        "price": money("2.00"),
        "ends": "2099-01-01T00:00:00Z",
    }
    arrivals = [event("blanket.signed", blanket, blanket="BO")]
    for n in range(300):
        data = {"blanket": "BO", "release": f"R{n}", "quantity": each(1)}
        arrivals.append(event("blanket.call_off", data, id=f"call off {n}", blanket="BO"))
    arrivals += chance.sample(arrivals, 60)
    chance.shuffle(arrivals)
    gives(engine, erp__deliver=lambda given: {"delivery": f"D{given['release']}"})
    async with engine.working():
        for at in range(0, len(arrivals), 40):
            await engine.inbox.put(engine.tenant, arrivals[at : at + 40])
        await engine.ended("BO", process="blanket-order")
        await engine.idle()
    (counts,) = await engine.sql(
        "select count(*) n, count(*) filter (where status = 'completed') ok from crossdock.run"
    )
    assert (counts["n"], counts["ok"]) == (301, 301)
    assert set(engine.world.done.values()) == {1}
    assert len(engine.world.done) == 300
    await engine.assert_sound()


async def test_a_consignment_whose_papers_are_made_again_while_its_clearance_is_on_its_way(engine):
    await engine.connect("dms", "customs", "bank")
    await engine.publish(text("cross-border"))
    numbers = iter(("M1", "M2"))
    gives(
        engine,
        dms__make={"set": "S"},
        customs__declare=lambda given: {"mrn": next(numbers)},
        bank__pay={"payment": "P"},
    )
    goods = {
        "number": "K-1",
        "version": 1,
        "value": money("1000.00"),
        "duty_rate": "0.1",
        "gross": {"value": "1", "unit": "KGM"},
    }
    held = event("consignment.customs_held", {"consignment": "K-1", "why": "wrong papers"}, consignment="K-1")

    async def declared():
        detail = await engine.run_of("K-1")
        return detail is not None and [c.key for c in engine.world.calls if c.call.operation == "declare"]

    async with engine.working():
        early = event("consignment.cleared", {"mrn": "M2", "duty": money("100.00")}, mrn="M2")
        await engine.inbox.put(engine.tenant, [early])
        await engine.inbox.put(engine.tenant, [event("consignment.ready", goods, consignment="K-1")])
        await engine.until(declared)
        await engine.idle()
        await engine.inbox.put(engine.tenant, [held, held])
        await engine.ended("K-1")
    asked = [f"{c.call.system}.{c.call.operation}" for c in engine.world.calls]
    assert asked == [
        "dms.make", "customs.declare", "customs.invalidate", "dms.drop", "dms.make", "customs.declare", "bank.pay",
    ]  # fmt: skip
    assert engine.world.calls[-1].call.input == {"mrn": "M2", "duty": money("100.00")}
    (open_,) = await engine.history.exceptions(engine.tenant)
    assert open_.type == "customs_hold"
    await engine.assert_sound()


async def test_a_batch_is_signed_by_two_people_and_an_excluded_one_is_told_no(engine):
    await engine.connect("lims", "mes")
    await engine.publish(text("batch-release"))
    gives(
        engine,
        lims__plan={"tests": ["assay"]},
        lims__order_tests={"request": "LR"},
        mes__release={"certificate": "C"},
    )
    batch = {"number": "B", "product": "P", "site": "basel", "made_by": "mia", "version": 1}
    result = event("batch.tested", {"batch": "B", "test": "assay", "passed": True}, batch="B")
    async with engine.working():
        await engine.inbox.put(engine.tenant, [result])  # before the run is there
        await engine.inbox.put(engine.tenant, [event("batch.manufactured", batch, batch="B")])
        await decide(engine, "B", "first", "approved", "mia", "qualified-person")
        await decide(engine, "B", "first", "approved", "fay", "qualified-person")
        await decide(engine, "B", "second", "approved", "fay", "qualified-person")
        await decide(engine, "B", "second", "approved", "sue", "qualified-person")
        detail = await engine.ended("B")
    told = [record.what for line in detail.lines for record in line.records]
    assert told.count("decision.refused") == 2
    assert engine.world.calls[-1].call.input == {"batch": "B", "by": ["fay", "sue"]}
    await engine.assert_sound()


async def test_stock_is_replenished_generation_after_generation(engine):
    await engine.connect("erp")
    await engine.publish(text("vmi-replenish"))
    gives(engine, erp__order={"order": "PO"})
    async with engine.working():
        for n in range(3):
            level = {
                "site": "S",
                "sku": "K",
                "on_hand": each(3),
                "reorder_point": each(5),
                "target": each(20),
                "version": n,
            }
            await engine.inbox.put(
                engine.tenant, [event("level.reported", level, id=f"level {n}", level="S:K")]
            )
            got = event(
                "level.received", {"site": "S", "sku": "K", "quantity": each(17)}, id=f"got {n}", level="S:K"
            )
            await engine.inbox.put(engine.tenant, [got, got])
            await engine.idle()
    runs = await engine.history.find(engine.tenant, "S:K")
    assert [(run.generation, run.status) for run in runs] == [
        (3, "completed"),
        (2, "completed"),
        (1, "completed"),
    ]
    await engine.assert_sound()


async def test_a_cascade_ends_with_nobody_and_every_offer_is_taken_back(engine):
    await engine.connect("tms", "x", "y")
    await engine.publish(text("carrier-cascade"))

    async def refuses(leased):
        return CallEnded(command=leased.command, outcome="refused", reason="full")

    engine.world.answers["tms.offer"] = refuses
    load = {
        "number": "L",
        "carriers": [{"name": "tms", "rate": money("9")}, {"name": "tms", "rate": money("8")}],
    }
    async with engine.working():
        await engine.inbox.put(engine.tenant, [event("load.ready", load, load="L")])
        detail = await engine.ended("L")
    lines = detail.lines
    ended = [record.step for line in lines for record in line.records if record.what == "step.succeeded"]
    assert ended[-1] == "nobody"
    assert [c.call.input["rate"] for c in engine.world.calls] == [money("9"), money("8")]
    await engine.assert_sound()


def kiosk(name: str, bundle: str, off_sale: str) -> dict[str, Any]:
    return {
        "kiosk": name,
        "title": "Ünïcode",
        "region": "fr",
        "bundle": bundle,
        "copies": each(4),
        "price": money("1.10"),
        "off_sale": off_sale,
    }


async def test_what_comes_late_for_an_old_generation_waits_for_somebody_and_a_bundle_has_one_kiosk(engine):
    await engine.connect("erp")
    await engine.publish(text("press-returns"))
    gives(engine, erp__credit_copies={"credit": "C"})

    async def put(type_: str, id_: str, data: Any, **about: str):
        (receipt,) = await engine.inbox.put(engine.tenant, [event(type_, data, id=id_, **about)])
        return receipt

    async def dropped(name: str, bundle: str, off_sale: str):
        data = kiosk(name, bundle, off_sale)
        return await put("delivery.dropped", f"drop {name} {bundle}", data, delivery=f"{name}|Ünïcode")

    async def back(bundle: str, count: int, id_: str):
        return await put("copies.returned", id_, {"bundle": bundle, "returned": each(count)}, bundle=bundle)

    async with engine.working():
        assert (await back("B1", 4, "early")).fate == "parked"
        await dropped("Gare 🗞", "B1", (datetime.now(UTC) - timedelta(minutes=1)).isoformat())
        await engine.ended("Gare 🗞|Ünïcode")
        (second,) = (await dropped("Gare 🗞", "B2", "2099-03-27T17:00:00Z")).runs
        await engine.idle()
        assert (await back("B1", 1, "late")).fate == "parked"  # its run has ended, and the next is another
        (other,) = (await dropped("Kiosque", "B2", "2099-03-27T17:00:00Z")).runs
        await engine.idle()
        assert (await back("B2", 4, "back")).runs == (second,)  # whose the bundle was first
        await engine.idle()
    (conflict,) = await engine.history.exceptions(engine.tenant)
    assert (conflict.type, conflict.run) == ("alias_conflict", other)
    runs = await engine.history.find(engine.tenant, "Gare 🗞|Ünïcode")
    assert [(run.generation, run.status) for run in runs] == [(2, "active"), (1, "completed")]
    assert len(engine.world.done) == 1
    await engine.assert_sound()


@pytest.mark.parametrize(("value", "why"), [("x" * 2001, "2,001 bytes"), ("x\0y", "a NUL character")])
async def test_an_event_that_names_what_cannot_be_looked_up_is_refused_with_its_reason(
    engine, value: str, why: str
):
    for late in (
        event("order.released", {"number": "1"}, id="e", order=value),
        event("order.released", id=value),
    ):
        if late.about or "NUL" in why:
            with pytest.raises(Refused, match=why):
                await engine.inbox.put(engine.tenant, [late])
    assert await engine.sql("select 1 from crossdock.parked") == []


async def test_an_assembly_that_runs_itself_for_its_parts_is_taken_back_from_the_top(engine):
    await engine.connect("shop")
    await engine.publish(text("assembly"))

    async def build(leased):
        if leased.call.input["mark"] == "A":
            return CallEnded(command=leased.command, outcome="refused", reason="too large")
        return engine.world.do(leased, {"serial": f"#{leased.call.input['mark']}"})

    engine.world.answers["shop.build"] = build

    def node(mark: str, *parts: dict[str, Any]) -> dict[str, Any]:
        return {"job": "J", "mark": mark, "parts": list(parts)} if parts else {"job": "J", "mark": mark}

    whole = node("A", node("B", node("D"), node("E", node("F"))), node("C"))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [event("node.ordered", whole, node="J/A")])
        await engine.ended("J/A", "cancelled")
        await engine.idle()
    built = {
        c.call.input["mark"]: c.call.input["of"] for c in engine.world.calls if c.call.operation == "build"
    }
    assert built["A"] == ["#B", "#C"]
    assert built["B"] == ["#D", "#E"]
    gone = [c.call.input["serial"] for c in engine.world.calls if c.call.operation == "scrap"]
    assert sorted(gone) == ["#B", "#C", "#D", "#E", "#F"]
    assert gone.index("#B") < gone.index("#E") < gone.index("#F")  # the whole before its parts
    statuses = await engine.sql("select status, count(*)::int n from crossdock.run group by status")
    assert [tuple(row) for row in statuses] == [("cancelled", 6)]
    await engine.assert_sound()
