"""What changes something: through the desk, once, about what was seen."""

from __future__ import annotations

import asyncio

import pytest
from api_world import DELIVERIES

from played_orders import event, order


@pytest.fixture
async def held(world):
    """A run whose step `pick` is held."""
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(order("SO-1"))
    async with world.working():
        await world.steps("SO-1", pick="held")
        yield (await world.get("/runs?q=SO-1"))["items"][0]["id"]


async def test_a_held_step_is_retried_and_the_answer_tells_what_came_of_it(world, held):
    world.partners.refuse.clear()
    told = await world.post(f"/runs/{held}/retry", {"step": "pick", "note": "stock is there"})
    assert (told["run"], told["outcome"]) == (held, "done")
    assert "step.retried" in [record["what"] for record in told["records"]] or told["records"]
    await world.steps("SO-1", packed="waiting")
    (entry,) = (await world.get(f"/audit?kind=run&on={held}&action=run.repair"))["items"]
    assert (entry["outcome"], entry["why"], entry["on"]) == ("done", "stock is there", held)


async def test_what_the_run_does_not_take_is_a_conflict(world, held):
    said = (await world.ask("POST", f"/runs/{held}/retry", json={"step": "packed"}, status=409)).json
    assert said["type"].endswith("/conflict")
    said = (await world.ask("POST", f"/runs/{held}/skip", json={"step": "pick"}, status=422)).json
    assert said["problems"][0]["where"] == "body.note"
    said = (await world.ask("POST", f"/runs/{held}/retry", json={"stp": "pick"}, status=422)).json
    assert {one["where"]: one.get("mend") for one in said["problems"]}["body.stp"] == "did you mean step?"


async def test_a_repair_that_names_what_it_answers_is_not_done_after_somebody_was_quicker(world, held):
    (seen,) = (await world.get("/exceptions"))["items"]
    answer = {"step": "pick", "note": "not needed", "exception": seen["id"]}
    world.partners.refuse.clear()
    await world.post(f"/runs/{held}/retry", {"step": "pick"})
    await world.steps("SO-1", packed="waiting")
    for act, more in (("skip", {}), ("redo", {}), ("retry", {}), ("supply", {"output": {}})):
        said = (await world.ask("POST", f"/runs/{held}/{act}", json={**answer, **more}, status=409)).json
        assert "is not open any more" in said["detail"]
    await world.post(f"/runs/{held}/skip", {**answer, "exception": "exception_bm9uZQ"}, 409)
    await world.post(f"/runs/{held}/skip", {**answer, "exception": "x1"}, 404)
    await world.steps("SO-1", pick="succeeded")


async def test_a_run_is_supplied_skipped_redone_moved_closed_and_cancelled(world, held):
    await world.post(f"/runs/{held}/supply", {"step": "pick", "output": {"pick": "P-1"}, "note": "by phone"})
    await world.steps("SO-1", packed="waiting")
    await world.post(f"/runs/{held}/redo", {"step": "pick"})
    await world.steps("SO-1", pick="held")
    world.partners.refuse.clear()
    assert (await world.post(f"/runs/{held}/close", {"step": "pick"}))["outcome"] == "done"
    await world.steps("SO-1", packed="waiting")
    await world.post(f"/runs/{held}/close", {}, 409)
    await world.post(f"/runs/{held}/move", {}, 409)
    await world.post(f"/runs/{held}/release", {}, 409)
    await world.post(f"/runs/{held}/skip", {"step": "packed", "note": "packed by hand"})
    await world.until(lambda: status(world, held, "completed"))
    await world.put(order("SO-2"))
    await world.steps("SO-2", packed="waiting")
    other = (await world.get("/runs?q=SO-2"))["items"][0]["id"]
    told = await world.post(f"/runs/{other}/cancel", {"reason": "the customer called"})
    assert told["outcome"] == "done"
    await world.until(lambda: status(world, other, "cancelled"))
    await world.post(f"/runs/{other}/cancel", {"reason": "again"}, 409)


async def status(world, run: str, wanted: str) -> bool:
    return (await world.get(f"/runs/{run}"))["status"] == wanted


