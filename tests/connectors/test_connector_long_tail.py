"""Carriers and standards whose tracking is read wherever somebody sends it: what each says, and what it does not."""

# ruff: noqa: ISC004
from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from talking import connector

from crossdock.connectors._tracking import REPORTS
from crossdock.errors import Refused
from crossdock.gateway import translate
from crossdock.model.milestones import MilestoneCode, ShipmentReason

SEEN = datetime(2026, 3, 6, tzinfo=UTC)


def soap(inner: str) -> str:
    return (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><ShipmentTrackingResponse '
        f'xmlns="http://ws.aramex.net/ShippingAPI/v1/">{inner}</ShipmentTrackingResponse></s:Body></s:Envelope>'
    )


PAYLOADS: dict[str, tuple[Any, list[tuple[Any, ...]]]] = {
    "allied_express": (
        {
            "soapenv:Body": {
                "ns1:getShipmentsStatusResponse": {
                    "result": {
                        "statusBarcodesList": [
                            {
                                "consignmentNote": "N1",
                                "scannedStatus": "Freight has been delivered",
                                "scannnedTimestamp": "2026-03-05T14:03:55.000+11:00",
                            },
                            {"consignmentNote": "N2", "scannnedTimestamp": "2026-03-05T15:03:55.000+11:00"},
                        ]
                    }
                }
            }
        },
        [("delivered", None, "2026-03-05T03:03:55Z"), ("unknown", "unknown", "2026-03-05T04:03:55Z")],
    ),
    "amazon_shipping": (
        {
            "payload": {
                "trackingId": "N1",
                "eventHistory": [{"eventCode": "Lost", "eventTime": "2026-03-05T14:30:00Z"}],
            }
        },
        [(None, "lost", "2026-03-05T14:30:00Z")],
    ),
    "aramex": (
        soap(
            "<TrackingResults><KeyValueOfstringArrayOfTrackingResultmFAkxlpY><Key>N1</Key><Value><TrackingResult>"
            "<UpdateCode>SH999</UpdateCode><UpdateDescription>Something</UpdateDescription>"
            "<UpdateDateTime>2026-03-05T10:00:00</UpdateDateTime><UpdateLocation>Dubai</UpdateLocation>"
            "</TrackingResult></Value></KeyValueOfstringArrayOfTrackingResultmFAkxlpY></TrackingResults>"
        ),
        [("unknown", "unknown", None)],
    ),
    "asendia": (
        {"trackingNumber": "N1", "trackingEvents": [{"code": "DL", "time": "2026-03-05T11:00:00Z"}]},
        [("delivered", None, "2026-03-05T11:00:00Z")],
    ),
    "asendia_us": (
        {
            "data": [
                {
                    "trackingNumberVendor": "N1",
                    "trackingMilestoneEvents": [{"eventCode": "s7", "eventOn": "2026-03-05T11:13:00+00:00"}],
                }
            ]
        },
        [("customs_cleared", None, "2026-03-05T11:13:00Z")],
    ),
    "boxknight": ({"id": "N1", "orderStatus": "GEOCODED"}, [("unknown", "unknown", None)]),
    "bpost": (
        '<itemTracking xmlns="http://schema.post.be/tracking/v1/"><itemCode>N1</itemCode><stateInfo>'
        "<time>2026-03-05T09:31:07.427+01:00</time><stateCode>U01</stateCode>"
        "<stateDescription>DistributedNormally</stateDescription></stateInfo></itemTracking>",
        [("delivered", None, "2026-03-05T08:31:07.427000Z")],
    ),
    "canadapost": (
        '<tracking-detail xmlns="http://www.canadapost.ca/ws/track"><pin>N1</pin><significant-events><occurrence>'
        "<event-identifier>0174</event-identifier><event-date>2026-03-05</event-date>"
        "<event-time>08:27:43</event-time><event-time-zone>EST</event-time-zone>"
        "<event-description>Item out for delivery</event-description></occurrence></significant-events>"
        "</tracking-detail>",
        [("out_for_delivery", None, "2026-03-05T13:27:43Z")],
    ),
    "dcsa": (
        [
            {
                "eventID": "e1",
                "eventType": "TRANSPORT",
                "eventClassifierCode": "ACT",
                "eventDateTime": "2026-03-05T10:00:00+01:00",
                "transportEventTypeCode": "DEPA",
                "references": [{"referenceType": "EQ", "referenceValue": "APZU4812090"}],
            },
            {
                "metadata": {"eventID": "e2", "eventType": "EQUIPMENT", "publisher": {"carrierCode": "MSK"}},
                "payload": {
                    "eventClassifierCode": "EST",
                    "eventDateTime": "2026-03-09T10:00:00+01:00",
                    "equipmentEventTypeCode": "DISC",
                    "equipmentReference": "APZU4812090",
                    "relatedDocumentReferences": [{"type": "BKG", "value": "ABC1"}],
                },
            },
        ],
        [("departed", None, "2026-03-05T09:00:00Z"), ("arrived", None, "2026-03-09T09:00:00Z")],
    ),
    "easyship": (
        {
            "event_type": "shipment.tracking.status.changed",
            "tracking_status": {"tracking_number": "N1", "status": "Lost by Courier"},
        },
        [(None, "lost", None)],
    ),
    "gls": (
        {
            "parcels": [
                {"requested": "N0", "errorCode": "E_404_01", "errorMessage": "Resource Not Found"},
                {
                    "unitno": "N1",
                    "events": [{"code": "INTIAL.NORMAL", "eventDateTime": "2026-03-05T10:46:14+0100"}],
                },
            ]
        },
        [("picked_up", None, "2026-03-05T09:46:14Z")],
    ),
    "gs1_epcis": (
        {
            "epcisBody": {
                "eventList": [
                    {
                        "type": "ObjectEvent",
                        "eventTime": "2026-03-05T10:00:00+01:00",
                        "epcList": ["urn:epc:id:sscc:0614141.1", "urn:epc:id:sscc:0614141.2"],
                        "bizStep": "https://ref.gs1.org/cbv/BizStep-shipping",
                        "disposition": "urn:epcglobal:cbv:disp:damaged",
                    }
                ]
            }
        },
        [("departed", "damaged", "2026-03-05T09:00:00Z"), ("departed", "damaged", "2026-03-05T09:00:00Z")],
    ),
    "hay_post": (
        {
            "order": {"trackingId": "N1"},
            "orderStateHistories": [{"stateId": 1, "createDate": "2026-03-05T08:59:20.5298"}],
        },
        [("unknown", "unknown", None)],
    ),
    "landmark": (
        "<TrackResponse><Result><Packages><Package><LandmarkTrackingNumber>N1</LandmarkTrackingNumber><Events>"
        "<Event><Status>Out</Status><DateTime>03/05/2026 08:15 AM</DateTime><Location>Lyon, FR</Location>"
        "<EventCode>300</EventCode></Event>"
        "<Event><Status>Delivered</Status><DateTime>2026-03-05 09:15:00</DateTime><Location>Dover, DE</Location>"
        "<EventCode>500</EventCode></Event></Events></Package></Packages></Result></TrackResponse>",
        [("out_for_delivery", None, "2026-03-05T07:15:00Z"), ("delivered", None, None)],
    ),
    "locate2u": (
        {"stopId": 7, "status": "Pending", "lastModifiedDate": "2026-03-05T13:07:24.901Z"},
        [("unknown", "unknown", "2026-03-05T13:07:24.901000Z")],
    ),
    "parcelone": (
        {
            "success": 1,
            "results": {
                "CarrierTrackingID": "N1",
                "Events": [{"StatusCode": "ARRIVED", "DateTime": "2026-03-05T14:30:00"}],
            },
        },
        [("arrived", None, None)],
    ),
    "royalmail": (
        {
            "mailPieces": {
                "summary": {"oneDBarcode": "N1"},
                "events": [
                    {
                        "eventCode": "EVNMI",
                        "eventName": "Mis-sort",
                        "eventDateTime": "2026-03-05T10:04:00+00:00",
                    },
                    {"eventCode": "EVZZZ", "eventName": "New", "eventDateTime": "2026-03-05T11:04:00+00:00"},
                ],
            }
        },
        [(None, "missort", "2026-03-05T10:04:00Z"), ("unknown", "unknown", "2026-03-05T11:04:00Z")],
    ),
    "seko": (
        [
            {
                "ConsignmentNo": "N1",
                "Events": [{"OmniCode": "OP-72", "EventDT": "2026-03-05T13:31:47", "Location": "Essen, DE"}],
            }
        ],
        [("delivered", None, "2026-03-05T12:31:47Z")],
    ),
    "smartkargo": (
        [
            {
                "pieceReference": "N1",
                "eventType": "DEP",
                "eventDate": "2026-03-05T10:30:00",
                "location": {"timezone": "America/New_York", "countryId": "US"},
            }
        ],
        [("departed", None, "2026-03-05T15:30:00Z")],
    ),
}
NOTHING: dict[str, tuple[Any, str]] = {
    "aramex": (soap("<NonExistingWaybills><string>N1</string></NonExistingWaybills>"), "N1"),
    "canadapost": (
        "<messages><message><code>004</code><description>No Pin History</description></message></messages>",
        "004 No Pin History",
    ),
    "bpost": (
        "<systemException><message>An unexpected error</message></systemException>",
        "An unexpected error",
    ),
    "gls": (
        {"parcels": [{"requested": "N0", "errorCode": "E_404_01", "errorMessage": "Resource Not Found"}]},
        "E_404_01",
    ),
    "landmark": (
        "<TrackResponse><Errors><Error><ErrorCode>Login</ErrorCode><ErrorMessage>No</ErrorMessage></Error></Errors></TrackResponse>",
        "Login No",
    ),
    "royalmail": ({"errors": [{"errorCode": "E0004", "errorDescription": "Failed"}]}, "E0004 Failed"),
    "seko": ({"Errors": [{"Property": "X", "Message": "is required"}]}, "X is required"),
    "dcsa": ({"hello": 1}, "no event of DCSA"),
    "gs1_epcis": ({"epcisBody": {}}, "no event"),
    "asendia": ({"status": 404, "detail": "Tracking number not found"}, "404"),
}


