"""Real carriers' payloads, pushed and answered, in JSON and XML: what they become, and what they do not."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from talking import connector, example, lead

from crossdock.connect.conformance import Conformance, Example, Told
from crossdock.connect.contract import Response
from crossdock.connect.fit import plain
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import NotVerified, verify
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors._zones import moment, told_moment
from crossdock.errors import Refused
from crossdock.gateway import translate
from crossdock.model.milestones import MilestoneCode, ShipmentReason

CARRIERS = ("ups", "fedex", "dhl", "usps", "easypost", "shippo", "aftership")
SEEN = datetime(2026, 3, 6, tzinfo=UTC)


def read(name: str, file: str, **settings: Any) -> list[Any]:
    return translate(connector(name), example(name, file), settings=settings or None, received=SEEN)


def told(name: str, file: str) -> list[tuple[Any, ...]]:
    """Each event's type without its document, what happened, why, and when."""
    found = []
    for event in read(name, file):
        milestone = event.data["milestone"]
        when = milestone.get("time", "?")
        found.append((event.type, milestone.get("code"), milestone.get("reason"), when))
    return found


MEANT = {
    ("ups", "track.json"): [
        ("shipment.picked_up", "picked_up", None, "2026-03-03T03:00:00Z"),
        ("shipment.announced", "info_received", None, "?"),
        ("shipment.departed", "departed", None, "?"),  # El Paso: Texas has two zones
        ("shipment.delayed", None, "delay_weather", "2026-03-05T06:10:00Z"),
        ("shipment.out_for_delivery", "out_for_delivery", None, "2026-03-05T16:15:19Z"),
        ("shipment.delivered", "delivered", None, "2026-03-05T17:50:04Z"),
    ],
    ("ups", "push_delivered.json"): [("shipment.delivered", "delivered", None, "2026-03-05T17:50:04Z")],
    ("ups", "push_unknown.json"): [("shipment.milestone", "unknown", "unknown", "2026-03-04T20:00:00Z")],
    ("fedex", "track.json"): [
        ("shipment.announced", "info_received", None, "2026-03-02T17:00:00Z"),
        ("shipment.picked_up", "picked_up", None, "2026-03-03T07:59:59Z"),
        ("shipment.delayed", None, "delay_weather", "2026-03-03T17:29:00Z"),
        (
            "shipment.delivery_attempted",
            "delivery_attempted",
            "recipient_unavailable",
            "2026-03-04T21:10:00Z",
        ),
        ("shipment.out_for_delivery", "out_for_delivery", None, "2026-03-05T11:47:00Z"),
        ("shipment.delivered", "delivered", None, "2026-03-05T17:41:57Z"),
    ],
    ("fedex", "track.xml"): [
        ("shipment.arrived", "arrived", None, "2014-01-28T02:23:00Z"),
        ("shipment.milestone", None, "other_exception", "2014-01-28T23:43:08Z"),
    ],
    ("dhl", "express.json"): [
        ("shipment.picked_up", "picked_up", None, "2026-03-02T12:26:00Z"),
        ("shipment.departed", "departed", None, "2026-03-03T04:52:19Z"),
        ("shipment.customs_started", "customs_started", None, "2026-03-03T08:00:00Z"),
        ("shipment.held", None, "held", "2026-03-04T15:00:00Z"),
        ("shipment.delivered", "delivered", None, "2026-03-05T09:09:00Z"),
    ],
    ("dhl", "express.xml"): [("shipment.picked_up", "picked_up", None, "2026-03-02T14:42:00Z")],
    ("dhl", "unified.json"): [
        ("shipment.in_transit", "in_transit", None, "2026-03-04T05:00:00Z"),
        ("shipment.milestone", "unknown", "unknown", "?"),
        ("shipment.delivered", "delivered", None, "2026-03-05T09:15:00Z"),
    ],
    ("usps", "track.json"): [
        ("shipment.announced", "info_received", None, "2026-03-02T19:32:00Z"),
        ("shipment.milestone", "unknown", "unknown", "2026-03-03T07:13:00Z"),
        ("shipment.in_transit", "in_transit", None, "2026-03-04T07:13:00Z"),
        ("shipment.out_for_delivery", "out_for_delivery", None, "2026-03-05T17:10:45Z"),
        ("shipment.delivered", "delivered", None, "2026-03-05T21:58:00Z"),
    ],
    ("usps", "web_tools.xml"): [
        ("shipment.missorted", None, "missort", "2015-04-28T04:59:59Z"),
        ("shipment.out_for_delivery", "out_for_delivery", None, "2015-04-28T13:29:00Z"),
    ],
    ("easypost", "push.json"): [
        ("shipment.announced", "info_received", None, "2026-03-02T14:24:00Z"),
        ("shipment.arrived", "arrived", None, "2026-03-03T14:48:00Z"),
        ("shipment.delayed", None, "delay_weather", "2026-03-04T10:00:00Z"),
        ("shipment.milestone", "unknown", "unknown", "2026-03-04T11:00:00Z"),
        ("shipment.delivered", "delivered", None, "2026-03-05T17:50:04Z"),
    ],
    ("easypost", "push_batch.json"): [],
    ("shippo", "push.json"): [
        ("shipment.announced", "info_received", None, "2026-03-02T14:24:00Z"),
        ("shipment.departed", "departed", None, "2026-03-03T14:48:00Z"),
        ("shipment.lost", None, "lost", "2026-03-05T17:50:04Z"),
    ],
    ("shippo", "track.json"): [
        ("shipment.in_transit", "in_transit", None, "2026-03-03T14:48:00Z"),
        ("shipment.milestone", "unknown", "unknown", "2026-03-05T17:50:04Z"),
    ],
    ("aftership", "push.json"): [
        ("shipment.announced", "info_received", None, "2026-03-02T14:29:27Z"),
        ("shipment.picked_up", "picked_up", None, "2026-03-02T17:33:57Z"),
        ("shipment.in_transit", "in_transit", None, "?"),
        ("shipment.customs_held", None, "delay_customs", "2026-03-04T09:59:00Z"),
    ],
}


