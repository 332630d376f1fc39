"""The three carriers, from recorded exchanges: one meaning in three tongues."""

import json
from typing import Any

import pytest
from talking import KEY, SHIPMENT, Led, answer, connector, context, example, happened, lead, operation, page
from talking import signed as verified

from crossdock.connect.contract import RefusedByPartner, Response
from crossdock.connect.signatures import NotVerified
from crossdock.connectors._carriers import REPORTS
from crossdock.connectors._words import words
from crossdock.errors import Refused, UnknownOutcome
from crossdock.model.milestones import MilestoneCode, ShipmentReason

CARRIERS = ("quayline", "farrow", "oldbridge")
DATA = {"shipment": SHIPMENT, "service": "X", "reference": "SO-1-1"}
SUFFIX = {"quayline": "json", "farrow": "json", "oldbridge": "xml"}
BOOKED = {"quayline": "label.json", "farrow": "consignment.json", "oldbridge": "booking.xml"}


def delivered(name: str, body: bytes | None = None) -> Any:
    body = body or example(name, f"webhook_delivered.{SUFFIX[name]}")
    (event,) = happened(name, body, zone="America/Los_Angeles")
    return event


@pytest.mark.parametrize("name", CARRIERS)
def test_a_delivery_carries_its_proof_with_what_was_short_or_damaged(name: str) -> None:
    event = delivered(name)
    number = event.data["tracking_number"]
    assert event.type == "shipment.delivered"
    assert event.time.isoformat() == "2026-03-05T08:00:00+00:00"
    assert event.about == {
        "shipment": "SO-1-1",
        "order": "SO-1",
        "tracking": number,
        "booking": number,
    }
    proof = event.data["proof"]
    assert proof["delivered"] == "2026-03-05T08:00:00Z"
    assert proof["received_by"] == "M. Okafor"
    assert [(d["kind"], d["quantity"]) for d in proof["discrepancies"]] == [
        ("damaged", {"value": "1", "unit": "H87"}),
        ("short", {"value": "2", "unit": "H87"}),
    ]
    assert event.data["milestone"]["code"] == "delivered"


@pytest.mark.parametrize(
    ("name", "due", "precision"),
    [
        ("quayline", "2026-03-06T02:00:00Z", None),
        ("farrow", "2026-03-06T07:59:59Z", "day"),
        ("oldbridge", "2026-03-10T06:59:59Z", "day"),
    ],
)
def test_the_estimate_is_carried_as_exactly_as_it_was_told(
    name: str, due: str, precision: str | None
) -> None:
    data = delivered(name).data
    assert data["estimated_delivery"] == due
    assert data.get("estimated_delivery_precision") == precision


def test_a_clean_proof_has_no_discrepancies() -> None:
    body = json.loads(example("quayline", "webhook_delivered.json"))
    body["pod"].update(dmg=0, sht=0)
    assert "discrepancies" not in delivered("quayline", json.dumps(body).encode()).data["proof"]


def test_a_discrepancy_of_another_kind_is_not_clean() -> None:
    body = json.loads(example("farrow", "webhook_delivered.json"))
    body["data"]["proofOfDelivery"]["discrepancies"] = [{"type": "WET", "pieces": 3}]
    (noted,) = delivered("farrow", json.dumps(body).encode()).data["proof"]["discrepancies"]
    assert (noted["kind"], noted["text"]) == ("unknown", "WET")


def test_a_status_word_that_is_not_known_keeps_its_text_and_is_no_delivery() -> None:
    quay = json.loads(example("quayline", "webhook_delivered.json"))
    quay["scan"].update(st="55", txt="Handed to a neighbour")
    farrow = json.loads(example("farrow", "webhook_delivered.json"))
    farrow["data"]["event"].update(status="TELEPORTED", reason={"code": "MAGIC", "text": "Puff"})
    bridge = example("oldbridge", "webhook_delivered.xml").replace(b">POD<", b">ZZZ<")
    for name, body, told in (
        ("quayline", json.dumps(quay).encode(), ("55", "Handed to a neighbour")),
        ("farrow", json.dumps(farrow).encode(), ("TELEPORTED", "Puff")),
        ("oldbridge", bridge, ("ZZZ", "Delivered")),
    ):
        event = delivered(name, body)
        milestone = event.data["milestone"]
        assert (event.type, milestone["code"]) == ("shipment.milestone", "unknown")
        assert (milestone["code_told"], milestone["text"]) == told
    assert milestone["time"] == "2026-03-05T08:00:00Z"
    reason = delivered("farrow", json.dumps(farrow).encode()).data["milestone"]
    assert (reason["reason"], reason["reason_told"]) == ("unknown", "MAGIC")


