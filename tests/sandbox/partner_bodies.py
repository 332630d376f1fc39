"""Bodies that the tests send."""

from typing import Any

CUSTOMER: dict[str, Any] = {
    "code": "C1",
    "name": "Harbour Clinic",
    "email": "clinic@example.org",
    "credit_limit": "200.00",
}


def order(number: str = "SO-1", **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "customer": "C1",
        "currency": "USD",
        "site": "RNO",
        "ordered_on": "2026-03-01",
        "lines": [
            {"line_no": 1, "item": "KIT", "quantity": "10", "unit_price": "12.50"},
            {"line_no": 2, "item": "GLOVE", "quantity": "2", "unit_price": "0.335"},
        ],
        **more,
    }


def pick(reference: str = "p1", number: str = "SO-1", qty: float = 10) -> dict[str, Any]:
    lines = [{"lineRef": "1", "sku": "KIT", "qty": qty, "unitWeightKg": 0.4}]
    return {"clientReference": reference, "orderNumber": number, "warehouse": "RNO", "lines": lines}


def label(reference: str = "SO-1-1", **more: Any) -> dict[str, Any]:
    to = {"name": "Harbour Clinic", "country": "US", "city": "Oakland"}
    return {"ref1": reference, "ref2": "SO-1", "svc": "QX2", "to": to, "pcs": [{"g": 4400}], **more}


def consignment(reference: str = "SO-1-1", **more: Any) -> dict[str, Any]:
    return {
        "consignment": {
            "clientReference": reference,
            "customerOrder": "SO-1",
            "product": "STD48",
            "consignee": {"name": "Harbour Clinic", "address": {"countryCode": "US", "city": "Oakland"}},
            "parcels": [{"weight": {"value": 4.4, "unit": "KG"}}],
            "collection": {"timeZone": "America/Los_Angeles"},
            **more,
        }
    }


def booking(reference: str = "SO-1-1", *, service: str = "ECONOMY", day: str = "") -> str:
    date = f"<Date>{day}</Date>" if day else ""
    return (
        f"<BookingRequest><CustomerRef>{reference}</CustomerRef><OrderRef>SO-1</OrderRef>"
        f"<Service>{service}</Service><Collection>{date}<Zone>America/Los_Angeles</Zone></Collection>"
        "<Consignee><Name>Harbour Clinic</Name><City>Oakland</City><Country>US</Country></Consignee>"
        "<Pieces><Piece><WeightKg>4.4</WeightKg></Piece></Pieces></BookingRequest>"
    )


def message(key: str = "k1", **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "to": "clinic@example.org",
        "subject": "Late",
        "text": "It is late.",
        "order": "SO-1",
        **more,
    }
