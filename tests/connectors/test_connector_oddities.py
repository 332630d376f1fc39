"""Payloads as senders really write them: codes of nobody's table, clocks put back, half of what was promised."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from talking import connector

from crossdock.errors import Refused
from crossdock.gateway import translate

SEEN = datetime(2026, 12, 6, tzinfo=UTC)
ALL = (
    "ups",
    "fedex",
    "dhl",
    "usps",
    "easypost",
    "shippo",
    "aftership",
    "canadapost",
    "shopify",
    "woocommerce",
)
Json = dict[str, Any]


def told(name: str, payload: Json) -> list[tuple[str | None, str | None, str]]:
    """What happened, why, and when, of each event."""
    events = translate(connector(name), json.dumps(payload).encode(), received=SEEN)
    found = [event.data["milestone"] for event in events]
    return [(one.get("code"), one.get("reason"), one.get("time", "?")) for one in found]


def ups(*activities: Json) -> Json:
    package = {"trackingNumber": "1Z023E2X0214323462", "activity": list(activities)}
    return {"trackResponse": {"shipment": [{"package": [package]}]}}


def activity(kind: str, code: str, *, day: str = "20260310", clock: str = "101500", **more: Any) -> Json:
    return {
        "location": {"address": {"city": "Newark", "stateProvince": "NJ", "countryCode": "US"}},
        "status": {"type": kind, "code": code, "description": "as UPS puts it"},
        "date": day,
        "time": clock,
        **more,
    }


def test_a_return_is_one_whatever_its_code_means_elsewhere() -> None:
    """`RS` is a customs matter among the exceptions of UPS."""
    assert told("ups", ups(activity("RS", "RS"))) == [
        ("returned_to_sender", "returned_to_sender", "2026-03-10T14:15:00Z")
    ]


def test_ups_ends_a_hold_at_customs_with_the_code_that_began_it() -> None:
    of = {"type": "X", "code": "RZ", "description": "Government agency"}
    began, ended = (activity("X", "RZ", clock=at) for at in ("101500", "113000"))
    began["status"], ended["status"] = of | {"statusCode": "012"}, of | {"statusCode": "014"}
    assert [one[:2] for one in told("ups", ups(began, ended))] == [
        (None, "delay_customs"),
        ("customs_cleared", None),
    ]


def test_what_is_scanned_after_a_delivery_is_told_as_it_was_scanned() -> None:
    payload = ups(activity("I", "AR", day="20260312"), activity("D", "FS", day="20260311"))
    assert [code for code, _, _ in told("ups", payload)] == ["delivered", "arrived"]


def test_an_hour_that_comes_twice_says_so() -> None:
    payload = json.dumps(ups(activity("I", "DP", day="20261101", clock="013000"))).encode()
    (event,) = translate(connector("ups"), payload, received=SEEN)
    milestone = event.data["milestone"]
    assert milestone["time"] == "2026-11-01T05:30:00Z"
    assert milestone["origins"] == {
        "time": "the zone of its place; that hour comes twice there, and it is taken for the first"
    }


PUSH = {
    "trackingNumber": "1Z023E2X0214323462",
    "localActivityDate": "20260310",
    "localActivityTime": "171500",
    "gmtActivityDate": "20260310",
    "gmtActivityTime": "221500",
    "activityLocation": {"city": "HODGKINS", "stateProvince": "IL", "country": "US"},
}
DETAIL = {"object": "TrackingDetail", "message": "scanned", "datetime": "2026-03-10T10:00:00Z"}
TRACK = {"carrier": "usps", "tracking_number": "9205590164917312751089"}


@pytest.mark.parametrize(
    ("name", "payload", "means"),
    [
        ("ups", ups(activity("X", "Q9")), [("unknown", "unknown")]),
        ("ups", ups(activity("", "")), [("unknown", "unknown")]),
        ("ups", PUSH | {"activityStatus": {"type": "RS", "description": "Returned"}}, None),
        ("ups", PUSH | {"activityStatus": {"type": "ZZ", "description": "?"}}, [("unknown", "unknown")]),
        (
            "easypost",
            {"object": "Tracker", "tracking_code": "EZ4", "tracking_details": [DETAIL | {"status": None}]},
            [("unknown", "unknown")],
        ),
        (
            "easypost",
            {"object": "Tracker", "tracking_code": "EZ4", "tracking_details": [DETAIL | {"status": "novel"}]},
            [("unknown", "unknown")],
        ),
        (
            "shippo",
            TRACK | {"tracking_status": {"status": None, "status_date": "2026-03-10T10:00:00Z"}},
            [("unknown", "unknown")],
        ),
        (
            "dhl",
            {"shipments": [{"id": "1", "events": [{"timestamp": "2026-03-10T12:03:00Z", "status": "?"}]}]},
            [("unknown", "unknown")],
        ),
    ],
)
def test_what_no_table_has_is_unknown_and_never_guessed(
    name: str, payload: Json, means: list[tuple[str, str]] | None
) -> None:
    expected = means or [("returned_to_sender", "returned_to_sender")]
    assert [one[:2] for one in told(name, payload)] == expected


# -- pushes in their envelopes, and words that are newer than our tables ---------------------------------

USPS = {
    "trackingNumber": "9400100000000000000000",
    "statusCategory": "Delivered",
    "trackingEvents": [
        {
            "eventType": "Delivered, Left with Individual",
            "eventTimestamp": "2026-03-10T10:32:00",
            "GMTTimestamp": "2026-03-10T14:32:00Z",
            "GMTOffset": "-04:00",
            "eventCode": "01",
        }
    ],
}
ENVELOPE = {"subscriptionId": "a1", "subscriptionType": "TRACKING", "timestamp": "2026-03-10T14:33:00Z"}


@pytest.mark.parametrize("inner", [json.dumps(USPS), USPS])
def test_usps_pushes_what_it_answers_as_text_in_an_envelope(inner: Any) -> None:
    pushed, asked = (
        translate(connector("usps"), json.dumps(one).encode(), received=SEEN)
        for one in (ENVELOPE | {"payload": inner}, USPS)
    )
    assert [(one.id, one.type) for one in pushed] == [(one.id, one.type) for one in asked]
    assert told("usps", ENVELOPE | {"payload": inner}) == [("delivered", None, "2026-03-10T14:32:00Z")]


def test_a_push_of_usps_that_holds_no_json_says_so() -> None:
    with pytest.raises(Refused, match="what was sent is not JSON") as refused:
        told("usps", ENVELOPE | {"payload": "{oops"})
    assert refused.value.where.endswith("payload")
    assert told("usps", ENVELOPE | {"payload": '{"trackingNumber": "94", "status": "Delivered"}'}) == []


def fedex(*scans: Json, **more: Any) -> Json:
    """A push of Advanced Integrated Visibility."""
    result = {"trackingNumberInfo": {"trackingNumber": "7948"}, "scanEvents": list(scans), **more}
    return {
        "outputMetaData": [{"attempt": 1}],
        "output": {"completeTrackResults": [{"trackingNumber": "7948", "trackResults": [result]}]},
    }


def scan(kind: str, cause: str = "", hour: int = 10) -> Json:
    return {"date": f"2026-03-10T{hour}:00:00-05:00", "eventType": kind, "exceptionCode": cause}


@pytest.mark.parametrize(
    ("given", "means"),
    [
        (("DO", ""), ("picked_up", None)),
        (("MD", ""), ("info_received", None)),
        (("PR", ""), (None, "delivery_change")),
        (("RT", ""), (None, "returned_to_sender")),
        (("RS", "060G"), ("return_started", "returned_to_sender")),
        (("DE", "14"), ("return_started", "returned_to_sender")),
        (("DE", "A12"), (None, "delivery_change")),
        (("DE", "Q9"), (None, "unknown")),
        (("DL", "014"), ("delivered", None)),
    ],
)
def test_fedex_pushes_what_happened_to_a_delivery(given: tuple[str, str], means: tuple[Any, ...]) -> None:
    assert told("fedex", fedex(scan(*given))) == [(*means, "2026-03-10T15:00:00Z")]


def test_a_new_date_that_was_not_told_is_no_estimate_of_the_time_of_its_scan() -> None:
    assert told("fedex", fedex(scan("US"))) == [("estimated_delivery", None, "?")]
    due = {"dateAndTimes": [{"type": "ESTIMATED_DELIVERY", "dateTime": "2026-03-12T18:00:00-05:00"}]}
    assert told("fedex", fedex(scan("US"), **due)) == [("estimated_delivery", None, "2026-03-12T23:00:00Z")]
    assert told("fedex", fedex(scan("IT", hour=12), scan("US"), **due)) == [
        ("estimated_delivery", None, "?"),  # the date is that of the last scan
        ("in_transit", None, "2026-03-10T17:00:00Z"),
    ]


def test_a_newer_word_of_aftership_leaves_what_its_tag_says() -> None:
    def point(tag: str, more: str) -> Json:
        at = {"tag": tag, "subtag": more, "checkpoint_time": "2026-03-10T10:00:00Z"}
        return {"msg": {"tracking_number": "1Z", "slug": "ups", "checkpoints": [at]}}

    time = "2026-03-10T10:00:00Z"
    assert told("aftership", point("Delivered", "Delivered_099")) == [("delivered", None, time)]
    assert told("aftership", point("Exception", "Exception_099")) == [(None, "unknown", time)]
    assert told("aftership", point("Novel", "Novel_001")) == [("unknown", "unknown", time)]


def test_a_substatus_of_shippo_counts_beside_its_own_status_alone() -> None:
    def track(status: str, more: str) -> Json:
        at = {"status": status, "substatus": {"code": more}, "status_date": "2026-03-10T10:00:00Z"}
        return TRACK | {"tracking_status": at}

    (arrived,) = told("shippo", track("TRANSIT", "package_arrived"))
    (contrary,) = told("shippo", track("DELIVERED", "information_received"))
    (back,) = told("shippo", track("RETURNED", "delivered"))
    assert (arrived[0], contrary[0], back[0]) == ("arrived", "delivered", "return_started")


def aramex(*updates: Json, **more: Any) -> Json:
    return {"Notifications": [], "TrackingResults": [{"Key": "N1", "Value": list(updates)}], **more}


def test_aramex_answers_in_json_with_times_of_dot_net_too() -> None:
    created = {"UpdateCode": "SH014", "UpdateLocation": "Dubai, United Arab Emirates"}
    at = "/Date(1722924060000+0300)/"
    assert told("aramex", aramex(created | {"UpdateDateTime": at})) == [
        ("info_received", None, "2024-08-06T06:01:00Z")
    ]
    delivered = {"UpdateCode": "SH005", "UpdateDateTime": "2026-03-10T13:08:00"}
    for place, time in (("Amman, Jordan", "2026-03-10T10:08:00Z"), ("Macon, Georgia", "?")):
        assert told("aramex", aramex(delivered | {"UpdateLocation": place})) == [("delivered", None, time)]
    for no in ({"NonExistingWaybills": ["N1"]}, {"Notifications": [{"Code": "ERR01", "Message": "N1"}]}):
        with pytest.raises(Refused, match="N1"):
            told("aramex", {"TrackingResults": [], **no})
    with pytest.raises(Refused, match="calendars"):
        told("aramex", aramex(created | {"UpdateDateTime": "/Date(999999999999999)/"}))


# -- what tells nothing, or cannot be read ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("ups", ups()),
        ("fedex", {"output": {"completeTrackResults": [{"trackResults": [
            {"trackingNumberInfo": {"trackingNumber": "7948"}, "scanEvents": None}]}]}}),
        ("usps", {"trackingNumber": "9400136105540000000000", "trackingEvents": []}),
        ("easypost", {"object": "Tracker", "tracking_code": "EZ4", "tracking_details": None}),
        ("shippo", {"event": "track_updated", "data": TRACK | {"tracking_status": None}}),
        ("aftership", {"msg": {"tracking_number": "1Z", "slug": "ups", "checkpoints": []}}),
    ],
)  # fmt: skip
def test_a_number_without_a_scan_tells_nothing(name: str, payload: Json) -> None:
    assert told(name, payload) == []


@pytest.mark.parametrize(
    ("name", "payload", "where"),
    [
        ("ups", ups(activity("I", "DP", day="2026-13-40")), "package[0].activity[0]"),
        ("easypost", {"object": "Tracker", "tracking_code": "EZ4", "tracking_details": [{"status": "x"}]},
         "tracking_details[0]"),
        ("aftership", {"msg": {"tracking_number": "1Z", "checkpoints": [{"tag": "x"}]}}, "msg.checkpoints[0]"),
        ("dhl", {"shipments": [{"id": "1", "events": [{"timestamp": "soon"}]}]}, "events[0].timestamp"),
        ("dhl", {"shipments": [{"id": "1", "events": [{"timestamp": "0001-01-01T00:00:00+10:00"}]}]},
         "events[0].timestamp"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(name: str, payload: Json, where: str) -> None:
    with pytest.raises(Refused) as refused:
        told(name, payload)
    assert refused.value.where.endswith(where)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "body",
    [b'{\n"name": "\xe9"}', b"", b"null", b"12", b"<html><body>502 Bad Gateway</body></html>", b"[[0]]"],
)
def test_what_is_no_payload_of_theirs_is_refused_or_tells_nothing(name: str, body: bytes) -> None:
    said = ""
    try:
        assert translate(connector(name), body, received=SEEN) == []
    except Refused as refused:
        said = refused.message
    assert "could not read it" not in said  # which is what a fault of ours becomes


@pytest.mark.parametrize("name", ALL)
def test_bytes_that_are_no_text_are_refused_at_their_place(name: str) -> None:
    with pytest.raises(Refused) as refused:
        translate(connector(name), b'{\n"name": "\xe9"}', received=SEEN)
    assert refused.value.message == "the body is not UTF-8, as JSON has to be"
    assert refused.value.where == "line 2, column 10"