def body(payload: Any) -> bytes:
    return (payload if isinstance(payload, str) else json.dumps(payload)).encode()


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_becomes_milestones(name: str) -> None:
    payload, meant = PAYLOADS[name]
    events = translate(connector(name), body(payload), received=SEEN)
    said = [event.data["milestone"] for event in events]
    assert [(m.get("code"), m.get("reason"), m.get("time")) for m in said] == meant
    assert {event.type for event in events} <= set(REPORTS)
    assert events == translate(connector(name), body(payload), received=SEEN)


@pytest.mark.parametrize("name", NOTHING)
def test_what_tells_of_nothing_is_refused_in_the_carriers_words(name: str) -> None:
    payload, said = NOTHING[name]
    with pytest.raises(Refused, match=said):
        translate(connector(name), body(payload), received=SEEN)


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"[]", b"null", b"7", b"<a/>", b'"x"', b"\xff\xfe", b'{"a": [1, {"b": null}]}']
)
def test_garbage_is_refused_and_nothing_else(name: str, garbage: bytes) -> None:
    with pytest.raises(Refused):
        translate(connector(name), garbage, received=SEEN)


@pytest.mark.parametrize("name", PAYLOADS)
def test_each_row_has_a_meaning_of_ours_and_a_source(name: str) -> None:
    text = resources.files(f"crossdock.connectors.{name}").joinpath("statuses.csv").read_text()
    for row in csv.DictReader(text.splitlines()):
        assert row["source"], row
        assert row["meaning"], row
        assert row["milestone"] or row["reason"] or not row["event"], row
        assert row["milestone"] in ("", *MilestoneCode)
        assert row["reason"] in ("", *ShipmentReason)
        assert row["event"] in ("", *REPORTS)


