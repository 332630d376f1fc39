"""What is decided, and taken away, while something else is under way: each time both really happen at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest
from api_world import World

from acting import someone
from crossdock.access import Resource
from crossdock.access.policy_form import Rules
from crossdock.errors import Forbidden, NotProven
from held import Held
from played_orders import event, order


async def key_behind(world: World, person: str, *roles: str) -> str:
    """A key of somebody."""
    by = someone(world.tenant, "tenant-admin", *roles, id=person)
    return (await world.identity.keys.create(world.tenant, by, roles=roles, name="tests")).text


async def waits(world: World, number: str) -> tuple[str, str]:
    """A large order of ann's that waits for its approval; gives its task and what is to be seen of it."""
    await world.put(order(number, "5000.00", version="1"))
    async with world.working():
        await world.steps(number, approve="waiting")
    (task,) = [one for one in (await world.get("/tasks"))["items"] if one["key"] == number]
    return task["id"], task["seen"]


def approving(world: World, task: tuple[str, str], key: str, **headers: str) -> Awaitable[Any]:
    body = {"decision": "approved", "seen": task[1]}
    return world.ask("POST", f"/tasks/{task[0]}/decide", json=body, key=key, headers=headers)


async def told(world: World, number: str) -> list[tuple[str, str]]:
    """What was decided about the approval: what, and by whom."""
    (run,) = (await world.get(f"/runs?q={number}"))["items"]
    lines = (await world.get(f"/runs/{run['id']}/history?limit=200"))["items"]
    return [
        (record["what"], str(record.get("data", {}).get("by", "")))
        for line in lines
        for record in line["records"]
        if record["what"] in ("task.decided", "decision.refused")
    ]


async def test_of_two_people_who_approve_at_once_one_decides(world):
    bea, bob = await key_behind(world, "bea", "finance"), await key_behind(world, "bob", "finance")
    task = await waits(world, "SO-1")
    # Nobody decides for the run yet: both are past the door when it does.
    answers = await asyncio.gather(
        *(approving(world, task, key, prefer="respond-async") for key in (bea, bob))
    )
    assert [one.status for one in answers] == [202, 202]
    async with world.working():
        await world.steps("SO-1", packed="waiting")
        done = await told(world, "SO-1")
        assert sorted(what for what, _ in done) == ["decision.refused", "task.decided"]

        await world.put(order("SO-2", "5000.00", version="1"))
        await world.steps("SO-2", approve="waiting")
        (shown,) = (await world.get("/tasks"))["items"]
        both = await asyncio.gather(
            *(approving(world, (shown["id"], shown["seen"]), key) for key in (bea, bob))
        )
        assert sorted(one.status for one in both) == [200, 409]
        assert [what for what, _ in await told(world, "SO-2")].count("task.decided") == 1
    assert world.partners.calls.count("wms.pick") == 2  # each order was picked once


async def test_two_keys_of_one_person_are_one_person(world):
    bobs = [await key_behind(world, "bob", "finance") for _ in range(2)]
    anns = [await key_behind(world, "ann", "finance") for _ in range(2)]
    task = await waits(world, "SO-1")
    answers = await asyncio.gather(
        *(approving(world, task, key, prefer="respond-async") for key in (*anns, *bobs, *anns))
    )
    assert [one.status for one in answers] == [403, 403, 202, 202, 403, 403]  # she asks for it: under no key
    async with world.working():
        await world.steps("SO-1", packed="waiting")
        done = await told(world, "SO-1")
    assert sorted(what for what, _ in done) == ["decision.refused", "task.decided"]
    assert dict(done)["task.decided"] == "bob"


