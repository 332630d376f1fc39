"""What the command line does on the server's machine, by the API: providers, limits, queries, sealing anew."""

from __future__ import annotations

from dataclasses import replace

from acting import someone
from crossdock.access.audit import Filter
from crossdock.access.tenants import OPERATOR

CORP = {"issuer": "https://x.example", "client_id": "c", "groups": {"ops": ["viewer"]}}


async def operator(world) -> str:
    """A key of those who run the installation."""
    tenant = await world.database.create_tenant(OPERATOR)
    world.api.state.ground.policies.fresh(tenant.id)
    by = replace(someone(tenant, "operator-admin"), id="root")
    return (await world.identity.keys.create(tenant, by, roles=["operator-admin"])).text


async def test_a_provider_is_made_read_changed_and_dropped_and_its_secret_is_never_shown(world):
    new = {"if-none-match": "*"}
    made = await world.ask(
        "PUT", "/providers/corp", json={**CORP, "secret": "s3cret-one"}, headers=new, status=201
    )
    assert made.json["groups"] == {"ops": ["viewer"]}
    assert "s3cret" not in made.text
    tag = {"if-match": made.headers["etag"]}
    await world.ask("PUT", "/providers/corp", json=CORP, headers=new, status=412)
    await world.ask("PUT", "/providers/corp", json=CORP, status=428)
    changed = {**CORP, "client_id": "d"}
    assert (await world.ask("PUT", "/providers/corp", json=changed, headers=tag, status=200)).json[
        "client_id"
    ] == "d"
    await world.ask("PUT", "/providers/corp", json=CORP, headers=tag, status=412)
    assert (
        await world.identity.providers.secret(world.tenant, "corp") == "s3cret-one"
    )  # none was sent: it stays
    assert [one["name"] for one in (await world.get("/providers"))["items"]] == ["corp"]
    read = await world.ask("GET", "/providers/corp?fields=issuer", status=200)
    assert read.json == {"issuer": "https://x.example"}
    viewer = await world.key_of("viewer")
    for method, path in (("GET", "/providers"), ("GET", "/providers/corp"), ("DELETE", "/providers/corp")):
        await world.ask(method, path, key=viewer, headers={"if-match": "*"}, status=403)
    wide = {**CORP, "groups": {"ops": ["operator-admin"]}}
    said = await world.ask("PUT", "/providers/more", json=wide, headers=new)
    assert said.status in (403, 422), said.text  # nobody gives what they have not
    await world.ask("DELETE", "/providers/corp", headers=tag, status=412)
    await world.ask("DELETE", "/providers/corp?note=gone", headers={"if-match": "*"}, status=200)
    await world.get("/providers/corp", 404)
    told = (await world.audit.entries(world.tenant, Filter(action="setting.change"))).items
    assert [entry.on_id for entry in told] == ["provider/corp"] * 3
    assert told[0].why == "gone"


async def test_limits_are_agreed_on_by_the_operator_and_read_by_the_tenant(world):
    key, name = await operator(world), world.tenant.name
    given = {"limit": "6000/minute", "note": "agreed"}
    tag = {
        "if-match": (await world.ask("GET", f"/tenants/{name}/limits", key=key, status=200)).headers["etag"]
    }
    path = f"/tenants/{name}/limits/read"
    told = await world.ask("PUT", f"{path}?who=key:abc", json=given, key=key, headers=tag, status=200)
    assert told.json["agreed"] == [{"who": "key:abc", "kind": "read", "limit": "6000/minute"}]
    await world.ask("PUT", path, json=given, key=key, headers=tag, status=412)
    own = await world.get("/tenant/limits", key=await world.key_of("operations-lead"))
    assert own["agreed"] == told.json["agreed"]
    await world.ask("GET", "/tenant/limits", key=await world.key_of("viewer"), status=403)
    await world.ask("PUT", path, json=given, headers={"if-match": "*"}, status=403)
    await world.ask("GET", f"/tenants/{name}/limits", status=403)
    for wrong, status in (({"limit": "often"}, 422), ({"limit": "0/minute"}, 422)):
        await world.ask("PUT", path, json=wrong, key=key, headers={"if-match": "*"}, status=status)
    await world.ask(
        "PUT", f"/tenants/{name}/limits/reads", json=given, key=key, headers={"if-match": "*"}, status=422
    )
    await world.ask("DELETE", path, key=key, headers={"if-match": "*"}, status=404)
    gone = await world.ask("DELETE", f"{path}?who=key:abc", key=key, headers={"if-match": "*"}, status=200)
    assert gone.json["agreed"] == []
    told = (await world.audit.entries(world.tenant, Filter(action="tenant.change", outcome="done"))).items
    assert [(entry.on_id, entry.why) for entry in told] == [("key:abc/read", ""), ("key:abc/read", "agreed")]


async def test_queries_are_let_in_all_or_none_and_dropped(world):
    texts = ["{ runs { nodes { key } } }", "{ orders { nodes { number } } }"]
    said = await world.post("/graphql/queries", {"texts": [*texts, "mutation { x }"]}, 422)
    assert said["where"] == "body.texts.2"
    assert (await world.get("/graphql/queries"))["items"] == []
    made = (await world.post("/graphql/queries", {"texts": texts}))["items"]
    page = await world.get("/graphql/queries?limit=1")
    rest = await world.get(f"/graphql/queries?limit=1&cursor={page['next']}")
    assert sorted(one["text"] for one in page["items"] + rest["items"]) == sorted(texts)
    hash_ = made[0]["hash"]
    read = await world.ask("GET", f"/graphql/queries/{hash_.upper()}", status=200)
    assert read.json == made[0]
    viewer = await world.key_of("viewer")
    await world.post("/graphql/queries", {"texts": texts}, 403, key=viewer)
    await world.ask("DELETE", f"/graphql/queries/{hash_}", key=viewer, headers={"if-match": "*"}, status=403)
    await world.ask(
        "DELETE", f"/graphql/queries/{hash_}", headers={"if-match": read.headers["etag"]}, status=200
    )
    said = await world.get(f"/graphql/queries/{hash_}", 404)
    assert said["mend"] == "take one that their list gives"
    _, theirs = await world.neighbour()
    assert (await world.get("/graphql/queries", key=theirs))["items"] == []


async def test_secrets_are_sealed_anew_by_the_operator_and_no_master_key_is_made_from_afar(world):
    key = await operator(world)
    await world.post("/secrets/rotate", {}, 403)
    said = await world.post("/secrets/rotate", {"new_master": True}, 422, key=key)
    assert said["where"] == "body.new_master"
    await world.post("/connections/erp/stop", {})
    told = await world.post("/secrets/rotate", {"values": True}, key=key)
    assert told["master"].startswith("held-")
