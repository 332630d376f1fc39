"""Documents: read whole or refused with every problem, written sparse, the same after a round trip."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.errors import Refused
from crossdock.model import DOCUMENTS, parse_document, to_json
from crossdock.model.documents import Invalid
from crossdock.model.orders import Order
from crossdock.model.shipments import Shipment

LINE = {"number": "1", "item": "WIDGET-1", "quantity": {"value": "10", "unit": "EA"}}


def order(**fields: object) -> Order:
    document = parse_document("Order", {"number": "SO-1", **fields})
    assert isinstance(document, Order)
    return document


def shipment(**fields: object) -> Shipment:
    document = parse_document("Shipment", {"number": "S-1", **fields})
    assert isinstance(document, Shipment)
    return document


def test_absent_fields_are_absent_in_json_and_empty_lists_too():
    assert to_json(order(lines=[], customer=None)) == {"id": "SO-1", "number": "SO-1"}


def test_what_partners_keep_under_custom_comes_out_as_it_went_in():
    custom = {"empty": [], "nothing": None, "nested": {"a": {}, "b": [1, "x", None, False]}}
    assert to_json(order(custom=custom))["custom"] == custom


@pytest.mark.parametrize("value", [math.nan, "half \ud800 pair", "nul \x00", {1: "key"}, object()])
def test_custom_takes_only_what_json_can_store(value: object):
    with pytest.raises(Refused) as refusal:
        order(custom={"field": value})
    assert refusal.value.where == "custom"


def test_custom_is_not_nested_without_end():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Refused, match="deeper than 32 levels"):
        order(custom={"deep": deep})


def test_the_quantity_of_an_order_follows_from_its_lines_when_they_have_one_unit():
    second = {**LINE, "number": "2", "quantity": {"value": "2.5", "unit": "EA"}}
    assert to_json(order(lines=[LINE, second]))["quantity"] == {"value": "12.5", "unit": "EA"}
    weighed = {**second, "quantity": {"value": "2.5", "unit": "KGM"}}
    assert order(lines=[LINE, weighed]).quantity is None
    told = order(lines=[LINE], quantity={"value": "1", "unit": "PK"}).quantity
    assert told is not None
    assert str(told) == "1 PK"


def test_the_currency_of_an_order_is_that_of_its_total():
    total = {"amount": "7.00", "currency": "CHF"}
    assert order(total=total).currency == "CHF"
    with pytest.raises(Refused, match="`currency` is EUR, but `total` is in CHF"):
        order(total=total, currency="EUR")


def test_two_lines_of_an_order_do_not_share_a_number():
    with pytest.raises(Refused, match="two lines have the same number"):
        order(lines=[LINE, LINE])


def test_a_line_without_item_number_needs_a_name():
    service = {"number": "1", "name": "Engraving", "quantity": {"value": "1", "unit": "EA"}}
    assert order(lines=[service]).lines[0].item is None
    with pytest.raises(Refused) as refusal:
        order(lines=[{"number": "1", "quantity": {"value": "1", "unit": "EA"}}])
    assert refusal.value.where == "lines.0"


def test_a_shipment_knows_its_order_and_its_orders_either_way():
    assert shipment(order="SO-1").orders == ("SO-1",)
    assert shipment(orders=["SO-1"]).order == "SO-1"
    assert shipment(orders=["SO-1", "SO-2"]).order is None
    with pytest.raises(Refused, match="not among `orders`"):
        shipment(order="SO-3", orders=["SO-1", "SO-2"])


def test_the_quantity_of_a_shipment_follows_from_lines_else_from_what_lies_in_packages():
    piece = {"item": "WIDGET-1", "quantity": {"value": "4", "unit": "EA"}}
    packages = [{"number": "P-1", "contents": [piece]}, {"number": "P-2", "contents": [piece]}]
    assert str(shipment(packages=packages).quantity) == "8 EA"
    assert str(shipment(packages=packages, lines=[piece]).quantity) == "4 EA"
    assert shipment(package_count=2).quantity is None


def test_a_package_is_known_by_any_of_its_numbers():
    assert to_json(parse_document("Package", {"sscc": "340123450000000000"}))["id"] == "340123450000000000"
    assert to_json(parse_document("Package", {"tracking_number": "1Z1"}))["id"] == "1Z1"
    with pytest.raises(Refused, match="has no number"):
        parse_document("Package", {"weight": {"value": "1", "unit": "KGM"}})


def test_every_problem_is_told_at_once_with_its_place():
    with pytest.raises(Invalid) as refusal:
        parse_document(
            "Order",
            {
                "lines": [
                    LINE,
                    {**LINE, "number": "2", "colour": "red", "quantity": {"value": 2.5, "unit": "each"}},
                ],
                "total": {"amount": "1", "currency": "EUR", "tax": "0"},
                "custmer": {"id": "C1"},
                "priority": "now",
                "ship_to": {"country": "Germany"},
                "requested_delivery": "2026-03-01",
                "released": "2026-03-01T10:00:00",
                "ordered": 1_700_000_000,
            },
        )
    problems = {problem.path: (problem.message, problem.mend) for problem in refusal.value.problems}
    assert set(problems) == {
        "number",
        "lines.1.colour",
        "lines.1.quantity.value",
        "lines.1.quantity.unit",
        "total.tax",
        "custmer",
        "priority",
        "ship_to.country",
        "requested_delivery",
        "released",
        "ordered",
    }
    assert problems["number"] == ("is missing", "add it: The seller's order number, unique at the source")
    assert problems["lines.1.colour"] == ("OrderLine has no such field", "put it under custom")
    assert problems["total.tax"] == (
        "Money has no such field",
        "leave it out, or put it under the document's custom",
    )
    assert problems["custmer"] == (
        "Order has no such field",
        "did you mean `customer`? else put it under custom",
    )
    assert problems["priority"][0] == "is none of 'low', 'normal', 'high' or 'urgent'"
    assert (
        problems["lines.1.quantity.unit"][0]
        == "is not a UN/ECE Recommendation 20 unit, such as EA, KGM or MTR"
    )
    assert "a date alone, which is not midnight" in problems["requested_delivery"][0]
    assert "has no time zone" in problems["released"][0]
    assert "RFC 3339" in problems["ordered"][0]
    for path in problems:
        assert f"\n  {path}: " in str(refusal.value)


@pytest.mark.parametrize("data", [None, [], "SO-1", 7])
def test_what_is_no_object_is_refused(data: object):
    with pytest.raises(Refused, match="is not an object"):
        parse_document("Order", data)


def test_a_number_where_a_quantity_is_needed_is_told_what_a_quantity_has():
    with pytest.raises(Refused) as refusal:
        parse_document("Order", {"number": "SO-1", "quantity": 10, "total": 9.5})
    told = str(refusal.value)
    assert "\n  quantity: is not an object (give one with value and unit)" in told
    assert "\n  total: is not an object (give one with amount and currency)" in told


def test_an_unknown_type_is_refused_with_the_nearest_names():
    with pytest.raises(Refused, match="did you mean Shipment"):
        parse_document("Shipmnt", {})


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00Z"),
        ("2026-03-01T10:00Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01t10:00:00.123456789z", "2026-03-01T10:00:00.123456Z"),
        ("2014-01-01 00:00:00-0500", "2014-01-01T05:00:00Z"),
    ],
)
def test_instants_are_kept_in_utc(written: str, kept: str):
    assert to_json(order(released=written))["released"] == kept
    assert to_json(order(released=kept))["released"] == kept


@pytest.mark.parametrize(
    "written", ["2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "20260301T100000Z", "now"]
)
def test_what_is_no_instant_is_refused(written: str):
    with pytest.raises(Refused) as refusal:
        order(released=written)
    assert refusal.value.where == "released"


def test_documents_do_not_change():
    document = order()
    with pytest.raises(pydantic.ValidationError):
        document.number = "SO-2"  # type: ignore[misc]
    assert document.number == "SO-1"


@pytest.mark.parametrize(
    ("type_name", "field", "good", "bad"),
    [
        ("Party", "gln", "4012345000009", "4012345000008"),
        ("Package", "sscc", "340123450000000000", "340123450000000001"),
        ("Item", "gtin", "04012345123456", "4012345123457"),
        ("Item", "hs_code", "300490", "3004.90"),
        ("Item", "origin", "DE", "D"),
    ],
)
def test_public_keys_are_checked(type_name: str, field: str, good: str, bad: str):
    number = {"number": "1"} if type_name != "Party" else {"id": "1"}
    assert to_json(parse_document(type_name, {**number, field: good}))[field] == good
    with pytest.raises(Refused) as refusal:
        parse_document(type_name, {**number, field: bad})
    assert refusal.value.where == field


def test_a_short_gtin_is_filled_up():
    assert (
        to_json(parse_document("Item", {"number": "1", "gtin": "4012345123456"}))["gtin"] == "04012345123456"
    )


def test_a_milestone_keeps_what_happened_apart_from_why():
    told = {
        "code": "delivery_attempted",
        "reason": "recipient_unavailable",
        "time": "2026-03-01T23:00:00Z",
        "precision": "day",
        "text": "Consignee not in",
        "code_told": "A7",
    }
    assert to_json(parse_document("Milestone", told)) == {**told, "kind": "actual"}


def test_a_milestone_that_we_do_not_know_is_unknown_with_its_text():
    told = {"code": "unknown", "text": "Zustellung in Klärung", "code_told": "ZX9"}
    assert to_json(parse_document("Milestone", told)) == {**told, "kind": "actual"}
    with pytest.raises(Refused, match="is none of"):
        parse_document("Milestone", {"code": "ZX9"})


def test_a_milestone_may_say_only_why_but_not_nothing():
    assert to_json(parse_document("Milestone", {"reason": "held"})) == {"reason": "held", "kind": "actual"}
    with pytest.raises(Refused, match="says neither `code` nor `reason`"):
        parse_document("Milestone", {"text": "?"})


def test_a_precision_without_a_time_is_refused():
    with pytest.raises(Refused, match="`precision` is given without `time`"):
        parse_document("Milestone", {"code": "delivered", "precision": "day"})


def test_every_document_says_what_it_is_and_every_field_what_it_means():
    for name, document in DOCUMENTS.items():
        assert name == document.__name__
        assert document.__doc__
        head = document.__doc__.split("\n\n")[0]
        assert head.endswith((".", ")."))
        assert "(" in head, f"{name} names no source"
        for field, info in document.model_fields.items():
            assert info.description, f"{name}.{field} says nothing"


def test_a_document_built_in_code_reads_back_from_its_json():
    built = Order(
        number="SO-1", released=datetime(2026, 3, 1, 9, tzinfo=UTC), custom={"shop": {"tags": ["a"]}}
    )
    assert parse_document("Order", to_json(built)) == built


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({field for document in DOCUMENTS.values() for field in document.model_fields})


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(DOCUMENTS)), st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5))
def test_any_json_is_either_refused_or_reads_back_the_same(type_name: str, data: dict[str, object]):
    try:
        document = parse_document(type_name, data)
    except Refused:
        return
    written = to_json(document)
    assert parse_document(type_name, json.loads(json.dumps(written))) == document
