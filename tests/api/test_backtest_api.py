"""A version proved on past runs through the API: what differs, part after part, and nothing is changed."""

from __future__ import annotations

from datetime import timedelta

from api_world import DELIVERIES, ORDERS, World

from acting import everything
from played_orders import order

LENIENT = ORDERS.replace('money("1000", "EUR")', 'money("9000", "EUR")')

# What asking leaves behind whatever is asked: names for what is shown, when a key was used.
ASKING = {"key", "api_answer", "api_secret"}


async def ran(world: World) -> None:
    """Three orders, one of which a controller has to approve."""
    await world.put(order("SO-1"), order("SO-2", "5000.00"), order("SO-3"))
    async with world.working():
        await world.steps("SO-1", packed="waiting")
        await world.steps("SO-2", approve="waiting")
        await world.steps("SO-3", packed="waiting")


async def test_differences_are_told_with_the_runs_that_have_them_and_nothing_is_changed(world):
    await ran(world)
    before = {k: v for k, v in (await everything(world.database)).items() if k not in ASKING}
    same = await world.post("/processes/order/backtest", {"source": ORDERS})
    assert (same["cases"], same["same"], same["left"]) == (3, 3, 0)
    assert (same["differences"], same["questions"]) == ([], [])
    found = await world.post("/processes/order/backtest", {"source": LENIENT})
    assert (found["same"], found["different"], found["undecided"]) == (2, 0, 1)
    (changed,), (asked,) = found["differences"], found["questions"]
    assert (changed["step"], changed["what"]) == ("approve", "it is skipped, was waiting")
    assert (asked["step"], asked["what"]) == ("pick", "calls wms.pick, which was not called")
    runs = {one["key"]: one["id"] for one in (await world.get("/runs?process=order"))["items"]}
    groups = found["differences"] + found["questions"]
    assert {example["run"] for one in groups for example in one["examples"]} == {runs["SO-2"]}
    after = {k: v for k, v in (await everything(world.database)).items() if k not in ASKING}
    assert after == before


async def test_parts_lead_from_the_newest_runs_to_the_oldest(world):
    await ran(world)
    body = {"source": LENIENT, "limit": 2}
    first = await world.post("/processes/order/backtest", body)
    assert (first["cases"], first["left"]) == (2, 1)
    second = await world.post("/processes/order/backtest", body | {"before": first["next"]})
    assert (second["cases"], second["left"]) == (1, 0)
    assert "next" not in second
    assert first["same"] + second["same"] == 2
    lately = await world.post("/processes/order/backtest", {"source": LENIENT, "within": "1h"})
    assert lately["cases"] == 3
    await world.clock.step(timedelta(hours=2))
    none = await world.post("/processes/order/backtest", {"source": LENIENT, "within": "1h"})
    assert (none["cases"], none["left"]) == (0, 0)
    for wrong in ("soon", "3 business days"):
        await world.post("/processes/order/backtest", {"source": LENIENT, "within": wrong}, 422)


async def test_what_cannot_be_proved_is_refused(world):
    await world.post("/processes/nothing/backtest", {"source": ORDERS}, 404)
    wrong = await world.post("/processes/order/backtest", {"source": "process: order\n"}, 422)
    assert wrong["title"]
    await world.post("/processes/order/backtest", {"source": ORDERS, "before": "run_x"}, 404)
    await world.post("/processes/order/backtest", {"source": ORDERS, "limit": 501}, 422)
    await world.post("/processes/delivery/backtest", {"source": DELIVERIES}, 200)


async def test_another_tenants_runs_and_who_may_not_read_them(world):
    await ran(world)
    _, theirs = await world.neighbour()
    found = await world.post("/processes/order/backtest", {"source": LENIENT}, key=theirs)
    assert found["cases"] == 0
    partner = await world.key_of("partner:ups")
    await world.post("/processes/order/backtest", {"source": LENIENT}, 404, key=partner)
