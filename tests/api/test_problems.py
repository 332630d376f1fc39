"""What goes wrong is told in one form, with its place and its mend; nothing else is told."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from fastapi import Query
from starlette.responses import Response

import crossdock
from crossdock import errors
from crossdock.api.ground import Asked
from crossdock.api.listing import Paged
from crossdock.api.problems import MEDIA, STATUS, kind_of, problem
from crossdock.api.route import going, router
from crossdock.errors import Broken, CrossdockError, Refused, Unreachable
from played_orders import order


def everywhere(kind: type[CrossdockError]):
    yield kind
    for one in kind.__subclasses__():
        yield from everywhere(one)


def all_errors() -> list[type[CrossdockError]]:
    for module in pkgutil.walk_packages(crossdock.__path__, "crossdock."):
        if ".sandbox" not in module.name and ".throttle_redis" not in module.name:
            importlib.import_module(module.name)
    return [
        kind for kind in dict.fromkeys(everywhere(CrossdockError)) if kind.__module__.startswith("crossdock")
    ]


def test_every_error_has_its_row_and_the_most_telling_one_comes_first():
    for n, kind in enumerate(STATUS):
        hidden = [one.name for one in STATUS[:n] if issubclass(kind.error, one.error)]
        assert hidden == [], f"{kind.name} is never reached"
    for error in all_errors():
        kind = next(row for row in STATUS if issubclass(error, row.error))
        blame = 500 if issubclass(error, Broken | errors.UnknownOutcome) else 400
        if issubclass(error, Refused | Broken | errors.UnknownOutcome):
            assert kind.status // 100 * 100 == blame or kind.status == 503, error
        elif not issubclass(error, Unreachable):
            assert kind.status == 500, error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Refused("a"), 422),
        (errors.NotFound("a"), 404),
        (errors.NotProven("a"), 401),
        (errors.Forbidden("a"), 403),
        (errors.Conflict("a"), 409),
        (errors.Unreachable("a", retry_after=3), 503),
        (errors.TooMany("a", retry_after=3), 429),
        (errors.UnknownOutcome("a"), 500),
        (errors.Broken("a"), 500),
    ],
)
def test_each_class_of_error_becomes_its_status(error, status):
    told = problem(error, path="/api/v1/runs", request="12345678")
    value = json.loads(told.body)
    assert (told.status_code, value["status"], told.media_type) == (status, status, MEDIA)
    assert value["type"].startswith("https://schemas.crossdock.dev/problem/")
    assert kind_of(error).status == status
    assert ("retry-after" in told.headers) == (status in (429, 503))
    assert ("www-authenticate" in told.headers) == (status == 401)


def test_of_a_fault_of_ours_nothing_is_told():
    told = problem(Broken("password=hunter2 in /etc/secret"), path="/x", request="12345678")
    assert b"hunter2" not in told.body
    assert b"/etc" not in told.body
    assert json.loads(told.body)["request"] == "12345678"


async def refused(world, path: str, status: int, method: str = "GET", **more: Any):
    answer = await world.ask(method, path, status=status, **more)
    assert answer.headers["content-type"] == MEDIA
    value = answer.json
    assert value["status"] == status
    assert value["request"] == answer.headers["x-request-id"]
    return value


async def test_who_shows_nothing_learns_nothing_else(world):
    for key in ("", "cdk_1_x_y", "cdk_99_aaaaaaaaaaaaa_" + "b" * 43, "x" * 5000):
        said = await refused(world, "/runs?nonsense=1", 401, key=key)
        assert "nonsense" not in json.dumps(said)
    answer = await world.ask("GET", "/runs", status=401, headers={"authorization": "Basic abc"})
    assert answer.headers["www-authenticate"] == 'Bearer realm="crossdock"'


async def test_what_is_not_there_is_said_in_the_same_form(world):
    assert (await refused(world, "/nothing", 404))["type"].endswith("/not-found")
    said = await refused(world, "/runs", 405, "PATCH")
    assert said["mend"] == "use GET" or "GET" in said["mend"]
    for name in ("run_x", "run_" + "a" * 26, "1", "-1", "run_" + "A" * 26, "%00", "run_%00", "%F0%9F%92%A9"):
        said = await refused(world, f"/runs/{name}", 404)
        assert said["detail"].startswith("there is no run")
    for path in ("/tasks/task_!!", "/exceptions/exception_AA", "/repairs/1", "/orders/run_x", "/tasks/task_"):
        await refused(world, path, 404)


async def test_head_is_answered_as_get_is_without_a_body(world):
    await world.put(order("SO-1"))
    whole = await world.ask("GET", "/runs?fields=key")
    head = await world.ask("HEAD", "/runs?fields=key")
    assert (head.status, head.text) == (200, "")
    assert head.headers["content-length"] == whole.headers["content-length"] != "0"
    run = (await world.get("/runs"))["items"][0]["id"]
    tag = (await world.ask("GET", f"/runs/{run}")).headers["etag"]
    assert (await world.ask("HEAD", f"/runs/{run}")).headers["etag"] == tag
    assert (await world.ask("HEAD", "/runs", key="")).status == 401
    said = await world.get("/runs/", 404)
    assert said["mend"] == "leave out the / at its end"


async def test_what_mends_a_request_can_be_read(world):
    said = (await world.ask("GET", "/runs", key="", status=401)).json
    assert "after the word Bearer" in said["mend"]
    said = await world.get("/runs?created_from=2026-03-02", 422)
    assert said["mend"] == "give one with its zone: 2026-03-02T00:00:00Z"
    headers = {"if-match": "*"}
    for path, body in (
        ("/connections/new", {"connector": "tests"}),
        ("/providers/new", {"issuer": "https://x.example", "client_id": "c"}),
    ):
        said = (await world.ask("PUT", path, json=body, headers=headers, status=404)).json
        assert said["mend"] == "to make it, send `If-None-Match: *`"


async def test_unknown_parameters_are_refused_with_the_nearest_name(world):
    said = await refused(world, "/runs?statsu=active", 422)
    assert (said["where"], said["mend"]) == ("query.statsu", "did you mean status?")
    said = await refused(world, "/runs?limit=1&limit=2", 422)
    assert said["where"] == "query.limit"
    said = await refused(world, "/runs?status=actve", 422)
    assert said["where"].startswith("query.status")
    said = await refused(world, "/runs?fields=id,sttaus", 422)
    assert (said["where"], said["mend"]) == ("query.fields", "did you mean status?")
    said = await refused(world, "/runs?expand=alias", 422)
    assert said["mend"] == "did you mean aliases?"
    for query in (
        "limit=0",
        "limit=201",
        "limit=99999999999999999999999",
        "q=",
        "q=%00",
        "created_from=yesterday",
    ):
        await refused(world, f"/runs?{query}", 422)
    await world.get("/runs?q=%F0%9F%92%A9%ED%A0%80%FF")


async def test_a_number_that_no_database_keeps_is_refused_at_each_parameter(world):
    asked = 0
    for path, operations in (await world.get("/openapi.json"))["paths"].items():
        for one in operations.get("get", {}).get("parameters", ()):
            if one["in"] == "query" and one["schema"].get("type") == "integer":
                where = re.sub(r"{\w+}", "order", path)
                answer = await world.ask("GET", f"{where}?{one['name']}={2**63}")
                assert answer.status == 422, (path, answer.text)
                assert answer.json["where"] == f"query.{one['name']}"
                asked += 1
    assert asked > 20


async def test_a_cursor_is_of_one_question_alone(world):
    from played_orders import order

    await world.put(order("SO-1"), order("SO-2"))
    cursor = (await world.get("/runs?limit=1&process=order"))["next"]
    assert (await world.get(f"/runs?limit=50&process=order&cursor={cursor}"))["items"][0]["key"] == "SO-1"
    for path in (f"/runs?cursor={cursor}", f"/orders?process=order&cursor={cursor}", "/runs?cursor=AAAA"):
        assert (await refused(world, path, 404))["where"] == "query.cursor"
    changed = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    await refused(world, f"/runs?limit=1&process=order&cursor={changed}", 404)
    _, theirs = await world.neighbour()
    await refused(world, f"/runs?limit=1&process=order&cursor={cursor}", 404, key=theirs)


async def test_a_request_keeps_its_own_id_where_it_is_one(world):
    answer = await world.ask("GET", "/runs", headers={"x-request-id": "order-desk:4711"})
    assert answer.headers["x-request-id"] == "order-desk:4711"
    for bad in ("short", "x" * 200, "with space in it", "<script>alert</script>"):
        answer = await world.ask("GET", "/runs", headers={"x-request-id": bad})
        assert answer.headers["x-request-id"] not in (bad, "")
    said = await refused(world, "/nothing", 404, headers={"x-request-id": "12345678-a"})
    assert said["request"] == "12345678-a"


async def test_what_goes_away_says_so_in_headers_and_in_the_description(world):
    routes = router("old")

    @routes.get("/old")
    @going(
        since=datetime(2026, 6, 1, tzinfo=UTC),
        until=datetime(2027, 6, 1, tzinfo=UTC),
        link="https://example.com/old",
    )
    async def read_old(call: Asked, query: Annotated[Paged, Query()]) -> Response:
        return call.answer({})

    world.api.include_router(routes)
    for path, status in (("/old", 200), ("/old?x=1", 422)):
        answer = await world.ask("GET", path, status=status)
        assert answer.headers["deprecation"] == "@1780272000"
        assert answer.headers["sunset"] == "Tue, 01 Jun 2027 00:00:00 GMT"
        assert answer.headers["link"] == '<https://example.com/old>; rel="deprecation"; type="text/html"'
    description = (await world.ask("GET", "/openapi.json", key="")).json
    assert description["paths"]["/old"]["get"]["deprecated"] is True


async def test_clients_that_are_generated_have_plain_names(world):
    """Names that FastAPI makes of modules and addresses give two classes of one name, which generators refuse."""
    description = (await world.ask("GET", "/openapi.json", key="")).json
    operations = [one for path in description["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch("[a-z]+(_[a-z]+)+", name)] == []
    assert [name for name in description["components"]["schemas"] if not re.fullmatch(r"\w+", name)] == []
    assert [name for name in description["components"]["schemas"] if "__" in name] == []
    schemas = description["components"]["schemas"].values()
    pages = [one for one in schemas if {"items", "next"} <= set(one["properties"])]
    assert pages
    assert all(one["required"] == ["items"] for one in pages)
    [match] = [
        one
        for one in description["paths"]["/tasks/{task}/decide"]["post"]["parameters"]
        if one["name"] == "If-Match"
    ]
    assert not match.get("required"), "`seen` in the body will do"
    assert {tag for one in operations for tag in one["tags"]} == {tag["name"] for tag in description["tags"]}


async def test_a_name_with_a_nul_in_it_is_not_there_at_any_address(world):
    asked = 0
    for path, operations in (await world.get("/openapi.json"))["paths"].items():
        where = re.sub(r"{\w+}", "a%00b", path)
        for method in operations if where != path else ():
            body = {"json": {}} if method != "get" else {}
            answer = await world.ask(method.upper(), where, headers={"if-match": "*"}, **body)
            assert answer.status == 404, (method, path, answer.text)
            asked += 1
    assert asked > 30
