"""The published schemas: valid themselves, and agreed with what is read and written."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from crossdock.model import DOCUMENTS, EVENTS, CloudEvent, parse_document, schemas, to_json
from crossdock.model.schemas import schema_id, schema_names

EUR = {"amount": "12.50", "currency": "EUR"}
TEN = {"value": "10", "unit": "EA"}
LINE = {"number": "1", "item": "A", "quantity": TEN}
RETURN_LINE = {"item": "A", "quantity": TEN, "received": TEN, "disposition": "restock"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "Address": {
        "lines": ["Main St 1"],
        "city": "Chicago",
        "region": "IL",
        "postal_code": "60601",
        "country": "US",
    },
    "Appointment": {
        "number": "A-1",
        "shipment": "S-1",
        "kind": "pickup",
        "state": "moved",
        "start": "2026-03-02T14:00:00Z",
    },
    "Booking": {"number": "B-1", "shipment": "S-1", "rate": EUR, "cut_off": "2026-03-01T16:00:00Z"},
    "Claim": {"number": "C-1", "kind": "damage", "amount": EUR, "file_until": "2026-06-01T00:00:00Z"},
    "ComplianceCheck": {"number": "K-1", "kind": "denied_party", "result": "possible_match", "party": "C1"},
    "CreditNote": {"number": "CN-1", "invoice": "I-1", "total": EUR, "issued": "2026-03-01"},
    "CustomerCase": {"number": "CC-1", "kind": "missing", "order": "SO-1", "text": "Wo bleibt es?"},
    "CustomsFiling": {"number": "MRN1", "lines": [{"hs_code": "300490", "origin": "IN", "value": EUR}]},
    "Dispute": {"number": "D-1", "invoice": "I-1", "reason": "quantity", "amount": EUR},
    "Difference": {"number": "order_missing_here/SO-1", "what": "orders", "here": "none", "severity": "high"},
    "ExceptionCase": {"id": "x-1", "type": "lost", "severity": "critical", "raised": "2026-03-01T10:00:00Z"},
    "FreightBill": {"number": "F-1", "total": EUR, "charges": [{"kind": "fuel", "amount": EUR}]},
    "HoldReason": {"code": "proof_missing", "text": "no POD"},
    "InboundShipment": {
        "number": "ASN-1",
        "purchase_order": "PO-1",
        "lines": [{"item": "A", "quantity": TEN}],
    },
    "Invoice": {"number": "I-1", "order": "SO-1", "total": EUR, "lines": [{"number": "1", "amount": EUR}]},
    "InvoiceLine": {"number": "1", "amount": EUR, "tax_rate": "19"},
    "Item": {
        "number": "A",
        "gtin": "04012345123456",
        "weight": {"value": "0.25", "unit": "KGM"},
        "minimum_age": 18,
    },
    "Leg": {
        "number": "1",
        "mode": "ocean",
        "place_from": {"locode": "DEHAM"},
        "place_to": {"locode": "USNYC"},
    },
    "Milestone": {"reason": "delay_customs", "direction": "in_customs", "time": "2026-03-01T10:00:00Z"},
    "Order": {"number": "SO-1", "customer": {"id": "C1"}, "lines": [LINE], "total": EUR, "priority": "high"},
    "OrderLine": {**LINE, "schedule": [{"quantity": TEN, "back_order": True}]},
    "Package": {"sscc": "340123450000000000", "contents": [{"item": "A", "quantity": TEN}]},
    "Party": {"id": "C1", "roles": ["customer", "bill_to"], "gln": "4012345000009", "credit_limit": EUR},
    "PickTask": {"number": "P-1", "order": "SO-1", "lines": [{"item": "A", "quantity": TEN, "picked": TEN}]},
    "ProofOfDelivery": {
        "shipment": "S-1",
        "received_by": "J. Doe",
        "discrepancies": [{"kind": "short", "item": "A"}],
    },
    "PurchaseOrder": {"number": "PO-1", "supplier": {"id": "V1"}, "lines": [LINE], "drop_ship": False},
    "Quote": {"number": "Q-1", "lines": [LINE], "total": EUR, "valid_until": "2026-04-01T00:00:00Z"},
    "Receipt": {
        "number": "R-1",
        "lines": [{"item": "A", "quantity": TEN}],
        "discrepancies": [{"kind": "over"}],
    },
    "Refund": {"number": "RF-1", "amount": EUR, "lines": [RETURN_LINE]},
    "Replacement": {"number": "RP-1", "order": "SO-1", "lines": [RETURN_LINE]},
    "Return": {"number": "RMA-1", "order": "SO-1", "lines": [RETURN_LINE], "reason": "damaged"},
    "ScheduleLine": {"quantity": TEN, "promised_delivery": "2026-03-01T10:00:00Z"},
    "Shipment": {
        "number": "S-1",
        "orders": ["SO-1", "SO-2"],
        "lines": [{"item": "A", "quantity": TEN}],
        "mode": "parcel",
    },
    "StockAdjustment": {
        "number": "CC-1",
        "item": "A",
        "kind": "count",
        "change": {"value": "-3", "unit": "EA"},
        "uncovered": [{"order": "SO-1", "missing": TEN}],
    },
    "Stock": {"item": "A", "site": "CHI", "on_hand": TEN, "expires": "2027-01-31"},
    "Tender": {"number": "T-1", "carrier": {"id": "CARR"}, "rate": EUR, "state": "declined"},
}


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Any]]:
    return schemas()


def validator(published: dict[str, dict[str, Any]], name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(published[schema_id(name, schema_names()[name])])


def test_there_is_one_schema_for_each_document_and_event_type(published: dict[str, dict[str, Any]]):
    names = schema_names()
    assert set(names) == set(DOCUMENTS) | set(EVENTS)
    assert set(published) == {schema_id(name, version) for name, version in names.items()}
    assert "https://schemas.crossdock.dev/order.released/1" in published


def test_every_schema_is_a_schema_with_its_own_address(published: dict[str, dict[str, Any]]):
    checked = set()
    for address, schema in published.items():
        assert schema["$id"] == address
        assert schema["description"]
        assert schema["additionalProperties"] is False
        content = json.dumps(
            {key: part for key, part in schema.items() if key not in ("$id", "title", "description")}
        )
        assert '"null"' not in content
        if content not in checked:  # event types share their data
            jsonschema.Draft202012Validator.check_schema(schema)
            checked.add(content)


def test_there_is_an_example_of_every_document():
    assert set(EXAMPLES) == set(DOCUMENTS)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_fits_its_schema_before_and_after_reading(name: str, published: dict[str, dict[str, Any]]):
    check = validator(published, name)
    check.validate(EXAMPLES[name])
    read = parse_document(name, EXAMPLES[name])
    check.validate(to_json(read))
    assert parse_document(name, to_json(read)) == read
    assert json.loads(json.dumps(to_json(read))) == to_json(read)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_data_of_every_event_type_fits_its_schema(name: str, published: dict[str, dict[str, Any]]):
    model = EVENTS[name].data
    data = (
        EXAMPLES.get(model.__name__)
        or {
            "OrderNews": {"order": "SO-1", "hold": {"code": "credit"}},
            "StockNews": {"order": "SO-1", "item": "A", "missing": TEN},
            "PackedShipment": {
                "order": "SO-1",
                "shipment": EXAMPLES["Shipment"],
                "short": [{"item": "A", "quantity": TEN}],
            },
            "ShipmentUpdate": {"tracking_number": "1Z1", "milestone": EXAMPLES["Milestone"]},
            "InvoiceNews": {"invoice": "I-1", "amount": EUR},
            "Payment": {"number": "P-1", "amount": EUR, "invoice": "I-1"},
            "Notice": {"number": "N-1", "order": "SO-1", "channel": "email"},
        }[model.__name__]
    )
    value = {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": name,
        "time": "2026-03-01T10:00:00Z",
        "data": data,
    }
    read = CloudEvent.parse(value)
    validator(published, name).validate(read.data)
    assert read.dataschema == schema_id(name, EVENTS[name].version)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"number": "SO-1", "colour": "red"},
        {"number": "SO-1", "total": {"amount": 12.5, "currency": "EUR"}},
        {"number": "SO-1", "customer": None},
        {"number": "SO-1", "priority": "now"},
        {"number": " SO-1"},
    ],
)
def test_what_does_not_fit_is_seen_by_the_schema_too(
    bad: dict[str, Any], published: dict[str, dict[str, Any]]
):
    assert not validator(published, "Order").is_valid(bad)
