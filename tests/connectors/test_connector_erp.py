"""Northway ERP, from recorded exchanges."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from talking import KEY, Led, connector, context, example, happened, lead, page, signed

from crossdock.connect.contract import Access, RefusedByPartner, Response
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import NotVerified
from crossdock.errors import Refused, UnknownOutcome

ERP = "northway_erp"
CREDIT = {"customer": "C1001", "order": "SO-1", "amount": {"amount": "125.00", "currency": "USD"}}
INVOICE = {"order": "SO-1", "shipments": ["SO-1-1"], "proof": [{"received_by": "M. Okafor"}]}


def released() -> dict[str, object]:
    (event,) = happened(ERP, example(ERP, "webhook_released.json"))
    return event.data


def test_a_released_order_is_canonical_with_its_customer_lines_total_and_quantity() -> None:
    (event,) = happened(ERP, example(ERP, "webhook_released.json"))
    assert (event.type, event.time.isoformat()) == ("order.released", "2026-03-02T08:00:00+00:00")
    assert event.about == {"order": "SO-1"}
    order = event.data
    assert order["customer"] == {
        "id": "C1001",
        "name": "Harbour Clinic",
        "roles": ["customer"],
        "contact": {"email": "clinic@example.org", "language": "en"},
    }
    (line,) = order["lines"]
    assert line["quantity"] == {"value": "10", "unit": "EA"}
    assert line["price"] == {"amount": "12.50", "currency": "USD"}
    assert line["product"]["weight"] == {"value": "0.40", "unit": "KGM"}
    assert order["total"] == {"amount": "125.00", "currency": "USD"}
    assert order["quantity"] == {"value": "10", "unit": "EA"}
    assert (order["state"], order["version"], order["created_by"]) == ("released", "1", "jo")
    assert (order["site"], order["customer_po"]) == ("RNO", "PO 77")
    assert order["ship_to"]["postal_code"] == "94607"


def test_the_wanted_day_ends_where_the_order_is_delivered_from() -> None:
    order = released()
    assert order["promised_delivery"] == order["requested_delivery"] == "2026-03-10T06:59:59Z"
    assert order["promised_delivery_precision"] == "day"


def test_without_a_zone_of_its_own_an_order_has_the_connections() -> None:
    body = json.loads(example(ERP, "webhook_released.json"))
    del body["document"]["zone"]
    (event,) = happened(ERP, json.dumps(body).encode(), zone="Europe/Berlin")
    assert event.data["promised_delivery"] == "2026-03-09T22:59:59Z"


def test_a_status_word_that_is_not_known_is_unknown_and_kept() -> None:
    body = json.loads(example(ERP, "webhook_released.json"))
    body["document"]["status"] = "PONDERED"
    (event,) = happened(ERP, json.dumps(body).encode())
    assert event.data["state"] == "unknown"
    assert event.data["custom"]["status"] == "PONDERED"


def test_a_cancelled_order_tells_why() -> None:
    (event,) = happened(ERP, example(ERP, "webhook_cancelled.json"))
    assert (event.type, event.data) == ("order.cancelled", {"order": "SO-3", "reason": "not wanted"})


def test_a_posted_invoice_is_told_by_the_number_that_others_know() -> None:
    (event,) = happened(ERP, example(ERP, "webhook_invoice_posted.json"))
    assert event.type == "invoice.released"
    assert event.about == {"invoice": "INV-000001", "order": "SO-1"}
    assert event.data["references"] == [{"kind": "erp", "value": "DINV-000001"}]


def test_the_feed_tells_what_the_webhook_told_under_the_same_id() -> None:
    events, read = page(ERP, "changes.json")
    assert [event.type for event in events] == [
        "order.released",
        "order.released",
        "order.changed",
        "order.cancelled",
        "invoice.released",
        "return.authorised",
        "return.authorised",
        "credit.issued",
        "credit.issued",
    ]
    assert (read.cursor, read.more) == ("11", False)
    (pushed,) = happened(ERP, example(ERP, "webhook_released.json"))
    assert events[0].id == pushed.id
    assert len({event.id for event in events}) == len(events)


def test_what_changed_before_the_connection_began_is_not_told() -> None:
    events, read = page(ERP, "changes.json", since="2026-03-02T08:00:01Z")
    assert (events, read.cursor) == ([], "11")


def test_a_return_is_found_by_its_number_and_as_an_authorisation() -> None:
    events, _ = page(ERP, "changes.json")
    told = next(event for event in events if event.type == "return.authorised")
    assert told.about == {"return": "RMA-000001", "order": "SO-1", "authorisation": "RMA-000001"}
    assert told.data["lines"][0]["quantity"] == {"value": "2", "unit": "EA"}


@pytest.mark.parametrize(
    ("file", "ok", "reason"),
    [("credit_ok", True, None), ("credit_over", False, "over_limit"), ("credit_blocked", False, "blocked")],
)
def test_credit_is_given_only_by_the_word_that_gives_it(file: str, ok: bool, reason: str | None) -> None:  # noqa: FBT001
    led = lead(ERP, "check_credit", CREDIT, f"{file}.json")
    assert (led.result["ok"], led.result.get("reason")) == (ok, reason)
    assert led.result["limit"] == {"amount": "5000.00", "currency": "USD"}


def test_a_decision_that_is_not_known_gives_no_credit() -> None:
    body = json.loads(example(ERP, "credit_ok.json"))
    body["result"]["decision"] = "MAYBE"
    operation = next(o for o in connector(ERP).operations if o.name == "check_credit")
    led = Led(operation.do(CREDIT, context(ERP)), [Response(200, {}, json.dumps(body).encode())])
    assert (led.result["ok"], led.result["reason"]) == (False, "maybe")


@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        ("credit_eur", "business", "Credit of C1001 is kept in USD (currency)"),
        ("not_found", "not_found", "No order NOPE"),
    ],
)
def test_an_error_with_status_200_is_a_refusal_in_its_words(file: str, code: str, words: str) -> None:
    with pytest.raises(RefusedByPartner) as refused:
        lead(ERP, "check_credit", CREDIT, f"{file}.json")
    assert (refused.value.code, refused.value.message) == (code, words)


def test_half_an_answer_leaves_the_outcome_open() -> None:
    operation = next(o for o in connector(ERP).operations if o.name == "release_invoice")
    half = example(ERP, "invoices_none.json"), example(ERP, "invoice_draft.json")[:60]
    with pytest.raises(UnknownOutcome):
        Led(operation.do(INVOICE, context(ERP)), [Response(200, {}, body) for body in half])


def test_an_invoice_is_looked_for_drafted_and_posted() -> None:
    led = lead(
        ERP, "release_invoice", INVOICE, "invoices_none.json", "invoice_draft.json", "invoice_posted.json"
    )
    assert [(r.method, r.path) for r in led.asked] == [
        ("GET", "/invoices"),
        ("POST", "/invoices"),
        ("POST", "/invoices/DINV-000001/post"),
    ]
    assert led.asked[0].query == {"reference": KEY}
    assert led.asked[1].json == {
        "order": "SO-1",
        "reference": KEY,
        "proof": {"shipments": ["SO-1-1"], "proof": [{"received_by": "M. Okafor"}]},
    }
    assert led.result == {"invoice": "INV-000001", "total": {"amount": "125.00", "currency": "USD"}}


def test_what_was_delivered_is_billed_summed_by_line_of_the_order() -> None:
    def shipped(line: str, value: str) -> dict[str, Any]:
        return {"number": "9", "line": line, "item": "A", "quantity": {"value": value, "unit": "EA"}}

    delivered = [[shipped("1", "4"), shipped("2", "0.5")], [shipped("1", "6")]]
    files = "invoices_none.json", "invoice_draft.json", "invoice_posted.json"
    led = lead(ERP, "release_invoice", {**INVOICE, "lines": delivered}, *files)
    assert led.asked[1].json["lines"] == [
        {"line_no": 1, "quantity": "10"},
        {"line_no": 2, "quantity": "0.5"},
    ]
    led = lead(ERP, "release_invoice", {**INVOICE, "lines": [[], []]}, *files)
    assert "lines" not in led.asked[1].json  # a warehouse that tells no lines: the whole order
    for unknown in ([[shipped("1", "4")], []], [[shipped("", "4")]]):
        with pytest.raises(Refused, match="does not say"):
            lead(ERP, "release_invoice", {**INVOICE, "lines": unknown}, *files)


def test_an_invoice_that_is_posted_already_is_what_was_wanted() -> None:
    led = lead(ERP, "release_invoice", INVOICE, "invoices_found.json")
    assert [r.method for r in led.asked] == ["GET"]
    assert led.result["invoice"] == "INV-000001"


def test_a_draft_that_another_try_left_is_posted_and_not_made_again() -> None:
    draft = json.dumps({"result": [json.loads(example(ERP, "invoice_draft.json"))["result"]]}).encode()
    operation = next(o for o in connector(ERP).operations if o.name == "release_invoice")
    posted = Response(200, {}, example(ERP, "invoice_posted.json"))
    led = Led(operation.do(INVOICE, context(ERP)), [Response(200, {}, draft), posted])
    assert [(r.method, r.path) for r in led.asked] == [
        ("GET", "/invoices"),
        ("POST", "/invoices/DINV-000001/post"),
    ]
    found = Led(operation.find(INVOICE, context(ERP)), [Response(200, {}, draft)])
    assert found.result is None


def test_an_invoice_posted_by_another_meanwhile_is_read_back() -> None:
    led = lead(
        ERP,
        "release_invoice",
        INVOICE,
        "invoices_none.json",
        "invoice_draft.json",
        "invoice_post_again.json",
        "invoice_posted.json",
    )
    assert led.asked[-1].path == "/invoices/DINV-000001"
    assert led.result["invoice"] == "INV-000001"


def test_a_credit_in_another_currency_than_the_invoice_is_refused_before_it_is_sent() -> None:
    amount = {"amount": "5.00", "currency": "EUR"}
    with pytest.raises(Refused, match="is in USD, not in EUR"):
        lead(ERP, "credit_invoice", {"invoice": "INV-000001", "amount": amount}, "invoice_posted.json")


def test_credit_is_for_what_came_back() -> None:
    led = lead(
        ERP,
        "create_credit",
        {"order": "SO-1", "return": "RMA-000001"},
        "return.json",
        "invoices_found.json",
        "credit_lines.json",
    )
    assert led.asked[-1].json["lines"] == [{"line_no": 1, "quantity": "2"}]
    assert led.asked[-1].json["reference"] == KEY
    assert led.result == {"credit": "CN-000001", "amount": {"amount": "25.00", "currency": "USD"}}
    assert lead(ERP, "create_credit", {}, "credits_found.json", find=True).result["credit"] == "CN-000001"


def test_more_credit_than_the_invoice_has_left_is_refused_in_the_words_of_the_erp() -> None:
    with pytest.raises(RefusedByPartner, match=r"Invoice DINV-000001 has 100\.00 left"):
        lead(ERP, "credit_invoice", {"invoice": "INV-000001"}, "credit_too_much.json")


def test_a_return_is_authorised_by_the_lines_of_the_order() -> None:
    lines = [{"order_line": "1", "item": "KIT-30", "quantity": {"value": "2", "unit": "EA"}}]
    led = lead(ERP, "authorise_return", {"order": "SO-1", "lines": lines, "reason": "broken"}, "return.json")
    assert led.asked[0].json["lines"] == [{"line_no": 1, "quantity": "2"}]
    assert led.result == {"return": "RMA-000001"}
    with pytest.raises(Refused, match="which line of the order"):
        lead(ERP, "authorise_return", {"order": "SO-1", "lines": [{"item": "KIT-30"}]}, "return.json")


def test_logging_in_gives_a_session_for_an_hour() -> None:
    secrets = {name: Secret(name) for name in ("user", "password", "company")}
    sign_in = connector(ERP).sign_in
    assert sign_in is not None
    access = Access(settings={}, secrets=secrets, now=datetime(2026, 3, 2, tzinfo=UTC))
    led = Led(sign_in(access), [Response(200, {}, example(ERP, "login.json"))])
    assert led.asked[0].changes is False
    assert led.result.headers["Authorization"].startswith("Session ")
    assert led.result.seconds == 3600.0


def test_its_signature_is_of_the_raw_body() -> None:
    signed(ERP, "webhook_released.json", "northway-hook-secret")
    with pytest.raises(NotVerified):
        signed(ERP, "webhook_released.json", "northway-hook-secret", change=b" ")
    with pytest.raises(NotVerified):
        signed(ERP, "webhook_released.json", "another")


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'{"event":"SO_RELEASED"}', b"not json"])
def test_a_webhook_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        happened(ERP, body)


def test_a_word_that_the_erp_page_does_not_have_is_not_passed_over_in_silence() -> None:
    told = {"event": "SO_EXPLODED", "at": "2026-03-02T08:00:00Z", "number": "SO-1", "revision": 1}
    with pytest.raises(Refused, match="`SO_EXPLODED` is no event that we know of it"):
        happened(ERP, json.dumps({**told, "document": {}}).encode())
    assert happened(ERP, json.dumps({**told, "event": "SO_STATUS", "document": {}}).encode()) == []


def test_a_change_that_cannot_be_read_is_refused_alone() -> None:
    (poll,) = connector(ERP).polls
    assert poll.translate is not None
    with pytest.raises(Refused, match="the change has no document"):
        list(poll.translate({"event": "SO_RELEASED", "at": "2026-03-02T08:00:00Z"}, {}))