async def test_a_run_is_started_by_hand_once_for_a_key(world):
    document = {"number": "SO-9", "total": {"amount": "10", "currency": "EUR"}, "created_by": "ann"}
    body, headers = {"process": "order", "document": document}, {"idempotency-key": '"one"'}
    first = await world.ask("POST", "/runs", json=body, headers=headers, status=201)
    again = await world.ask("POST", "/runs", json=body, headers=headers, status=201)
    assert (first.text, first.headers["location"]) == (again.text, again.headers["location"])
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert first.headers["location"] == f"/api/v1/runs/{first.json['id']}"
    said = (
        await world.ask("POST", "/runs", json={**body, "process": "delivery"}, headers=headers, status=422)
    ).json
    assert said["type"].endswith("/key-reused")
    said = (
        await world.ask("POST", "/runs", json={"process": "order", "document": {"numbr": 1}}, status=422)
    ).json
    assert [one["where"] for one in said["problems"]] == ["body.document.number", "body.document.numbr"]
    await world.post("/runs", {"process": "nothing", "document": {}}, 404)
    said = await world.post("/runs", body, 409)  # with another key, while the first is live
    assert said["detail"] == "a run of order for SO-9 is live already"
    async with world.working():
        await world.steps("SO-9", check_credit="succeeded")
    assert len((await world.get("/runs"))["items"]) == 1


async def test_the_same_request_at_the_same_time_is_done_once(world, held):
    world.partners.refuse.clear()

    async def ask():
        return await world.ask(
            "POST", f"/runs/{held}/retry", json={"step": "pick"}, headers={"idempotency-key": "k1"}
        )

    answers = await asyncio.gather(*(ask() for _ in range(5)))
    assert {one.status for one in answers} <= {200, 409}
    assert [one.status for one in answers].count(200) >= 1
    at_work = [one for one in answers if one.status == 409]
    assert all(one.json["type"].endswith("/at-work") and one.headers["retry-after"] for one in at_work)
    done = [one for one in answers if one.status == 200]
    assert len({one.text for one in done}) == 1
    history = await world.get(f"/runs/{held}/history?limit=200")
    assert [one["event"]["type"] for one in history["items"]].count("step.retry") == 1
    for key in ("", "x" * 256, "a b", "ü"):
        if key:
            answer = await world.ask(
                "POST", f"/runs/{held}/retry", json={"step": "pick"}, headers={"idempotency-key": key}
            )
            assert answer.status == 400, key


async def test_another_principal_with_the_same_key_asks_something_of_its_own(world, held):
    other = await world.key_of("operations-lead")
    headers = {"idempotency-key": "same"}
    await world.ask("POST", "/repairs/preview", json={"cause": {"step": "pick"}}, headers=headers, status=200)
    body = {"cause": {"step": "packed"}}
    answer = await world.ask("POST", "/repairs/preview", json=body, headers=headers, key=other, status=200)
    assert answer.json == {"runs": 0}


async def test_a_change_is_about_what_was_seen(world, held):
    seen = await world.ask("GET", f"/runs/{held}", status=200)
    sparse = await world.ask("GET", f"/runs/{held}?fields=id", status=200)
    assert seen.headers["etag"] != sparse.headers["etag"]
    world.partners.refuse.clear()
    headers = {"if-match": sparse.headers["etag"]}
    await world.ask("POST", f"/runs/{held}/retry", json={"step": "pick"}, headers=headers, status=200)
    headers = {"if-match": seen.headers["etag"]}
    said = await world.ask("POST", f"/runs/{held}/cancel", json={"reason": "x"}, headers=headers, status=412)
    assert said.json["type"].endswith("/changed")
    assert (await world.get(f"/runs/{held}"))["status"] == "active"
    roles = await world.ask("GET", "/roles", status=200)
    body = {"roles": {"night-shift": {"says": "sees runs", "actions": ["run.read"]}}}
    assert (await world.ask("PUT", "/roles", json=body, status=428)).json["where"] == "header.If-Match"
    headers = {"if-match": roles.headers["etag"]}
    changed = await world.ask("PUT", "/roles", json=body, headers=headers, status=200)
    assert changed.json["version"] == 1
    await world.ask("PUT", "/roles", json=body, headers=headers, status=412)
    night = await world.key_of("night-shift")
    await world.get("/runs", key=night)
    assert (await world.get("/tasks", key=night))["items"] == []
    await world.get("/people", 403, key=night)


