"""Webhooks over HTTP: what is believed, what is kept, what the sender is told."""

from __future__ import annotations

import json

import pytest

from crossdock.engine import Connections
from crossdock.errors import Conflict, NotFound
from crossdock.gateway.receive import digest_of

DELIVERED = b'{"what": "delivered", "shipment": "S-1", "at": "2026-03-02T10:00:00Z"}'
DELIVERIES = "select connection, message, outcome, reason, events, body from crossdock.delivery order by id"

REFUSED = (401, {"error": "not verified, or there is no such door"})


async def test_a_verified_webhook_becomes_events_and_its_raw_body_is_kept(doors):
    assert await doors.send(DELIVERED, X_Depot_Id="d-1") == (200, {"outcome": "taken", "events": 1})
    (event,) = await doors.parked()
    assert (event["id"], event["source"], event["type"]) == ("d-1", "connection/depot", "shipment.delivered")
    assert event["time"] == "2026-03-02T10:00:00Z"
    assert event["about"] == {"shipment": "S-1"}
    (row,) = await doors.rows(DELIVERIES)
    assert (row["outcome"], row["message"], row["body"]) == ("taken", "d-1", digest_of(DELIVERED))
    (blob,) = await doors.rows("select data from crossdock.blob")
    assert bytes(blob["data"]) == DELIVERED


async def test_the_same_delivery_again_changes_nothing(doors):
    for _ in range(2):
        await doors.send(DELIVERED, X_Depot_Id="d-1")
    assert await doors.send(DELIVERED, X_Depot_Id="d-1") == (200, {"outcome": "duplicate", "events": 0})
    assert len(await doors.parked()) == 1


async def test_without_an_id_of_the_sender_its_content_names_a_delivery(doors):
    assert (await doors.send(DELIVERED))[1]["outcome"] == "taken"
    assert (await doors.send(DELIVERED))[1]["outcome"] == "duplicate"
    assert (await doors.send(DELIVERED.replace(b"S-1", b"S-2")))[1]["outcome"] == "taken"
    assert len(await doors.parked()) == 2


async def test_what_is_not_the_partners_is_refused_and_nothing_is_kept(doors):
    assert await doors.send(DELIVERED, secret="guess") == REFUSED
    body = DELIVERED.replace(b"S-1", b"S-9")
    async with doors.http.post(f"{doors.url}/acme/depot", data=body) as reply:
        assert reply.status == 401
    assert await doors.rows(DELIVERIES) == []
    assert await doors.rows("select * from crossdock.blob") == []
    assert await doors.parked() == []


async def test_two_secrets_hold_while_one_replaces_the_other(doors, monkeypatch):
    monkeypatch.setattr("crossdock.connect.lines.FRESH_SECONDS", 0)
    doors.keeps.kept["hook"] = ("new", "s3cret")
    assert (await doors.send(DELIVERED))[0] == 200
    assert (await doors.send(DELIVERED, secret="new"))[0] == 200
    doors.keeps.kept["hook"] = ("new",)
    assert (await doors.send(DELIVERED))[0] == 401


@pytest.mark.parametrize(
    "door", ["acme/other", "nobody/depot", "acme/depot%00", "acme%00/depot", "a" * 5000 + "/depot"]
)
async def test_a_door_that_is_not_there_says_no_more_than_one_that_is(doors, door):
    """Whoever knocks learns neither names of tenants nor of their partners."""
    assert await doors.send(DELIVERED, door=door) == REFUSED


@pytest.mark.parametrize("name", ["x" * 201, "x" * 5000, "a\tb"])
async def test_a_senders_id_that_cannot_be_kept_is_none(doors, name):
    """The delivery is known by its content then, as one without an id is."""
    assert (await doors.send(DELIVERED, x_depot_id=name))[0] == 200
    (row,) = await doors.rows("select message from crossdock.delivery")
    assert row["message"] == digest_of(DELIVERED)


async def test_what_names_something_with_a_zero_byte_is_quarantined(doors):
    for what in (b'"S\\u0000-1"', b'"\\u0000"'):
        status, answer = await doors.send(DELIVERED.replace(b'"S-1"', what))
        assert (status, answer["outcome"]) == (200, "quarantined")


async def test_a_tenant_that_was_made_anew_has_its_doors_again(doors):
    assert (await doors.send(DELIVERED))[0] == 200
    async with doors.database.engine() as transaction:
        await transaction.execute("update crossdock.tenant set name = 'gone' where name = 'acme'")
    other = await doors.database.create_tenant("acme")
    await Connections(doors.database).put(
        other, "parcels", system="wms", connector="depot", settings={"url": "http://127.0.0.1:9"}
    )
    assert (await doors.send(DELIVERED, door="acme/parcels"))[0] == 200


