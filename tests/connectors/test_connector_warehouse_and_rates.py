"""Stackyard WMS and Waypost TMS, from recorded exchanges."""

import json
from decimal import Decimal

import pytest
from talking import KEY, SHIPMENT, Led, context, example, happened, lead, operation, page, signed

from crossdock.connect.contract import RefusedByPartner, Response
from crossdock.connect.signatures import NotVerified
from crossdock.errors import Refused

WMS, TMS = "stackyard_wms", "waypost_tms"
ORDER = {
    "number": "SO-1",
    "site": "RNO",
    "lines": [
        {
            "number": "1",
            "item": "KIT-30",
            "quantity": {"value": "10", "unit": "EA"},
            "product": {"number": "KIT-30", "weight": {"value": "0.40", "unit": "KGM"}},
        },
        {"number": "2", "item": "GEL", "quantity": {"value": "2.5", "unit": "KGM"}},
        {"number": "3", "name": "Handling", "quantity": {"value": "1", "unit": "EA"}},
    ],
}


def test_a_pick_carries_our_key_and_the_units_that_the_warehouse_does_not_know() -> None:
    led = lead(WMS, "create_pick", {"order": ORDER}, "pick.json")
    (request,) = led.asked
    assert request.json["clientReference"] == KEY
    assert request.json["warehouse"] == "RNO"
    assert [(line["lineRef"], str(line["qty"])) for line in request.json["lines"]] == [
        ("1", "10"),
        ("2/KGM", "2.5"),
    ]
    assert str(request.json["lines"][0]["unitWeightKg"]) == "0.40"
    assert led.result == {"pick": "PO-000001"}


def test_a_second_pick_with_our_key_is_the_first() -> None:
    assert lead(WMS, "create_pick", {"order": ORDER}, "pick_again.409.json").result == {"pick": "PO-000001"}
    assert lead(WMS, "create_pick", {"order": ORDER}, "picks_found.json", find=True).result == {
        "pick": "PO-000001"
    }


def test_a_cancelled_pick_is_not_found() -> None:
    body = json.loads(example(WMS, "picks_found.json"))
    body["items"][0]["state"] = "CANCELLED"
    talk = operation(WMS, "create_pick").find
    assert talk is not None
    led = Led(talk({"order": ORDER}, context(WMS)), [Response(200, {}, json.dumps(body).encode())])
    assert led.result is None


def test_a_conflict_that_is_not_about_our_key_is_a_refusal() -> None:
    with pytest.raises(RefusedByPartner, match="has been packed") as refused:
        lead(WMS, "create_pick", {"order": ORDER}, "pick_cancel_late.409.json")
    assert refused.value.code == "ALREADY_PACKED"


def test_an_order_without_warehouse_is_refused_unless_the_connection_has_one() -> None:
    order = {**ORDER, "site": None}
    with pytest.raises(Refused, match="which warehouse"):
        lead(WMS, "create_pick", {"order": order}, "pick.json")
    led = lead(WMS, "create_pick", {"order": order}, "pick.json", warehouse="CHI")
    assert led.asked[0].json["warehouse"] == "CHI"


def test_a_return_is_expected_where_the_order_was_picked() -> None:
    lines = [{"order_line": "1", "item": "KIT-30", "quantity": {"value": "2", "unit": "EA"}}]
    data = {"return": "RMA-000001", "order": "SO-1", "lines": lines}
    led = lead(WMS, "expect_return", data, "picks_found.json", "expected.json")
    assert led.asked[0].query == {"orderNumber": "SO-1"}
    assert led.asked[1].json == {
        "clientReference": KEY,
        "rma": "RMA-000001",
        "orderNumber": "SO-1",
        "warehouse": "RNO",
        "lines": [{"lineRef": "1", "sku": "KIT-30", "qty": 2}],
    }
    assert led.result == {"receipt": "ER-000001"}
    again = lead(WMS, "expect_return", data, "expected_again.409.json", warehouse="RNO")
    assert again.result == {"receipt": "ER-000001"}
    assert lead(WMS, "expect_return", data, "expected_found.json", find=True).result == led.result


