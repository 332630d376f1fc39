"""Proposals over the API: made by an assistant's key, bound to what it read, done once by who accepts."""

from __future__ import annotations

import asyncio

from crossdock.desk.proposals import MOST_OPEN
from played_orders import order


async def held_run(world) -> dict:
    world.partners.refuse["wms.pick"] = "no stock"
    async with world.working():
        await world.put(order("SO-1"))
        await world.steps("SO-1", pick="held")
    return (await world.get("/runs?q=SO-1"))["items"][0]


async def test_an_assistant_proposes_and_a_person_accepts_once(world):
    run = await held_run(world)
    helper, lead = await world.key_of("assistant"), await world.key_of("operations-lead")
    (found,) = (await world.get(f"/exceptions?run={run['id']}", key=helper))["items"]
    told = {
        "deed": "run.retry",
        "on": run["id"],
        "given": {"step": "pick", "exception": found["id"]},
        "why": "stock came in at 9",
        "model": "qwen-2.5",
        "seen": str(run["decisions"]),
    }
    key = {"idempotency-key": "one"}
    made = await world.post("/proposals", told, 201, key=helper, headers=key)
    again = await world.post("/proposals", told, 201, key=helper, headers=key)
    assert again == made
    assert made["given"] == told["given"]
    assert (made["status"], made["on"], made["person"]) == ("open", run["id"], "root")
    assert (await world.get(f"/proposals?run={run['id']}", key=lead))["items"] == [made]
    refused = await world.post(f"/proposals/{made['id']}/accept", {}, 403, key=helper)
    assert refused["type"].endswith("forbidden")
    assert "propose, not act" in refused["detail"]
    world.partners.refuse.clear()
    async with world.working():
        headers = {"idempotency-key": "two", "prefer": "wait=10"}
        done = await world.post(f"/proposals/{made['id']}/accept", {}, key=lead, headers=headers)
        assert done["outcome"] == "done"
        assert await world.post(f"/proposals/{made['id']}/accept", {}, key=lead, headers=headers) == done
        await world.steps("SO-1", pick="succeeded")
    await world.post(f"/proposals/{made['id']}/accept", {}, 409, key=lead)
    await world.post(f"/proposals/{made['id']}/accept", {}, 409)
    assert (await world.get("/proposals"))["items"] == []
    (past,) = (await world.get("/proposals?status=accepted"))["items"]
    assert past["decided_by"].startswith("key:")


async def test_a_proposal_that_has_fallen_is_shown_so_and_refused(world):
    run = await held_run(world)
    helper = await world.key_of("assistant")
    told = {"deed": "run.cancel", "on": run["id"], "given": {"reason": "no stock"}, "why": "it is old"}
    made = await world.post("/proposals", told, 201, key=helper)
    other = await world.post("/proposals", told, 201, key=helper)
    tag = (await world.ask("GET", f"/proposals/{made['id']}")).headers["etag"]
    async with world.working():
        body = {"step": "pick", "note": "x"}
        await world.post(f"/runs/{run['id']}/retry", body, headers={"prefer": "wait=10"})
    assert (await world.get(f"/proposals/{made['id']}"))["status"] == "fallen"
    await world.post(f"/proposals/{made['id']}/decline", {}, 412, headers={"if-match": tag})
    problem = await world.post(f"/proposals/{made['id']}/accept", {}, 409)
    assert "has changed since it was proposed" in problem["detail"]
    assert len((await world.get("/proposals?status=fallen"))["items"]) == 2
    assert (await world.get(f"/proposals/{other['id']}"))["status"] == "fallen"


async def test_whoever_proposes_more_than_people_read_is_refused_until_some_are_decided(world):
    run = await held_run(world)
    helper, other = await world.key_of("assistant"), await world.key_of("assistant")
    told = {"deed": "run.cancel", "on": run["id"], "given": {"reason": "no stock"}, "why": "it is old"}
    made = [await world.post("/proposals", told, 201, key=helper) for _ in range(MOST_OPEN - 2)]
    both = await asyncio.gather(*(world.ask("POST", "/proposals", json=told, key=helper) for _ in range(4)))
    assert sorted(one.status for one in both) == [201, 201, 409, 409]
    problem = await world.post("/proposals", told, 409, key=helper)
    assert "100 proposals that nobody has decided yet, and may have 100 at a time" in problem["detail"]
    assert "propose again when some of them are" in problem["mend"]
    await world.post("/proposals", told, 201, key=other)
    await world.post(f"/proposals/{made[0]['id']}/decline", {})
    await world.post("/proposals", told, 201, key=helper)
    await world.post("/proposals", told, 409, key=helper)
    async with world.working():  # all that wait fall with the next decision
        body = {"step": "pick", "note": "x"}
        await world.post(f"/runs/{run['id']}/retry", body, headers={"prefer": "wait=10"})
        await world.steps("SO-1", pick="held")
    await world.post("/proposals", told, 201, key=helper)
    assert len((await world.get("/proposals?status=fallen&limit=200"))["items"]) == MOST_OPEN + 1


async def test_what_is_no_proposal_is_refused_with_its_place(world):
    run = await held_run(world)
    for told, status, where in (
        ({"deed": "keys.create", "on": run["id"], "why": "x"}, 422, "body.deed"),
        ({"deed": "run.retry", "on": "run_x", "given": {"step": "pick"}, "why": "x"}, 404, ""),
        ({"deed": "task.decide", "on": run["id"], "given": {"decision": "done"}, "why": "x"}, 404, ""),
        ({"deed": "run.retry", "on": run["id"], "given": {"steps": "pick"}, "why": "x"}, 422, "given"),
        ({"deed": "run.retry", "on": run["id"], "given": {"step": "pick"}, "why": ""}, 422, "body.why"),
    ):
        problem = await world.post("/proposals", told, status)
        assert where in str(problem), problem
    _, theirs = await world.neighbour()
    made = await world.post(
        "/proposals", {"deed": "run.cancel", "on": run["id"], "given": {"reason": "x"}, "why": "x"}, 201
    )
    for path in ("accept", "decline"):
        await world.post(f"/proposals/{made['id']}/{path}", {}, 404, key=theirs)
    await world.get(f"/proposals/{made['id']}", 404, key=theirs)
    assert (await world.get("/proposals", key=theirs))["items"] == []
    told = {"deed": "run.cancel", "on": run["id"], "given": {"reason": "x"}, "why": "x"}
    await world.post("/proposals", told, 404, key=theirs)
