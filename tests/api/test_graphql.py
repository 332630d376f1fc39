"""The graph that portals read: what it gives, in how many statements, and to whom."""

from __future__ import annotations

import pytest
from graph_world import Graph, graph_of

from crossdock.api.graphql.persisted import digest
from crossdock.engine import Arrival
from played_orders import event, order

PAGE = """
query Orders($first: Int! = 20, $after: String) {
  orders(first: $first, after: $after) {
    edges { cursor node { number status } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
NESTED = """
query Tower($first: Int! = 20) {
  orders(first: $first) {
    nodes {
      number status openExceptions document
      run {
        process key aliases(first: 5) { nodes { kind value } } children(first: 5) { nodes { key parent { key } } }
      }
      shipments(first: 5) {
        nodes {
          number
          order { number run { key } }
          exceptions(first: 5) { nodes { type run { key } } }
          milestones(first: 5) { nodes { event code } }
        }
      }
      exceptions(first: 5, state: ANY) { nodes { type severity run { key } } }
      tasks(first: 5) { nodes { role run { key } } }
    }
  }
}
"""


@pytest.fixture
async def graph(world):
    async with graph_of(world) as graph:
        yield graph


async def packed(graph: Graph, *numbers: str, carrier: str = "quayline") -> None:
    """Orders that were released, picked and packed, each with a shipment on its way."""
    world = graph.world
    async with world.working():
        await world.put(*(order(number) for number in numbers))
        for number in numbers:
            await world.steps(number, pick="succeeded")
            shipment = {"number": f"{number}-0", "order": number, "carrier": carrier}
            data = {"order": number, "shipment": shipment}
            await world.put(event("warehouse.shipment_packed", data, order=number, shipment=f"{number}-0"))
        for number in numbers:
            await world.steps(f"{number}-0", book="succeeded")


async def test_orders_are_paged_by_cursor(graph):
    async with graph.world.working():
        await graph.world.put(*(order(f"SO-{n}") for n in range(7)))
        for n in range(7):
            await graph.world.steps(f"SO-{n}", check_credit="succeeded")
    seen, after = [], None
    for size in (3, 3, 1):
        page = (await graph.ask(PAGE, first=3, after=after))["orders"]
        assert len(page["edges"]) == size
        seen += [edge["node"]["number"] for edge in page["edges"]]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] is (size == 3)
    assert sorted(seen) == [f"SO-{n}" for n in range(7)]
    assert seen == sorted(seen, reverse=True)
    assert (await graph.ask("{ orders(first: 0) { nodes { number } } }"))["orders"] == {"nodes": []}


async def test_a_cursor_of_another_list_is_refused(graph):
    await packed(graph, "SO-1")
    cursor = (await graph.ask(PAGE))["orders"]["pageInfo"]["endCursor"]
    for query in (
        '{ runs(after: "%s") { nodes { key } } }',
        '{ orders(after: "%s", number: "SO-1") { nodes { number } } }',
        '{ orders(after: "%sx") { nodes { number } } }',
    ):
        data, codes = await graph.wrong(query % cursor)
        assert (list(data.values()), codes) == ([None], ["not-found"])


async def test_the_statements_of_a_nested_query_do_not_grow_with_its_rows(graph):
    await packed(graph, "SO-1")
    few = await graph.ask(NESTED)
    one = graph.told["statements"]
    await packed(graph, *(f"SO-{n}" for n in range(2, 9)))
    many = await graph.ask(NESTED)
    assert len(few["orders"]["nodes"]) == 1
    assert len(many["orders"]["nodes"]) == 8
    assert [len(one["shipments"]["nodes"]) for one in many["orders"]["nodes"]] == [1] * 8
    assert graph.told["statements"] == one
    assert one < 20


async def test_one_thing_leads_to_the_others(graph):
    await packed(graph, "SO-1")
    world = graph.world
    await world.put(
        event(
            "shipment.delivered",
            {
                "shipment": "SO-1-0",
                "milestone": {"code": "delivered", "by": "quayline", "place": {"name": "Kiel"}},
            },
            shipment="SO-1-0",
        )
    )
    async with world.working():
        await world.steps("SO-1-0", delivered="succeeded")
    data = await graph.ask(NESTED)
    (node,) = data["orders"]["nodes"]
    assert (node["number"], node["run"]["process"], node["document"]["customer"]["id"]) == (
        "SO-1",
        "order",
        "C-7",
    )
    assert {"kind": "order", "value": "SO-1"} in node["run"]["aliases"]["nodes"]
    assert node["run"]["children"]["nodes"] == [{"key": "SO-1-0", "parent": {"key": "SO-1"}}]
    (shipment,) = node["shipments"]["nodes"]
    assert shipment["order"] == {"number": "SO-1", "run": {"key": "SO-1"}}
    assert shipment["milestones"]["nodes"] == [{"event": "shipment.delivered", "code": "delivered"}]
    found = await graph.ask('{ shipments(number: "SO-1-0") { nodes { id number } } }')
    (one,) = found["shipments"]["nodes"]
    again = await graph.ask(
        "query One($id: ID!) { shipment(id: $id) { number milestones { nodes { place by } } } }", id=one["id"]
    )
    assert again["shipment"] == {
        "number": "SO-1-0",
        "milestones": {"nodes": [{"place": "Kiel", "by": "quayline"}]},
    }


def told(code: str, time: str, by: str) -> Arrival:
    milestone = {"code": code, "code_told": code, "time": time, "by": by}
    data = {"shipment": "SO-1-0", "tracking_number": "QL1", "milestone": milestone}
    return event(f"shipment.{code}", data, named=f"{by}/{code}", shipment="SO-1-0")


async def test_milestones_stand_once_and_what_contradicts_a_delivery_has_both_sides(graph):
    await packed(graph, "SO-1")
    world = graph.world
    await world.put(
        told("in_transit", "2026-05-05T10:00:00Z", "quayline"),
        told("in_transit", "2026-05-05T10:00:30Z", "poll"),
        told("delivered", "2026-05-06T10:00:00Z", "quayline"),
    )
    async with world.working():
        await world.steps("SO-1-0", delivered="succeeded")
    await world.put(told("in_transit", "2026-05-07T10:00:00Z", "later"))  # its run has ended
    data = await graph.ask(
        '{ shipments(number: "SO-1-0") { nodes { id milestones(first: 2) { nodes { code told contradicts { code time } } '
        "pageInfo { endCursor hasNextPage } } } } }"
    )
    (shipment,) = data["shipments"]["nodes"]
    delivery = {"code": "delivered", "time": "2026-05-06T10:00:00Z"}
    assert shipment["milestones"]["nodes"] == [
        {"code": "in_transit", "told": 1, "contradicts": delivery},
        {"code": "delivered", "told": 1, "contradicts": None},
    ]
    rest = await graph.ask(
        "query R($id: ID!, $after: String) { shipment(id: $id) { milestones(after: $after) "
        "{ nodes { code told time contradicts { code } } } } }",
        id=shipment["id"],
        after=shipment["milestones"]["pageInfo"]["endCursor"],
    )
    assert rest["shipment"]["milestones"]["nodes"] == [
        {"code": "in_transit", "told": 2, "time": "2026-05-05T10:00:00Z", "contradicts": None}
    ]
    answer = await world.get(f"/shipments/{shipment['id']}/milestones")
    assert [(one["milestone"]["code"], len(one["also"])) for one in answer["items"]] == [
        ("in_transit", 1),
        ("delivered", 0),
        ("in_transit", 0),
    ]
    assert answer["items"][2]["contradicts"]["milestone"]["time"] == "2026-05-06T10:00:00Z"


async def test_what_hangs_on_one_thing_is_paged_as_well(graph):
    await packed(graph, "SO-1", "SO-2")
    query = """
    query Q($number: String!, $after: String, $first: Int! = 1) { orders(number: $number) { nodes { run {
      aliases(first: $first, after: $after) {
        edges { cursor node { kind } } pageInfo { hasNextPage endCursor } } } } } }
    """

    async def page(number="SO-1", **more):
        (found,) = (await graph.ask(query, number=number, **more))["orders"]["nodes"]
        return found["run"]["aliases"]

    whole = await page(first=50)
    kinds = [edge["node"]["kind"] for edge in whole["edges"]]
    assert len(kinds) >= 2
    assert whole["pageInfo"]["hasNextPage"] is False
    seen, after = [], None
    while True:
        one = await page(after=after)
        seen += [edge["node"]["kind"] for edge in one["edges"]]
        after = one["pageInfo"]["endCursor"]
        assert after == one["edges"][-1]["cursor"]
        if not one["pageInfo"]["hasNextPage"]:
            break
    assert seen == kinds
    rest = await page(after=whole["edges"][0]["cursor"], first=50)
    assert [edge["node"]["kind"] for edge in rest["edges"]] == kinds[1:]
    # A cursor is good for the list that gave it: not for that of another order, nor for another list.
    assert (await graph.wrong(query, number="SO-2", after=after))[1] == ["not-found"]
    for other in ("tasks", "exceptions", "children", "milestones"):
        text = query.replace("aliases(", f"{other}(").replace("node { kind }", "node { __typename }")
        assert (await graph.wrong(text, number="SO-1", after=after))[1] == ["not-found"], other
        mine = await graph.ask(text, number="SO-1", first=50)
        assert mine["orders"]["nodes"][0]["run"][other]["pageInfo"]["hasNextPage"] is False
    shipments = (
        "query Q { orders { nodes { shipments(first: 1) { nodes { number } pageInfo { endCursor } } } } }"
    )
    for one in (await graph.ask(shipments))["orders"]["nodes"]:
        assert len(one["shipments"]["nodes"]) == 1
        assert one["shipments"]["pageInfo"]["endCursor"]


async def test_exceptions_and_tasks_are_listed_and_found_by_their_ids(graph):
    world = graph.world
    world.partners.refuse["wms.pick"] = "out of stock"
    async with world.working():
        await world.put(order("SO-1"), order("SO-2", total="5000.00"))
        await world.steps("SO-1", pick="held")
        await world.steps("SO-2", approve="waiting")
    data = await graph.ask(
        "{ exceptions { nodes { id type holds run { key status } } } tasks { nodes { id role kind content run { key } } } }"
    )
    (case,), (task,) = data["exceptions"]["nodes"], data["tasks"]["nodes"]
    assert (case["holds"], case["run"]) == (True, {"key": "SO-1", "status": "HELD"})
    assert (task["role"], task["kind"], task["run"]) == ("finance", "approve", {"key": "SO-2"})
    assert task["content"]["order"] == "SO-2"
    both = await graph.ask(
        "query Both($e: ID!, $t: ID!) { exception(id: $e) { type } task(id: $t) { role } }",
        e=case["id"],
        t=task["id"],
    )
    assert both == {"exception": {"type": case["type"]}, "task": {"role": "finance"}}
    assert (await graph.ask("{ exceptions(state: CLOSED) { nodes { id } } }"))["exceptions"]["nodes"] == []


# -- who may -----------------------------------------------------------------------------------------------


async def test_without_a_key_nothing_is_told(graph):
    status, answer = await graph.send({"query": "{ __typename }"}, key="nonsense")
    assert (status, answer["type"].rpartition("/")[2]) == (401, "not-proven")
    assert graph.headers["content-type"] == "application/problem+json"


async def test_who_guesses_keys_too_often_waits(graph):
    for _ in range(6):
        status, _ = await graph.send({"query": "{ __typename }"}, key="nonsense")
    assert status == 429
    status, answer = await graph.send({"query": "{ __typename }"})  # from the same address
    assert (status, answer["status"]) == (429, 429)
    assert int(graph.headers["retry-after"]) > 60


async def test_a_key_that_asks_too_often_waits(world):
    async with graph_of(world, limit="3/hour") as graph:
        for left in (2, 1, 0):
            await graph.ask("{ __typename }")
            assert graph.headers["ratelimit"].startswith(f'"graphql-key";r={left};t=')
            assert graph.headers["ratelimit-policy"] == '"graphql-key";q=3;w=3600'
        status, answer = await graph.send({"query": "{ __typename }"})
        assert (status, answer["type"].rpartition("/")[2]) == (429, "too-many")
        assert int(graph.headers["retry-after"]) > 60
        assert graph.headers["ratelimit"].startswith('"graphql-key";r=0;t=')


async def test_another_tenant_finds_nothing_of_it_by_id_number_or_cursor(graph):
    await packed(graph, "SO-1")
    world = graph.world
    _, other = await world.neighbour()
    mine = await graph.ask("{ orders { nodes { id run { id } } pageInfo { endCursor } } }")
    (node,) = mine["orders"]["nodes"]
    made_up = node["id"][:-2] + ("aa" if node["id"][-2:] != "aa" else "ba")
    for kind, id_ in (("order", node["id"]), ("run", node["run"]["id"]), ("order", made_up)):
        query = f"query One($id: ID!) {{ {kind}(id: $id) {{ status }} }}"
        data, codes = await graph.wrong(query, key=other, id=id_)
        assert (data, codes) == ({kind: None}, ["not-found"])
    theirs = await graph.ask(NESTED, key=other)
    assert theirs["orders"]["nodes"] == []
    for number in ("SO-1", "SO-1-0"):
        found = await graph.ask(
            "query Q($n: String) { runs(number: $n) { nodes { key } } }", key=other, n=number
        )
        assert found["runs"]["nodes"] == []
    data, codes = await graph.wrong(PAGE, key=other, after=mine["orders"]["pageInfo"]["endCursor"])
    assert (data, codes) == ({"orders": None}, ["not-found"])
    same = await graph.wrong("query One($id: ID!) { order(id: $id) { status } }", id=made_up)
    assert same == ({"order": None}, ["not-found"])  # nobody learns whether it is another's


async def test_a_role_that_may_not_see_something_gets_the_rest(graph):
    await packed(graph, "SO-1")
    key = await graph.world.key_of("integration-engineer")
    query = "{ orders { nodes { number tasks { nodes { role } } exceptions { nodes { type } } } } }"
    data, codes = await graph.wrong(query, key=key)
    assert data == {"orders": {"nodes": [{"number": "SO-1", "tasks": None, "exceptions": {"nodes": []}}]}}
    assert codes == ["forbidden"]
    narrow = await graph.world.key_of("viewer", scopes=["exception.read"])
    data, codes = await graph.wrong(
        "{ orders { nodes { number } } exceptions { nodes { type } } }", key=narrow
    )
    assert (data, codes) == ({"orders": None, "exceptions": {"nodes": []}}, ["forbidden"])


async def test_a_partner_sees_its_own_alone(graph):
    world = graph.world
    await packed(graph, "SO-1", carrier="quayline")
    await packed(graph, "SO-2", carrier="farrow")
    ids = {
        node["number"]: node["id"]
        for node in (await graph.ask("{ shipments { nodes { number id } } }"))["shipments"]["nodes"]
    }
    key = await world.key_of("viewer")
    await world.sql(
        "update crossdock.key set roles = '{partner:quayline}' where tenant = $1 and 'viewer' = any(roles)"
    )
    data, codes = await graph.wrong(
        "{ shipments { nodes { number order { number } run { parent { key } } } } runs { nodes { key } } "
        "orders { nodes { number } } tasks { nodes { role } } }",
        key=key,
    )
    assert codes == ["forbidden"]  # tasks
    assert data == {
        "shipments": {"nodes": [{"number": "SO-1-0", "order": None, "run": {"parent": None}}]},
        "runs": {"nodes": [{"key": "SO-1-0"}]},
        "orders": {"nodes": []},
        "tasks": None,
    }
    query = "query One($id: ID!) { shipment(id: $id) { number } }"
    assert (await graph.ask(query, key=key, id=ids["SO-1-0"])) == {"shipment": {"number": "SO-1-0"}}
    assert await graph.wrong(query, key=key, id=ids["SO-2-0"]) == ({"shipment": None}, ["not-found"])


# -- by hash -----------------------------------------------------------------------------------------------


async def test_who_asks_for_the_media_type_of_graphql_gets_it(graph):
    for accept, media in (
        ("application/graphql-response+json, application/json;q=0.9", "application/graphql-response+json"),
        ("application/json", "application/json"),
        ("application/graphql-response+json;q=0, */*", "application/json"),
    ):
        for query, status in (("{ __typename }", 200), ("{ nope }", 400), ("{", 400)):
            assert (await graph.send({"query": query}, accept=accept))[0] == status
            assert graph.headers["content-type"] == media


def by_hash(text: str, *, send: bool = False) -> dict:
    body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}}
    return body | ({"query": text} if send else {})


async def test_a_query_is_sent_once_and_named_by_its_hash_from_then_on(graph):
    text = "{ orders { nodes { number } } }"
    status, answer = await graph.send(by_hash(text))
    assert (status, answer["errors"][0]["message"]) == (200, "PersistedQueryNotFound")
    assert answer["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    for body in (by_hash(text, send=True), by_hash(text)):
        assert (await graph.send(body))[1]["data"] == {"orders": {"nodes": []}}
    _, other = await graph.world.neighbour()
    assert (await graph.send(by_hash(text), key=other))[1]["errors"][0]["message"] == "PersistedQueryNotFound"
    wrong = by_hash(text) | {"query": "{ runs { nodes { key } } }"}
    status, answer = await graph.send(wrong)
    assert (status, answer["errors"][0]["message"]) == (400, "this is the hash of another query")


async def test_where_only_those_that_were_let_in_count_no_others_are_carried_out(world):
    text, other = "{ orders { nodes { number } } }", "{ runs { nodes { key } } }"
    async with graph_of(world) as graph:
        assert (await graph.send(by_hash(other, send=True)))[0] == 200  # known, and not let in
    async with graph_of(world, only=True) as graph:
        for body in (
            {"query": text},
            by_hash(text),
            by_hash(text, send=True),
            by_hash(other),
            {"query": other},
        ):
            status, answer = await graph.send(body)
            assert (status, answer["type"].rpartition("/")[2]) == (403, "forbidden")
        by = (await world.identity.by_bearer(world.key, origin=""))[1]
        await graph.persisted.allow(world.tenant, by, [text])
        for body in ({"query": text}, by_hash(text)):
            assert (await graph.send(body))[1]["data"] == {"orders": {"nodes": []}}
        await graph.persisted.drop(world.tenant, by, digest(text))
        assert (await graph.send({"query": text}))[0] == 403


PROPOSED = """
query Proposed($state: ProposalState! = OPEN) {
  proposals(state: $state) {
    nodes { id status deed given why by process key decided decidedBy run { key process } }
  }
}
"""


async def test_proposals_of_assistants_are_read_as_rest_gives_them(graph):
    world = graph.world
    world.partners.refuse["wms.pick"] = "no stock"
    async with world.working():
        await world.put(order("SO-1"))
        await world.steps("SO-1", pick="held")
    run = (await world.get("/runs?q=SO-1"))["items"][0]["id"]
    helper = await world.key_of("assistant")
    told = {"deed": "run.retry", "on": run, "given": {"step": "pick"}, "why": "stock came"}
    made = await world.post("/proposals", told, 201, key=helper)
    (one,) = (await graph.ask(PROPOSED, key=await world.key_of("viewer")))["proposals"]["nodes"]
    assert {name: one[name] for name in ("id", "status", "deed", "given", "why", "by")} == {
        name: made[name] for name in ("id", "status", "deed", "given", "why", "by")
    }
    assert one["run"] == {"key": "SO-1", "process": "order"}
    by_id = "query One($id: ID!) { proposal(id: $id) { status run { key } } }"
    assert (await graph.ask(by_id, id=made["id"]))["proposal"] == {"status": "open", "run": {"key": "SO-1"}}
    await world.post(f"/proposals/{made['id']}/decline", {"note": "no"})
    assert (await graph.ask(PROPOSED))["proposals"]["nodes"] == []
    (gone,) = (await graph.ask(PROPOSED, state="DECLINED"))["proposals"]["nodes"]
    assert (gone["status"], gone["decidedBy"] is not None) == ("declined", True)
    assert await graph.wrong(PROPOSED, key=await world.key_of("partner:wms", "partner")) == (
        {"proposals": None},
        ["forbidden"],
    )
    _, theirs = await world.neighbour()
    assert (await graph.ask(PROPOSED, key=theirs, state="ANY"))["proposals"]["nodes"] == []
    assert await graph.wrong(by_id, key=theirs, id=made["id"]) == ({"proposal": None}, ["not-found"])


DIFFER = """
query D($state: DifferenceState! = OPEN, $what: Compared, $kind: String, $system: String, $after: String) {
  differences(first: 2, state: $state, what: $what, kind: $kind, system: $system, after: $after) {
    nodes { id what kind about connection against severity here there mend takesIn order since found seen gone }
    pageInfo { endCursor hasNextPage }
  }
}
"""
KEEP = """
insert into crossdock.difference (tenant, what, kind, about, connection, against, severity, here, there, mend,
  takes_in, at, told)