def test_a_packed_shipment_has_lines_packages_quantity_and_weight() -> None:
    (event,) = happened(WMS, example(WMS, "webhook_packed.json"))
    assert (event.type, event.time.isoformat()) == (
        "warehouse.shipment_packed",
        "2026-03-02T13:00:00+00:00",
    )
    assert event.about == {"order": "SO-1", "shipment": "SO-1-1", "pick": "PO-000001"}
    assert event.data["last"] is False
    assert event.data["quantity"] == {"value": "6", "unit": "EA"}
    shipment = event.data["shipment"]
    assert shipment["lines"] == [
        {"order": "SO-1", "line": "1", "item": "KIT-30", "quantity": {"value": "6", "unit": "EA"}}
    ]
    assert shipment["weight"] == {"value": "2.8", "unit": "KGM"}
    (package,) = shipment["packages"]
    assert package["sscc"] == "003400000000000014"
    assert package["length"] == {"value": "40", "unit": "CMT"}


def test_the_unit_comes_back_with_our_reference_of_the_line() -> None:
    body = json.loads(example(WMS, "webhook_packed.json"))
    body["shipment"]["packages"][0]["contents"] = [
        {"lineRef": "2/KGM", "sku": "GEL", "qty": 2.5},
        {"lineRef": "1", "sku": "KIT-30", "qty": 1},
    ]
    (event,) = happened(WMS, json.dumps(body).encode())
    assert [line["quantity"] for line in event.data["shipment"]["lines"]] == [
        {"value": "2.5", "unit": "KGM"},
        {"value": "1", "unit": "EA"},
    ]
    assert event.data["shipment"]["lines"][0]["line"] == "2"


def test_the_feed_of_the_warehouse_tells_all_under_the_ids_of_the_webhooks() -> None:
    events, read = page(WMS, "events.json")
    assert [(event.type, event.id) for event in events] == [
        ("warehouse.pick_started", "sy-1"),
        ("warehouse.pick_started", "sy-2"),
        ("warehouse.shipment_packed", "sy-3"),
        ("warehouse.shipment_packed", "sy-4"),
        ("warehouse.pick_short", "sy-5"),
        ("warehouse.pick_short", "sy-6"),
        ("warehouse.shipment_packed", "sy-7"),
        ("return.received", "sy-8"),
        ("warehouse.shipment_packed", "sy-9"),
        ("return.inspected", "sy-10"),
    ]
    assert (read.cursor, read.more) == ("10", False)
    assert happened(WMS, example(WMS, "webhook_packed.json"))[0].id == "sy-3"


def test_a_back_order_is_told_and_does_not_end_the_pick() -> None:
    events, _ = page(WMS, "events.json")
    waits, short = (event.data for event in events if event.type == "warehouse.pick_short")
    assert waits["state"] == "started"
    assert waits["custom"] == {"back_order_expected": "2026-03-04T13:00:00Z"}
    assert waits["lines"][0]["quantity"] == {"value": "4", "unit": "EA"}
    assert waits["lines"][0]["picked"] == {"value": "0", "unit": "EA"}
    assert short["lines"][0]["reason"] == "short, and nothing follows"
    assert short["state"] == "short"  # for good, though another part was packed after it


def test_a_pick_that_ends_short_says_so() -> None:
    event = json.loads(example(WMS, "events.json"))["events"][5] | {"complete": True}
    (told,) = happened(WMS, json.dumps(event).encode())
    assert told.data["state"] == "short"


def test_what_was_inspected_has_its_condition_and_names_the_authorisation() -> None:
    events, _ = page(WMS, "events.json")
    inspected = events[-1]
    assert inspected.about == {"return": "RMA-000001", "order": "SO-1", "authorisation": "RMA-000001"}
    (line,) = inspected.data["lines"]
    assert (line["condition"], line["custom"]) == ("used", {"grade": "B_STOCK"})
    assert "condition" not in events[7].data["lines"][0]


def test_a_grade_that_is_not_known_is_unknown() -> None:
    event = json.loads(example(WMS, "events.json"))["events"][9]
    event["lines"][0]["condition"] = "MOULDY"
    (told,) = happened(WMS, json.dumps(event).encode())
    assert told.data["lines"][0]["condition"] == "unknown"
    assert told.data["lines"][0]["custom"] == {"grade": "MOULDY"}


def test_rates_are_asked_for_by_weight_destination_and_promised_day() -> None:
    led = lead(TMS, "rate", {"shipment": SHIPMENT}, "rate.json", zone="America/Los_Angeles")
    (request,) = led.asked
    assert request.changes is False
    assert request.json == {
        "reference": "SO-1-1",
        "site": "RNO",
        "zone": "America/Los_Angeles",
        "to": {"country": "US", "postcode": "94607"},
        "packages": [{"weight_g": 4400}],
        "deliver_by": "2026-03-09",
        "currency": "USD",
    }


