"""The OWASP API Security Top 10 of 2023, point by point: what an attacker would try, and what comes of it."""

from __future__ import annotations

import asyncio
import io
import json
import time

import pytest

from played_orders import event, order


@pytest.fixture
async def two(world):
    """Two tenants with the same numbers; each has a run, a task, an exception, a repair and a parked event."""
    world.partners.refuse["wms.pick"] = "no stock"
    other, theirs = await world.neighbour()
    for tenant in (world.tenant, other):
        await world.put(order("SO-1", "5000.00"), order("SO-2"), tenant=tenant)
        await world.put(event("shipment.delivered", {"shipment": "X"}, shipment="X"), tenant=tenant)
    async with world.working():
        await world.steps("SO-1", approve="waiting")
        await world.steps("SO-2", pick="held")
        await world.until(lambda: both(world, theirs))
        yield world, theirs


async def both(world, theirs: str) -> bool:
    return bool(
        (await world.get("/tasks", key=theirs))["items"]
        and (await world.get("/exceptions", key=theirs))["items"]
    )


async def names_of(world, key: str) -> dict[str, str]:
    """An id of each kind of thing."""
    found = {}
    for plural, name in {
        "runs": "run",
        "orders": "order",
        "tasks": "task",
        "exceptions": "exception",
        "events/parked": "parked",
    }.items():
        found[name] = (await world.get(f"/{plural}", key=key))["items"][0]["id"]
    return found


async def test_api1_broken_object_level_authorization(two):
    """Ids of another tenant are not there: for reading, for changing, in filters, bodies and cursors."""
    world, theirs = two
    mine, other = await names_of(world, world.key), await names_of(world, theirs)
    for name in ("run", "order", "parked"):
        assert mine[name] != other[name]
    attacks = [
        ("GET", f"/runs/{other['run']}", None),
        ("GET", f"/runs/{other['run']}/state", None),
        ("GET", f"/runs/{other['run']}/history", None),
        ("GET", f"/runs/{other['run']}/graph", None),
        ("GET", f"/runs/{other['run']}/calls", None),
        ("GET", f"/orders/{other['order']}", None),
        ("GET", f"/runs?parent={other['run']}", None),
        ("GET", f"/tasks?run={other['run']}", None),
        ("GET", f"/exceptions?run={other['run']}", None),
        ("GET", f"/events?run={other['run']}", None),
        ("POST", f"/runs/{other['run']}/cancel", {"reason": "x"}),
        ("POST", f"/runs/{other['run']}/retry", {"step": "pick"}),
        ("POST", f"/events/parked/{other['parked']}/dismiss", {}),
        ("POST", f"/events/parked/{mine['parked']}/attach", {"run": other["run"]}),
        ("POST", "/repairs", {"cause": {"runs": [other["run"]]}, "action": {"act": "retry"}}),
    ]
    for method, path, body in attacks:
        answer = await world.ask(method, path, json=body, status=404)
        assert answer.json["type"].endswith("/not-found"), path
    # What is named by its business key is the own one, whoever else has the same.
    (mine_run,) = (await world.get("/runs?q=SO-2"))["items"]
    (their_run,) = (await world.get("/runs?q=SO-2", key=theirs))["items"]
    assert mine_run["id"] != their_run["id"]
    assert (await world.get(f"/runs/{their_run['id']}", key=theirs))["status"] == their_run["status"]
    # A repair of all touches none of theirs.
    cause = {"cause": {"exception": "refused_by_partner"}}
    assert await world.post("/repairs/preview", cause) == {"runs": 1}
    # Answers are the same to what never was and to what is another's, but for the name.
    never = (await world.ask("GET", "/runs/run_" + "a" * 26)).json
    others = (await world.ask("GET", f"/runs/{other['run']}")).json
    for said in (never, others):
        said.pop("request"), said.pop("instance")
        said["detail"] = said["detail"].rpartition(" ")[0]
    assert never == others