async def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(doors):
    status, answer = await doors.send(b"x" * 100_001)
    assert (status, answer) == (413, {"error": "larger than 100000 bytes"})

    async def endless():
        for _ in range(200):
            yield b"y" * 1000

    async with doors.http.post(f"{doors.url}/acme/depot", data=endless()) as reply:
        assert reply.status == 413


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{not json", "the body is not JSON"),
        (b'{"what": "vanished", "at": "2026-03-02T10:00:00Z"}', "unknown word 'vanished'"),
        (b'{"what": "delivered"}', "could not read it: KeyError: 'shipment'"),
        (b'{"what": "delivered", "shipment": 7, "at": "2026-03-02T10:00:00Z"}', "shipment"),
        (b'{"what": "delivered", "shipment": "S-1", "at": "2026-03-02T10:00:00"}', "has no zone"),
        (b'{"what": "counted", "bin": 3, "at": "2026-03-02T10:00:00Z"}', "bin: a string is needed"),
    ],
)
async def test_what_cannot_be_read_is_set_aside_with_the_reason_and_answered_as_accepted(doors, body, reason):
    for _ in range(2):
        assert await doors.send(body) == (200, {"outcome": "quarantined", "events": 0})
    (found,) = await doors.quarantine.list(doors.tenant)
    assert reason in found.reason
    assert (await doors.quarantine.show(doors.tenant, found.id)).body == body
    assert await doors.parked() == []


async def test_the_same_delivery_id_with_another_body_is_set_aside_too_and_says_so(doors):
    first, second = b'{"what": "vanished", "n": 1}', b'{"what": "vanished", "n": 2}'
    for body in (first, second, first, second):
        assert (await doors.send(body, X_Depot_Id="d-9"))[0] == 200
    found = await doors.quarantine.list(doors.tenant)
    shown = [await doors.quarantine.show(doors.tenant, one.id) for one in found]
    assert [one.body for one in shown] == [first, second]
    told = "a delivery of the same id, with another body, is in quarantine too"
    assert [told in one.reason for one in found] == [False, True]


async def test_what_does_not_concern_us_is_kept_as_ignored(doors):
    assert await doors.send(b'{"what": "noise"}') == (200, {"outcome": "ignored", "events": 0})
    (row,) = await doors.rows(DELIVERIES)
    assert row["reason"] == "it says nothing that concerns us"


async def test_an_event_of_the_connectors_own_is_taken_with_its_keys(doors):
    await doors.send(b'{"what": "counted", "bin": "B7", "at": "2026-03-02T10:00:00+01:00"}')
    (event,) = await doors.parked()
    assert (event["type"], event["about"], event["data"]) == (
        "depot.bin_counted",
        {"bin": "B7"},
        {"bin": "B7"},
    )


async def test_mended_and_replayed_it_is_taken_once(doors, monkeypatch):
    body = b'{"what": "handed over", "shipment": "S-3", "at": "2026-03-02T10:00:00Z"}'
    await doors.send(body, X_Depot_Id="d-3")
    (found,) = await doors.quarantine.list(doors.tenant, connection="depot")
    still = await doors.quarantine.replay(doors.tenant, found.id, by="jo")
    assert still.outcome == "quarantined"
    monkeypatch.setattr(
        "crossdock.connect.contract.Notice.json",
        lambda notice: {**json.loads(notice.body), "what": "delivered"},
    )
    mended = await doors.quarantine.replay(doors.tenant, found.id, by="jo")
    assert (mended.outcome, mended.events) == ("taken", 1)
    (event,) = await doors.parked()
    assert event["id"] == "d-3"
    assert await doors.quarantine.list(doors.tenant) == []
    assert (await doors.quarantine.show(doors.tenant, found.id)).by == "jo"
    with pytest.raises(Conflict):
        await doors.quarantine.replay(doors.tenant, found.id, by="jo")


async def test_dismissed_it_stays_with_who_and_why(doors):
    await doors.send(b"?")
    (found,) = await doors.quarantine.list(doors.tenant)
    await doors.quarantine.dismiss(doors.tenant, found.id, by="jo", reason="a test of theirs")
    shown = await doors.quarantine.show(doors.tenant, found.id)
    assert (shown.outcome, shown.by, shown.reason, shown.body) == (
        "dismissed",
        "jo",
        "a test of theirs",
        b"?",
    )
    with pytest.raises(Conflict):
        await doors.quarantine.dismiss(doors.tenant, found.id, by="jo", reason="again")


async def test_another_tenant_sees_nothing_of_it(doors):
    await doors.send(b"?")
    (found,) = await doors.quarantine.list(doors.tenant)
    other = await doors.database.create_tenant("rival")
    assert await doors.quarantine.list(other) == []
    with pytest.raises(NotFound):
        await doors.quarantine.show(other, found.id)


async def test_headers_that_prove_the_sender_are_not_kept(doors):
    await doors.send(b"?", Authorization="Bearer abc", X_Depot_Topic="t")
    (found,) = await doors.quarantine.list(doors.tenant)
    assert "authorization" not in found.headers
    assert found.headers["x-depot-topic"] == "t"


async def test_while_the_database_is_away_the_sender_is_told_to_come_again(doors, server):
    assert (await doors.send(DELIVERED))[0] == 200
    await doors.database.close()
    status, answer = await doors.send(DELIVERED.replace(b"S-1", b"S-2"))
    assert (status, answer) == (503, {"error": "not kept; send it again"})
