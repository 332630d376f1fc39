"""Tryton, from exchanges recorded with one that ran. `tests/tryton` has the same, live."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from talking import connector, context, example

from crossdock.connect.arrivals import arrivals
from crossdock.connect.conformance import Conformance, Example, Fed
from crossdock.connect.contract import Access, Happening, Page, RefusedByPartner, Request, Response
from crossdock.connect.secret import Secret
from crossdock.connectors.tryton import replies, requests
from crossdock.errors import Refused, UnknownOutcome, Unreachable

TRYTON = "tryton"
HERE = {"url": "https://erp.example", "database": "erp"}


def answers(name: str) -> list[Response]:
    return [said(one) for one in json.loads(example(TRYTON, f"{name}.json"))]


def said(body: Any) -> Response:
    return Response(200, {}, json.dumps(body).encode())


def line(number: str, item: str, quantity: str) -> dict[str, Any]:
    return {"number": "1", "line": number, "item": item, "quantity": {"value": quantity, "unit": "EA"}}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def shown(operation: str, data: Any, output: Any, *, looks_up: bool = True) -> Example:
    found = answers(f"{operation}_found") if looks_up else []
    none = answers(f"{operation}_not_found") if looks_up else []
    given = answers(operation)
    return Example(operation=operation, data=data, answers=given, output=output, found=found, not_found=none)


def led(talk: Generator[Request, Response, Any], *given: Response) -> tuple[Any, list[Request]]:
    asked: list[Request] = []
    left = list(given)
    try:
        request = next(talk)
        while True:
            asked.append(request)
            request = talk.send(left.pop(0))
    except StopIteration as stop:
        return stop.value, asked


def listed(what: str) -> Example:
    """A list of master data or stock; what it has to be stands in a test of its own."""
    operation, given = f"list_{what}", answers(f"list_{what}")
    (poll,) = [one for one in connector(TRYTON).operations if one.name == operation]
    output, _ = led(poll.do({}, context(TRYTON, **HERE)), *given)
    return Example(operation=operation, data={}, answers=given, output=output)


DELIVERED = {
    "order": "SO-00001",
    "shipments": ["S-1", "S-2"],
    "lines": [[line("1", "KIT-30", "6")], [line("1", "KIT-30", "4"), line("2", "BOX-1", "3")]],
}
BACK = [{"order_line": "1", "item": "KIT-30", "quantity": {"value": "2", "unit": "EA"}}]


class TestTryton(Conformance):
    connector = connector(TRYTON)
    settings: ClassVar = HERE
    secrets: ClassVar = {"user": "integration-user", "password": "s3cret-word"}
    pages: ClassVar = [
        Fed(feed="orders", answers=answers("feed_orders"), types=["order.released"]),
        Fed(
            feed="invoices",
            answers=answers("feed_invoices"),
            types=["invoice.released", "credit.issued", "credit.issued"],
        ),
    ]
    examples: ClassVar = [
        shown(
            "check_credit",
            {"customer": "C1001", "order": "SO-00001", "amount": usd("140.00")},
            {"ok": True, "limit": usd("5000"), "exposure": usd("0.00")},
            looks_up=False,
        ),
        Example(
            operation="get_order",
            data={"order": "SO-00001"},
            answers=answers("get_order"),
            output=replies.order(
                replies.decoded(json.loads(example(TRYTON, "get_order.json"))[0]["result"][0]),
                context(TRYTON, **HERE).settings,
            ),
        ),
        shown("release_invoice", DELIVERED, {"invoice": "INV2026-00001", "total": usd("145.06")}),
        shown(
            "credit_invoice",
            {"invoice": "INV2026-00001", "amount": usd("20.00"), "reason": "crushed"},
            {"credit": "INV2026-00002", "amount": usd("20.00")},
        ),
        shown(
            "create_credit",
            {"order": "SO-00001", "return": "SO-00002", "reason": "broken"},
            {"credit": "CRN2026-00001", "amount": usd("27.06")},
        ),
        shown(
            "authorise_return",
            {"order": "SO-00001", "return": "R-1", "reason": "broken", "lines": BACK},
            {"return": "SO-00002"},
        ),
        shown("cancel_return", {"return": "SO-00003"}, {}, looks_up=False),
        *(listed(what) for what in ("parties", "items", "locations", "units", "stock", "allocations")),
        shown(
            "adjust_stock",
            {
                "item": "KIT-30",
                "site": "RDC",
                "change": {"value": "-2", "unit": "EA"},
                "adjustment": "CC-1",
                "reason": "counted",
            },
            {"adjustment": "1"},
        ),
    ]


def operation(name: str) -> Any:
    return next(one for one in connector(TRYTON).operations if one.name == name)


def methods(asked: list[Request]) -> list[str]:
    return [request.json["method"].removeprefix("model.") for request in asked]


def test_it_is_told_what_left_and_presses_only_what_leads_there() -> None:
    talk = operation("release_invoice").do(DELIVERED, context(TRYTON, **HERE))
    _, asked = led(talk, *answers("release_invoice"))
    pressed = [method for method in methods(asked) if not method.endswith("search_read")]
    assert pressed == [
        "stock.shipment.out.draft",
        "stock.shipment.out.write",
        "stock.shipment.out.draft",
        "stock.shipment.out.write",
        "stock.shipment.out.wait",
        "stock.shipment.out.assign_try",
        "stock.shipment.out.pick",
        "stock.shipment.out.pack",
        "stock.shipment.out.ship",
        "stock.shipment.out.do",
        "account.invoice.post",
    ]
    cut = next(one.json["params"] for one in asked if one.json["method"].endswith("out.write"))
    assert cut[1]["reference"] == "S-1"
    assert [what for what, *_ in cut[1]["moves"]] == ["write", "delete"]
    assert list(cut[2]["_timestamp"]) == [f"stock.shipment.out,{cut[0][0]}"]


def test_all_that_is_found_done_is_read_and_nothing_is_pressed() -> None:
    done = answers("release_invoice_found")
    whole = [done[0], done[0], said({"result": _states("done")}), done[1]]
    result, asked = led(operation("release_invoice").do(DELIVERED, context(TRYTON, **HERE)), *whole)
    assert result["invoice"] == "INV2026-00001"
    assert all(request.changes is False for request in asked)


def _states(state: str) -> list[Any]:
    return [{"id": n, "number": str(n), "state": state, "inventory_moves.": []} for n in (1, 2)]


def test_what_is_not_said_of_a_delivery_is_not_guessed() -> None:
    do = operation("release_invoice").do
    for lines in ([[line("1", "KIT-30", "6")], []], [[{"item": "KIT-30"}], [line("1", "KIT-30", "1")]]):
        with pytest.raises(Refused, match="say"):
            led(do({**DELIVERED, "lines": lines}, context(TRYTON, **HERE)))
    with pytest.raises(Refused, match="what it carried"):
        led(do({**DELIVERED, "lines": [[], []]}, context(TRYTON, **HERE)))


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (["UserError", ["Over the limit.", "By 5.00", None]], RefusedByPartner, "Over the limit.: By 5.00"),
        (["UserWarning", ["a1.no_such", "Sure?", ""]], RefusedByPartner, "Sure?"),
        (["ConcurrencyException", "moved on"], Unreachable, "nothing was done"),
        (["'nope'", ""], RefusedByPartner, "does not know nope"),
        (["'sale.complaint'", ""], RefusedByPartner, "activate its module sale_complaint"),
        (["division by zero", ""], RefusedByPartner, "failed at it: division by zero"),
        (["LoginException", ["password", "Password?"]], RefusedByPartner, "Password?"),
    ],
)
def test_each_kind_of_error_says_what_happens_next(error: Any, raised: type[Exception], words: str) -> None:
    with pytest.raises(raised) as caught:
        replies.result(said({"id": 0, "error": error}))
    assert words in str(caught.value)
    for body in ([], {}, {"id": 0}, None):
        with pytest.raises(UnknownOutcome):
            replies.result(said(body))


def test_a_question_is_answered_yes_only_where_the_connection_says_so() -> None:
    warning = said({"error": ["UserWarning", ["a1.alike", "It is alike.", ""]]})
    quoted = answers("cancel_return")
    talk = operation("cancel_return").do(
        {"return": "SO-00003"}, context(TRYTON, **HERE, answer_yes=["alike"])
    )
    fine = said({"id": 0, "result": None})
    _, asked = led(talk, quoted[0], warning, fine, *quoted[1:])
    skip = asked[2].json
    assert skip["method"] == "model.res.user.warning.skip"
    assert skip["params"][:2] == ["a1.alike", False]
    talk = operation("cancel_return").do({"return": "SO-00003"}, context(TRYTON, **HERE, answer_yes=[]))
    with pytest.raises(RefusedByPartner) as refused:
        led(talk, quoted[0], warning)
    assert refused.value.code == "question"


def test_signing_in_learns_the_company_and_writes_it_into_each_call() -> None:
    sign_in = connector(TRYTON).sign_in
    assert sign_in is not None
    secrets = {"user": Secret("jo"), "password": Secret("word")}
    access = Access(settings={**HERE, "company": "Northway"}, secrets=secrets, now=datetime.now(UTC))
    preferences = said({"result": {"company": 1, "groups": [7], "language": "de", "locale": {"x": 1}}})
    given = said({"result": [3, "token", None]}), preferences, said({"result": [{"id": 9}]})
    session, asked = led(sign_in(access), *given)
    assert session.headers["Authorization"] == "Session " + base64.b64encode(b"jo:3:token").decode()
    assert asked[1].headers == session.headers
    call = requests.call(context(TRYTON, **HERE), "model.sale.sale.quote", [1], more={"_timestamp": {}})
    signed = session.sign(call)
    known = {"company": 9, "groups": [7], "language": "en", "_timestamp": {}}
    assert signed.json["params"] == [[1], known]
    assert (signed.path, signed.changes) == (call.path, None)
    with pytest.raises(RefusedByPartner, match="the password is another"):
        led(sign_in(access), said({"result": None}))
    with pytest.raises(RefusedByPartner, match="may work in no company"):
        led(sign_in(access), *given[:2], said({"result": []}))


def test_values_that_json_lacks_go_and_come_as_they_are() -> None:
    value = {
        "amount": Decimal("1.50"),
        "day": datetime(2026, 3, 2, tzinfo=UTC).date(),
        "at": datetime(2026, 3, 2, 8, 0, 1, 5, tzinfo=UTC),
        "rows": [["create", [{"price": Decimal(3)}]]],
    }
    assert replies.decoded(json.loads(json.dumps(requests.encoded(value)))) == value


# -- feeds --------------------------------------------------------------------------------------------------


def read(feed: str, cursor: str, *given: Response, **settings: Any) -> tuple[Page, list[Request]]:
    poll = next(poll for poll in connector(TRYTON).polls if poll.name == feed)
    page, asked = led(poll.read(cursor, context(TRYTON, **HERE, **settings)), *given)
    return page, asked


def told(feed: str, page: Page, **settings: Any) -> list[Any]:
    poll = next(poll for poll in connector(TRYTON).polls if poll.name == feed)
    assert poll.translate is not None
    known = context(TRYTON, **HERE, **settings).settings
    found: list[Happening] = [one for record in page.records for one in poll.translate(record, known)]
    return arrivals(found, connector(TRYTON), TRYTON, "page")


def test_a_sale_that_is_processed_is_an_order_released() -> None:
    page, asked = read("orders", "", *answers("feed_orders"))
    (event,) = told("orders", page, sites={"RDC": "North"})
    assert (event.type, event.id, event.about["order"]) == ("order.released", "sale/1/released", "SO-00001")
    order = event.data
    assert (order["site"], order["customer_po"], order["total"]) == ("North", "PO 77", usd("148.30"))
    assert [one["number"] for one in order["lines"]] == ["1", "2"]
    assert asked[0].changes is False
    assert "last_modified_at" not in json.dumps(asked[0].json["params"][0])


def test_what_was_seen_is_left_out_and_what_changed_since_is_told() -> None:
    (answer,) = answers("feed_orders")
    first, _ = read("orders", "", answer)
    again, asked = read("orders", first.cursor, answer)
    assert (again.records, again.cursor, again.more) == ([], first.cursor, False)
    bound = asked[0].json["params"][0][-1]
    assert bound[:2] == ["last_modified_at", ">="]
    seen, back = replies.decoded([answer.json()["result"][0]["last_modified_at"], bound[2]])
    assert (seen - back).total_seconds() == 120
    body = answer.json()
    late = {**body["result"][0], "id": 2}
    late["last_modified_at"] = {**late["last_modified_at"], "second": 1}  # a transaction that took its time
    after, _ = read("orders", first.cursor, said_exactly([late, *body["result"]]))
    assert [record["id"] for record in after.records] == [2]


def said_exactly(records: list[Any]) -> Response:
    return Response(200, {}, json.dumps({"result": records}, default=float).encode())


def test_a_cursor_that_is_lost_begins_anew_and_tells_the_same_ids() -> None:
    (answer,) = answers("feed_orders")
    ids = {event.id for event in told("orders", read("orders", "", answer)[0])}
    for lost in ("{", "12", '{"at": "yesterday"}', '{"seen": 5}'):
        page, asked = read("orders", lost, answer, since="2026-11-01T00:00:00Z")
        assert {event.id for event in told("orders", page)} == ids
        at = replies.decoded(asked[0].json["params"][0][-1])[2]
        assert at == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_long_reading_goes_on_page_by_page_from_the_last_record() -> None:
    (record,) = answers("feed_orders")[0].json()["result"]
    many = [{**record, "id": n} for n in range(1, 51)]
    page, _ = read("orders", "", said_exactly(many))
    assert (page.more, len(page.records)) == (True, 50)
    rest, asked = read("orders", page.cursor, said_exactly([{**record, "id": 51}]))
    assert (rest.more, [one["id"] for one in rest.records]) == (False, [51])
    assert asked[0].json["params"][0][-1][2][1] == ["id", ">", 50]
    # A page that was the last one and full: the next reading does not begin anew.
    rest, _ = read("orders", page.cursor, said_exactly([]))
    again, asked = read("orders", rest.cursor, said_exactly(many))
    assert (again.records, asked[0].json["params"][0][-1][:2]) == ([], ["last_modified_at", ">="])


def test_shipments_that_were_all_cancelled_are_an_order_cancelled() -> None:
    events = told("orders", read("orders", "", *answers("feed_cancelled"))[0])
    cancelled = [event for event in events if event.type == "order.cancelled"]
    assert [event.about for event in cancelled] == [{"order": "SO-00004"}]


def test_a_return_that_was_quoted_is_authorised() -> None:
    events = told("orders", read("orders", "", *answers("feed_return"))[0])
    (event,) = [event for event in events if event.type == "return.authorised"]
    assert event.about == {"return": "SO-00002", "authorisation": "SO-00002"}
    assert event.data["lines"] == [{"item": "KIT-30", "quantity": {"value": "2", "unit": "EA"}}]
    assert (event.data["state"], event.data["text"]) == ("authorised", "R-1 broken")


def test_invoices_and_credit_notes_are_told_with_their_order() -> None:
    page, _ = read("invoices", "", *answers("feed_invoices"))
    events = told("invoices", page)
    assert [event.type for event in events] == ["invoice.released", "credit.issued", "credit.issued"]
    invoice, claim, returned = (event.data for event in events)
    assert (invoice["number"], invoice["order"]) == ("INV2026-00001", "SO-00001")
    assert {one["order_line"] for one in invoice["lines"]} == {"1", "2"}
    assert claim["total"] == usd("20.00")
    assert returned["number"] == "CRN2026-00001"
    paid = json.loads(example(TRYTON, "feed_invoices.json"))[0]["result"][0] | {"state": "paid"}
    page = Page(cursor="", records=[paid])
    assert [event.type for event in told("invoices", page)] == ["invoice.released", "invoice.paid"]


def test_a_record_that_cannot_be_read_is_refused_alone() -> None:
    poll = connector(TRYTON).polls[0]
    assert poll.translate is not None
    with pytest.raises(Refused, match="the sale has no"):
        list(poll.translate({"id": 1}, context(TRYTON, **HERE).settings))


def test_master_data_is_told_by_code_with_what_tryton_knows_of_ours() -> None:
    def codes(what: str, **settings: Any) -> list[tuple[str, str | None, bool]]:
        talk = operation(f"list_{what}").do({}, context(TRYTON, **HERE, **settings))
        output, _ = led(talk, *answers(f"list_{what}"))
        return [(one["code"], one.get("ours"), one["active"]) for one in output["records"]]

    assert codes("parties") == [("NWD", None, True), ("C1001", None, True)]
    assert codes("items") == [("KIT-30", None, True), ("BOX-1", None, True)]
    assert codes("locations", sites={"RDC": "RNO"}) == [("DIRECT", None, True), ("RDC", "RNO", True)]
    assert codes("units") == [("u", "EA", True), ("kg", "KGM", True), ("g", "GRM", True)]


def test_stock_and_what_is_promised_of_it_are_told_by_site() -> None:
    here = context(TRYTON, **HERE)
    stock, _ = led(operation("list_stock").do({}, here), *answers("list_stock"))
    (lies,) = stock["stock"]
    assert lies == {"item": "KIT-30", "on_hand": {"value": "10", "unit": "EA"}, "site": "RDC"}
    promised, _ = led(operation("list_allocations").do({}, here), *answers("list_allocations"))
    (one,) = promised["allocations"]
    assert (one["order"], one["site"], one["quantity"]["value"]) == ("SO-00001", "RDC", "4")


def test_stock_is_told_by_lot_where_tryton_has_them() -> None:
    warehouses, goods = json.loads(example(TRYTON, "list_stock.json"))
    lots = [{"id": 1, "number": "L-7", "product": 1, "quantity": 6.5}]
    lots += [{"id": 2, "number": "L-8", "product": 1, "quantity": 2.0}]
    lots += [{"id": 3, "number": "L-9", "product": 1, "quantity": 0.0}]
    talk = operation("list_stock").do({}, context(TRYTON, **HERE, lots=True))
    stock, asked = led(talk, said(warehouses), said(goods), said({"id": 0, "result": lots}))
    assert [(one.get("lot"), one["on_hand"]["value"]) for one in stock["stock"]] == [
        ("L-7", "6.5"),
        ("L-8", "2"),
        (None, "1.5"),  # in no lot
    ]
    assert asked[2].json["method"] == "model.stock.lot.search_read"
    assert asked[2].json["params"][-1]["locations"] == asked[1].json["params"][-1]["locations"]


def test_a_count_of_a_lot_moves_that_lot() -> None:
    data = {"item": "KIT-30", "site": "RDC", "lot": "L-7", "change": {"value": "-2", "unit": "EA"}}
    here = context(TRYTON, **HERE, lots=True)
    place = {"id": 5, "code": "RDC", "storage_location": 3, "lost_found_location": 4}
    kit = {"id": 1, "default_uom": 1, "default_uom.": {"symbol": "u", "id": 1}}
    given: list[Any] = [[], [place], [kit]]
    with pytest.raises(RefusedByPartner, match="L-8"):
        led(operation("adjust_stock").do({**data, "lot": "L-8"}, here), *map(result, [*given, []]))
    there = [{"id": 9, "number": "1", "state": state} for state in ("draft", "waiting", "assigned", "done")]
    rest = [[9], [there[0]], None, [there[1]], True, [there[2]], None, [there[3]]]
    done, asked = led(
        operation("adjust_stock").do(data, here), *map(result, [*given, [{"id": 7, "number": "L-7"}], *rest])
    )
    assert done == {"adjustment": "1"}
    (made,) = [one for one in asked if one.json["method"].endswith(".create")]
    ((_, (move,)),) = made.json["params"][0][0]["moves"]
    assert (move["lot"], move["quantity"]) == (7, 2.0)


def result(value: Any) -> Response:
    return said({"id": 0, "result": value})


def test_master_data_is_read_from_its_beginning_also_where_news_is_told_from_a_day_on() -> None:
    (request, *_) = led(
        operation("list_items").do({}, context(TRYTON, **HERE, since="2026-03-02T00:00:00Z")),
        *answers("list_items"),
    )[1]
    assert "last_modified_at" not in json.dumps(request.json["params"][0])
