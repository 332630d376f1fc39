"""Events: the envelope, what each type carries, which business keys it names, and what is refused."""

from __future__ import annotations

import json
import re

import pytest

from crossdock.errors import Refused
from crossdock.model import EVENTS, CloudEvent, about, to_json
from crossdock.model.documents import Invalid
from crossdock.model.events import KEY_KINDS, EventType
from crossdock.model.limits import check_limits
from crossdock.model.orders import Order

PIECE = {"item": "WIDGET-1", "quantity": {"value": "6", "unit": "EA"}}
PACKED = {
    "order": "SO-1",
    "shipment": {"number": "S-1", "order": "SO-1", "tracking_number": "1Z1", "lines": [PIECE]},
}


def event(**attributes: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/wms/chicago",
        "type": "warehouse.shipment_packed",
        "time": "2026-03-01T10:00:00+01:00",
        "data": PACKED,
        **attributes,
    }


def problems(value: object) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        CloudEvent.parse(value)
    return {problem.path: problem.message for problem in refusal.value.problems}


def test_an_event_is_read_checked_and_written_as_it_came():
    written = to_json(CloudEvent.parse(event(subject="S-1", traceparent="00-a-b-01", sequence=7)))
    assert written == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/wms/chicago",
        "type": "warehouse.shipment_packed",
        "time": "2026-03-01T09:00:00Z",
        "subject": "S-1",
        "dataschema": "https://schemas.crossdock.dev/warehouse.shipment_packed/1",
        "data": {
            "order": "SO-1",
            "shipment": {
                "id": "S-1",
                "number": "S-1",
                "order": "SO-1",
                "orders": ["SO-1"],
                "tracking_number": "1Z1",
                "lines": [PIECE],
                "quantity": {"value": "6", "unit": "EA"},
            },
            "quantity": {"value": "6", "unit": "EA"},
        },
        "traceparent": "00-a-b-01",
        "sequence": 7,
    }
    assert to_json(CloudEvent.parse(json.loads(json.dumps(written)))) == written


def test_missing_attributes_are_all_named():
    assert problems({"specversion": "1.0"}) == {
        "id": "is missing",
        "source": "is missing",
        "type": "is missing",
        "time": "is missing",
    }
    assert problems({}) == {"specversion": "is missing"}


def test_problems_in_the_data_are_located_below_data():
    bad = {
        "order": "SO-1",
        "shipment": {"number": "S-1", "lines": [{"item": "A", "quantity": {"value": 6, "unit": "?"}}]},
    }
    assert problems(event(data=bad)) == {
        "data.shipment.lines.0.quantity.unit": "is not a UN/ECE Recommendation 20 unit, such as EA, KGM or MTR"
    }
    assert set(problems(event(data=None))) == {"data.order", "data.shipment"}
    assert problems(event(data=[])) == {"data": "is not an object"}


def test_an_unknown_type_is_refused_with_the_nearest_names():
    with pytest.raises(Refused) as refusal:
        CloudEvent.parse(event(type="shipment.deliverd"))
    assert "no event type `shipment.deliverd`" in refusal.value.message
    assert "shipment.delivered" in refusal.value.mend


@pytest.mark.parametrize(
    ("attributes", "path", "told"),
    [
        ({"time": "2026-03-01T10:00:00"}, "time", "has no time zone"),
        ({"time": "2026-03-01"}, "time", "a date alone"),
        ({"specversion": "0.3"}, "specversion", "is none of"),
        ({"source": "our wms"}, "source", "has blanks"),
        ({"id": ""}, "id", "at least 1 character"),
        ({"id": 7}, "id", "valid string"),
        ({"datacontenttype": "application/xml"}, "datacontenttype", "is not JSON"),
        ({"data_base64": "AAAA"}, "data_base64", "binary data is not taken"),
        ({"Order-Number": "SO-1"}, "Order-Number", "is no attribute of CloudEvents"),
        ({"extensions": {"a": "b"}}, "extensions", "is no attribute of CloudEvents"),
        ({"nested": {"a": "b"}}, "extensions.nested.str", "valid string"),
    ],
)
def test_a_wrong_attribute_is_refused(attributes: dict[str, object], path: str, told: str):
    assert told in problems(event(**attributes))[path]


@pytest.mark.parametrize("value", [None, [], "x", b"{}"])
def test_what_is_no_object_is_no_event(value: object):
    with pytest.raises(Refused, match="a CloudEvent is a JSON object"):
        CloudEvent.parse(value)


def test_json_by_any_media_type_is_taken_and_a_null_attribute_is_absent():
    read = CloudEvent.parse(
        event(datacontenttype="application/vnd.wms+json; charset=utf-8", subject=None, tenant=None)
    )
    assert read.subject is None
    assert read.extensions == {}


def test_a_schema_that_is_not_ours_says_nothing_about_the_version():
    assert CloudEvent.parse(event(dataschema="https://example.com/packed.json")).data["order"] == "SO-1"


def test_a_schema_of_another_type_or_of_a_version_to_come_is_refused():
    base = "https://schemas.crossdock.dev/"
    with pytest.raises(Refused, match=r"of order\.released, but the type is warehouse\.shipment_packed"):
        CloudEvent.parse(event(dataschema=base + "order.released/1"))
    for version in (0, 2):
        with pytest.raises(Refused, match=f"version {version} of warehouse.shipment_packed is not known"):
            CloudEvent.parse(event(dataschema=f"{base}warehouse.shipment_packed/{version}"))


