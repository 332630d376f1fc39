"""A connection that has a mapping: what it delivers passes through it, webhook, feed and replay alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from crossdock.connect import catalogue
from crossdock.connect.mappings import Mappings
from crossdock.connect.references import References
from crossdock.engine import Connections
from crossdock.translate import load
from crossdock.translate.codes import Code

PAYLOADS = """
mapping: depot-orders
events:
  - type: order.released
    time: ${ record.at }
    id: ${ record.no }
    data:
      number: ${ record.no }
      lines:
        each: ${ record.lines }
        as: line
        give:
          number: ${ string(n) }
          item: { of: "${ line.sku }", lookup: item }
          quantity: { value: "${ string(line.qty) }", unit: { of: "${ line.uom }", lookup: unit } }
"""
EVENTS = """
mapping: depot-events
reads: event
events:
  - if: ${ record.type == "shipment.delivered" }
    type: shipment.delivered
    time: ${ record.time }
    data:
      all: ${ record.data }
      but: { shipment: "D-${ record.data.shipment }" }
"""
ORDER = b"""{"no": "7", "at": "2026-03-02T10:00:00Z",
 "lines": [
  {"sku": "A-41", "qty": 2, "uom": "ea"},
  {"sku": "A-42", "qty": 1, "uom": "ea"}]}"""
DELIVERED = {"what": "delivered", "shipment": "S-1", "at": "2026-03-02T10:00:00Z", "id": "e-1"}
UNREAD = "select outcome, reason, mapping, events from crossdock.delivery order by id"


@pytest.fixture
async def mapped(doors, monkeypatch):
    """Gives the connection a mapping, and codes."""
    monkeypatch.setattr("crossdock.connect.lines.FRESH_SECONDS", 0)

    class Mapped:
        async def through(self, text: str, url: str = "http://127.0.0.1:9") -> str:
            mapping = load(text, catalogue())
            await Mappings(doors.database).publish(doors.tenant, [mapping], by="ann")
            await Connections(doors.database).put(
                doors.tenant,
                "depot",
                system="wms",
                connector="depot",
                settings={"url": url},
                mapping=mapping.name,
            )
            return mapping.label

        async def knows(self, *codes: tuple[Any, str, str], scope: str = "depot") -> None:
            given = [Code(kind=kind, ours=ours, theirs=theirs) for kind, ours, theirs in codes]
            await References(doors.database).put(
                doors.tenant, scope, list(enumerate(given, 1)), by="ann", replace=True
            )

    return Mapped()


async def test_a_payload_is_read_by_the_mapping_with_the_master_data_of_connection_and_system(doors, mapped):
    label = await mapped.through(PAYLOADS)
    await mapped.knows(("item", "10041", "A-41"), ("item", "10042", "A-42"))
    await mapped.knows(("item", "9", "A-41"), ("unit", "EA", "ea"), scope="wms")
    assert await doors.send(ORDER, X_Depot_Id="d-1") == (200, {"outcome": "taken", "events": 1})
    (event,) = await doors.parked()
    assert (event["id"], event["type"], event["about"]) == ("7", "order.released", {"order": "7"})
    assert [line["item"] for line in event["data"]["lines"]] == ["10041", "10042"]
    assert event["data"]["quantity"] == {"value": "3", "unit": "EA"}
    assert event["data"]["origins"] == {"*": f"mapping {label}"}
    (row,) = await doors.rows(UNREAD)
    assert (row["outcome"], row["mapping"]) == ("taken", label)


async def test_what_is_not_mapped_is_set_aside_with_its_place_and_replayed_once_it_is(doors, mapped):
    before = await mapped.through(PAYLOADS)
    await mapped.knows(("item", "10041", "A-41"))
    assert (await doors.send(ORDER))[1]["outcome"] == "quarantined"
    assert await doors.parked() == []
    (row,) = await doors.rows(UNREAD)
    assert row["mapping"] == before
    assert "lines[0].uom: unmapped_value" in row["reason"]
    assert (
        "lines[1].sku: unmapped_value: data.lines[1].item: the item `A-42` of theirs is none of ours yet"
        in row["reason"]
    )
    assert "crossdock codes set depot item OURS A-42" in row["reason"]
    (kept,) = await doors.quarantine.list(doors.tenant)

    await mapped.knows(("item", "10042", "A-42"))
    again = await doors.quarantine.replay(doors.tenant, kept.id, by="ann")
    assert again.outcome == "quarantined"
    assert "A-42" not in again.reason
    after = await mapped.through(PAYLOADS.replace("lookup: unit }", "lookup: unit, unknown: EA }"))
    assert (await doors.quarantine.replay(doors.tenant, kept.id, by="ann")).outcome == "taken"
    assert len(await doors.parked()) == 1
    (row,) = await doors.rows(UNREAD)
    assert (row["outcome"], row["mapping"], row["events"]) == ("replayed", after, 1)


async def test_a_single_reason_has_the_line_in_the_payload(doors, mapped):
    await mapped.through(PAYLOADS)
    await mapped.knows(("item", "10041", "A-41"), ("unit", "EA", "ea"))
    await doors.send(ORDER)
    (row,) = await doors.rows(UNREAD)
    assert row["reason"].startswith("line 4, lines[1].sku: the mapping depot-orders: unmapped_value:")


async def test_events_of_the_connector_pass_through_and_others_as_they_are(doors, mapped):
    label = await mapped.through(EVENTS)
    counted = {"what": "counted", "bin": "B-1", "at": "2026-03-02T10:00:00Z"}
    await doors.send(json.dumps(DELIVERED).encode())
    await doors.send(json.dumps(counted).encode())
    delivered, bin_ = await doors.parked()
    assert (delivered["id"], delivered["data"]["shipment"]) == ("e-1", "D-S-1")
    assert bin_["data"] == {"bin": "B-1"}
    assert {row["mapping"] for row in await doors.rows(UNREAD)} == {label}


async def test_records_of_a_feed_pass_through_it_and_one_at_fault_stops_none(doors, mapped):
    records = [json.loads(ORDER), {"no": "8", "at": "2026-03-02T11:00:00Z", "lines": []}, {"odd": True}]

    async def feed(_: web.Request) -> web.Response:
        return web.json_response({"records": records, "next": 3, "more": False})

    app = web.Application()
    app.router.add_get("/feed", feed)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        await mapped.through(PAYLOADS, f"http://127.0.0.1:{port}")
        await mapped.knows(("item", "10041", "A-41"), ("item", "10042", "A-42"), ("unit", "EA", "ea"))
        await doors.poller.turn()
    finally:
        await runner.cleanup()
    assert sorted(event["id"] for event in await doors.parked()) == ["7", "8"]
    (row,) = await doors.rows(UNREAD)
    assert row["outcome"] == "quarantined"
    assert "at is missing" in row["reason"]
