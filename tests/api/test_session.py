"""A browser in which somebody has signed in asks the API as that person; another site gets nothing by it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from api_world import Answer, World

from crossdock.access.cookies import session_cookie
from played_orders import order

Ask = Callable[..., Awaitable[Answer]]


@contextlib.asynccontextmanager
async def signed_in(world: World, person: str) -> AsyncIterator[Ask]:
    """What asks with the cookie of a session, and with nothing else."""
    async with world.database.engine() as transaction:
        text = await world.identity.sessions.begin(transaction, world.tenant.id, person, origin="here")

    async def ask(method: str, path: str, status: int, *, token: str = "", **more: Any) -> Answer:
        headers = {"cookie": f"{session_cookie(secure=False)}={text}", **more.pop("headers", {})}
        headers |= {"x-csrf-token": token} if token else {}
        async with world.http.request(method, f"{world.url}/api/v1{path}", headers=headers, **more) as answer:
            found = Answer(answer.status, answer.headers, await answer.text())
        assert found.status == status, found.text
        return found

    yield ask


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Ask]:
    """Ann administers the tenant, and has signed in."""
    async with signed_in(world, await world.account("ann@example.com", "tenant-admin")) as ask:
        yield ask


async def test_a_person_does_what_their_roles_allow_and_stands_in_the_audit(world, ann):
    me = (await ann("GET", "/me", 200)).json
    assert (me["id"], me["kind"], me["tenant"], me["roles"]) == ("ann", "human", "acme", ["tenant-admin"])
    await world.put(order("SO-1"))
    (run,) = (await ann("GET", "/runs?q=SO-1", 200)).json["items"]
    body = {"reason": "the customer called"}
    async with world.working():
        await ann("POST", f"/runs/{run['id']}/cancel", 200, token=me["token"], json=body)
    (entry,) = (await world.get(f"/audit?kind=run&on={run['id']}&action=run.cancel"))["items"]
    assert (entry["actor"], entry["outcome"]) == ("ann", "done")
    async with signed_in(world, await world.account("eve@example.com", "viewer")) as eve:
        token = (await eve("GET", "/me", 200)).json["token"]
        await eve("POST", "/people", 403, token=token, json={"email": "bo@example.com", "roles": []})
        await eve("GET", "/people", 403)


async def test_a_change_without_the_token_of_this_session_is_refused(world, ann):
    token = (await ann("GET", "/me", 200)).json["token"]
    async with signed_in(world, "ann") as again:
        other = (await again("GET", "/me", 200)).json["token"]
    body = {"roles": ["viewer"], "name": "a tool"}
    for wrong in ("", other, token[:-1], "é"):
        headers = {"x-csrf-token": wrong} if wrong else {}
        said = (await ann("POST", "/keys", 403, json=body, headers=headers)).json
        assert said["where"] == "header.X-CSRF-Token"
    await ann("POST", "/keys", 403, token=token, json=body, headers={"sec-fetch-site": "cross-site"})
    await ann("PUT", "/settings", 403, json={}, headers={"if-match": "*"})
    made = (await ann("POST", "/keys", 201, token=token, json=body)).json
    assert made["behind"] == "ann"
    mine = (await world.ask("GET", "/me", key=made["text"], status=200)).json
    assert (mine["kind"], mine["behind"], mine.get("token")) == ("key", "ann", None)


async def test_a_session_that_has_ended_is_nobody_and_shuts_no_address_out(world, ann):
    bo = await world.account("bo@example.com", "tenant-admin")
    await world.post(f"/people/{bo}/suspend", {"note": "has left"})  # his cookie is of no use from then on
    async with signed_in(world, bo) as gone:
        for _ in range(30):
            await gone("GET", "/me", 401)
        # Whoever shows a key is known by it, whatever cookie comes along.
        await gone("GET", "/me", 200, headers={"authorization": f"Bearer {world.key}"})
        await gone("GET", "/me", 401, headers={"authorization": "Basic YTpi"})
    await ann("GET", "/me", 200)


async def test_a_person_asks_the_api_of_their_own_tenant_alone(world, ann):
    tenant, theirs = await world.neighbour()
    await world.put(order("ZE-1"), tenant=tenant)
    (run,) = (await world.get("/runs", key=theirs))["items"]
    await ann("GET", f"/runs/{run['id']}", 404)
    assert (await ann("GET", "/runs", 200)).json["items"] == []


async def test_an_import_goes_on_only_while_who_sent_it_is_let_in(world):
    await world.account("ann@example.com", "tenant-admin")
    bo = await world.account("bo@example.com", "integration-engineer")
    file = b'{"number": "SO-1", "total": {"amount": "10", "currency": "EUR"}}\n'
    headers = {"content-type": "application/x-ndjson"}
    async with signed_in(world, bo) as ask:
        token = (await ask("GET", "/me", 200)).json["token"]
        first = await ask("POST", "/imports?what=orders", 202, token=token, data=file, headers=headers)
    await world.post(f"/people/{bo}/suspend", {"note": "has left"})
    while await world.imports.turn():
        pass
    done = await world.get(f"/imports/{first.json['id']}")
    assert (done["status"], done["sent"]) == ("stopped", 0)