def test_one_journey_reads_the_same_in_three_tongues() -> None:
    told = {}
    for name, file in (("quayline", "track.json"), ("farrow", "track.json"), ("oldbridge", "track.xml")):
        milestones = lead(name, "track", {"tracking_number": "N"}, file).result["milestones"]
        told[name] = [(m.get("code"), m.get("reason"), m["time"]) for m in milestones]
    assert told["quayline"] == told["farrow"] == told["oldbridge"]
    assert [(code, reason) for code, reason, _ in told["quayline"]] == [
        ("info_received", None),
        ("picked_up", None),
        ("in_transit", None),
        (None, "delay_weather"),
        ("out_for_delivery", None),
        ("delivery_attempted", "recipient_unavailable"),
        (None, "delay_customs"),
        (None, "other_exception"),
        (None, "damaged"),
        ("returned_to_sender", None),
    ]


@pytest.mark.parametrize(
    ("status", "reason", "event"),
    [
        ("35", "", "shipment.delayed"),
        ("70", "C1", "shipment.customs_held"),
        ("70", "M1", "shipment.missorted"),
        ("70", "R1", "shipment.refused"),
        ("70", "A1", "shipment.held"),
        ("70", "N1", "shipment.milestone"),
        ("70", "", "shipment.milestone"),
        ("45", "R1", "shipment.delivery_attempted"),
    ],
)
def test_the_reason_says_which_event_an_exception_is(status: str, reason: str, event: str) -> None:
    body = json.loads(example("quayline", "webhook_delayed.json"))
    body["scan"].update(st=status, rsn=reason)
    assert delivered("quayline", json.dumps(body).encode()).type == event


@pytest.mark.parametrize("name", CARRIERS)
def test_each_table_says_what_each_code_means_in_terms_of_the_model(name: str) -> None:
    table = words(f"crossdock.connectors.{name}")
    assert sum(of == "status" for of, _ in table) == 11
    assert sum(of == "reason" for of, _ in table) == 8
    for row in table.values():
        assert row["event"] in {"", *REPORTS}
        assert row["milestone"] in {"", *MilestoneCode}
        assert row["reason"] in {"", *ShipmentReason}
        assert row["meaning"]
        assert row["source"]
    assert set(connector(name).events) == set(REPORTS)


def test_a_label_is_asked_for_under_our_key() -> None:
    led = lead("quayline", "book", DATA, "label.json", zone="America/Los_Angeles")
    (request,) = led.asked
    assert request.headers == {"Idempotency-Key": KEY}
    assert request.json == {
        "ref1": "SO-1-1",
        "ref2": "SO-1",
        "svc": "X",
        "tz": "America/Los_Angeles",
        "to": {
            "name": "Harbour Clinic",
            "line1": "1 Quay",
            "city": "Oakland",
            "postcode": "94607",
            "country": "US",
        },
        "pcs": [{"g": 4400}],
    }
    assert led.result["tracking_number"] == "QX00000001"
    assert led.result["price"] == {"amount": "15.92", "currency": "USD"}
    assert led.result["label"].startswith("data:application/zpl;base64,")
    assert led.result["estimated_delivery"] == "2026-03-05T02:00:00Z"


def test_a_consignment_is_asked_for_and_found_by_the_shipment() -> None:
    led = lead("farrow", "book", DATA, "consignment.json", zone="America/Los_Angeles")
    sent = led.asked[0].json["consignment"]
    assert (sent["clientReference"], sent["customerOrder"], sent["product"]) == ("SO-1-1", "SO-1", "X")
    assert str(sent["parcels"][0]["weight"]["value"]) == "4.4"
    assert led.result["price"] == {"amount": "12.88", "currency": "USD"}
    assert led.result["estimated_delivery"] == "2026-03-05T07:59:59Z"
    found = lead("farrow", "book", {**DATA, "service": "STD48"}, "consignments_found.json", find=True)
    assert found.asked[0].query == {"clientReference": "SO-1-1"}
    assert found.result["booking"] == led.result["booking"] == "FP-000001"
    assert lead("farrow", "book", DATA, "consignments_found.json", find=True).result is None


def test_freight_is_asked_for_and_found_by_the_shipment() -> None:
    shipment = {**SHIPMENT, "ship_to": {**SHIPMENT["ship_to"], "name": "Søn & <Daughter>"}}  # type: ignore[dict-item]
    led = lead("oldbridge", "book", {**DATA, "shipment": shipment}, "booking.xml")
    body = led.asked[0].body
    assert body is not None
    assert "<Name>Søn &amp; &lt;Daughter&gt;</Name>" in body.decode()
    assert b"<WeightKg>4.4</WeightKg>" in body
    assert led.result["price"] == {"amount": "9.48", "currency": "USD"}
    assert led.result["estimated_delivery"] == "2026-03-10T06:59:59Z"
    found = lead("oldbridge", "book", {**DATA, "service": "ECONOMY"}, "search.xml", find=True)
    assert found.asked[0].changes is False
    assert found.result["booking"] == led.result["booking"] == "OB0000001"
    assert lead("oldbridge", "book", DATA, "search.xml", find=True).result is None


