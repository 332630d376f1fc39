"""Which table a carrier's code is looked for in, and what payloads say between their lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest

from crossdock.gateway import translate

SEEN = datetime(2026, 11, 26, 9, tzinfo=UTC)


def read(name: str, payload: dict[str, Any] | str) -> list[Any]:
    body = payload if isinstance(payload, str) else json.dumps(payload)
    connector = import_module(f"crossdock.connectors.{name}").connector
    return translate(connector, body.encode(), received=SEEN)


def what(event: Any) -> tuple[Any, ...]:
    milestone = event.data["milestone"]
    return event.type, milestone.get("code"), milestone.get("reason")


# -- UPS: the same code in several tables ----------------------------------------------------------------


def ups(kind: str, code: str, number: str = "", service: str = "UPS Ground") -> dict[str, Any]:
    status = {"type": kind, "code": code, "statusCode": number, "description": "as told"}
    where = {"address": {"city": "Reno", "stateProvince": "NV", "countryCode": "US"}}
    activity = {"date": "20260305", "time": "100000", "location": where, "status": status}
    package = {"trackingNumber": "1Z1", "service": {"description": service}, "activity": [activity]}
    return {"trackResponse": {"shipment": [{"inquiryNumber": "1Z1", "package": [package]}]}}


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (("I", "UA", "005"), ("shipment.in_transit", "in_transit", None)),
        (("X", "UA", "034"), ("shipment.returned_to_sender", "returned_to_sender", "returned_to_sender")),
        (("RS", "UA"), ("shipment.returned_to_sender", "returned_to_sender", "returned_to_sender")),
        (("X", "11", "013"), ("shipment.delayed", None, "delay_operational")),
        (("X", "06"), ("shipment.missorted", None, "missort")),  # `6` in the table
        (("I", "", "11"), ("shipment.delivered", "delivered", None)),  # the status of three digits
        (("X", "12", "", "UPS Freight LTL"), ("shipment.delivered", "delivered", "damaged")),
        (("I", "011"), ("shipment.out_for_delivery", "out_for_delivery", None)),  # freight by its form
        (("X", "48", "022"), ("shipment.delivery_attempted", "delivery_attempted", "recipient_unavailable")),
        (("X", "64"), ("shipment.delivered", "delivered", "damaged")),
        (("X", "KQ"), ("shipment.refused", "delivery_attempted", "damaged")),
        (("X", "EA"), ("shipment.delayed", None, "delay_operational")),
        (("I", "EA", "", "UPS Mail Innovations"), ("shipment.delayed", None, "delay_weather")),
        (("I", "F0"), ("shipment.arrived", "arrived", None)),  # a movement among the exceptions
        (("I", "AF", "005"), ("shipment.in_transit", "in_transit", None)),  # an exception only for `X`
        (("I", "AF"), ("shipment.milestone", "unknown", "unknown")),
        (("D", "K0"), ("shipment.delivered", "delivered", None)),  # `D` says it
        (("X", "K0"), ("shipment.milestone", "unknown", "unknown")),
        (("P", "VP"), ("shipment.cancelled", "cancelled", "cancelled")),
    ],
)
def test_the_type_of_an_activity_says_which_table_is_asked(told: tuple[str, ...], meant: tuple[Any]) -> None:
    (event,) = read("ups", ups(*told))
    assert what(event) == meant


def test_a_note_tells_nothing_of_the_journey() -> None:
    assert read("ups", ups("X", "5A")) == []


def test_a_new_date_of_delivery_is_an_estimate() -> None:
    (event,) = read(
        "ups",
        {
            "trackingNumber": "1Z1",
            "localActivityDate": "20260305",
            "localActivityTime": "100000",
            "gmtActivityDate": "20260305",
            "gmtActivityTime": "150000",
            "activityLocation": {},
            "activityStatus": {"type": "U", "code": "UP", "description": "Updated Delivery Date"},
            "scheduledDeliveryDate": "20260306",
        },
    )
    milestone = event.data["milestone"]
    assert what(event) == ("shipment.estimated", "estimated_delivery", None)
    assert (milestone["kind"], milestone["time"]) == ("estimated", "2026-03-07T04:59:59Z")
    assert event.data["estimated_delivery"] == "2026-03-07T04:59:59Z"


# -- FedEx -----------------------------------------------------------------------------------------------


def fedex(*results: dict[str, Any]) -> dict[str, Any]:
    numbered = [{"trackingNumberInfo": {"trackingNumber": "7946"}} | result for result in results]
    return {"output": {"completeTrackResults": [{"trackResults": numbered}]}}


def scan(kind: str, date: str, cause: str = "") -> dict[str, str]:
    return {"eventType": kind, "date": date, "exceptionCode": cause}


def test_the_cause_of_an_exception_says_what_happened_too() -> None:
    events = read(
        "fedex",
        fedex(
            {
                "scanEvents": [
                    scan("DE", "2026-03-05T10:00:00-05:00", "07"),
                    scan("DE", "2026-03-04T10:00:00-05:00", "007"),  # another one, of Ground
                    scan("DE", "2026-03-03T10:00:00-05:00", "no such"),
                ]
            }
        ),
    )
    assert [what(event) for event in events] == [
        ("shipment.milestone", None, "unknown"),
        ("shipment.delivery_attempted", "delivery_attempted", "recipient_unavailable"),
        ("shipment.refused", "delivery_attempted", "refused"),
    ]


def test_an_answer_without_scans_still_says_when_it_was_delivered() -> None:
    (event,) = read(
        "fedex",
        fedex(
            {
                "latestStatusDetail": {"code": "DL", "statusByLocale": "Delivered"},
                "dateAndTimes": [{"type": "ACTUAL_DELIVERY", "dateTime": "2026-03-05T10:00:00-06:00"}],
                "deliveryDetails": {"receivedByName": "M OKAFOR"},
            }
        ),
    )
    assert what(event) == ("shipment.delivered", "delivered", None)
    assert event.data["proof"]["delivered"] == "2026-03-05T16:00:00Z"
    assert read("fedex", fedex({"latestStatusDetail": {"code": "IT"}})) == []  # nor when, nor what happened


def test_a_number_that_was_given_again_does_not_tell_of_the_parcel_of_long_ago() -> None:
    events = read(
        "fedex",
        fedex(
            {"scanEvents": [scan("DL", "2024-01-05T10:00:00-05:00")]},
            {"scanEvents": [scan("PU", "2026-03-05T10:00:00-05:00")]},
        ),
    )
    assert [event.type for event in events] == ["shipment.picked_up"]


def test_an_estimated_day_ends_where_the_parcel_is_going() -> None:
    (event,) = read(
        "fedex",
        """<TrackReply xmlns="http://fedex.com/ws/track/v5"><TrackDetails>
        <TrackingNumber>6129</TrackingNumber><PackageCount>1</PackageCount>
        <DestinationAddress><StateOrProvinceCode>WA</StateOrProvinceCode><CountryCode>US</CountryCode>
        </DestinationAddress><EstimatedDeliveryTimestamp>2015-12-12T00:00:00</EstimatedDeliveryTimestamp>
        <Events><Timestamp>2015-12-04T15:03:00-06:00</Timestamp><EventType>AR</EventType><Address/></Events>
        </TrackDetails></TrackReply>""",
    )
    assert event.data["estimated_delivery"] == "2015-12-13T07:59:59Z"


# -- others ----------------------------------------------------------------------------------------------


def canadapost(code: str, day: str, clock: str, zone: str, province: str, site: str = "") -> Any:
    (event,) = read(
        "canadapost",
        f""" <?xml version="1.0"?><tracking-detail><pin>21166</pin><significant-events><occurrence>
        <event-identifier>{code}</event-identifier><event-date>{day}</event-date>
        <event-time>{clock}</event-time><event-time-zone>{zone}</event-time-zone>
        <event-site>{site}</event-site><event-province>{province}</event-province>
        </occurrence></significant-events></tracking-detail>""",
    )
    return event.data["milestone"]


def test_canada_post_names_zones_that_have_summer_time_but_for_saskatchewan() -> None:
    assert canadapost("0410", "2016-07-08", "10:35:55", "EST", "ON")["time"] == "2016-07-08T14:35:55Z"
    assert canadapost("0410", "2016-01-08", "10:35:55", "EST", "ON")["time"] == "2016-01-08T15:35:55Z"
    assert canadapost("0410", "2016-07-08", "10:35:55", "CSTNO", "SK")["time"] == "2016-07-08T16:35:55Z"


def test_canada_post_says_the_country_by_its_province_or_at_the_end_of_a_site_abroad() -> None:
    assert canadapost("0405", "2016-07-08", "10:13:29", "", "SK")["place"]["country"] == "CA"
    abroad = canadapost("4600", "2021-05-02", "15:49:00", "ISRAEL", "", "02650,Israel")
    assert (abroad["place"]["country"], abroad["time"]) == ("IL", "2021-05-02T12:49:00Z")


def test_the_archive_of_canada_post_keeps_days_alone() -> None:
    assert canadapost("1498", "2015-11-02", "00:00:00", "", "")["local_time"] == "2015-11-02"


@pytest.mark.parametrize(
    ("area", "country"),
    [
        ("La Paz-MX", "MX"),
        ("KINGSTON-JAM", "JM"),
        ("AUCKLAND - NEW ZEALAND", "NZ"),
        ("VAN NUYS,CA-USA", "US"),
        ("Oakland, CA", None),
    ],
)
def test_a_service_area_of_dhl_ends_with_its_country(area: str, country: str | None) -> None:
    event = {"typeCode": "PU", "date": "2026-03-05", "time": "10:00:00"}
    event["serviceArea"] = [{"code": "XXX", "description": area}]  # type: ignore[assignment]
    (found,) = read("dhl", {"shipments": [{"shipmentTrackingNumber": "12", "events": [event]}]})
    assert found.data["milestone"]["place"].get("country") == country


def test_an_event_of_dhl_without_a_status_has_that_of_the_shipment_at_its_time() -> None:
    town = {"address": {"addressLocality": "NEW YORK, NY - USA"}}
    delivered = {"timestamp": "2026-05-06T14:31:00", "location": town}
    left = {"timestamp": "2026-05-05T08:12:00", "location": town, "description": "Left"}
    shipment = {"id": "12", "status": delivered | {"statusCode": "delivered"}, "events": [delivered, left]}
    first, last = read("dhl", {"shipments": [shipment]})
    assert what(first) == ("shipment.milestone", "unknown", "unknown")
    assert what(last) == ("shipment.delivered", "delivered", None)
    assert last.data["milestone"]["time"] == "2026-05-06T18:31:00Z"


def test_usps_tells_of_the_post_of_origin_without_a_date() -> None:
    events = read(
        "usps",
        """<TrackResponse><TrackInfo ID="91"><TrackSummary><EventTime>8:29 am</EventTime>
        <EventDate>April 28, 2015</EventDate><Event>Out for Delivery</Event><EventState>NY</EventState>
        <EventCode>OF</EventCode></TrackSummary><TrackDetail><EventTime/><EventDate/>
        <Event>Origin Post is Preparing Shipment</Event><EventCode>NP</EventCode></TrackDetail>
        </TrackInfo></TrackResponse>""",
    )
    assert {what(event)[1] for event in events} == {"out_for_delivery", "info_received"}
    assert [("time" in event.data["milestone"]) for event in events].count(False) == 1


def test_aftership_says_that_a_parcel_is_lost_or_silent_of_the_whole_alone() -> None:
    tracking = {
        "tracking_number": "11",
        "slug": "fedex",
        "tag": "Expired",
        "subtag": "Expired_001",
        "updated_at": "2026-03-05T05:10:46+00:00",
        "checkpoints": [],
    }
    (event,) = read("aftership", {"meta": {"code": 200}, "data": {"tracking": tracking}})
    assert what(event) == ("shipment.milestone", None, "no_movement")


def test_an_estimate_is_kept_where_the_last_scan_is_told_twice() -> None:
    last = {"status": "TRANSIT", "status_date": "2026-03-05T10:00:00Z", "object_id": "1"}
    (event,) = read(
        "shippo",
        {
            "carrier": "ups",
            "tracking_number": "1Z1",
            "eta": "2026-03-06T23:00:00Z",
            "tracking_status": last,
            "tracking_history": [last],
        },
    )
    assert event.data["estimated_delivery"] == "2026-03-06T23:00:00Z"


@pytest.mark.parametrize(
    ("place", "end"),
    [
        ({"state": "CA", "country": "US", "zip": "94105"}, "2026-03-07T07:59:59Z"),
        (None, "2026-03-06T23:59:59Z"),  # as it was told
    ],
)
def test_an_estimate_of_midnight_is_the_end_of_that_day_where_it_goes(place: Any, end: str) -> None:
    detail = {"status": "in_transit", "datetime": "2026-03-05T10:00:00Z", "message": "Departed"}
    tracker = {
        "object": "Tracker",
        "tracking_code": "1Z1",
        "status": "in_transit",
        "carrier": "UPS",
        "est_delivery_date": "2026-03-06T00:00:00Z",
        "tracking_details": [detail],
        "carrier_detail": {"destination_tracking_location": place},
    }
    (event,) = read("easypost", tracker)
    assert event.data["estimated_delivery"] == end
    assert event.data["estimated_delivery_precision"] == "day"


@pytest.mark.parametrize("newest_first", [False, True])
def test_scans_of_the_same_minute_stay_in_the_order_that_they_are_told_in(*, newest_first: bool) -> None:
    told = [
        ("InTransit_002", "08"),
        ("InTransit_003", "09"),
        ("InTransit_007", "09"),
        ("Delivered_001", "10"),
    ]
    points = [
        {"tag": tag.split("_")[0], "subtag": tag, "checkpoint_time": f"2026-03-05T{hour}:00:00+00:00"}
        for tag, hour in told
    ]
    tracking = {"tracking_number": "11", "slug": "fedex", "tag": "Delivered", "checkpoints": points}
    if newest_first:
        points.reverse()
    events = read("aftership", {"meta": {"code": 200}, "data": {"tracking": tracking}})
    assert [what(event)[1] for event in events] == ["picked_up", "arrived", "departed", "delivered"]