async def test_api1_ids_tell_nothing_of_what_others_do(two):
    """Two runs in a row have names that do not tell how many lie between."""
    world, _ = two
    names = [run["id"] for run in (await world.get("/runs"))["items"]]
    assert len({name[4:8] for name in names}) == len(names)
    text = json.dumps(
        [await world.get(path) for path in ("/runs", "/events", "/tasks", "/exceptions", "/events/parked")]
    )
    rows = await world.database.at_once("select id from crossdock.run")
    assert not [row["id"] for row in rows if f'"run": {row["id"]}' in text]


async def test_api1_a_timing_does_not_tell_what_is_there(two):
    world, theirs = two
    other = (await names_of(world, theirs))["run"]
    never = "run_" + "b" * 26

    async def median(path: str) -> float:
        taken = []
        for _ in range(30):
            begun = time.perf_counter()
            await world.ask("GET", path, status=404)
            taken.append(time.perf_counter() - begun)
        return sorted(taken)[15]

    first, second = await median(f"/runs/{other}"), await median(f"/runs/{never}")
    assert abs(first - second) < 0.02


async def test_api2_broken_authentication(two):
    """Nothing but a whole key in force opens anything; what is said is always the same."""
    world, _ = two
    tenant, id_, secret = world.key.removeprefix("cdk_").split("_", 2)
    told = set()
    for key in (
        "",
        "x",
        world.key[:-1],
        world.key + "x",
        f"cdk_{tenant}_{id_}_{'A' * len(secret)}",
        f"cdk_2_{id_}_{secret}",
        f"cdk_{tenant}_aaaaaaaaaaaaa_{secret}",
        world.key.upper(),
        "null",
        "' or 1=1 --",
    ):
        answer = await world.ask("GET", "/runs", key=key, status=401)
        told.add(answer.json["detail"])
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert len(told) <= 2  # nothing shown, or not in force
    for path in (f"/runs?key={world.key}", f"/runs?access_token={world.key}"):
        await world.ask("GET", path, key="", status=401)
    async with world.http.get(f"{world.url}/api/v1/runs", cookies={"key": world.key}) as answer:
        assert answer.status == 401
    made = await world.post("/keys", {"roles": ["viewer"], "expires": "2020-01-01T00:00:00Z"}, 422)
    assert made["where"] == "expires"


async def test_api3_broken_object_property_level_authorization(two):
    """What may not be seen is not among the properties; what may not be set is refused, not passed by."""
    world, _ = two
    run = (await world.get("/runs?q=SO-2"))["items"][0]["id"]
    for body in (
        {"step": "pick", "by": "root"},
        {"step": "pick", "actor": {"id": "root"}},
        {"step": "pick", "tenant": 2},
    ):
        said = (await world.ask("POST", f"/runs/{run}/retry", json=body, status=422)).json
        assert said["where"].startswith("body.")
    made = await world.ask(
        "POST", "/keys", json={"roles": ["viewer"], "behind": "root", "hash": "x"}, status=422
    )
    assert len(made.json["problems"]) == 2
    partner = await world.key_of("partner")
    for part in ("tasks", "exceptions", "document"):
        await world.ask("GET", f"/runs?expand={part}", key=partner, status=403)
    engineer = await world.key_of("finance-controller", scopes=["run.read"])
    await world.get("/runs", key=engineer)
    await world.get("/runs?expand=exceptions", 403, key=engineer)
    connection = await world.get("/connections/erp")
    assert not {"secrets", "secret", "token"} & set(connection)
    for key in (await world.get("/keys"))["items"]:
        assert not {"hash", "text"} & set(key)


async def test_api4_unrestricted_resource_consumption(two):
    """Pages, bodies, depths, lists and texts have limits; what is large is streamed."""
    world, _ = two
    await world.get("/runs?limit=1000000", 422)
    await world.get(f"/runs?q={'x' * 201}", 422)
    await world.get(f"/runs?fields={'id,' * 400}", 422)
    big = b'{"source": "' + b"x" * (5 * 2**20) + b'"}'
    await world.ask(
        "POST",
        "/processes/check",
        data=io.BytesIO(big),
        headers={"content-type": "application/json"},
        status=413,
    )
    deep = b'{"cause": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    answer = await world.ask(
        "POST", "/repairs/preview", data=deep, headers={"content-type": "application/json"}
    )
    assert answer.status in (400, 422)
    await world.post("/exceptions/close", {"exceptions": ["x"] * 201}, 422)
    await world.post("/repairs", {"cause": {"step": "pick"}, "action": {"act": "retry"}, "rate": 1e9}, 422)
    answers = await asyncio.gather(*(world.ask("GET", "/runs") for _ in range(40)))
    assert {one.status for one in answers} == {200}


