"""Queries made to hurt: each is refused before anything runs, and none tells what is ours."""

from __future__ import annotations

import asyncio
import time

import pytest
from graph_world import graph_of
from graphql import build_client_schema, get_introspection_query

from crossdock.api.graphql.measure import Bounds, measured
from crossdock.errors import Refused


@pytest.fixture
async def graph(world):
    async with graph_of(world) as graph:
        yield graph


def deep(levels: int) -> str:
    return "{ runs { nodes { " + "children { nodes { " * levels + "key" + " } }" * levels + " } } }"


SPREADING = (
    "query { ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30))
    + " fragment f30 on Query { __typename }"
)

REFUSED = {
    "deep": (deep(30), "nested deeper than"),
    "deep beyond recursion": ("{" + "a{" * 900 + "b" + "}" * 900 + "}", "nested deeper than|token|deep"),
    "cyclic fragments": (
        "{ runs { nodes { ...a } } } fragment a on Run { children { nodes { ...b } } } fragment b on Run { ...a }",
        "spreads itself",
    ),
    "a fragment in itself": ("{ ...a } fragment a on Query { ...a }", "spreads itself"),
    "fragments that double": (SPREADING, "more than 400 fields"),
    "aliases": (
        "{ " + " ".join(f"a{n}: runs(first: 1) {{ nodes {{ key }} }}" for n in range(50)) + " }",
        "more than 30 aliases",
    ),
    "one field many times": ("{ " + "runs { nodes { key } } " * 200 + "}", "more than 400 fields|objects"),
    "fields": ("{ runs(first: 1) { nodes { " + "key " * 500 + "} } }", "more than 400 fields"),
    "directives": ("{ __typename " + "@include(if: true) " * 40 + "}", "more than 20 directives"),
    "directives that are not there": ("query " + "@a " * 300 + "{ __typename }", "more than 20 directives"),
    "wide and long": (
        "{ orders(first: 100) { nodes { shipments(first: 100) { nodes { exceptions(first: 100) { nodes { type } } } } } } }",
        "more than 10000 objects",
    ),
    "by a variable": (
        "query Q($n: Int!) { orders(first: $n) { nodes { shipments(first: $n) { nodes { tasks(first: $n) { nodes { role } } } } } } }",
        "more than 10000 objects",
    ),
    "documents": (
        "{ orders(first: 100) { nodes { shipments(first: 100) { nodes { document } } } } }",
        "more than 10000 objects",
    ),
    "tokens": ("{ " + "a " * 3000 + "}", "tokens|more than 400 fields"),
    "long": ("{ __typename } #" + "x" * 30_000, "at most 20000 letters"),
    "a mutation": ("mutation { deleteEverything }", "there are no mutations here"),
    "a subscription": ("subscription { runs { nodes { key } } }", "there are no subscriptions here"),
    "a mutation beside a query": ("query A { __typename } mutation B { x }", "there are no mutations here"),
    "two operations": ("query A { __typename } query B { __typename }", "not exactly one operation"),
    "nothing": ("", "this is no query"),
    "no query": ("{", "this is no query"),
    "introspection": ("{ __schema { types { name } } }", "the schema is not told"),
    "introspection of a type": ('{ x: __type(name: "Run") { fields { name } } }', "the schema is not told"),
    "introspection in a fragment": (
        "{ ...f } fragment f on Query { __schema { types { name } } }",
        "the schema is not told",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_before_anything_runs(graph, name):
    query, said = REFUSED[name]
    begun = time.process_time()
    status, answer = await graph.send({"query": query, "variables": {"n": 100}})
    assert time.process_time() - begun < 2
    assert status == 400, answer
    assert "data" not in answer
    (error,) = answer["errors"]
    assert any(part in error["message"] for part in said.split("|")), error
    assert error["extensions"]["status"] in (400, 422)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([{"query": "{ __typename }"}] * 50, 422),
        (b'[{"query": "{ __typename }"}]', 422),
        (b"[" * 10_000, 400),
        (b"null", 422),
        (b'"{ __typename }"', 422),
        (b"{not json", 400),
        (b'{"query": 7}', 400),
        (b'{"query": "{ __typename }", "variables": []}', 400),
        (b'{"query": "{ __typename }", "operationName": {}}', 400),
        (b'{"query": "{ __typename }", "extensions": {"persistedQuery": 1}}', 400),
        (b'{"query": "{ __typename }", "extensions": {"persistedQuery": {"sha256Hash": "../x"}}}', 400),
        (b'{"query": "{ __typename }", "query": "{ runs { nodes { key } } }"}', 400),
        (b'{"variables": {}}', 400),
        (b'{"query": "{ __typename }", "variables": {"x": "' + b"v" * 5_000_000 + b'"}}', 413),
    ],
)
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_what_is_no_query_is_refused(graph, body, status):
    found, answer = await graph.send(body)
    assert found == status, answer
    assert "data" not in answer


async def test_it_is_taken_as_json_and_posted_alone(graph):
    status, answer = await graph.send(
        "query=%7B__typename%7D", **{"content-type": "application/x-www-form-urlencoded"}
    )
    assert (status, answer["type"].rpartition("/")[2]) == (415, "media-type")
    status, _ = await graph.send("{ __typename }", **{"content-type": "text/plain"})
    assert status == 415
    for method in ("GET", "PUT", "DELETE"):
        async with graph.http.request(method, f"{graph.url}/api/graphql?query={{__typename}}") as reply:
            assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "query",
    [
        "{ runz { nodes { key } } }",
        "{ runs { nodes { keys } } }",
        "{ runs(frist: 3) { nodes { key } } }",
        "{ runs { nodes { ... on Ordr { number } } } }",
    ],
)
async def test_names_that_were_not_asked_for_are_not_told(graph, query):
    status, answer = await graph.send({"query": query})
    assert status == 400
    assert "data" not in answer
    for error in answer["errors"]:
        assert "mean" not in error["message"]
        assert "first" not in error["message"].replace("frist", "")
        assert error["extensions"]["code"] == "refused"