values ($1, 'stock', 'stock_differs', 'A@RNO', 'wms', 'erp', 'high', '9', '8', 'Count it', false, crossdock.now(),
        'found'),
  ($1, 'stock', 'stock_differs', 'B@RNO', 'wms', 'erp', 'medium', '1', '2', 'Count it', false, crossdock.now(),
   'waiting'),
  ($1, 'orders', 'order_missing_here', 'SO-1', 'erp', '', 'high', 'no run', 'released', 'Take it in', true,
   crossdock.now(), 'found'),
  ($1, 'orders', 'order_cancelled_here', 'SO-2', 'erp', '', 'medium', 'cancelled', 'stands', 'Cancel it', false,
   crossdock.now(), 'found')
"""


async def test_what_differs_between_systems_is_read_as_rest_gives_it(graph):
    world = graph.world
    await world.sql(KEEP)

    async def found(key: str | None = None, **asked: str) -> list[str]:
        return [one["about"] for one in (await graph.ask(DIFFER, key=key, **asked))["differences"]["nodes"]]

    first = (await graph.ask(DIFFER))["differences"]
    rest = (await graph.ask(DIFFER, after=first["pageInfo"]["endCursor"]))["differences"]
    told = (await world.get("/reconciliation/differences"))["items"]
    nodes = [*first["nodes"], *rest["nodes"]]
    assert [one["id"] for one in nodes] == [one["id"] for one in told]
    assert [one["about"] for one in nodes] == ["SO-2", "SO-1", "A@RNO"]
    assert (nodes[1]["what"], nodes[1]["takesIn"], nodes[1]["against"]) == ("ORDERS", True, None)
    assert (nodes[2]["here"], nodes[2]["there"], nodes[2]["against"]) == ("9", "8", "erp")
    assert rest["pageInfo"]["hasNextPage"] is False
    assert await found(state="WAITING") == ["B@RNO"]
    assert await found(what="STOCK") == ["A@RNO"]
    assert await found(kind="order_missing_here") == ["SO-1"]
    assert await found(system="wms") == ["A@RNO"]
    assert await found(await world.key_of("partner", "partner:wms")) == ["A@RNO"]
    assert await found((await world.neighbour())[1], state="ANY") == []
    assert await found(kind="x" * 200) == []
    assert (await graph.wrong(DIFFER, kind="x" * 201))[1] == ["refused"]
    narrow = await world.key_of("viewer", scopes=["order.read"])
    assert await graph.wrong(DIFFER, key=narrow) == ({"differences": None}, ["forbidden"])


LINES = """
{ connections { nodes {
    name status system waiting health { calls failed errorRate lastSuccess lag quotaLeft feeds { name lag } } } } }
