"""A mapping makes events of payloads and payloads of documents, and rejects with the place what it cannot."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from crossdock.connect import catalogue
from crossdock.errors import Refused
from crossdock.translate import SCHEMA, NotAMapping, PartnerMapping, Rejected, Rows, check, load
from crossdock.translate.codes import read_lines, sought

ORDERS = """
mapping: acme-orders
tables:
  units: { ea: EA, ctn: CT }
rejects:
  - if: ${ size(record.items) == 0 }
    at: items
    because: "${ record.no } has no items"
events:
  - type: order.released
    if: ${ record.status == "final" }
    time: { of: "${ record.placed }", zone: Europe/Berlin, written: "%d.%m.%Y %H:%M" }
    id: acme-${ record.no }
    about: { shop: "${ record.shop }" }
    data:
      number: ${ record.no }
      customer: { id: { of: "${ record.buyer }", lookup: party } }
      total: ${ money(record.sum, "EUR") }
      priority: { if: "${ record.express }", then: urgent, else: normal }
      lines:
        each: ${ record.items }
        as: line
        if: ${ line.qty > 0 }
        give:
          number: ${ string(n) }
          item: { of: "${ line.sku }", lookup: item }
          quantity:
            value: ${ string(line.qty) }
            unit: { of: "${ line.uom }", table: units, default: EA }
  - if: ${ record.status == "draft" }
    ignore: drafts are theirs
"""
CODES = """kind,ours,theirs,direction
item,10041,A-41,
item,10042,A-42,both
item,10042,A-42-OLD,in
unit,EA,each,out
party,C-77,4711,
"""
ROWS = Rows.all(sought(line.code for line in read_lines(CODES) if line.code), of="acme")
ORDER: dict[str, Any] = {
    "no": "A-1",
    "status": "final",
    "placed": "02.11.2026 09:30",
    "buyer": "4711",
    "sum": 12.50,
    "express": True,
    "shop": "kiel",
    "items": [
        {"sku": "A-40", "qty": 0},
        {"sku": "A-41", "qty": 3, "uom": "ctn"},
        {"sku": "A-42-OLD", "qty": 1},
    ],
}


def mapping(text: str) -> PartnerMapping:
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    return load(text, catalogue(), file="acme.yaml")


def rejected(read: PartnerMapping, payload: bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(Rejected) as raised:
        read.read(payload, rows=ROWS)
    return [(one.source, one.field, one.message) for one in raised.value.rejects]


def test_a_payload_becomes_an_event_in_our_words_and_each_field_tells_its_origin() -> None:
    ((told, translated),) = mapping(ORDERS).read(json.dumps(ORDER).encode(), rows=ROWS)
    assert (told.type, told.id, told.about) == ("order.released", "acme-A-1", {"shop": "kiel"})
    assert told.time.isoformat() == "2026-11-02T09:30:00+01:00"
    assert told.data == {
        "number": "A-1",
        "customer": {"id": "C-77"},
        "total": {"amount": "12.5", "currency": "EUR"},
        "priority": "urgent",
        "lines": [
            {"number": "2", "item": "10041", "quantity": {"value": "3", "unit": "CT"}},
            {"number": "3", "item": "10042", "quantity": {"value": "1", "unit": "EA"}},
        ],
    }
    origins = {one.field: (one.kind, one.source, one.detail) for one in translated.origins}
    assert origins["data.number"] == ("source", "no", "")
    assert origins["data.customer.id"] == ("lookup", "buyer", "party: 4711")
    assert origins["data.total"] == ("worked out", "sum", 'money(record.sum, "EUR")')
    assert origins["data.priority"] == ("constant", "", "")
    assert origins["data.lines[0].item"] == ("lookup", "items[1].sku", "item: A-41")
    assert origins["data.lines[0].quantity.unit"] == ("table", "items[1].uom", "units: ctn")
    assert origins["data.lines[1].quantity.unit"] == ("default", "items[2].uom", "")
    assert origins["time"][:2] == ("worked out", "placed")


def test_everything_that_is_wrong_is_told_at_once_with_its_place_and_mend() -> None:
    bad = ORDER | {"buyer": "4712", "sum": "12,50", "placed": "gestern"}
    bad["items"] = [{"sku": "A-41", "qty": 1, "uom": "pal"}, {"sku": "A-99", "qty": 1}, {"qty": 2}]
    with pytest.raises(Rejected) as raised:
        mapping(ORDERS).read(json.dumps(bad).encode(), rows=ROWS)
    told = {one.field: one for one in raised.value.rejects}
    assert {field: (one.source, one.code) for field, one in told.items()} == {
        "data.customer.id": ("buyer", "unmapped_value"),
        "data.total": ("sum", "rejected"),
        "data.lines[0].quantity.unit": ("items[0].uom", "unmapped_value"),
        "data.lines[1].item": ("items[1].sku", "unmapped_value"),
        "data.lines[2].item": ("items[2].sku", "rejected"),
        "time": ("placed", "rejected"),
    }
    assert told["data.lines[1].item"].mend == "add it: crossdock codes set acme item OURS A-99"
    assert "`pal` is not in the table `units`" in told["data.lines[0].quantity.unit"].message
    assert raised.value.code == "unmapped_value"
    assert str(raised.value).count("\n") == 6


def test_what_does_not_fit_our_document_is_told_where_it_came_from() -> None:
    read = mapping(ORDERS.replace("value: ${ string(line.qty) }", "value: ${ line.qty_text }"))
    items = [{"sku": "A-41", "qty": 1, "qty_text": "some"}]
    ((source, field, _),) = rejected(read, json.dumps(ORDER | {"items": items}).encode())
    assert (source, field) == ("items[0].qty_text", "data.lines[0].quantity.value")
    twice = ORDERS.replace("${ string(n) }", "${ line.no }")
    items = [{"sku": "A-41", "qty": 1, "no": "1"}, {"sku": "A-42", "qty": 1, "no": "1"}]
    ((_, field, message),) = rejected(mapping(twice), json.dumps(ORDER | {"items": items}).encode())
    assert field == "data"
    assert "two lines have the same number" in message


def test_a_record_that_is_rejected_or_unknown_says_so_and_one_of_no_concern_is_nothing() -> None:
    read = mapping(ORDERS)
    assert rejected(read, json.dumps(ORDER | {"items": []}).encode()) == [("items", "", "A-1 has no items")]
    ((_, _, unknown),) = rejected(read, json.dumps(ORDER | {"status": "odd"}).encode())
    assert unknown == "no rule of `events` knows this record"
    assert read.read(json.dumps(ORDER | {"status": "draft"}).encode(), rows=ROWS) == []
    with pytest.raises(Refused) as raised:
        read.read(b'{"no":\n "A-1",}', rows=ROWS)
    assert raised.value.where == "line 2, column 8"


def test_what_is_looked_up_is_fetched_between_two_rounds() -> None:
    rows = Rows(of="acme")
    with pytest.raises(Rejected):
        mapping(ORDERS).read(json.dumps(ORDER).encode(), rows=rows)
    assert rows.wanted == {
        ("party", "ours", "4711"),
        ("item", "ours", "A-41"),
        ("item", "ours", "A-42-OLD"),
    }
    rows.add({("party", "ours", "4711"): "C-77", ("item", "ours", "A-41"): "10041"})
    with pytest.raises(Rejected) as raised:
        mapping(ORDERS).read(json.dumps(ORDER).encode(), rows=rows)
    assert rows.wanted == set()
    assert [one.field for one in raised.value.rejects] == ["data.lines[1].item"]


CSV = """
mapping: shop-csv
reads: csv
separator: ";"
group: Order
events:
  - type: order.created
    time: { of: "${ record.Date }", zone: UTC }
    data:
      number: ${ record.Order }
      lines:
        each: ${ record.rows }
        give:
          number: ${ item.Line }
          item: ${ item.Article }
          quantity: ${ quantity(item.Quantity, "EA") }
          price: { if: "${ item.Price != '' }", then: "${ money(item.Price, 'EUR') }" }