async def test_an_approval_of_what_changes_meanwhile_is_not_taken(world):
    bea, bob = await key_behind(world, "bea", "finance"), await key_behind(world, "bob", "finance")
    task = await waits(world, "SO-1")
    # The change is there and not decided yet, so that the door still sees what bea has seen; and it is bob's.
    more = {"version": "2", "changed": "2026-05-04T09:00:00Z", "created_by": "bob"}
    changed = order("SO-1", "9000.00", **more)
    await world.put(event("order.changed", changed.data, order="SO-1"))
    answers = await asyncio.gather(
        *(approving(world, task, key, prefer="respond-async") for key in (bea, bob))
    )
    assert [one.status for one in answers] == [202, 202]

    async def both_refused() -> bool:
        return [what for what, _ in await told(world, "SO-1")] == ["decision.refused"] * 2

    async with world.working():
        await world.until(both_refused)
        (shown,) = (await world.get("/tasks"))["items"]
        assert (shown["content"]["amount"]["amount"], shown["seen"] != task[1]) == ("9000.00", True)
        newer = (shown["id"], shown["seen"])
        refused = await approving(world, newer, bob)
        assert (refused.status, "is excluded here" in refused.json["detail"]) == (409, True)
        assert (await approving(world, newer, bea)).status == 200


@pytest.mark.parametrize("path", ["/settings", "/roles"])
async def test_of_many_who_change_the_house_at_once_one_does(world, path):
    tag = (await world.ask("GET", path, status=200)).headers["etag"]
    body = {"/settings": {"settings": {"a": 1}}, "/roles": {"roles": {}}}[path]
    answers = await asyncio.gather(
        *(world.ask("PUT", path, json=body, headers={"if-match": tag}) for _ in range(8))
    )
    done = sorted(one.status for one in answers)
    assert done[0] == 200
    assert set(done[1:]) <= {409, 412}, done
    assert (await world.get(path))["version"] == 1


async def test_what_is_asked_of_a_tenant_that_is_suspended_meanwhile_is_decided_when_it_goes_on(world):
    bea, bob = await key_behind(world, "bea", "finance"), await key_behind(world, "bob", "finance")
    other, theirs = await world.neighbour()
    operator = await world.database.create_tenant("operator")
    root = await world.key_of("operator-admin", tenant=operator)
    task = await waits(world, "SO-1")
    assert (await approving(world, task, bea, prefer="respond-async")).status == 202
    await world.post("/tenants/acme/suspend", {"why": "unpaid"}, key=root)

    async def refused() -> Any:
        answer = await approving(world, task, bob, prefer="respond-async")
        return answer if answer.status == 503 else None  # within half a second, in each process

    assert (await world.until(refused)).json["type"].endswith("/suspended")
    async with world.working():
        await world.put(order("SO-9"), tenant=other)

        async def theirs_goes_on() -> bool:
            (run,) = (await world.get("/runs?q=SO-9", key=theirs))["items"]
            return run["decisions"] >= 3

        await world.until(theirs_goes_on)
        assert await told(world, "SO-1") == []  # while others are decided
        await world.post("/tenants/acme/resume", {}, key=root)
        await world.steps("SO-1", packed="waiting")
    assert (await told(world, "SO-1"))[0] == ("task.decided", "bea")


async def test_of_many_who_start_a_run_of_one_key_at_once_one_does(world):
    """The others are told so: what they sent is not taken for the run's, nor dropped without a word."""

    def start(name: str) -> Awaitable[Any]:
        document = {**order("SO-1", "5000.00").data, "customer_po": name}
        return world.ask("POST", "/runs", json={"process": "order", "document": document})

    answers = await asyncio.gather(*(start(f"P-{n}") for n in range(8)))
    assert sorted(one.status for one in answers) == [201] + [409] * 7
    (made,) = [one.json["id"] for one in answers if one.status == 201]
    async with world.working():
        await world.steps("SO-1", approve="waiting")
    (run,) = (await world.get("/runs?q=SO-1"))["items"]
    assert run["id"] == made
    lines = (await world.get(f"/runs/{made}/history"))["items"]
    assert [one for line in lines for one in line["records"] if one["what"] == "event.unused"] == []
    by = [one for one in (await world.audit.entries(world.tenant)).items if one.action == "run.start"]
    assert [one.outcome for one in by] == ["done"]