def test_what_is_only_expected_has_not_happened() -> None:
    first, second = translate(connector("dcsa"), body(PAYLOADS["dcsa"][0]), received=SEEN)
    assert (first.type, first.data["milestone"]["kind"]) == ("shipment.departed", "actual")
    assert (second.type, second.data["milestone"]["kind"]) == ("shipment.estimated", "estimated")
    assert second.data["booking"] == "ABC1"


def test_an_event_that_declares_an_earlier_one_wrong_is_looked_at() -> None:
    payload = json.loads(body(PAYLOADS["gs1_epcis"][0]))
    payload["epcisBody"]["eventList"][0]["errorDeclaration"] = {"reason": "incorrect_data"}
    for event in translate(connector("gs1_epcis"), body(payload), received=SEEN):
        assert event.data["milestone"]["code"] == "unknown"
        assert event.data["milestone"]["text"] == "declared wrong: incorrect_data"


def test_what_was_told_without_a_time_says_so() -> None:
    (event,) = translate(connector("boxknight"), body(PAYLOADS["boxknight"][0]), received=SEEN)
    assert event.time == SEEN
    assert event.data["milestone"]["origins"] == {"local_time": "no time was told"}


def told(name: str, payload: Any) -> list[tuple[Any, ...]]:
    """What happened, why, and when, of each event."""
    found = [event.data["milestone"] for event in translate(connector(name), body(payload), received=SEEN)]
    return [(one.get("code"), one.get("reason"), one.get("time", "?")) for one in found]


def ocean(kind: str, code: str, day: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "eventID": f"{kind}{code}{day}",
        "eventType": kind,
        f"{kind.lower()}EventTypeCode": code,
        "eventClassifierCode": "ACT",
        "eventDateTime": f"2026-03-{day:02}T10:00:00+09:00",
        **more,
    }


