"""What there is to see, over real HTTP."""

from __future__ import annotations

import csv
import io
import json

from api_world import DELIVERIES

from played_orders import event, order


async def many(world, number: int) -> None:
    await world.put(*(order(f"SO-{n:03d}", customer_po=f"PO-{n % 7}-{n}") for n in range(number)))


async def test_a_run_is_found_by_each_of_its_numbers_also_after_its_end(world):
    async with world.working():
        await world.put(order("SO-1", customer_po="4711/A"))
        await world.steps("SO-1", packed="waiting")
        for number in ("SO-1", "4711/A", "so-1", "4711/a"):
            (found,) = (await world.get(f"/runs?q={number}"))["items"]
            assert found["key"] == "SO-1"
        assert (await world.get("/runs?q=4711/A&kind=customer_po"))["items"]
        assert (await world.get("/runs?q=4711/A&kind=order"))["items"] == []
        await world.put(event("order.cancelled", {"order": "SO-1"}, order="SO-1"))
        await world.until(lambda: ended(world, "SO-1"))
    (found,) = (await world.get("/runs?q=4711/A"))["items"]
    assert (found["key"], found["status"]) == ("SO-1", "cancelled")
    assert found["ended"]


async def ended(world, key: str):
    return [row for row in await world.history.find(world.tenant, key) if row.ended is not None]


async def test_pages_have_every_run_once_whatever_comes_meanwhile(world):
    await many(world, 25)
    seen, cursor = [], ""
    while True:
        page = await world.get(f"/runs?limit=10{cursor}")
        seen += [run["key"] for run in page["items"]]
        if "next" not in page:
            break
        cursor = f"&cursor={page['next']}"
        await world.put(order(f"NEW-{len(seen)}"))
    assert seen == [f"SO-{n:03d}" for n in reversed(range(25))]
    oldest = await world.get("/runs?limit=2&sort=created")
    assert [run["key"] for run in oldest["items"]] == ["SO-000", "SO-001"]


async def test_runs_are_filtered_by_process_status_and_time(world):
    async with world.working():
        await world.put(order("SO-1"), order("SO-2"))
        await world.steps("SO-1", packed="waiting")
        await world.steps("SO-2", packed="waiting")
        await world.put(event("order.cancelled", {"order": "SO-2"}, order="SO-2"))
        await world.until(lambda: ended(world, "SO-2"))
    for query, keys in {
        "status=active": ["SO-1"],
        "status=cancelled": ["SO-2"],
        "status=cancelled&status=active": ["SO-2", "SO-1"],
        "status=failed": [],
        "process=order": ["SO-2", "SO-1"],
        "process=delivery": [],
        "process=order&status=active&q=SO-1": ["SO-1"],
        "process=order&status=cancelled&q=SO-1": [],
        "created_to=2026-05-04T08:00:00Z": [],
        "created_from=2026-05-04T08:00:00Z": ["SO-2", "SO-1"],
        "stopped=true": [],
        "stopped=false&limit=1": ["SO-2"],
    }.items():
        assert [run["key"] for run in (await world.get(f"/runs?{query}"))["items"]] == keys, query


async def test_an_export_is_exactly_the_filtered_view(world):
    await many(world, 60)
    await world.put(order("=1+1"))
    answer = await world.ask(
        "GET", "/runs?format=csv&process=order&fields=key,status&sort=created", status=200
    )
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["key", "status"]
    assert [row[0] for row in rows[1:]] == [f"SO-{n:03d}" for n in range(60)] + ["'=1+1"]
    assert answer.headers["content-disposition"] == 'attachment; filename="runs.csv"'
    answer = await world.ask("GET", "/runs?format=ndjson&q=SO-003", status=200)
    assert [json.loads(line)["key"] for line in answer.text.splitlines()] == ["SO-003"]
    answer = await world.ask(
        "GET", "/orders?format=csv&q=SO-003&fields=number,document.customer.name", status=200
    )
    assert answer.text.splitlines() == ["number,document.customer.name", "SO-003,"]


async def test_views_are_sparse_and_expanded(world):
    async with world.working():
        await world.put(order("SO-1", "5000.00", customer_po="PO-9"))
        await world.steps("SO-1", approve="waiting")
    page = await world.get("/runs?fields=id,key&expand=aliases")
    assert [set(run) for run in page["items"]] == [{"id", "key"}]
    (run,) = (await world.get("/runs?expand=aliases,document,tasks,exceptions"))["items"]
    assert {(one["kind"], one["value"]) for one in run["aliases"]} == {
        ("order", "SO-1"),
        ("customer_po", "PO-9"),
    }
    assert run["document"]["customer"]["name"] == "Müller & Söhne <Lager>"
    assert [task["step"] for task in run["tasks"]] == ["approve"]
    assert run["exceptions"] == []
    (shown,) = (await world.get("/orders?fields=number,document.total.amount"))["items"]
    assert shown == {"number": "SO-1", "document": {"total": {"amount": "5000.00"}}}


