"""What was asked with an idempotency key is done once, also where the process dies before it can answer.

It dies between the commit of the deed and the keeping of its answer: from then on nothing of that request
reaches the database any more, and its lease runs out.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from api_world import World

from played_orders import event, order


@contextlib.asynccontextmanager
async def dying(world: World) -> AsyncIterator[None]:
    """While inside, no request can keep its answer, or take back that it began."""
    async with world.database.owner() as transaction:
        await transaction.execute(
            "create function crossdock.dead() returns trigger language plpgsql as "
            "$$ begin raise exception 'this process is dead'; end $$"
        )
        await transaction.execute(
            "create trigger dead before delete or update of status, until on crossdock.api_answer "
            "for each row execute function crossdock.dead()"
        )
    yield
    async with world.database.owner() as transaction:
        await transaction.execute("drop function crossdock.dead() cascade")


async def asked_again(world: World, path: str, body: Any, status: int, **more: Any) -> Any:
    """What whoever asks again is answered, after the process was killed that had done it."""
    headers = {"idempotency-key": f"key of {path}", **more.pop("headers", {})}
    headers["idempotency-key"] = headers["idempotency-key"].replace(" ", "-")
    async with dying(world):
        await world.ask("POST", path, json=body, headers=headers, status=500, **more)
    at_work = await world.ask("POST", path, json=body, headers=headers, status=409, **more)
    assert at_work.json["type"].endswith("/at-work")
    await world.sql("update crossdock.api_answer set until = now() where tenant = $1 and status is null")
    other = {**body, "note": "something else"}
    said = await world.ask("POST", path, json=other, headers=headers, status=422, **more)
    assert said.json["type"].endswith("/key-reused")
    again = await world.ask("POST", path, json=body, headers=headers, status=status, **more)
    kept = await world.ask("POST", path, json=body, headers=headers, status=status, **more)
    assert (kept.text, kept.headers["idempotency-replayed"]) == (again.text, "true")
    return again.json


async def done(world: World, action: str) -> list[dict[str, Any]]:
    """What the audit says was done of that kind by the key of these tests."""
    by = f"key:{world.key.split('_')[2]}"
    return (await world.get(f"/audit?action={action}&outcome=done&actor={by}"))["items"]


async def test_what_makes_something_makes_one(world):
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(order("SO-1"), order("SO-2"))
    async with world.working():
        await world.steps("SO-1", pick="held")
        await world.steps("SO-2", pick="held")
    body = {"cause": {"step": "pick"}, "action": {"act": "retry"}, "trial": 1}
    repair = await asked_again(world, "/repairs", body, 201)
    assert [one["id"] for one in (await world.get("/repairs"))["items"]] == [repair["id"]]
    (entry,) = await done(world, "run.repair")
    assert (entry["on_kind"], entry["on"]) == ("repair", repair["id"])

    key = await asked_again(world, "/keys", {"roles": ["viewer"], "name": "a tool"}, 201)
    assert "text" not in key
    assert [one["name"] for one in (await world.get("/keys"))["items"]].count("a tool") == 1

    document = {"number": "SO-9", "total": {"amount": "10", "currency": "EUR"}}
    run = await asked_again(world, "/runs", {"process": "order", "document": document}, 201)
    assert [one["id"] for one in (await world.get("/runs?q=SO-9"))["items"]] == [run["id"]]


async def test_what_changes_something_tells_what_came_of_it(world):
    bo = await world.account("bo@example.com", "viewer")
    seen = (await world.ask("GET", f"/people/{bo}")).headers["etag"]
    shut = await asked_again(world, f"/people/{bo}/suspend", {}, 200, headers={"if-match": seen})
    assert shut["suspended"]
    assert len(await done(world, "person.change")) == 1
    stopped = await asked_again(world, "/connections/tms/stop", {}, 200)
    assert stopped["name"] == "tms"
    assert len(await done(world, "connection.stop")) == 1
    await world.put(event("shipment.delivered", {"shipment": "X"}, shipment="X"))
    (parked,) = (await world.get("/events/parked"))["items"]
    told = await asked_again(world, f"/events/parked/{parked['id']}/dismiss", {"note": "old"}, 200)
    assert told == {"outcome": "dismissed"}


async def test_what_a_run_was_asked_is_told_as_it_was_decided(world):
    await world.put(order("SO-1"))
    async with world.working():
        await world.steps("SO-1", packed="waiting")
        (run,) = (await world.get("/runs"))["items"]
        told = await asked_again(world, f"/runs/{run['id']}/cancel", {"reason": "the customer called"}, 200)
    assert (told["run"], told["outcome"]) == (run["id"], "done")
    assert told["records"]
    assert len(await done(world, "run.cancel")) == 1


async def test_many_exceptions_that_were_closed_before_the_answer_are_told_as_closed(world):
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(*(order(f"SO-{n}") for n in range(3)))
    async with world.working():
        for n in range(3):
            await world.steps(f"SO-{n}", pick="held")
        names = [one["id"] for one in (await world.get("/exceptions"))["items"]]
        await world.post(f"/exceptions/{names[2]}/close", {"note": "by somebody else"})
        told = await asked_again(world, "/exceptions/close", {"exceptions": names, "note": "old"}, 200)
    assert (told["asked"], told["refused"]) == (2, 1)
    assert [one["asked"] for one in told["items"]] == [True, True, False]
    assert told["items"][2]["problem"]["type"].endswith("conflict")
    assert len(await done(world, "exception.close")) == 3