async def test_an_approval_is_decided_by_who_may_about_what_was_seen(world):
    await world.put(order("SO-1", "5000.00"))
    async with world.working():
        await world.steps("SO-1", approve="waiting")
        finance = await world.key_of("finance-controller", "finance")
        task = await world.ask("GET", f"/tasks/{(await world.get('/tasks', key=finance))['items'][0]['id']}")
        path = f"/tasks/{task.json['id']}/decide"
        await world.ask("POST", path, json={"decision": "approved"}, key=finance, status=428)
        old = {"decision": "approved", "seen": "0" * 16}
        await world.ask("POST", path, json=old, key=finance, status=409)
        headers = {"if-match": '"00"'}
        await world.ask("POST", path, json={"decision": "approved"}, headers=headers, key=finance, status=412)
        seen = {"decision": "approved", "seen": task.json["seen"]}
        assert (await world.ask("POST", path, json=seen, status=403)).json["type"].endswith("/forbidden")
        headers = {"if-match": task.headers["etag"]}
        told = await world.ask(
            "POST", path, json={"decision": "approved"}, headers=headers, key=finance, status=200
        )
        assert told.json["outcome"] == "done"
        await world.steps("SO-1", packed="waiting")
        await world.ask("POST", path, json=seen, key=finance, status=409)
    assert (await world.get("/tasks"))["items"] == []
    assert [one["status"] for one in (await world.get("/tasks?status=any"))["items"]] == ["decided"]


async def test_many_exceptions_are_closed_and_each_says_what_came_of_it(world):
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(*(order(f"SO-{n}") for n in range(3)))
    async with world.working():
        for n in range(3):
            await world.steps(f"SO-{n}", pick="held")
        world.partners.refuse.clear()
        names = [one["id"] for one in (await world.get("/exceptions?type=refused_by_partner"))["items"]]
        told = await world.post(
            "/exceptions/close", {"exceptions": [*names, "exception_AAAA", "x"], "note": "known"}
        )
        assert (told["asked"], told["refused"]) == (3, 2)
        assert [one["exception"] for one in told["items"]] == [*names, "exception_AAAA", "x"]
        assert told["items"][-1]["problem"]["type"].endswith("/not-found")
        await world.until(lambda: none_open(world))
        one = await world.ask("POST", f"/exceptions/{names[0]}/close", json={}, status=409)
        assert one.json["type"].endswith("/conflict")


async def none_open(world) -> bool:
    return (await world.get("/exceptions"))["items"] == []


async def test_a_repair_of_many_is_counted_begun_gone_on_with_and_told(world):
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(*(order(f"SO-{n}") for n in range(5)))
    async with world.working():
        for n in range(5):
            await world.steps(f"SO-{n}", pick="held")
        world.partners.refuse.clear()
        cause, action = {"exception": "refused_by_partner"}, {"act": "retry", "note": "stock came"}
        counted = await world.post("/repairs/preview", {"cause": cause, "action": action})
        assert counted == {"runs": 5}
        body = {"cause": cause, "action": action, "trial": 2, "rate": 1000, "seen": 4}
        await world.post("/repairs", body, 409)
        begun = await world.ask("POST", "/repairs", json={**body, "seen": 5}, status=201)
        path = begun.headers["location"].removeprefix("/api/v1")
        assert begun.json["by"].startswith("key:")
        await world.until(lambda: stands(world, path, "waiting", 2))
        await world.post(f"{path}/proceed")
        await world.until(lambda: stands(world, path, "done", 5))
        items = (await world.get(f"{path}/items?outcome=mended"))["items"]
        assert sorted(one["key"] for one in items) == [f"SO-{n}" for n in range(5)]
        await world.post(f"{path}/stop", None, 409)
        assert [one["id"] for one in (await world.get("/repairs?status=done"))["items"]] == [begun.json["id"]]
    await world.post("/repairs", {"cause": {}, "action": {"act": "retry"}}, 422)
    await world.post("/repairs", {"cause": {"runs": ["run_x"]}, "action": {"act": "retry"}}, 404)


async def stands(world, path: str, status: str, mended: int) -> bool:
    repair = await world.get(path)
    return repair["status"] == status and repair["outcomes"].get("mended") == mended