def test_offers_have_exact_prices_cut_offs_and_the_end_of_the_day_of_arrival() -> None:
    led = lead(TMS, "rate", {"shipment": SHIPMENT}, "rate.json", zone="America/Los_Angeles")
    assert led.result["offers"][0] == {
        "carrier": "oldbridge",
        "service": "ECONOMY",
        "price": {"amount": "9.38", "currency": "USD"},
        "cut_off": "2026-03-02T22:00:00Z",
        "delivery_by": "2026-03-10T06:59:59Z",  # summer time began on the 8th
        "offer": "Q-000001-4",
    }
    assert led.result["offers"][1]["delivery_by"] == "2026-03-05T07:59:59Z"
    assert led.result["offers"][0]["delivery_by"] <= SHIPMENT["promised_delivery"]


def test_a_price_in_yen_has_no_hundredths() -> None:
    led = lead(TMS, "rate", {"shipment": SHIPMENT}, "rate_jpy.json", currency="JPY")
    assert led.result["offers"][0]["price"] == {"amount": "938", "currency": "JPY"}


@pytest.mark.parametrize(
    ("change", "words"),
    [({"ship_to": None}, "which country"), ({"packages": []}, "says no weight")],
)
def test_a_shipment_that_cannot_be_rated_is_refused_before_it_is_sent(
    change: dict[str, object], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        lead(TMS, "rate", {"shipment": {**SHIPMENT, **change}}, "rate.json")


def test_answers_to_tenders_come_by_push_and_feed_alike() -> None:
    events, read = page(TMS, "events.json")
    assert [(event.type, event.id) for event in events] == [
        ("tender.declined", "wp-1"),
        ("tender.accepted", "wp-2"),
    ]
    assert read.cursor == "2"
    (pushed,) = happened(TMS, example(TMS, "webhook_declined.json"))
    assert pushed.data["reason"] == "no capacity"
    assert pushed.about == {"tender": "T-000001", "shipment": "SO-1-1", "order": "SO-1"}


def test_words_that_their_pages_do_not_have_are_not_passed_over_in_silence() -> None:
    packed = json.loads(example(WMS, "webhook_packed.json")) | {"eventType": "PICK_VANISHED"}
    with pytest.raises(Refused, match="`PICK_VANISHED` is no event"):
        happened(WMS, json.dumps(packed).encode())
    declined = json.loads(example(TMS, "webhook_declined.json")) | {"event": "tender.forgotten"}
    with pytest.raises(Refused, match=r"`tender\.forgotten` is no event"):
        happened(TMS, json.dumps(declined).encode())


def test_their_webhooks_are_proven() -> None:
    signed(WMS, "webhook_packed.json", "stackyard-hook-secret")
    signed(TMS, "webhook_declined.json", "waypost-hook-token")
    with pytest.raises(NotVerified):
        signed(WMS, "webhook_packed.json", "stackyard-hook-secret", change=b" ")
    with pytest.raises(NotVerified):
        signed(TMS, "webhook_declined.json", "another")


# -- promises of stock, counts, tenders, slots --------------------------------------------------------------


def test_a_promise_says_what_is_short_in_the_unit_of_the_line() -> None:
    led = lead(WMS, "allocate", {"order": ORDER}, "allocation.json")
    assert led.asked[0].json["lines"] == [
        {"lineRef": "1", "sku": "KIT-30", "qty": 10},
        {"lineRef": "2/KGM", "sku": "GEL", "qty": Decimal("2.5")},
    ]
    assert led.result == {
        "allocation": "AL-000001",
        "short": [{"line": "1", "item": "KIT-30", "missing": {"value": "2", "unit": "EA"}}],
    }
    again = lead(WMS, "allocate", {"order": ORDER}, "allocation_again.409.json", "allocations_found.json")
    assert again.result == led.result


def test_stock_is_asked_for_item_by_item_and_what_was_never_counted_is_left_out() -> None:
    body = {**json.loads(example(WMS, "stock.json")), "sku": "GEL", "onHand": None, "available": None}
    talk = operation(WMS, "stock").do({"items": ["KIT-30", "GEL"], "site": "RNO"}, context(WMS))
    led = Led(
        talk, [Response(200, {}, example(WMS, "stock.json")), Response(200, {}, json.dumps(body).encode())]
    )
    assert [(one.path, one.query) for one in led.asked] == [
        ("/api/stock/KIT-30", {"warehouse": "RNO"}),
        ("/api/stock/GEL", {"warehouse": "RNO"}),
    ]
    assert [one["item"] for one in led.result["stock"]] == ["KIT-30"]


def test_a_count_tells_the_correction_and_each_order_that_loses_by_it() -> None:
    adjusted, short = happened(WMS, example(WMS, "webhook_counted.json"))
    assert (adjusted.type, adjusted.about) == (
        "stock.adjusted",
        {"adjustment": "CC-000001", "item": "KIT-30"},
    )
    assert adjusted.data["change"] == {"value": "-3", "unit": "EA"}
    assert adjusted.data["uncovered"] == [short.data]
    assert (short.type, short.about, short.id) == ("stock.short", {"order": "SO-1"}, "sy-1/1")
    assert short.data["missing"] == {"value": "3", "unit": "EA"}


def test_what_leaves_is_told_with_carrier_and_number() -> None:
    (left,) = happened(WMS, example(WMS, "webhook_dispatched.json"))
    assert left.about == {"shipment": "SO-2-1", "order": "SO-2", "tracking": "PRO-7"}
    assert (left.data["carrier"], left.data["shipped"]) == ("farrow", "2026-03-02T18:00:00Z")


def test_a_tender_takes_up_an_offer_under_our_key() -> None:
    data = {"shipment": SHIPMENT, "carrier": "oldbridge", "offer": "Q-000001-4"}
    led = lead(TMS, "tender", data, "tender.json")
    assert led.asked[0].json == {
        "client_id": KEY,
        "quote_id": "Q-000001-4",
        "shipment": "SO-1-1",
        "order": "SO-1",
    }
    assert led.result == {"tender": "T-000001", "state": "offered"}
    assert lead(TMS, "tender", data, "tenders_found.json", find=True).result == led.result
    with pytest.raises(Refused, match="takes up an offer"):
        lead(TMS, "tender", {**data, "offer": None}, "tender.json")


@pytest.mark.parametrize(("state", "gone"), [("declined", True), ("withdrawn", True), ("accepted", False)])
def test_a_tender_that_cannot_be_withdrawn_is_gone_only_where_the_carrier_does_not_have_it(
    state: str, *, gone: bool
) -> None:
    problem = {"type": "urn:waypost:wrong-state", "title": "Wrong state", "detail": "it is settled"}
    one = {**json.loads(example(TMS, "tender.json")), "status": state}
    answers = [Response(409, {}, json.dumps(problem).encode()), Response(200, {}, json.dumps(one).encode())]
    talk = operation(TMS, "withdraw").do({"tender": "T-000001"}, context(TMS))
    if gone:
        assert Led(talk, answers).result == {}
    else:
        with pytest.raises(RefusedByPartner, match="it is settled"):
            Led(talk, answers)


def test_a_slot_is_asked_for_before_the_cut_off_and_one_that_is_refused_is_a_refusal() -> None:
    data = {"shipment": SHIPMENT, "kind": "pickup", "until": "2026-03-02T22:00:00Z"}
    led = lead(TMS, "request_appointment", data, "appointment.json")
    assert led.asked[0].json["not_after"] == "2026-03-02T22:00:00Z"
    assert led.result["state"] == "requested"
    body = {**json.loads(example(TMS, "appointment.json")), "status": "refused", "reason": "dock is full"}
    talk = operation(TMS, "request_appointment").do(data, context(TMS))
    with pytest.raises(RefusedByPartner, match="dock is full"):
        Led(talk, [Response(201, {}, json.dumps(body).encode())])


def test_a_slot_that_was_moved_says_when_it_was_before() -> None:
    (moved,) = happened(TMS, example(TMS, "webhook_moved.json"))
    assert moved.about == {
        "appointment": "AP-000001",
        "shipment": "SO-1-1",
        "order": "SO-1",
        "tender": "T-000001",
    }
    assert (moved.data["start"], moved.data["start_before"]) == (
        "2026-03-03T01:00:00Z",
        "2026-03-02T21:00:00Z",
    )
    assert (moved.data["kind"], moved.data["reason"]) == ("pickup", "dock is full")