@pytest.mark.parametrize(("name", "file"), MEANT)
def test_a_payload_becomes_milestones(name: str, file: str) -> None:
    assert told(name, file) == MEANT[name, file]


@pytest.mark.parametrize(
    ("name", "file", "said", "where"),
    [
        (
            "ups",
            "not_found.json",
            "TW0001 Tracking Information Not Found",
            "trackResponse.shipment[0].warnings[0]",
        ),
        ("fedex", "not_found.json", "NOTFOUND", "output.completeTrackResults[0].trackResults[0].error"),
        ("dhl", "not_found.json", "404 No shipment", ""),
        ("usps", "not_found.json", "404 The tracking number", "error"),
        ("aftership", "unauthorized.json", "401 Invalid API key", "meta"),
    ],
)
def test_what_tells_of_nothing_is_refused_in_the_carriers_words(
    name: str, file: str, said: str, where: str
) -> None:
    with pytest.raises(Refused) as refused:
        read(name, file)
    assert said in refused.value.message
    assert refused.value.where.endswith(where)
    assert refused.value.mend


def test_push_and_poll_of_one_scan_are_one_event() -> None:
    (pushed,) = read("ups", "push_delivered.json")
    (polled,) = [event for event in read("ups", "track.json") if event.type == "shipment.delivered"]
    assert (pushed.id, pushed.time) == (polled.id, polled.time)
    assert [e.id for e in read("easypost", "push.json")] == [e.id for e in read("easypost", "trackers.json")]
    assert [e.id for e in read("aftership", "push.json")] == [
        e.id for e in read("aftership", "tracking.json")
    ]


def test_the_pieces_of_a_shipment_are_kept_apart_and_the_last_delivers_it() -> None:
    events = read("ups", "track_two_packages.json")
    assert [(event.type, event.data.get("package", "")[-2:]) for event in events] == [
        ("shipment.out_for_delivery", "26"),
        ("package.damaged", "35"),
        ("package.delivered", "26"),
        ("package.delivered", "35"),
        ("shipment.delivered", ""),
    ]
    assert {event.data["tracking_number"] for event in events} == {"1ZCD00010300000026"}
    assert events[-1].time == events[-2].time
    # one of two is not all
    assert [event.type for event in read("fedex", "track_two_packages.json")] == [
        "shipment.out_for_delivery",
        "package.delivered",
    ]
    assert [event.type for event in read("dhl", "express_two_pieces.json")] == [
        "shipment.picked_up",
        "package.delivered",
        "shipment.missorted",
    ]