async def test_events_are_sent_one_many_and_in_headers(world):
    data = {"number": "SO-1", "total": {"amount": "10", "currency": "EUR"}, "created_by": "ann"}
    one = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": data,
    }
    told = await world.post("/events", one)
    assert (told["taken"], told["items"][0]["fate"]) == (1, "routed")
    assert told["items"][0]["runs"] == [(await world.get("/runs"))["items"][0]["id"]]
    assert (await world.post("/events", one))["items"][0]["fate"] == "duplicate"
    bad = {**one, "id": "e2", "type": "order.relased"}
    said = await world.post("/events", bad, 422)
    assert "order.released" in said["mend"]
    told = await world.post("/events", [bad, {**one, "id": "e3", "data": {**data, "number": "SO-2"}}])
    assert [item["fate"] for item in told["items"]] == ["refused", "routed"]
    assert told["items"][0]["problem"]["type"].endswith("/refused")
    headers = {f"ce-{k}": v for k, v in {**one, "id": "e4"}.items() if k != "data"}
    told = await world.post("/events", {**data, "number": "SO-3"}, headers=headers)
    assert told["items"][0]["fate"] == "routed"
    for body in (b"", b"{", b'"\\ud800"', b"[" * 100_000, b'{"a": 1, "a": 2}', b"NaN", b'{"a": "\\u0000"}'):
        answer = await world.ask("POST", "/events", data=body, headers={"content-type": "application/json"})
        assert answer.status in (400, 422), body[:20]
    forged = {**one, "id": "e5", "source": "connection/tms"}
    await world.post("/events", forged, 422)


async def test_an_event_of_a_sandbox_begins_a_run_in_test_that_meets_no_other(world):
    data = {"number": "SO-1", "total": {"amount": "10", "currency": "EUR"}, "created_by": "ann"}
    one = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": data,
    }
    await world.post("/events", {**one, "environment": "sandbox"})
    await world.post("/events", {**one, "id": "e2"})
    assert sorted(run["key"] for run in (await world.get("/runs"))["items"]) == ["SO-1", "test/SO-1"]
    headers = {f"ce-{k}": v for k, v in {**one, "id": "e3"}.items() if k != "data"}
    headers["ce-environment"] = "sandbox"
    await world.post("/events", {**data, "number": "SO-2"}, headers=headers)
    assert (await world.get("/runs?q=test/SO-2"))["items"][0]["key"] == "test/SO-2"
    said = await world.post("/events", {**one, "id": "e4", "environment": "staging"}, 422)
    assert (said["where"], said["mend"]) == ("environment", "write production or sandbox, or leave it out")


async def test_what_no_run_has_is_attached_dismissed_released_and_read_again(world):
    await world.put(event("shipment.delivered", {"shipment": "X"}, shipment="X"))
    await world.put(event("shipment.delivered", {"shipment": "Y"}, shipment="Y"), order("SO-1"))
    async with world.working():
        await world.steps("SO-1", packed="waiting")
    run = (await world.get("/runs"))["items"][0]["id"]
    first, second = (await world.get("/events/parked"))["items"]
    await world.post(f"/events/parked/{first['id']}/attach", {"run": "run_x"}, 404)
    assert (await world.post(f"/events/parked/{first['id']}/attach", {"run": run}))["runs"] == [run]
    said = await world.post(f"/events/parked/{first['id']}/attach", {"run": run}, 404)
    assert first["id"] in said["detail"]
    await world.post(f"/events/parked/{second['id']}/dismiss", {"note": "a test"})
    assert (await world.get("/events/parked"))["items"] == []
    await world.post(f"/events/quarantined/{first['id']}/release", None, 404)
    await world.post(f"/events/unread/{first['id']}/replay", None, 404)


async def test_processes_are_checked_published_and_rolled_back(world):
    wrong = await world.post("/processes/check", {"source": "process: x\nsteps: {a: {cal: erp.x}}\n"})
    assert not wrong["valid"]
    assert wrong["problems"][0]["line"]
    newer = DELIVERIES.replace("3 business days", "2 business days")
    good = await world.post("/processes/check", {"source": newer})
    assert (good["valid"], good["name"]) == (True, "delivery")
    before = await world.ask("GET", "/processes/delivery", status=200)
    published = await world.post("/processes", {"sources": [newer], "note": "faster"})
    assert published["items"][0]["version"] == good["version"] != before.json["version"]
    body = {"version": before.json["version"]}
    headers = {"if-match": before.headers["etag"]}
    await world.ask("POST", "/processes/delivery/roll-back", json=body, headers=headers, status=412)
    back = await world.post("/processes/delivery/roll-back", body)
    assert back["version"] == before.json["version"]
    await world.post("/processes/delivery/roll-back", {"version": "nothing"}, 404)
    assert len((await world.get("/processes/delivery/versions"))["items"]) == 2


