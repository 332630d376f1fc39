"""`crossdock translate`: what a payload becomes, by the way that webhooks and feeds take, without either."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from hands import Command


def payload(connector: str, file: str) -> str:
    return str(resources.files(f"crossdock.connectors.{connector}").joinpath("examples", file))


def test_a_webhook_becomes_cloud_events_one_a_line(crossdock: Command) -> None:
    said = crossdock("translate", "oldbridge", payload("oldbridge", "webhook_delivered.xml"), "--json")
    assert said.status == 0
    (event,) = said.lines
    assert (event["specversion"], event["type"], event["time"]) == (
        "1.0",
        "shipment.delivered",
        "2026-03-05T08:00:00Z",
    )
    assert event["data"]["milestone"]["code"] == "delivered"
    assert "exception" not in event


def test_a_page_of_a_feed_becomes_its_events_and_an_exception_is_named(crossdock: Command) -> None:
    said = crossdock("translate", "farrow", payload("farrow", "events.json"), "--json")
    assert [(event["type"], event.get("exception")) for event in said.lines] == [
        ("shipment.announced", None),
        ("shipment.picked_up", None),
        ("shipment.delayed", "delay_weather"),
        ("shipment.delivered", None),
    ]


def test_a_record_of_a_feed_has_the_id_that_its_webhook_has(crossdock: Command, place: Path) -> None:
    page = json.loads(Path(payload("farrow", "events.json")).read_text())
    (place / "record.json").write_text(json.dumps(page["events"][-1]))
    (record,) = crossdock("translate", "farrow", "record.json", "--feed", "events", "--json").lines
    (pushed,) = crossdock("translate", "farrow", payload("farrow", "webhook_delivered.json"), "--json").lines
    assert record["id"] == pushed["id"]


def test_for_people_it_is_a_table(crossdock: Command) -> None:
    said = crossdock("translate", "farrow", payload("farrow", "events.json"))
    assert "Snow on the pass" in said.out
    assert "4 events" in said.out


def test_what_is_not_json_is_refused_with_its_line(crossdock: Command, place: Path) -> None:
    (place / "bad.json").write_text('{"type": "consignment.status",\n "data": }')
    said = crossdock("translate", "farrow", "bad.json", "--json")
    assert said.status == 1
    assert said.json["where"] == "bad.json: line 2, column 10"
    assert said.json["mend"]


def test_another_payload_is_refused_with_a_reason(crossdock: Command) -> None:
    said = crossdock("translate", "farrow", payload("farrow", "token.json"), "--json")
    assert said.status == 1
    assert said.json["message"] == "the webhook has no type"


def test_a_connector_or_file_or_feed_that_is_not_there_is_named(crossdock: Command) -> None:
    file = payload("farrow", "token.json")
    assert "known are" in crossdock("translate", "nothing", file, "--json").json["mend"]
    assert crossdock("translate", "farrow", "none.json", "--json").status == 1
    assert crossdock("translate", "farrow", file, "--feed", "x", "--json").json["mend"] == "it has: events"
    assert crossdock("translate", "farrow").status == 2


def test_what_contradicts_a_delivery_is_shown(crossdock: Command, place: Path) -> None:
    track = json.loads(Path(payload("fedex", "track.json")).read_text())
    (result,) = track["output"]["completeTrackResults"][0]["trackResults"]
    result["scanEvents"].append({"date": "2026-03-06T08:00:00-05:00", "eventType": "IT"})
    (place / "late.json").write_text(json.dumps(track))
    *before, last = crossdock("translate", "fedex", "late.json", "--json").lines
    assert (last["type"], last["contradicts"]) == ("shipment.in_transit", "delivered")
    assert not any("contradicts" in event for event in before)
    assert "contradicts the delivery" in crossdock("translate", "fedex", "late.json").out