def test_a_code_without_a_row_keeps_its_text_and_asks_for_triage() -> None:
    (event,) = read("ups", "push_unknown.json")
    milestone = event.data["milestone"]
    assert (milestone["code"], milestone["reason"]) == ("unknown", "unknown")
    assert (milestone["code_told"], milestone["text"]) == ("U Q9 977", "A word that no table has")


def test_a_proof_of_delivery_says_who_took_it() -> None:
    for name, file, who in (
        ("ups", "track.json", "OKAFOR"),
        ("fedex", "track.json", "M.OKAFOR"),
        ("dhl", "express.json", "M OKAFOR"),
        ("easypost", "push.json", "M Okafor"),
    ):
        event = read(name, file)[-1]
        assert event.data["proof"]["received_by"] == who
        assert event.data["milestone"]["signed_by"] == who
        assert event.data["proof"]["delivered"] == event.data["milestone"]["time"]


# -- zones -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "region", "postal_code", "instant"),
    [
        ("IT", "", "", "2026-03-05T09:00:00+00:00"),
        ("DE", "", "", "2026-03-05T09:00:00+00:00"),  # two zones in the database, one time
        ("CN", "", "", "2026-03-05T02:00:00+00:00"),
        ("US", "NY", "", "2026-03-05T15:00:00+00:00"),
        ("US", "TX", "75099", "2026-03-05T16:00:00+00:00"),
        ("US", "TX", "79901", None),
        ("US", "KY", "40202", "2026-03-05T15:00:00+00:00"),
        ("US", "KY", "42101", None),
        ("US", "TX", "", None),
        ("US", "", "", None),
        ("ES", "", "", None),  # the Canaries are an hour behind
        ("CA", "ON", "", None),
        ("AU", "QLD", "", "2026-03-05T00:00:00+00:00"),
        ("XX", "", "", None),
        ("", "", "", None),
    ],
)
def test_a_time_without_a_zone_has_the_zone_of_its_place_where_that_has_one(
    country: str, region: str, postal_code: str, instant: str | None
) -> None:
    when = moment("20260305", "100000", country=country, region=region, postal_code=postal_code)
    assert (when.time.isoformat() if when.time else None) == instant
    assert when.local == "2026-03-05T10:00:00"
    assert when.origin
    assert when.bound >= (when.time or datetime(2026, 3, 5, tzinfo=UTC))


def test_what_was_told_comes_first_then_the_place_then_the_connection() -> None:
    text = "2026-03-05T10:00:00"
    assert told_moment(f"{text}+05:30", country="IT").time == datetime(2026, 3, 5, 4, 30, tzinfo=UTC)
    assert moment("2026-03-05", "10:00:00+05:30").time == datetime(2026, 3, 5, 4, 30, tzinfo=UTC)
    assert told_moment(text, country="IT", zone="America/New_York").time == datetime(
        2026, 3, 5, 9, tzinfo=UTC
    )
    assert told_moment(text, country="US", zone="America/New_York").time == datetime(
        2026, 3, 5, 15, tzinfo=UTC
    )
    unknown = told_moment(text, country="US")
    assert unknown.time is None
    assert unknown.bound == datetime(2026, 3, 5, 20, tzinfo=UTC)  # Hawaii, the last of them
    assert told_moment(text).bound == datetime(2026, 3, 5, 22, tzinfo=UTC)  # nowhere later than that


def test_a_day_alone_is_the_end_of_that_day_at_its_place() -> None:
    when = told_moment("2026-03-05", country="IT")
    assert (when.time, when.precision) == (datetime(2026, 3, 5, 22, 59, 59, tzinfo=UTC), "day")