def test_old_versions_are_converted_up_step_by_step():
    def renamed(data: dict[str, object]) -> dict[str, object]:
        return {"no": data["order_number"]}

    def renamed_again(data: dict[str, object]) -> dict[str, object]:
        return {"number": data["no"]}

    types = {
        "order.released": EventType(
            "order.released", Order, "", {"order": "number"}, 3, (renamed, renamed_again)
        ),
    }
    base = "https://schemas.crossdock.dev/order.released/"
    for version, data in enumerate([{"order_number": "SO-1"}, {"no": "SO-1"}, {"number": "SO-1"}], start=1):
        read = CloudEvent.parse(
            event(type="order.released", data=data, dataschema=f"{base}{version}"), types=types
        )
        assert read.data == {"id": "SO-1", "number": "SO-1"}
        assert read.dataschema == base + "3"


def test_keys_are_found_where_the_type_says():
    assert about("warehouse.shipment_packed", PACKED) == {
        "order": "SO-1",
        "shipment": "S-1",
        "tracking": "1Z1",
    }
    assert about("order.released", {"number": "SO-1"}) == {"order": "SO-1"}
    assert about("shipment.delivered", {"tracking_number": "1Z1"}) == {"tracking": "1Z1"}
    assert about("return.received", {"number": "RMA-1", "order": "SO-1"}) == {
        "return": "RMA-1",
        "order": "SO-1",
    }
    assert about("exception.raised", {"id": "x-1", "type": "lost", "order": "SO-1"}) == {
        "exception": "x-1",
        "order": "SO-1",
    }


def test_a_list_names_something_only_when_it_holds_one():
    assert about("invoice.released", {"number": "I-1", "shipments": ["S-1"]}) == {
        "invoice": "I-1",
        "shipment": "S-1",
    }
    assert about("invoice.released", {"number": "I-1", "shipments": ["S-1", "S-2"]}) == {"invoice": "I-1"}


@pytest.mark.parametrize("data", [None, [], "x", {"number": 7}, {"number": None}])
def test_data_that_names_nothing_gives_no_keys(data: object):
    assert about("order.released", data) == {}


def test_keys_of_an_unknown_type_are_refused():
    with pytest.raises(Refused, match=r"no event type `order\.lost`"):
        about("order.lost", {})


def test_news_of_a_shipment_must_name_it_somehow():
    assert problems(event(type="shipment.delivered", data={"text": "delivered"})) == {
        "data": "names no shipment; give `shipment`, `tracking_number`, `booking` or `package`"
    }


def test_every_type_is_named_and_every_key_path_leads_somewhere():
    for name, event_type in EVENTS.items():
        assert name == event_type.type
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name)
        assert event_type.description
        assert event_type.about
        assert set(event_type.about) <= KEY_KINDS
        for path in event_type.about.values():
            model = event_type.data
            *inner, last = path.split(".")
            for part in inner:
                annotation = model.model_fields[part].annotation
                assert isinstance(annotation, type)
                model = annotation
            assert last in model.model_fields, f"{name}: {path}"


@pytest.mark.parametrize(
    "name",
    """order.released order.changed order.cancelled order.held warehouse.shipment_packed warehouse.pick_started
    warehouse.picked warehouse.pick_short stock.allocated stock.short shipment.booked shipment.labelled
    shipment.picked_up shipment.in_transit shipment.departed shipment.arrived shipment.out_for_delivery
    shipment.delivery_attempted shipment.delivered shipment.delayed shipment.damaged shipment.lost
    shipment.returned_to_sender shipment.estimated shipment.customs_started shipment.customs_cleared
    shipment.milestone package.damaged proof.received invoice.created invoice.released invoice.held invoice.disputed
    invoice.paid credit.issued return.requested return.authorised return.received return.inspected refund.paid
    claim.filed claim.accepted claim.rejected claim.paid purchase_order.sent inbound_shipment.announced
    receipt.recorded freight_bill.received quote.requested exception.raised exception.closed case.opened
    payment.received tender.accepted tender.declined""".split(),  # noqa: SIM905 (a list to read)
)
def test_the_whole_flow_has_its_event_types(name: str):
    assert name in EVENTS


def test_limits_let_through_what_fits_exactly():
    value = {"a": [1, True, False, None, "x"]}
    size = len(json.dumps(value, separators=(",", ":")))
    check_limits(value, size, 2)
    with pytest.raises(Refused, match=f"larger than {size - 1} bytes"):
        check_limits(value, size - 1, 2)
    with pytest.raises(Refused, match="deeper than 1 levels"):
        check_limits(value, size, 1)


def test_size_counts_bytes_not_letters():
    check_limits("é" * 10, 22, 0)
    with pytest.raises(Refused, match="larger than 21 bytes"):
        check_limits("é" * 10, 21, 0)


def test_a_hostile_depth_is_refused_without_recursion():
    deep: object = 1
    for _ in range(1_000_000):
        deep = [deep]
    with pytest.raises(Refused, match="deeper than 64 levels"):
        check_limits(deep, 10_000_000, 64)