def test_ocean_carriers_answer_with_a_list_or_with_one_of_each_kind() -> None:
    box, call = {"equipmentReference": "APZU4812090"}, {"UNLocationCode": "KRPUS", "location": "KRPUS"}
    loaded = ocean("EQUIPMENT", "LOAD", **box)
    assert told("dcsa", {"events": [loaded]}) == told("dcsa", [loaded])
    by_kind = {
        "shipment": {"carrierBookingReference": "SELM96466400"},
        "shipmentEvent": [ocean("Shipment", "CONF", documentTypeCode="BKG", documentId="SELM96466400")],
        "transportEvent": [ocean("Transport", "ARRI", day=6, transportCall=call)],
        "equipmentEvent": [ocean("Equipment", "GTIN", day=7, eventLocation="KRPUS", transportCall=call)],
        "transportCall": [{"transportCallID": "1"}],
    }
    events = translate(connector("dcsa"), body(by_kind), received=SEEN)
    assert [event.data["milestone"]["code"] for event in events] == ["booked", "arrived", "arrived"]
    assert {event.data["booking"] for event in events} == {"SELM96466400"}
    assert events[2].data["milestone"]["place"] == {"locode": "KRPUS"}


def test_an_empty_container_a_document_and_a_call_of_no_goods_tell_nothing_of_the_goods() -> None:
    box = {"equipmentReference": "APZU4812090"}
    empty = ocean("EQUIPMENT", "GTOT", emptyIndicatorCode="EMPTY", **box)
    laden = ocean("EQUIPMENT", "GTOT", emptyIndicatorCode="LADEN", day=7, **box)
    drafted = ocean("SHIPMENT", "DRFT", documentTypeCode="SHI", documentID="205284917")
    called = ocean("TRANSPORT", "ARRI", transportCall={"UNLocationCode": "KRPUS"})
    assert told("dcsa", [empty, drafted, called, laden]) == [("departed", None, "2026-03-07T01:00:00Z")]
    rejected = ocean("SHIPMENT", "REJE", documentTypeCode="BKG", documentID="B1")
    assert told("dcsa", rejected)[0][:2] == ("unknown", "unknown")


def test_a_parcel_on_its_way_back_is_delivered_to_its_sender() -> None:
    def event(code: str, day: int, way: str) -> dict[str, str]:
        return {"eventCode": code, "eventTime": f"2026-03-{day:02}T10:00:00Z", "shipmentType": way}

    history = [
        event("Delivered", 4, "RETURNS"),
        event("Departed", 3, "RETURNS"),
        event("Rejected", 2, "FORWARD"),
    ]
    assert [one[:2] for one in told("amazon_shipping", {"trackingId": "N1", "eventHistory": history})] == [
        ("delivery_attempted", "refused"),
        ("return_started", "returned_to_sender"),
        ("returned_to_sender", "returned_to_sender"),
    ]
    (novel,) = told("amazon_shipping", {"trackingId": "N1", "eventHistory": [event("Novel", 5, "RETURNS")]})
    assert novel[:2] == ("unknown", "unknown")


def test_a_summary_of_royal_mail_tells_the_last_event_of_each_item() -> None:
    last = {
        "lastEventCode": "EVKNA",
        "lastEventName": "Delivery Attempted - No Answer",
        "lastEventDateTime": "2026-03-05T11:04:00+00:00",
    }
    unknown = {"errorCode": "E1142", "errorDescription": "Barcode is not recognised"}
    items = [
        {"mailPieceId": "A", "summary": {"oneDBarcode": "N1"} | last},
        {"mailPieceId": "B", "summary": {"oneDBarcode": "N2"}},
        {"mailPieceId": "C", "error": unknown},
    ]
    assert told("royalmail", {"mailPieces": items}) == [
        ("delivery_attempted", "recipient_unavailable", "2026-03-05T11:04:00Z")
    ]


def test_gls_names_a_parcel_by_its_track_id_too() -> None:
    seen = {"timestamp": "2026-03-05T12:04:00", "country": "GB", "location": "", "code": "3.0"}
    parcel = {"timestamp": "2026-03-05T12:04:00", "trackid": "20287788695", "events": [seen]}
    assert told("gls", {"parcels": [parcel]}) == [("delivered", None, "2026-03-05T12:04:00Z")]


def test_easyship_pushes_its_checkpoints_below_data() -> None:
    point = {
        "message": "Arrived at Post Office",
        "checkpoint_time": "2026-03-05T12:00:00.000Z",
        "primary_status": "In Transit to Customer",
    }
    pushed = {
        "event_type": "shipment.tracking.checkpoints.created",
        "data": {"tracking_number": "N1", "status": "Delivered", "checkpoints": [point]},
    }
    assert told("easyship", pushed) == [("in_transit", None, "2026-03-05T12:00:00Z")]