"""


def test_rows_of_csv_that_belong_together_are_one_record() -> None:
    text = "Order;Line;Article;Quantity;Price;Date\n7;1;X;2;9.50;2026-11-02\n8;1;Y;1;;2026-11-03\n7;2;Z;4;;2026-11-02\n"
    found = mapping(CSV).read(text.encode(), rows=ROWS)
    assert [(told.data["number"], [line["item"] for line in told.data["lines"]]) for told, _ in found] == [
        ("7", ["X", "Z"]),
        ("8", ["Y"]),
    ]
    assert found[0][0].data["lines"][0]["price"] == {"amount": "9.50", "currency": "EUR"}
    assert "price" not in found[0][0].data["lines"][1]
    ((source, field, _),) = rejected(mapping(CSV), text.replace("8;1;Y;1", "8;1;Y;one").encode())
    assert (source, field) == ("line 3, Quantity", "data.lines[0].quantity")
    with pytest.raises(Refused, match="5 cells, where the first line has 6"):
        mapping(CSV).read(b"Order;Line;Article;Quantity;Price;Date\n7;1;X;2;9\n", rows=ROWS)


XML = """
mapping: depot-xml
reads: xml
lists: [Line]
records: ${ body.Despatch }
events:
  - type: shipment.shipped
    time: ${ record.At }
    data:
      number: ${ record.id }
      order: ${ record.Order }
"""


def test_elements_and_attributes_of_xml_are_fields() -> None:
    text = b"""<?xml version="1.0"?>
<Advice xmlns="urn:depot">
 <Despatch id="D-1"><At>2026-11-02T10:00:00Z</At><Order>7</Order></Despatch>
 <Despatch id="D-2"><At>soon</At><Order>8</Order></Despatch>