"""


async def test_the_health_of_connections_is_read_and_a_partner_sees_its_own(graph):
    world = graph.world
    await world.sql(
        "insert into crossdock.connection_health (tenant, connection, succeeded, quota_left, quota_limit) "
        "values ($1, 'wms', crossdock.now(), 90, 100)"
    )
    await world.sql(
        "insert into crossdock.connection_minute (tenant, connection, minute, ended, span, calls) "
        "values ($1, 'wms', date_trunc('minute', crossdock.now()), 'done', 3, 3), "
        "($1, 'wms', date_trunc('minute', crossdock.now()), 'unreachable', 3, 1)"
    )
    await world.post("/connections/tms/stop", {})
    nodes = (await graph.ask(LINES, key=await world.key_of("viewer")))["connections"]["nodes"]
    assert [(one["name"], one["status"]) for one in nodes] == [
        ("erp", "RUNNING"),
        ("tms", "STOPPED"),
        ("wms", "RUNNING"),
    ]
    health = nodes[2]["health"]
    assert (health["calls"], health["failed"], health["errorRate"], health["quotaLeft"]) == (4, 1, 0.25, 90)
    assert health["lastSuccess"] is not None
    stopped = await graph.ask("{ connections(status: STOPPED) { nodes { name stoppedBy } } }")
    assert [one["name"] for one in stopped["connections"]["nodes"]] == ["tms"]
    own = await graph.ask(LINES, key=await world.key_of("partner", "partner:wms"))
    assert [one["name"] for one in own["connections"]["nodes"]] == ["wms"]
    desk = await world.key_of("order-desk")  # it does not see connections
    assert await graph.wrong(LINES, key=desk) == ({"connections": None}, ["forbidden"])
    page = "query P($after: String) { connections(first: 2, after: $after) { nodes { name } pageInfo { endCursor hasNextPage } } }"
    first = (await graph.ask(page))["connections"]
    rest = (await graph.ask(page, after=first["pageInfo"]["endCursor"]))["connections"]
    assert [one["name"] for one in first["nodes"] + rest["nodes"]] == ["erp", "tms", "wms"]
    assert rest["pageInfo"]["hasNextPage"] is False