def test_a_cancelled_consignment_is_not_found() -> None:
    body = json.loads(example("farrow", "consignments_found.json"))
    body["consignments"][0]["state"] = "CANCELLED"
    talk = operation("farrow", "book").find
    assert talk is not None
    data = {**DATA, "service": "STD48"}
    assert Led(talk(data, context("farrow")), [Response(200, {}, json.dumps(body).encode())]).result is None


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("farrow", ("cancelled_again.409.json", "consignment_cancelled.json")),
        ("oldbridge", ("cancelled_again.409.xml", "track_cancelled.xml")),
        ("oldbridge", ("cancelled.xml",)),
    ],
)
def test_a_booking_that_is_void_already_is_what_was_wanted(name: str, files: tuple[str, ...]) -> None:
    assert lead(name, "void", {"booking": "N"}, *files).result == {}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("farrow", ("cancel_late.409.json", "consignment.json")),
        ("oldbridge", ("cancel_late.409.xml", "track.xml")),
    ],
)
def test_a_booking_that_was_picked_up_cannot_be_voided(name: str, files: tuple[str, ...]) -> None:
    with pytest.raises(RefusedByPartner, match="returned to the sender"):
        lead(name, "void", {"booking": "N"}, *files)


def test_their_refusals_are_told_in_their_words() -> None:
    told = {
        name: connector(name).said(answer(name, file))
        for name, file in (
            ("quayline", "label_other_body.422.json"),
            ("farrow", "invalid.422.json"),
            ("oldbridge", "invalid.422.xml"),
        )
    }
    assert told == {
        "quayline": ("4221", "Idempotency-Key was used for another body"),
        "farrow": ("VALIDATION", "Unknown service; there are STD24, STD48"),
        "oldbridge": ("E422", "Unknown service; there are ECONOMY, PALLET (Service)"),
    }
    assert connector("oldbridge").said(Response(500, {}, b"<html>oh")) == ("", "<html>oh")


@pytest.mark.parametrize("name", CARRIERS)
def test_half_an_answer_to_a_booking_leaves_the_outcome_open(name: str) -> None:
    talk = operation(name, "book").do
    half = example(name, BOOKED[name])[:-30]
    with pytest.raises(UnknownOutcome):
        Led(talk(DATA, context(name)), [Response(200, {}, half)])


def test_the_feed_of_events_has_the_ids_of_the_webhooks() -> None:
    events, read = page("farrow", "events.json", zone="America/Los_Angeles")
    assert [event.type for event in events] == [
        "shipment.announced",
        "shipment.picked_up",
        "shipment.delayed",
        "shipment.delivered",
    ]
    assert events[-1].id == delivered("farrow").id
    assert events[-1].data == delivered("farrow").data
    assert read.cursor == "4"


def test_an_hour_that_comes_twice_is_its_first() -> None:
    body = example("oldbridge", "webhook_delivered.xml")
    body = body.replace(b"2026-03-05", b"2026-11-01").replace(b"00:00", b"01:30")
    assert delivered("oldbridge", body).time.isoformat() == "2026-11-01T08:30:00+00:00"


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><TrackingNotice/>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><TrackingNotice/>'.encode("utf-16"),
        b"<TrackingNotice>" + b" " * (1 << 20) + b"</TrackingNotice>",
        b"<TrackingNotice><Scan/></TrackingNotice>",
        b"<TrackingNotice/>",
        b"",
        b"{}",
    ],
)
def test_xml_that_is_not_plain_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        happened("oldbridge", body)


def test_a_message_of_a_kind_that_is_not_known_is_not_passed_over_in_silence() -> None:
    body = json.loads(example("farrow", "webhook_delivered.json")) | {"type": "consignment.sold"}
    with pytest.raises(Refused, match=r"`consignment\.sold` is no event"):
        happened("farrow", json.dumps(body).encode())


@pytest.mark.parametrize("name", ["quayline", "farrow"])
@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'{"type":"consignment.status"}', b"no"])
def test_json_that_cannot_be_read_is_refused_or_of_no_concern(name: str, body: bytes) -> None:
    with pytest.raises(Refused):
        happened(name, body)


def test_their_webhooks_are_proven() -> None:
    secrets = {
        "quayline": "quayline-hook-secret",
        "farrow": "whsec_ZmFycm93LWhvb2stc2VjcmV0LWZvci1kZW1v",
        "oldbridge": "oldbridge-hook-secret",
    }
    for name, secret in secrets.items():
        file = f"webhook_delivered.{SUFFIX[name]}"
        headers = json.loads(example(name, "webhook_delivered.headers.json"))
        at = float(headers.get("webhook-timestamp", 0)) or float(
            headers.get("Quayline-Signature", "t=0,").split(",")[0][2:]
        )
        verified(name, file, secret, at=at)
        with pytest.raises(NotVerified):
            verified(name, file, secret, at=at, change=b" ")
    with pytest.raises(NotVerified):
        verified("quayline", "webhook_delivered.json", secrets["quayline"], at=at + 3600)
