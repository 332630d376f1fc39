"""People through the API: invited, given roles, shut out, let in; each deed of the desk, about what was seen."""

from __future__ import annotations

from typing import Any


async def test_who_is_invited_gets_an_account_by_the_link(world):
    body = {"email": "Bo@Example.com", "roles": ["order-desk"], "name": "Bo", "note": "new at the desk"}
    headers = {"idempotency-key": "invite-bo"}
    made = await world.ask("POST", "/people", json=body, headers=headers, status=201)
    assert made.json["email"] == "bo@example.com"
    assert made.json["link"].startswith(f"{world.url}/invitation/cdl_")
    again = await world.ask("POST", "/people", json=body, headers=headers, status=201)
    assert again.json == {"email": "bo@example.com", "expires": made.json["expires"]}, (
        "the link is given once"
    )
    text = made.json["link"].rpartition("/")[2]
    await world.identity.people.accept(text, password="x", origin="here")
    bo = await world.get("/people/bo")
    assert (bo["name"], bo["email"], bo["roles"]) == ("Bo", "bo@example.com", ["order-desk"])
    assert bo["made_by"].startswith("key:")
    assert [one["id"] for one in (await world.get("/people?q=EXAMPLE"))["items"]] == ["bo"]
    assert (await world.get("/people?q=nobody"))["items"] == []
    await world.post("/people", body, 409)
    for wrong, where in (({"email": "bo"}, "email"), ({"roles": ["no role!"]}, "roles")):
        said = await world.post("/people", {**body, "email": "cy@example.com", **wrong}, 422)
        assert said["where"] == where
    (entry,) = (await world.get("/audit?action=person.change&outcome=done&on=bo@example.com"))["items"]
    assert entry["after"] == {"invited": "bo@example.com", "roles": ["order-desk"]}


async def test_roles_are_changed_about_what_was_seen(world):
    bo = await world.account("bo@example.com", "viewer")
    seen = (await world.ask("GET", f"/people/{bo}", status=200)).headers["etag"]
    body: dict[str, Any] = {"roles": ["auditor", "partner:quayline"], "note": "helps the auditors"}
    await world.ask("PATCH", f"/people/{bo}", json=body, status=428)
    await world.ask("PATCH", f"/people/{bo}", json=body, headers={"if-match": '"other"'}, status=412)
    changed = await world.ask("PATCH", f"/people/{bo}", json=body, headers={"if-match": seen}, status=200)
    assert changed.json["roles"] == ["auditor", "partner:quayline"]
    await world.ask("PATCH", f"/people/{bo}", json=body, headers={"if-match": seen}, status=412)
    await world.ask("PATCH", "/people/nobody", json=body, headers={"if-match": "*"}, status=404)
    entry = (await world.get(f"/audit?kind=person&on={bo}"))["items"][0]
    assert (entry["before"], entry["after"]) == ({"roles": ["viewer"]}, {"roles": body["roles"]})


async def test_who_is_shut_out_is_let_in_again_and_somebody_always_administers(world):
    ann = await world.account("ann@example.com", "tenant-admin")
    bo = await world.account("bo@example.com", "viewer")
    shut = await world.post(f"/people/{bo}/suspend", {"note": "has left"})
    assert shut["suspended"]
    assert [one["id"] for one in (await world.get("/people?suspended=true"))["items"]] == [bo]
    await world.post(f"/people/{bo}/suspend", {"note": "has left"}, 409)
    before = {"if-match": (await world.ask("GET", f"/people/{ann}")).headers["etag"]}
    await world.ask("POST", f"/people/{bo}/resume", json={}, headers=before, status=412)
    back = await world.post(f"/people/{bo}/resume", {})
    assert "suspended" not in back
    said = await world.post(f"/people/{ann}/suspend", {"note": "?"}, 409)
    assert "last who administers" in said["detail"]
    await world.ask("PATCH", f"/people/{ann}", json={"roles": []}, headers={"if-match": "*"}, status=409)
    reset = await world.post(f"/people/{bo}/reset", {}, 201)
    assert reset["link"].startswith(f"{world.url}/invitation/cdl_")


async def test_nobody_gives_what_they_do_not_have_and_a_neighbour_sees_nobody(world):
    bo = await world.account("bo@example.com", "viewer")
    own = {"roles": {"hr": {"says": "looks after people", "actions": ["person.read", "person.change"]}}}
    await world.ask("PUT", "/roles", json=own, headers={"if-match": "*"}, status=200)
    hr = await world.key_of("hr")
    body = {"email": "cy@example.com", "roles": ["tenant-admin"]}
    said = await world.post("/people", body, 403, key=hr)
    assert "may not give the role tenant-admin" in said["detail"]
    any_state = {"if-match": "*"}
    await world.ask(
        "PATCH",
        f"/people/{bo}",
        json={"roles": ["hr", "tenant-admin"]},
        headers=any_state,
        key=hr,
        status=403,
    )
    await world.ask(
        "PATCH", f"/people/{bo}", json={"roles": ["operator-admin"]}, headers=any_state, status=403
    )
    _, zeta = await world.neighbour()
    await world.ask("PATCH", f"/people/{bo}", json={"roles": []}, headers=any_state, key=zeta, status=404)
    await world.post(f"/people/{bo}/suspend", {}, 404, key=zeta)
    viewer = await world.key_of("viewer")
    await world.post(f"/people/{bo}/suspend", {}, 403, key=viewer)
    await world.post("/people/nobody/suspend", {}, 403, key=viewer)
    assert (await world.get(f"/people/{bo}"))["roles"] == ["viewer"]


async def test_a_key_of_a_partner_sees_what_is_its_own(world):
    made = await world.post("/keys", {"roles": ["partner", "partner:quayline"], "name": "Quayline"}, 201)
    assert made["roles"] == ["partner", "partner:quayline"]
    await world.get("/runs", key=made["text"])
    said = await world.post("/keys", {"roles": ["partner:"]}, 422)
    assert said["where"] == "roles"
