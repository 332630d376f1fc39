"""Answers that are kept for whoever asks again, and what a killed process leaves."""

from __future__ import annotations

from played_orders import order


async def test_what_a_killed_process_had_begun_is_done_once_by_who_asks_again(world):
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(order("SO-1"))
    async with world.working():
        await world.steps("SO-1", pick="held")
        run = (await world.get("/runs"))["items"][0]["id"]
        ask = {"json": {"step": "pick"}, "headers": {"idempotency-key": "k"}}
        first = await world.ask("POST", f"/runs/{run}/retry", **ask, status=200)
        # It died after the act and before its answer was kept: the lease stands, then it runs out.
        await world.sql(
            "update crossdock.api_answer set status = null, until = now() + interval '1 minute' where tenant = $1"
        )
        busy = await world.ask("POST", f"/runs/{run}/retry", **ask, status=409)
        assert busy.json["type"].endswith("/at-work")
        await world.sql(
            "update crossdock.api_answer set until = now() - interval '1 second' where tenant = $1"
        )
        again = await world.ask("POST", f"/runs/{run}/retry", **ask, status=200)
        assert again.json["event"] == first.json["event"]
        assert "idempotency-replayed" not in again.headers
        history = await world.get(f"/runs/{run}/history?limit=200")
        assert [one["event"]["type"] for one in history["items"]].count("step.retry") == 1


async def test_what_was_not_now_is_not_kept(world):
    headers = {"idempotency-key": "k"}
    body = {"version": "nothing"}
    stale = {**headers, "if-match": '"00"'}
    await world.ask("POST", "/processes/order/roll-back", json=body, headers=stale, status=412)
    await world.ask("POST", "/processes/order/roll-back", json=body, headers=headers, status=404)
    again = await world.ask("POST", "/processes/order/roll-back", json=body, headers=headers, status=404)
    assert again.headers["idempotency-replayed"] == "true"
    await world.sql("update crossdock.api_answer set until = now() - interval '1 second' where tenant = $1")
    again = await world.ask("POST", "/processes/order/roll-back", json=body, headers=headers, status=404)
    assert "idempotency-replayed" not in again.headers