@pytest.mark.parametrize(
    "text", ["2026-02-30T10:00:00", "yesterday", "2026-03-05T25:00:00", "2026-03-05T10:00+99:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        told_moment(text)


def test_the_zone_of_the_connection_is_used_and_named() -> None:
    body = json.loads(example("dhl", "unified.json"))
    del body["shipments"][0]["events"][0]["location"]
    events = translate(connector("dhl"), json.dumps(body).encode(), settings={"zone": "Europe/Berlin"})
    milestone = events[-1].data["milestone"]
    assert milestone["time"] == "2026-03-05T09:15:00Z"
    assert milestone["origins"] == {"time": "the connection's zone Europe/Berlin"}


# -- tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARRIERS)
def test_each_row_has_a_meaning_of_ours_and_a_source(name: str) -> None:
    text = resources.files(f"crossdock.connectors.{name}").joinpath("statuses.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert len({(row["of"], row["code"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["source"], row
        assert row["meaning"], row
        assert row["milestone"] or row["reason"] or not row["event"], row
        assert row["milestone"] in ("", *MilestoneCode)
        assert row["reason"] in ("", *ShipmentReason)
        assert row["event"] in ("", *REPORTS)
        assert "unknown" not in (row["milestone"], row["reason"])


# -- what was sent, and by whom --------------------------------------------------------------------------


def signed(name: str, body: bytes, header: str) -> None:
    webhook = connector(name).webhook
    assert webhook is not None
    verify(
        webhook.signature,
        [(webhook.signature.header, header)],
        body,
        [Secret("old"), Secret("s3cret")],
        now=1772700000.0,
    )


def test_each_sender_proves_its_pushes_its_own_way() -> None:
    import base64

    body = b'{"a": 1}'
    mac = hmac.digest(b"s3cret", body, hashlib.sha256)
    for name in ("fedex", "aftership"):
        signed(name, body, base64.b64encode(mac).decode())
    signed("easypost", body, f"hmac-sha256-hex={mac.hex()}")
    time = "1772700000"
    signed(
        "shippo",
        body,
        f"t={time},v1={hmac.new(b's3cret', f'{time}.'.encode() + body, hashlib.sha256).hexdigest()}",
    )
    for name in ("ups", "dhl"):
        signed(name, body, "s3cret")
    for name in ("fedex", "aftership", "easypost", "shippo", "ups", "dhl"):
        with pytest.raises(NotVerified):
            signed(name, body, "wrong")
    usps = connector("usps").webhook
    assert usps is not None
    verify(usps.signature, [], body, [Secret("s3cret")], now=0.0, query=[("secret", "s3cret")])
    with pytest.raises(NotVerified):
        verify(usps.signature, [], body, [Secret("s3cret")], now=0.0)


def test_a_push_that_is_sent_again_has_the_same_id() -> None:
    from talking import notice

    for name, file, id_ in (
        ("ups", "push_delivered.json", "1ZCD00010300000017/D/FS/20260305/175004"),
        ("easypost", "push.json", "evt_0001"),
        ("aftership", "push.json", "e0001"),
    ):
        webhook = connector(name).webhook
        assert webhook is not None
        assert webhook.delivery_id(notice(name, example(name, file))) == id_


# -- the suite for connectors ----------------------------------------------------------------------------


def suite(name: str, answer: str, notices: dict[str, int], **data: str) -> type[Conformance]:
    body = example(name, answer)
    pushed = read(name, answer)
    output = plain(lead(name, "track", {"tracking_number": "N"}, answer).result)
    told_ = [(event["id"], event["type"]) for event in output["events"]]
    assert told_ == [(event.id, event.type) for event in pushed]  # so that a push and a poll are one
    for milestone, event in zip(output["milestones"], pushed, strict=True):
        assert {**milestone, "kind": "actual"} == event.data["milestone"]

    class Suite(Conformance):
        def test_every_operation_has_an_example(self) -> None:
            """The others are shown where labels are bought."""
            assert {one.operation for one in self.examples} == {"track"}

    Suite.connector = connector(name)
    Suite.settings = {}
    Suite.secrets = dict.fromkeys(connector(name).secrets, "let-me-in")
    Suite.examples = [
        Example(
            operation="track",
            data={"tracking_number": "N"},
            answers=[Response(200, {}, body)],
            output=output,
        )
    ]
    Suite.notices = [
        Told(body=example(name, file), types=tuple(event.type for event in read(name, file)))
        for file in notices
    ]
    return Suite


class TestUps(suite("ups", "track.json", {"push_delivered.json": 1, "push_unknown.json": 1})):  # type: ignore[misc]
    pass


class TestFedex(suite("fedex", "track.json", {"track.xml": 2})):  # type: ignore[misc]
    pass


class TestDhl(suite("dhl", "express.json", {"unified.json": 3, "express.xml": 1})):  # type: ignore[misc]
    pass


class TestUsps(suite("usps", "track.json", {"web_tools.xml": 2})):  # type: ignore[misc]
    pass


class TestEasypost(suite("easypost", "trackers.json", {"push.json": 5})):  # type: ignore[misc]
    pass


class TestShippo(suite("shippo", "track.json", {"push.json": 3})):  # type: ignore[misc]
    pass


class TestAftership(suite("aftership", "tracking.json", {"push.json": 4})):  # type: ignore[misc]
    pass