async def test_one_run_has_its_state_history_and_graph(world):
    async with world.working():
        await world.put(order("SO-1"))
        await world.steps("SO-1", packed="waiting")
    (run,) = (await world.get("/runs"))["items"]
    one = await world.ask("GET", f"/runs/{run['id']}", status=200)
    assert one.json == run
    again = await world.ask(
        "GET", f"/runs/{run['id']}", status=304, headers={"if-none-match": one.headers["etag"]}
    )
    assert again.text == ""
    state = await world.get(f"/runs/{run['id']}/state")
    assert state["steps"]["packed"]["status"] == "waiting"
    history = await world.get(f"/runs/{run['id']}/history?limit=1")
    assert history["items"][0]["event"]["type"] == "order.released"
    assert history["items"][0]["records"][0]["what"] == "run.started"
    rest = await world.get(f"/runs/{run['id']}/history?cursor={history['next']}")
    assert [line["seq"] for line in rest["items"]] == list(range(2, run["decisions"] + 1))
    graph = await world.get(f"/runs/{run['id']}/graph")
    assert {node["step"]: node["status"] for node in graph["nodes"]}["pick"] == "succeeded"
    assert {"before": "pick", "after": "packed", "kind": "needs"} in graph["edges"]
    assert (await world.get(f"/runs/{run['id']}/calls"))["items"] == []


async def test_orders_and_shipments_are_the_documents_of_runs(world):
    async with world.working():
        await world.put(order("SO-1", customer_po="PO-9"))
        await world.steps("SO-1", packed="waiting")
        packed = {"order": "SO-1", "shipment": {"number": "SH-1"}, "last": True}
        await world.put(event("warehouse.shipment_packed", packed, order="SO-1"))
        await world.steps("SH-1", delivered="waiting")
    (found,) = (await world.get("/orders?q=PO-9"))["items"]
    assert (found["number"], found["document"]["number"]) == ("SO-1", "SO-1")
    one = await world.get(f"/orders/{found['id']}")
    assert one == found
    (shipment,) = (await world.get("/shipments"))["items"]
    assert (shipment["number"], shipment["process"]) == ("SH-1", "delivery")
    run = await world.get(f"/runs/{shipment['run']}")
    assert run["parent"] == found["run"]
    assert [r["key"] for r in (await world.get(f"/runs?parent={found['run']}"))["items"]] == ["SH-1"]
    await world.get(f"/shipments/{found['id']}", 404)


async def test_tasks_and_exceptions_are_listed_and_read(world):
    world.partners.refuse["wms.pick"] = "no stock"
    async with world.working():
        await world.put(order("SO-1", "5000.00"), order("SO-2"))
        await world.steps("SO-1", approve="waiting")
        await world.steps("SO-2", pick="held")
    (task,) = (await world.get("/tasks"))["items"]
    assert (task["kind"], task["role"], task["excluded"]) == ("approve", "finance", ["ann"])
    assert task["content"]["order"] == "SO-1"
    assert await world.get(f"/tasks/{task['id']}") == task
    assert (await world.get("/tasks?role=nobody"))["items"] == []
    for sort in ("due", "opened", "-opened"):
        assert len((await world.get(f"/tasks?sort={sort}&role=finance&limit=1"))["items"]) == 1
    (one,) = (await world.get("/exceptions"))["items"]
    assert (one["type"], one["step"], one["holds"]) == ("refused_by_partner", "pick", True)
    assert "no stock" in one["message"]
    assert await world.get(f"/exceptions/{one['id']}") == one
    assert (await world.get("/exceptions?message=NO%20STOCK&severity=medium&severity=high"))["items"] == [one]
    assert (await world.get("/exceptions?status=closed"))["items"] == []


async def test_processes_versions_connections_and_events_are_read(world):
    await world.put(event("shipment.delivered", {"shipment": "X"}, shipment="X"), order("SO-1"))
    assert [one["name"] for one in (await world.get("/processes"))["items"]] == ["delivery", "order"]
    process = await world.get("/processes/delivery")
    (version,) = (await world.get("/processes/delivery/versions"))["items"]
    assert version["current"]
    assert "source" not in version
    one = await world.get(f"/processes/delivery/versions/{version['version']}")
    assert (one["source"], one["version"]) == (DELIVERIES, process["version"])
    graph = await world.get(f"/processes/delivery/versions/{version['version']}/graph")
    assert [node["step"] for node in graph["nodes"]] == ["book", "delivered"]
    await world.get("/processes/nothing", 404)
    await world.get("/processes/delivery/versions/nothing", 404)
    assert [one["name"] for one in (await world.get("/connections"))["items"]] == ["erp", "tms", "wms"]
    connection = await world.get("/connections/erp")
    assert (connection["system"], connection["status"]) == ("erp", "running")
    await world.get("/connections/nothing", 404)
    (parked,) = (await world.get("/events/parked"))["items"]
    assert (parked["type"], parked["event"]["about"]) == ("shipment.delivered", {"shipment": "X"})
    assert (await world.get("/events/quarantined"))["items"] == []
    assert (await world.get("/events/unread"))["items"] == []
    async with world.working():
        await world.steps("SO-1", packed="waiting")
    events = await world.get("/events?type=order.released")
    assert [(one["key"], one["event"]["type"]) for one in events["items"]] == [("SO-1", "order.released")]
    page = await world.get("/events?limit=1")
    assert page["items"][0]["seq"] > 1
    more = await world.get(f"/events?limit=100&cursor={page['next']}")
    assert more["items"][-1]["seq"] == 1


