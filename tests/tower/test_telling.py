"""Times in words, addresses of odd keys, documents at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crossdock.errors import Refused
from crossdock.tower.addresses import from_address, in_address, run_page, run_page_of, with_query
from crossdock.tower.telling import facts
from crossdock.tower.telling.times import Times, span, zone_of

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
TIMES = Times(ZoneInfo("Europe/Berlin"), NOW)


@pytest.mark.parametrize(
    "key", ["SO-1", "PO 47/11", "..", ".", "a/../b", "50%", "~7E", "ä?#&+", "x/", "/x", "雪", "a\\b", "%2F"]
)
def test_any_key_survives_an_address(key):
    segment = in_address(key)
    assert from_address(segment) == key
    assert set(segment) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
    assert not segment.startswith(".")


def test_plain_keys_stay_readable_in_addresses():
    assert run_page("order", "SO-100.2", 1) == "/runs/order/SO-100.2/1"
    assert run_page_of("order/PO 1/2/3") == "/runs/order/PO~201~2F2/3"
    assert with_query("/runs", {"q": "a&b", "status": "", "before": None}) == "/runs?q=a%26b"


def test_times_are_told_in_the_zone_through_the_change_of_clocks():
    assert TIMES.at(datetime(2026, 3, 29, 0, 59, tzinfo=UTC)) == "29 Mar 01:59"
    assert TIMES.at(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == "29 Mar 03:00"
    assert TIMES.full(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == "Sun 29 Mar 2026 03:00:00 CEST"
    assert TIMES.at(datetime(2025, 12, 31, 22, 59, tzinfo=UTC)) == "31 Dec 2025 23:59"


def test_distances_are_told_in_their_largest_units():
    assert TIMES.away(NOW - timedelta(minutes=95)) == "1 h 35 min ago"
    assert TIMES.away(NOW + timedelta(days=12, hours=3)) == "in 12 d"
    assert TIMES.due(NOW - timedelta(days=2)) == "2 d late"
    assert TIMES.due(NOW + timedelta(seconds=20)) == "due now"
    assert span(59) == "59 s"


def test_instants_within_a_text_are_told_too():
    assert TIMES.retold("it was due at 2026-03-27T13:00:00Z, twice") == "it was due at 27 Mar 14:00, twice"
    assert TIMES.retold("no 2026-99-99T99:99:00Z here") == "no 2026-99-99T99:99:00Z here"


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(Refused):
        zone_of("Europe/Entenhausen")


def test_a_document_says_first_what_one_looks_for_first():
    document = {
        "id": "internal",
        "lines": [{"number": "1"}, {"number": "2"}],
        "total": {"amount": "1234567.50", "currency": "EUR"},
        "customer": {"id": "C1", "name": "Müller"},
        "number": "SO-1",
        "requested_delivery": "2026-04-01T10:00:00Z",
        "complete": True,
    }
    assert facts.facts(document, TIMES) == [
        ("Number", "SO-1"),
        ("Customer", "Müller"),
        ("Total", "EUR 1,234,567.50"),
        ("Requested delivery", "1 Apr 12:00"),
        ("Lines", "2"),
        ("Complete", "yes"),
    ]
    assert facts.facts("text", TIMES) == []
    milestone = {"text": "Processed at a hub", "code": "in_transit", "place": {"name": "Hub 22"}}
    assert facts.gloss({"shipment": "S-1", "milestone": milestone}, TIMES) == "Processed at a hub · Hub 22"
    assert facts.money({"amount": "-0.05", "currency": "CHF"}) == "CHF \u22120.05"
