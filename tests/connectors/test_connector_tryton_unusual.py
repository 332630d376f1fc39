"""Tryton where an order is not a plain one: other units, services, currencies; too much; what is done already."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from talking import connector, context, example
from test_connector_tryton import BACK, DELIVERED, HERE, answers, led, line, operation, said, usd

from crossdock.connect.contract import RefusedByPartner, Request, Response
from crossdock.connectors.tryton import replies
from crossdock.errors import Refused

SERVICE = {
    "id": 9,
    "type": "line",
    "quantity": 1.0,
    "unit_price": {"__class__": "Decimal", "decimal": "5.00"},
    "amount": {"__class__": "Decimal", "decimal": "5.00"},
    "description": None,
    "unit.": {"id": 1, "symbol": "u"},
    "product.": {"id": 7, "code": "FREIGHT", "name": "Freight", "type": "service"},
}


def exact(amount: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": amount}


def bodies(name: str) -> list[Any]:
    return list(json.loads(example("tryton", f"{name}.json")))


def refused(name: str, data: Any, *given: Response) -> tuple[RefusedByPartner, list[Request]]:
    """The refusal, and what was asked before it."""
    asked: list[Request] = []

    def talk() -> Any:
        talking = operation(name).do(data, context("tryton", **HERE))
        request = next(talking)
        for answer in given:
            asked.append(request)
            request = talking.send(answer)

    with pytest.raises(RefusedByPartner) as caught:
        talk()
    assert len(asked) == len(given)
    return caught.value, asked


# -- what left ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carried", "code", "words"),
    [
        ([{**line("1", "KIT-30", "6"), "quantity": {"value": "6", "unit": "DZN"}}], "unit", "is in EA"),
        ([line("1", "KIT-30", "99")], "nothing_left", "has 10 left of line 1, not 99"),
        ([line("7", "KIT-30", "1")], "not_found", "line of goods"),
    ],
)
def test_what_cannot_have_left_is_refused_before_anything_is_pressed(
    carried: Any, code: str, words: str
) -> None:
    data = {"order": "SO-00001", "shipments": ["S-1"], "lines": [carried]}
    no, asked = refused("release_invoice", data, answers("release_invoice")[0])
    assert (no.code, words in str(no)) == (code, True), no
    assert all(request.changes is False for request in asked)


def sale_with(**shipment: Any) -> Response:
    """The sale of the examples, its shipment changed."""
    body = bodies("release_invoice")[0]
    body["result"][0]["shipments."][0] |= shipment
    return said(body)


def left(*quantities: str) -> dict[str, Any]:
    """That so much of the first line left, in as many shipments, and nothing of the second."""
    numbers = [f"S-{n}" for n in range(1, len(quantities) + 1)]
    return {
        "order": "SO-00001",
        "shipments": numbers,
        "lines": [[line("1", "KIT-30", quantity)] for quantity in quantities],
    }


def test_a_delivery_that_is_corrected_after_a_try_is_cut_again_and_not_billed_as_it_was() -> None:
    sale = sale_with(reference="S-1")
    again = {"id": 0, "result": json.loads(sale.body)["result"][0]["shipments."]}
    again["result"][0]["state"] = "draft"
    talking = operation("release_invoice").do(left("2"), context("tryton", **HERE))
    next(talking)
    asked = [talking.send(answer) for answer in (sale, said({"id": 0, "result": None}), said(again))]
    talking.close()
    write = json.loads(json.dumps(asked[-1].json))
    assert write["method"] == "model.stock.shipment.out.write"
    assert write["params"][1]["moves"] == [["write", [3], {"quantity": 2.0}], ["delete", [4]]]


def test_what_has_left_in_tryton_is_not_billed_in_the_place_of_another_quantity() -> None:
    no, asked = refused("release_invoice", left("2"), sale_with(reference="S-1", state="done"))
    assert (no.code, "is done with 10 of line 1, not 2" in str(no)) == ("wrong_state", True)
    assert all(request.changes is False for request in asked)


def test_what_has_left_with_another_quantity_is_not_found_in_the_place_of_what_is_told() -> None:
    talking = operation("release_invoice").find(left("2"), context("tryton", **HERE))
    next(talking)
    with pytest.raises(StopIteration) as found:
        talking.send(sale_with(reference="S-1", state="done"))
    assert found.value.value is None


def test_of_several_shipments_none_is_cut_where_they_carry_more_than_there_is() -> None:
    sale = sale_with()
    no, asked = refused("release_invoice", left("6", "6"), sale, said({"id": 0, "result": None}), sale)
    assert (no.code, "has 10 left of line 1, not 12" in str(no)) == ("nothing_left", True)
    assert not any("write" in str(request.json) for request in asked)


def test_a_piece_has_several_codes_and_none_left_of_anything_is_not_billed() -> None:
    (sale,) = replies.decoded(bodies("release_invoice")[0]["result"])
    for unit in ("EA", "H87", "C62", "PCE", "u", None):
        replies.in_its_unit(sale, [{"line": "1", "quantity": {"value": "1", "unit": unit}}], "line")
    nothing = {"order": "SO-00001", "shipments": ["S-1"], "lines": [[line("1", "KIT-30", "0")]]}
    with pytest.raises(Refused, match="what it carried"):
        led(operation("release_invoice").do(nothing, context("tryton", **HERE)))


def test_a_shipment_that_somebody_named_otherwise_is_told() -> None:
    body = bodies("release_invoice")[0]
    body["result"][0]["shipments."][0]["reference"] = "my own"
    data = {"order": "SO-00001", "shipments": ["S-1"], "lines": [[line("1", "KIT-30", "6")]]}
    no, _ = refused("release_invoice", data, said(body), said({"result": None}), said(body))
    assert (no.code, "the reference my own" in str(no)) == ("nothing_left", True)


def test_services_are_billed_with_the_first_delivery_and_left_as_no_draft() -> None:
    sale, moves = bodies("release_invoice_found")
    sale["result"][0]["lines."].append(SERVICE)
    done = [one["id"] for one in sale["result"][0]["shipments."]]

    def found(state: str, *ids: int) -> Any:
        """What is found when the invoice of the service is in that state, and these shipments are done."""
        invoice = {
            "id": 8,
            "number": "INV2026-00008",
            "state": state,
            "total_amount": exact("5.41"),
            "currency.": {"id": 1, "code": "USD"},
            "lines.": [{"id": 1, "origin": "sale.line,9"}],
        }
        other = {**invoice, "id": 7, "lines.": [{"id": 2, "origin": "sale.line,1"}]}
        shipments = [{"id": number, "state": "done"} for number in ids]
        standing = {"id": 1, "number": "SO-00001", "state": "processing", "shipments.": shipments}
        answer = said({"result": [{**standing, "invoices.": [invoice, other]}]})
        talk = operation("release_invoice").find(DELIVERED, context("tryton", **HERE))
        return led(talk, said(sale), said(moves), answer)[0]

    assert found("draft", *done) is None
    both = {"invoice": "INV2026-00001, INV2026-00008", "total": usd("150.47")}
    assert found("posted", *done) == both
    assert found("posted", min(done) - 1, *done) == {"invoice": "INV2026-00001", "total": usd("145.06")}
    assert found("cancelled", *done) == {"invoice": "INV2026-00001", "total": usd("145.06")}


# -- what a sale means --------------------------------------------------------------------------------------


def news(**changed: Any) -> list[tuple[str, Any]]:
    """What a sale tells that is as the recorded one but for this."""
    (sale,) = bodies("feed_orders")[0]["result"]
    translate = connector("tryton").polls[0].translate
    assert translate is not None
    settings = context("tryton", **HERE).settings
    return [(one.type, one.data) for one in translate({**sale, **changed}, settings)]


def test_a_negative_service_is_a_discount_and_no_return() -> None:
    (sale,) = bodies("feed_orders")[0]["result"]
    off = {**SERVICE, "quantity": -1.0, "amount": exact("-5.00")}
    ((kind, order),) = news(**{"lines.": [*sale["lines."], off]})
    assert (kind, len(order["lines"])) == ("order.released", 2)
    assert {"kind": "FREIGHT", "amount": usd("-5.00")} in order["charges"]


def test_an_exchange_is_an_order_of_what_goes_and_a_return_of_what_comes_back() -> None:
    (sale,) = bodies("feed_orders")[0]["result"]
    first, second = (line for line in sale["lines."] if line["type"] == "line")
    told = news(**{"lines.": [first, {**second, "quantity": -1.0}]})
    assert [kind for kind, _ in told] == ["return.authorised", "order.released"]
    (back, order) = (data for _, data in told)
    assert [one["item"] for one in back["lines"]] == [second["product."]["code"]]
    assert [one["number"] for one in order["lines"]] == [str(first["id"])]


def test_what_needs_no_delivery_is_not_released() -> None:
    assert news(**{"lines.": [SERVICE]}) == []
    assert news(state="done") == []


def test_a_sale_whose_cancelled_shipments_were_let_go_is_cancelled() -> None:
    cancelled = [{"id": 1, "state": "cancelled"}]
    for state in ("processing", "done"):
        ((kind, data),) = news(**{"state": state, "shipments.": cancelled})
        assert (kind, data["order"]) == ("order.cancelled", "SO-00001")


def test_a_dozen_is_known_and_a_product_without_a_code_is_named() -> None:
    (sale,) = bodies("feed_orders")[0]["result"]
    first, *rest = sale["lines."]
    ((_, order),) = news(**{"lines.": [{**first, "unit.": {"id": 4, "symbol": "dz"}}, *rest]})
    assert order["lines"][0]["quantity"]["unit"] == "DZN"
    bare = {**first, "product.": {**first["product."], "code": None, "name": "Kit"}}
    with pytest.raises(Refused, match="the product Kit has no code"):
        news(**{"lines.": [bare]})


# -- credit and returns -------------------------------------------------------------------------------------


def returned(data: Any, *before: float) -> dict[int, float]:
    """How much of which product the return is made for, when 10 and 3 were delivered and that came back."""
    given = bodies("authorise_return")
    given[1]["result"][0]["lines."][1]["moves."] = [
        {"id": 30, "quantity": 3.0, "state": "done"},
        {"id": 31, "quantity": 1.0, "state": "draft"},
    ]
    lines = [{"id": n, "product": 1, "unit": 1, "quantity": -back} for n, back in enumerate(before)]
    given[2] = {"result": [{"id": 5, "lines.": lines}]}
    talk = operation("authorise_return").do({"order": "SO-00001", **data}, context("tryton", **HERE))
    _, asked = led(talk, *(said(one) for one in given))
    (made,) = next(one for one in asked if one.json["method"] == "model.sale.sale.create").json["params"][0]
    return {row["product"]: row["quantity"] for row in made["lines"][0][1]}


def test_what_comes_back_was_delivered_and_is_not_back_yet() -> None:
    assert returned({}) == {1: -10.0, 2: -3.0}
    assert returned({}, 2.0, 5.0) == {1: -3.0, 2: -3.0}
    assert returned({"lines": BACK}, 8.0) == {1: -2.0}
    for data, before in (
        ({"lines": BACK}, 9.0),
        ({"lines": [{**BACK[0], "quantity": {"value": "11", "unit": "EA"}}]}, 0.0),
        ({"lines": [{**BACK[0], "order_line": "2", "quantity": {"value": "4", "unit": "EA"}}]}, 0.0),
    ):
        with pytest.raises(RefusedByPartner, match="not delivered so much"):
            returned(data, before)
    with pytest.raises(RefusedByPartner, match="is told in DZN"):
        returned({"lines": [{**BACK[0], "quantity": {"value": "1", "unit": "DZN"}}]})


def complained(amount: str | None, credited: str, *, quantity: float = 10.0) -> Any:
    """The complaint that is made when so much of an invoice for 145.06 was credited before."""
    invoice, _, _, kinds, made, *_ = bodies("credit_invoice")
    invoice["result"][0]["lines."][0]["quantity"] = quantity
    about = f"account.invoice,{invoice['result'][0]['id']}"
    earlier = {"id": 1, "reference": "another", "origin": about}
    standing = {"result": [{**earlier, "actions.": [{"id": 1, "result": "account.invoice,6"}]}]}
    note = {"result": [{"id": 6, "total_amount": exact(f"-{credited}")}]}
    data = {"invoice": "INV2026-00001", **({"amount": usd(amount)} if amount else {})}
    talk = operation("credit_invoice").do(data, context("tryton", **HERE))
    request = next(talk)
    for answer in (invoice, standing, note, kinds):
        request = talk.send(said(answer))
    assert made["result"] == [1]
    return request.json["params"][0][0]["actions"][0][1][0].get("invoice_lines")


def test_no_more_is_credited_than_an_invoice_has_left() -> None:
    assert complained(None, "0.00") is None  # all of it
    ((_, rows),) = complained(None, "72.53")
    assert rows[0]["unit_price"] == exact("6.2500")  # half of 12.50
    for amount, credited in (("100.00", "45.07"), (None, "145.06")):
        with pytest.raises(RefusedByPartner, match=rf"of which {credited} is credited already"):
            complained(amount, credited)


def test_of_many_the_credit_is_taken_off_one_so_that_no_cents_are_lost() -> None:
    ((_, rows),) = complained("7.77", "0.00", quantity=10000.0)
    share = Decimal("7.77") / Decimal("145.06")
    assert rows[0]["quantity"] == 1.0
    assert rows[0]["unit_price"] == exact(str(round(Decimal("125000.0000") * share, 4)))


def test_credit_of_an_order_in_another_currency_is_checked_at_the_rate_of_the_day() -> None:
    party, sales = bodies("check_credit")
    party["result"][0] |= {"credit_amount": exact("50.00"), "credit_limit_amount": exact("100.00")}
    mine = {"id": 1, "untaxed_amount": exact("25.00"), "invoices.": [], "currency.": {"id": 2, "code": "EUR"}}
    rates = [
        {"id": 1, "code": "USD", "rate": exact("1"), "digits": 2},
        {"id": 2, "code": "EUR", "rate": exact("0.5"), "digits": 2},
    ]
    asked = {
        "customer": "C1001",
        "order": "SO-00001",
        "amount": {"amount": "50.01", "currency": "EUR"},
    }
    sales["result"] = [mine]
    given = [said(party), said(sales), said({"result": rates})]
    answer, _ = led(operation("check_credit").do(asked, context("tryton", **HERE)), *given)
    assert answer == {"ok": False, "reason": "over_limit", "limit": usd("100.00"), "exposure": usd("0.00")}
    given[2] = said({"result": rates[:1]})
    no, _ = refused("check_credit", asked, *given)
    assert "no rate today for the currency EUR" in str(no)