@pytest.mark.parametrize("first", [-1, 101, 10**6, 2**31])
async def test_a_list_that_is_too_long_is_refused(graph, first):
    status, answer = await graph.send(
        {"query": "query Q($n: Int!) { runs(first: $n) { nodes { key } } }", "variables": {"n": first}}
    )
    assert status in (200, 400)
    assert answer.get("data") in (None, {"runs": None})
    assert answer["errors"]


async def test_where_it_is_set_the_schema_is_told(world):
    async with graph_of(world, introspection=True) as graph:
        told = await graph.ask(
            "{ __schema { queryType { name } mutationType { name } subscriptionType { name } } }"
        )
        assert told["__schema"] == {
            "queryType": {"name": "Query"},
            "mutationType": None,
            "subscriptionType": None,
        }
        # Tools ask for all of it, deeper than any other query may be; and get no more by asking in circles.
        whole = build_client_schema(await graph.ask(get_introspection_query()))
        assert "runs" in whole.query_type.fields
        circles = "{ __schema { types { fields { type { fields { type { interfaces { name } } } } } } } }"
        status, told = await graph.refused(circles)
        assert (status, "more than 2 deep" in told) == (400, True)
        status, told = await graph.refused(
            "{ __schema { types" + " { ofType" * 30 + " { name }" + " }" * 31 + " }"
        )
        assert (status, "nested deeper than" in told) == (400, True)


async def test_a_text_from_outside_stays_a_text(graph):
    for number in ("'; drop table crossdock.run; --", "%", "\\", "\U0001d4b3", "x" * 200):
        found = await graph.ask("query Q($n: String) { runs(number: $n) { nodes { key } } }", n=number)
        assert found == {"runs": {"nodes": []}}
    for number in ("x" * 201, "a\0b"):
        status, answer = await graph.send(
            {
                "query": "query Q($n: String) { runs(number: $n) { nodes { key } } }",
                "variables": {"n": number},
            }
        )
        assert (status, answer.get("data")) in ((200, {"runs": None}), (422, None))


async def test_a_fault_of_ours_tells_its_id_and_nothing_else(graph):
    await graph.world.sql(
        "insert into crossdock.process_version (tenant, name, version, source) values ($1, 'x', 'x', '')"
    )
    await graph.world.sql(
        "insert into crossdock.run (tenant, version, process, key, state, status) "
        "select $1, id, 'x', 'K', '\\x00'::bytea, 'nonsense' from crossdock.process_version where name = 'x'"
    )
    status, answer = await graph.send({"query": "{ runs { nodes { key } } }"})
    assert (status, answer["data"]) == (200, {"runs": None})
    (error,) = answer["errors"]
    assert error["message"] == "This could not be done, by a fault in Crossdock or its set-up."
    assert error["extensions"] == {
        "code": "broken",
        "status": 500,
        "request": answer["extensions"]["request"],
    }


async def test_what_takes_too_long_is_ended(world):
    async with graph_of(world, seconds=0.3) as graph, world.database.owner() as owner:
        await owner.execute("lock table crossdock.run in access exclusive mode")
        status, answer = await graph.send({"query": "{ runs { nodes { key } } }"})
        assert (status, answer["data"]) == (200, None)
        assert answer["errors"][0]["extensions"]["code"] == "unreachable"
    async with graph_of(world) as graph:
        await graph.ask("{ runs { nodes { key } } }")


async def test_many_heavy_queries_at_once_leave_it_standing(graph):
    query = "{ orders(first: 100) { nodes { number shipments(first: 10) { nodes { number } } exceptions(first: 10) { nodes { type } } } } }"
    answers = await asyncio.gather(*(graph.send({"query": query}) for _ in range(60)))
    assert {status for status, _ in answers} <= {200, 429, 503}
    await graph.ask("{ __typename }")


def test_what_a_query_costs_is_known_from_its_text():
    for query, variables, cost in (
        ("{ __typename }", {}, 0),
        ("{ order(id: 1) { number } }", {}, 1),
        ("{ orders { nodes { number } } }", {}, 20),
        ("{ orders(first: 5) { nodes { document } } }", {}, 10),
        (
            "{ orders(first: 5) { nodes { tasks(first: 3) { nodes { role run { key } } } } } }",
            {},
            5 * (1 + 3 * 2),
        ),
        ("query Q($n: Int = 4) { runs(first: $n) { nodes { key } } }", {}, 4),
        ("query Q($n: Int = 4) { runs(first: $n) { nodes { key } } }", {"n": 9}, 9),
        ("query Q($n: Int) { runs(first: $n) { nodes { key } } }", {"n": "x"}, 100),
        ("query Q($n: Int) { runs(first: $n) { nodes { key } } }", {"n": 10**9}, 100),
        ("{ runs(first: 2) { nodes { ...r } } } fragment r on Run { parent { key } }", {}, 4),
    ):
        assert measured(query, variables, None, Bounds()).cost == cost, query
    with pytest.raises(Refused, match="more than 9 objects"):
        measured("{ runs(first: 10) { nodes { key } } }", {}, None, Bounds(cost=9))