async def test_no_number_of_a_row_goes_out(world):
    """Rows of all tenants are numbered from one sequence: who sees numbers can tell what others do."""
    async with world.database.owner() as transaction:
        for table in ("run", "parked", "repair"):
            await transaction.execute(
                f"select setval(pg_get_serial_sequence('crossdock.{table}', 'id'), 777000)"
            )
        await transaction.execute("select setval('crossdock.outbox_id', 777000)")
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(order("SO-1"), order("SO-2"))
    await world.put(event("shipment.delivered", {"shipment": "X"}, shipment="X"))
    async with world.working():
        await world.steps("SO-1", pick="held")
        await world.steps("SO-2", pick="held")
        world.partners.refuse.clear()
        run = {one["key"]: one["id"] for one in (await world.get("/runs"))["items"]}
        cause = {"runs": [run["SO-1"]], "step": "pick"}
        await world.post("/repairs", {"cause": cause, "action": {"act": "retry"}}, 201)
        await world.steps("SO-1", packed="waiting")
        packed = {"order": "SO-1", "shipment": {"number": "S-1"}, "last": True}
        await world.put(event("warehouse.shipment_packed", packed, order="SO-1"))
        await world.steps("S-1", delivered="waiting")
        (parked,) = (await world.get("/events/parked"))["items"]
        (child,) = (await world.get("/runs?q=S-1"))["items"]
        await world.post(f"/events/parked/{parked['id']}/attach", {"run": child["id"]})
    for one in (run["SO-1"], child["id"]):
        for part in ("", "/history?limit=200", "/state", "/calls", "/graph"):
            assert "7770" not in (await world.ask("GET", f"/runs/{one}{part}", status=200)).text, part
    for path in ("/runs", "/orders", "/events?limit=200", "/exceptions?status=any", "/tasks", "/repairs"):
        assert "7770" not in (await world.ask("GET", path, status=200)).text, path
    audit = await world.ask("GET", "/audit?limit=200", status=200)
    assert "7770" not in audit.text
    (settled,) = (await world.get(f"/audit?kind=event&on={parked['id']}"))["items"]
    assert (settled["on"], settled["after"]) == (parked["id"], {"attached": child["id"]})
    (repaired,) = (await world.get("/audit?kind=repair"))["items"]
    assert repaired["after"]["cause"]["runs"] == [run["SO-1"]]


async def test_lists_that_are_kept_short_are_filtered_as_well(world):
    for name, role in (("shop", "order-desk"), ("portal", "viewer"), ("old portal", "viewer")):
        await world.post("/keys", {"roles": [role], "name": name}, 201)
    portals = (await world.get("/keys?q=PORTAL"))["items"]
    assert [one["name"] for one in portals] == ["old portal", "portal"]
    assert [one["name"] for one in (await world.get("/keys?role=order-desk"))["items"]] == ["shop"]
    assert (await world.get("/keys?behind=nobody"))["items"] == []
    # A key that is revoked meanwhile is no reason to begin the list again.
    first = await world.get("/keys?limit=1")
    await world.post(f"/keys/{first['items'][0]['id']}/revoke", {})
    rest = await world.get(f"/keys?limit=1&cursor={first['next']}")
    assert rest["items"][0]["name"] == "portal"
    assert (await world.get("/imports?status=done"))["items"] == []
    await world.put(order("SO-1", carrier="quayline"), order("SO-2", carrier="farrow"), order("SO-3"))
    async with world.working():
        for key in ("SO-1", "SO-2", "SO-3"):
            await world.steps(key, packed="waiting")
    for path in ("/runs", "/orders"):
        found = (await world.get(f"{path}?carrier=farrow"))["items"]
        assert [one.get("key") or one["number"] for one in found] == ["SO-2"]
        written = await world.ask("GET", f"{path}?carrier=farrow&format=ndjson", status=200)
        assert [json.loads(line)["id"] for line in written.text.splitlines()] == [found[0]["id"]]