async def test_api5_broken_function_level_authorization(two):
    """Each act asks; a role that looks changes nothing, whatever method or address it tries."""
    world, _ = two
    viewer = await world.key_of("viewer")
    description = (await world.ask("GET", "/openapi.json", key="")).json
    run = (await world.get("/runs?q=SO-2"))["items"][0]["id"]
    task = (await world.get("/tasks"))["items"][0]
    exception = (await world.get("/exceptions"))["items"][0]["id"]
    attacks = {
        f"/runs/{run}/retry": {"step": "pick"},
        f"/runs/{run}/skip": {"step": "pick", "note": "x"},
        f"/runs/{run}/supply": {"step": "pick", "output": {}},
        f"/runs/{run}/redo": {"step": "check_credit"},
        f"/runs/{run}/cancel": {"reason": "x"},
        f"/runs/{run}/close": {},
        f"/runs/{run}/release": {},
        f"/runs/{run}/move": {},
        f"/tasks/{task['id']}/decide": {"decision": "approved", "seen": task["seen"]},
        f"/exceptions/{exception}/close": {},
        "/repairs": {"cause": {"step": "pick"}, "action": {"act": "retry"}},
        "/processes": {"sources": ["process: x"]},
        "/processes/order/roll-back": {"version": "x"},
        "/connections/erp/stop": {},
        "/connections/erp/start": {},
        "/keys": {"roles": ["viewer"]},
        "/tenants": {"name": "evil"},
        "/tenants/acme/suspend": {"why": "x"},
    }
    for path, body in attacks.items():
        answer = await world.ask("POST", path, json=body, key=viewer, status=403)
        assert answer.json["type"].endswith("/forbidden"), path
    for path in ("/roles", "/settings"):
        seen = await world.ask("GET", path)
        headers = {"if-match": seen.headers["etag"]}
        await world.ask("PUT", path, json={}, headers=headers, key=viewer, status=403)
    for path in ("/people", "/keys", "/audit", "/tenants", "/settings"):
        await world.get(path, 403, key=viewer)
    for path in description["paths"]:  # no method that is not described does anything
        for method in {"PUT", "PATCH", "DELETE", "TRACE"} - {
            one.upper() for one in description["paths"][path]
        }:
            address = path.replace("{", "x").replace("}", "x")
            answer = await world.ask(method, address, key=viewer)
            assert answer.status in (404, 405), f"{method} {path}"
    refused = (await world.get("/audit?outcome=refused&limit=200"))["items"]
    assert {"run.repair", "run.cancel", "task.decide", "key.change"} <= {one["action"] for one in refused}
    assert (await world.get(f"/runs/{run}"))["status"] == "held"


async def test_api6_unrestricted_access_to_sensitive_business_flows(two):
    """Who asked for it does not approve it, under any name; what is done twice is done once."""
    world, _ = two
    task = (await world.get("/tasks"))["items"][0]
    assert task["excluded"] == ["ann"]
    from crossdock.access import Principal

    ann = Principal(
        tenant=world.tenant.id, id="ann", kind="human", roles=frozenset({"finance", "tenant-admin"})
    )
    made = await world.identity.keys.create(world.tenant, ann, roles=["finance", "finance-controller"])
    body = {"decision": "approved", "seen": task["seen"]}
    await world.ask("POST", f"/tasks/{task['id']}/decide", json=body, key=made.text, status=403)
    skip = {"step": "approve", "note": "x"}
    lead = await world.identity.keys.create(world.tenant, ann, roles=["operations-lead", "finance"])
    await world.ask("POST", f"/runs/{task['run']}/skip", json=skip, key=lead.text, status=403)
    assert (await world.get(f"/tasks/{task['id']}"))["status"] == "open"