async def test_a_connection_is_stopped_and_started(world):
    stopped = await world.post("/connections/erp/stop", {"stand_still": True})
    assert (stopped["status"], stopped["stand_still"]) == ("stopped", True)
    assert (await world.get("/connections?status=stopped"))["items"] == [stopped]
    started = await world.post("/connections/erp/start", {"drain_rate": 5})
    assert (started["status"], started["drain_rate"]) == ("running", 5)
    await world.post("/connections/nothing/stop", {}, 404)
    await world.post("/connections/erp/start", {"drain_rate": -1}, 422)


async def test_a_key_is_made_shown_once_and_revoked(world):
    headers = {"idempotency-key": "make-it"}
    made = await world.ask(
        "POST", "/keys", json={"roles": ["viewer"], "name": "board"}, headers=headers, status=201
    )
    text = made.json["text"]
    await world.get("/runs", key=text)
    await world.post("/runs", {"process": "order", "document": {}}, 403, key=text)
    again = await world.ask(
        "POST", "/keys", json={"roles": ["viewer"], "name": "board"}, headers=headers, status=201
    )
    assert "text" not in again.json
    assert again.json["id"] == made.json["id"]
    everything = await world.get("/keys")
    assert text not in str(everything) + str(await world.get("/audit"))
    await world.post(f"/keys/{made.json['id']}/revoke", {"note": "lost"})
    await world.get("/runs", 401, key=text)
    assert made.json["id"] not in [one["id"] for one in (await world.get("/keys"))["items"]]
    assert made.json["id"] in [one["id"] for one in (await world.get("/keys?revoked=true"))["items"]]
    lead = await world.key_of("operations-lead")
    await world.post("/keys", {"roles": ["viewer"]}, 403, key=lead)
    await world.post("/keys", {"roles": ["operator-admin"]}, 403)


async def test_settings_people_access_and_the_own_tenant_are_read_and_changed(world):
    settings = await world.ask("GET", "/settings", status=200)
    assert settings.json == {"version": 0, "settings": {}, "calendars": {}}
    headers = {"if-match": settings.headers["etag"]}
    changed = await world.ask(
        "PUT", "/settings", json={"settings": {"limit": 5}}, headers=headers, status=200
    )
    assert (changed.json["version"], changed.json["settings"]) == (1, {"limit": 5})
    assert (await world.get("/people"))["items"] == []
    await world.get("/people/nobody", 404)
    assert (await world.get("/access?action=run.cancel"))["allowed"]
    assert not (await world.get("/access?action=tenant.change"))["allowed"]
    await world.get("/access?action=run.cancle", 422)
    assert (await world.get("/tenant"))["name"] == "acme"
    assert (await world.get("/audit/verify"))["good"]
    lines = (await world.ask("GET", "/audit/export", status=200)).text.splitlines()
    assert len(lines) >= 3


async def test_tenants_are_for_those_who_run_the_installation(world):
    await world.get("/tenants", 403)
    operator = await world.database.create_tenant("operator")
    root = await world.key_of("operator-admin", tenant=operator)
    made = await world.ask("POST", "/tenants", json={"name": "zeta", "title": "Zeta"}, key=root, status=201)
    assert made.headers["location"] == "/api/v1/tenants/zeta"
    await world.post("/tenants", {"name": "zeta"}, 409, key=root)
    await world.post("/tenants", {"name": "Zeta"}, 422, key=root)
    assert [one["name"] for one in (await world.get("/tenants", key=root))["items"]] == [
        "acme",
        "operator",
        "zeta",
    ]
    suspended = await world.post("/tenants/acme/suspend", {"why": "unpaid"}, key=root)
    assert suspended["suspended_why"] == "unpaid"
    assert (await world.get("/tenant"))["suspended_why"] == "unpaid"
    await world.post("/tenants/acme/resume", {}, key=root)
    lines = (await world.ask("GET", "/tenants/zeta/export", key=root, status=200)).text.splitlines()
    assert '"name":"zeta"' in lines[0]
    await world.ask("DELETE", "/tenants/zeta?why=gone", key=root, status=428)
    await world.get("/tenants/nothing", 404, key=root)