</Advice>"""
    assert rejected(mapping(XML), text) == [
        ("Advice.Despatch[1].At", "time", "'soon' is not an instant"),
    ]
    good = text.replace(b"soon", b"2026-11-02T11:00:00Z")
    assert [told.data["number"] for told, _ in mapping(XML).read(good, rows=ROWS)] == ["D-1", "D-2"]
    with pytest.raises(Refused, match="document type"):
        mapping(XML).read(b"<!DOCTYPE x []><x/>", rows=ROWS)


OUT = """
mapping: to-acme
takes: Order
gives:
  kind: ORDERS
  no: ${ document.number }
  positions:
    each: ${ document.lines }
    as: line
    give:
      sku: { of: "${ line.item }", lookup: item }
      qty: ${ line.quantity.value }
      uom: { of: "${ line.quantity.unit }", lookup: unit, unknown: each }
operations:
  wms.create_pick:
    input:
      all: ${ input }
      but:
        order:
          all: ${ input.order }
          but:
            lines:
              each: ${ input.order.lines }
              as: line
              give:
                all: ${ line }
                but: { item: { of: "${ line.item }", lookup: item } }
    output: { pick: "${ output.pick }" }
"""
DOCUMENT = {
    "number": "SO-1",
    "lines": [{"number": "1", "item": "10042", "quantity": {"value": "2", "unit": "EA"}}],
}


def test_a_document_becomes_what_the_partner_takes_in_the_partners_codes() -> None:
    given = mapping(OUT).give(DOCUMENT, rows=ROWS)
    assert given.value == {
        "kind": "ORDERS",
        "no": "SO-1",
        "positions": [{"sku": "A-42", "qty": "2", "uom": "each"}],
    }
    assert {one.field: one.source for one in given.origins}["positions[0].sku"] == "lines[0].item"
    with pytest.raises(Rejected) as raised:
        mapping(OUT).give({"number": "SO-1", "lines": 3}, rows=ROWS)
    assert raised.value.where == "lines"


def test_the_input_of_a_call_is_as_it_is_but_for_what_is_said() -> None:
    read = mapping(OUT)
    data = {"order": DOCUMENT, "shipment": "1"}
    asked = read.asked("wms.create_pick", data, rows=ROWS, settings={})
    assert asked == {
        "order": DOCUMENT | {"lines": [DOCUMENT["lines"][0] | {"item": "A-42"}]},
        "shipment": "1",
    }
    assert read.asked("wms.cancel_pick", data, rows=ROWS, settings={}) == data
    unknown = {"order": {**DOCUMENT, "lines": [{**DOCUMENT["lines"][0], "item": "1"}]}}
    with pytest.raises(Rejected) as raised:
        read.asked("wms.create_pick", unknown, rows=ROWS, settings={})
    assert (raised.value.where, raised.value.code) == ("order.lines[0].item", "unmapped_value")
    assert "codes set acme item 1 THEIRS" in raised.value.mend


@pytest.mark.parametrize(
    ("before", "after", "line", "message", "mend"),
    [
        ("rejects:", "reject:", 5, "unknown field `reject`", "did you mean `rejects`?"),
        (
            "order.released",
            "order.relesed",
            10,
            "there is no event `order.relesed`",
            "did you mean `order.released`?",
        ),
        ("table: units", "table: unit", 29, "there is no table `unit`", "did you mean `units`?"),
        ("lookup: item", "lookup: items", 26, "there is no master data `items`", "did you mean `item`?"),
        ("as: line", "with: line", 22, "unknown field `with`", ""),
        ("Europe/Berlin", "Europe/Bonn", 12, "there is no zone `Europe/Bonn`", "write it as Europe/Berlin"),
        (
            "${ record.items }",
            "record.items",
            21,
            "'record.items' is not an expression",
            "write it as `${ ... }`",
        ),
        ("number: ${ string(n) }", "nmber: ${ string(n) }", 24, "", ""),
        ("${ record.no }\n    about", "${ record.no\n    about", 13, "", ""),
    ],
)
def test_a_mistake_is_told_with_its_line_and_mend(
    before: str, after: str, line: int, message: str, mend: str
) -> None:
    read, problems = check(ORDERS.replace(before, after, 1), catalogue(), file="acme.yaml")
    assert read is None
    found = [one for one in problems if one.severity == "error"]
    assert line in {one.line for one in found}, found
    assert any(message in one.message and mend in one.mend for one in found), found


def test_a_mapping_that_translates_nothing_is_none() -> None:
    with pytest.raises(NotAMapping, match="it translates nothing"):
        load("mapping: nothing\n", catalogue())
    assert mapping(ORDERS).version == mapping(ORDERS).version != mapping(OUT).version


def test_lines_of_master_data_are_good_or_bad_one_by_one() -> None:
    lines = read_lines(CODES + "itm,1,2,\nitem,,3,\nitem,1,2,up\nitem,1\n")
    assert [(one.line, one.problem) for one in lines if one.problem] == [
        (7, "there is no kind `itm`"),
        (8, "no code of ours"),
        (9, "`up` is no direction"),
        (10, "it has too many or too few cells"),
    ]
    with pytest.raises(Refused, match="no column `theirs`"):
        read_lines("kind,ours\nitem,1\n")