async def test_api7_server_side_request_forgery(two):
    """Nothing that is sent makes the server call an address."""
    world, _ = two
    description = (await world.ask("GET", "/openapi.json", key="")).json
    named = [
        name
        for schema in description["components"]["schemas"].values()
        for name, what in schema.get("properties", {}).items()
        if what.get("type") != "boolean"
        and name in {"url", "uri", "callback", "webhook", "href", "endpoint", "host"}
    ]
    assert named == []
    calls = list(world.partners.calls)
    await world.post("/processes/check", {"source": "process: http://127.0.0.1:1/\n"})
    assert [one for one in world.partners.calls if one not in calls] == []


async def test_api8_security_misconfiguration(two):
    """Headers, errors and methods tell and allow no more than they must."""
    world, _ = two
    answer = await world.ask("GET", "/runs")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in answer.headers
    assert "x-powered-by" not in answer.headers
    preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = await world.ask("OPTIONS", "/runs", headers=preflight)
    assert answer.status == 405
    assert "access-control-allow-origin" not in answer.headers
    for path in (
        "/docs",
        "/redoc",
        "/metrics",
        "/debug",
        "/.env",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ):
        assert (await world.ask("GET", path)).status == 404
    for attack in ("'", '"', "%27%20or%201=1--", "$(id)", "{{7*7}}", "%00", "<script>", "%ED%A0%80"):
        for path in (
            f"/runs?q={attack}",
            f"/runs?version={attack}",
            f"/exceptions?message={attack}",
            f"/runs/{attack}",
        ):
            answer = await world.ask("GET", path)
            assert answer.status in (200, 404, 422), path
            assert "Traceback" not in answer.text
            assert "asyncpg" not in answer.text
            assert "49" not in answer.json.get("detail", "")


async def test_api9_improper_inventory_management(two):
    """Everything that answers is in the description, with its version in the path; there is no other version."""
    world, _ = two
    description = (await world.ask("GET", "/openapi.json", key="")).json
    described = {(path, method) for path, one in description["paths"].items() for method in one}
    from crossdock.api.rest import ROUTERS

    served = {
        (route.path, method.lower())
        for router in ROUTERS
        for route in router.routes
        for method in route.methods
    }
    assert served == described
    assert description["openapi"].startswith("3.1")
    assert [one["url"] for one in description["servers"]] == ["/api/v1"]
    for version in ("/api/runs", "/api/v0/runs", "/api/v2/runs", "/v1/runs"):
        async with world.http.get(
            f"{world.url}{version}", headers={"authorization": f"Bearer {world.key}"}
        ) as answer:
            assert answer.status == 404
    for path, one in description["paths"].items():
        for method, operation in one.items():
            assert {"401", "403", "404", "422", "429", "500", "503"} <= set(operation["responses"]), path
            assert operation["summary"], path
            if method == "post":
                assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]], path


async def test_api10_unsafe_consumption_of_apis(two):
    """What comes in is checked like anything else: forms, sources that only we speak for, odd text."""
    world, _ = two
    base = {
        "specversion": "1.0",
        "id": "e",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
    }
    good = {"number": "SO-9", "total": {"amount": "1", "currency": "EUR"}}
    for change in (
        {"source": "engine/repair"},
        {"source": "connection/erp"},
        {"type": "call.ended"},
        {"type": "task.decided"},
        {"type": "run.cancel"},
        {"time": "yesterday"},
        {"data": {**good, "number": "a\u0000b"}},
        {"data": {**good, "total": {"amount": 1.5, "currency": "EUR"}}},
        {"data": {**good, "total": {"amount": "1e999", "currency": "EUR"}}},
        {"data": {**good, "unknown": 1}},
        {"id": ""},
    ):
        answer = await world.ask("POST", "/events", json={**base, "data": good, **change})
        assert answer.status in (400, 422), change
    assert [run["key"] for run in (await world.get("/runs"))["items"]] == ["SO-2", "SO-1"]
