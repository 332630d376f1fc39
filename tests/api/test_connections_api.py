"""Connections by the API: added with what their connector asks for, tested, their secrets replaced, removed."""

from __future__ import annotations

from api_world import World

from crossdock.connect.watch import Watch
from played_orders import order

HOOK = {"hook": "canary-hook-1"}


async def put(world: World, name: str, body: dict[str, object], status: int = 201) -> dict[str, object]:
    headers = {"if-none-match": "*"} if status == 201 else {"if-match": "*"}
    answer = await world.ask("PUT", f"/connections/{name}", json=body, headers=headers, status=status)
    found: dict[str, object] = answer.json
    return found


async def test_a_connector_says_what_a_connection_of_it_needs(world: World) -> None:
    (listed,) = (await world.get("/connectors?system=wms"))["items"]
    one = await world.get("/connectors/tests")
    assert one == listed
    assert one["serves"] == ["erp", "wms", "tms"]
    assert one["secrets"] == {"hook": "signs webhooks"}
    assert one["settings"] == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
    assert (one["webhook"], one["tested"]) == (True, False)
    await world.get("/connectors/nothing", 404)
    assert (await world.get("/connectors?system=carrier"))["items"] == []


async def test_a_connection_is_added_changed_and_removed(world: World) -> None:
    made = await put(world, "tms2", {"connector": "tests", "system": "tms", "environment": "sandbox"})
    assert (made["environment"], made["status"], made["system"]) == ("sandbox", "running", "tms")
    body = {"connector": "tests"}
    headers = {"if-none-match": "*"}
    said = await world.ask("PUT", "/connections/tms2", json=body, headers=headers, status=412)
    assert said.json["detail"] == "there is a connection tms2 already"
    changed = await put(world, "tms2", {"connector": "tests", "system": "tms", "rate": 5}, 200)
    assert (changed["environment"], changed["rate"]) == ("production", 5)
    assert (await world.get("/connections?environment=sandbox"))["items"] == []
    await world.ask("DELETE", "/connections/tms2", status=200)
    await world.get("/connections/tms2", 404)
    await world.ask("DELETE", "/connections/tms2", status=404)


async def test_what_does_not_fit_is_refused_with_its_mend(world: World) -> None:
    for body, mend in (
        ({"connector": "test"}, "did you mean"),
        ({"connector": "tests", "settings": {"url": "x"}}, "it has: none"),
        ({"connector": "tests", "secrets": {"hok": "x"}}, "did you mean"),
        ({"connector": "tests", "system": "carrier"}, "it serves"),
    ):
        headers = {"if-none-match": "*"}
        said = await world.ask("PUT", "/connections/new", json=body, headers=headers, status=422)
        assert mend in said.text
    await world.get("/connections/new", 404)


async def test_one_that_calls_wait_for_is_not_removed(world: World) -> None:
    await world.post("/connections/wms/stop", {})
    async with world.working():
        await world.put(order("SO-1"))
        await world.steps("SO-1", pick="running")
        assert (await world.get("/connections/wms"))["waiting"] == 1
        said = await world.ask("DELETE", "/connections/wms", status=409)
        assert said.json["detail"] == "1 calls of wms have not ended"
        await world.post("/connections/wms/start", {})
        await world.steps("SO-1", packed="waiting")
    await world.ask("DELETE", "/connections/wms", status=200)


async def test_a_secret_is_replaced_while_the_old_one_holds_and_no_text_is_ever_shown(world: World) -> None:
    at = "/connections/erp/secrets"
    assert (await world.get(at))["items"] == []
    first = await world.ask("PUT", f"{at}/hook", json={"text": "canary-hook-1"}, status=200)
    assert first.json == {"connection": "erp", "name": "hook", "changed": True}
    again = await world.ask("PUT", f"{at}/hook", json={"text": "canary-hook-1"}, status=200)
    assert again.json["changed"] is False
    second = {"text": "canary-hook-2", "keep_old": True, "old_until": "2099-01-01T00:00:00Z"}
    await world.ask("PUT", f"{at}/hook", json=second, status=200)
    known = await world.ask("GET", at, status=200)
    assert [(one["name"], one["in_use"]) for one in known.json["items"]] == [("hook", True), ("hook", False)]
    assert known.json["items"][1]["expires"] == "2099-01-01T00:00:00Z"
    assert "canary" not in known.text + (await world.ask("GET", "/audit", status=200)).text
    await world.ask("PUT", f"{at}/key", json={"text": "x"}, status=422)
    dropped = await world.ask("DELETE", f"{at}/hook?only_old=true", status=200)
    assert dropped.json["dropped"] == 1
    await world.ask("DELETE", f"{at}/hook?only_old=true", status=404)
    viewer = await world.key_of("viewer")
    await world.ask("PUT", f"{at}/hook", json={"text": "x"}, key=viewer, status=403)


async def test_a_test_says_what_was_seen(world: World) -> None:
    found = await world.post("/connections/erp/test")
    assert found["good"]
    assert [one["step"] for one in found["findings"]] == ["health"]
    assert "does not say what to ask" in found["findings"][0]["detail"]
    await world.post("/connections/nothing/test", None, 404)
    lead = await world.key_of("operations-lead")
    await world.post("/connections/erp/test", key=lead)
    await world.post("/connections/erp/test", None, 403, key=await world.key_of("viewer"))


async def test_health_stands_beside_each_connection(world: World) -> None:
    watch = Watch(world.database)
    for how, seconds in (("done", 0.01), ("done", 0.02), ("refused", 0.01), ("unreachable", 2.0)):
        watch.ended(world.tenant.id, "erp", how, seconds)  # type: ignore[arg-type] # one of the four
    watch.answered(world.tenant.id, "erp", {"ratelimit": '"day";r=12;t=60'})
    watch.ended(world.tenant.id, "gone", "done", 0.01)  # it was removed meanwhile
    await watch.write()
    health = (await world.get("/connections/erp"))["health"]
    assert (health["calls"], health["failed"], health["refused"], health["error_rate"]) == (4, 1, 1, 0.25)
    assert health["quota_left"] == 12
    assert health["last_success"] == health["last_failure"] == "2026-05-04T08:00:00Z"
    assert 0.01 <= health["p50"] <= 0.012
    assert 2.0 <= health["p95"] <= 2.4
    other = (await world.get("/connections?fields=name,health"))["items"][1]
    assert (other["name"], other["health"]["calls"]) == ("tms", 0)
    assert "error_rate" not in other["health"]


async def test_traffic_is_recorded_for_a_while_and_read_as_a_har_file(world: World) -> None:
    one = await world.post("/connections/erp/record", {"seconds": 90})
    assert one["record_until"] == "2026-05-04T08:01:30Z"
    har = await world.get("/connections/erp/recording")
    assert (har["log"]["version"], har["log"]["creator"]["name"]) == ("1.2", "Crossdock")
    assert har["log"]["entries"] == []
    assert "record_until" not in await world.post("/connections/erp/record", {"seconds": 0})
    await world.post("/connections/erp/record", {"seconds": 90_000}, 422)
    lead = await world.key_of("operations-lead")
    await world.post("/connections/erp/record", {}, 403, key=lead)
    await world.get("/connections/erp/recording", 403, key=lead)