async def test_of_many_who_make_a_provider_at_once_one_does(world):
    answers = await asyncio.gather(
        *(
            world.ask(
                "PUT",
                "/providers/corp",
                json={"issuer": "https://login.example", "client_id": f"c{n}"},
                headers={"if-none-match": "*"},
            )
            for n in range(8)
        )
    )
    done = sorted(one.status for one in answers)
    assert done[0] == 201
    assert set(done[1:]) <= {409, 412}, done


async def test_of_many_who_make_or_change_a_connection_at_once_one_does(world):
    def putting(n: int, **headers: str) -> Awaitable[Any]:
        body = {"connector": "tests", "system": "tms", "rate": n + 1}
        return world.ask("PUT", "/connections/second", json=body, headers=headers)

    made = await asyncio.gather(*(putting(n, **{"if-none-match": "*"}) for n in range(8)))
    assert [one.status for one in made].count(201) == 1
    tag = (await world.ask("GET", "/connections/second", status=200)).headers["etag"]
    changed = await asyncio.gather(*(putting(n, **{"if-match": tag}) for n in range(100, 108)))
    for done in (made, changed):
        assert {one.status for one in done} <= {200, 201, 409, 412}
    assert [one.status for one in changed].count(200) == 1


# -- what is taken away during a long answer ------------------------------------------------------------------


async def test_a_long_file_breaks_off_when_who_reads_it_may_not_any_more(world):
    await world.put(*(order(f"SO-{n}") for n in range(501)))
    async with world.database.engine() as transaction:
        for _ in range(600):
            await world.audit.record(
                transaction, someone(world.tenant, "tenant-admin"), "run.read", Resource(kind="run")
            )
    await world.account("eva@example.com", "tenant-admin")
    root = someone(world.tenant, "tenant-admin", "operator-admin")
    people, keys = world.identity.people, world.identity.keys

    async def sql(text: str, *values: Any) -> None:
        async with world.database.engine() as transaction:
            await transaction.execute(text, *values)

    async def forbid() -> None:
        rule = '@id("no-files") forbid (principal in Role::"viewer", action, resource);'
        held = await world.api.state.ground.policies.rules(world.tenant.id)
        await world.api.state.ground.acts.roles.change(root, Rules(version=held.version, text=rule))

    runs, audit = "/runs?format=ndjson&fields=key", "/audit/export"
    for path, role, act, error in (
        (runs, "viewer", lambda id_: keys.revoke(world.tenant, root, id_), NotProven),
        (
            audit,
            "auditor",
            lambda id_: sql(
                "update crossdock.key set expires = statement_timestamp() where tenant = $1 and id = $2",
                world.tenant.id,
                id_,
            ),
            NotProven,
        ),
        (runs, "viewer", lambda _id: people.change(world.tenant, root, "eva", roles=["finance"]), Forbidden),
        (runs, "viewer", lambda _id: people.shut_out(world.tenant, root, "eva"), NotProven),
        (runs, "viewer", lambda _id: forbid(), Forbidden),
    ):
        await sql("update crossdock.person set roles = '{viewer,auditor}', suspended = null")
        made = await keys.create(
            world.tenant, someone(world.tenant, "tenant-admin", id="eva"), roles=[role], name="tests"
        )
        whole = Held(world.site, f"/api/v1{path}", authorization=f"Bearer {made.text}")
        await whole.meanwhile(lambda: asyncio.sleep(0))
        lines = whole.body.splitlines()
        assert whole.whole
        assert len(lines) > 500

        broken = Held(world.site, f"/api/v1{path}", authorization=f"Bearer {made.text}")
        with pytest.raises(error):
            await broken.meanwhile(lambda act=act, made=made: act(made.key.id))
        assert not broken.whole
        assert len(broken.body.splitlines()) == 500
        json.loads(broken.body.splitlines()[-1])
