"""An order as the ERP of the sandbox has it, for worlds in which it is asked."""

from __future__ import annotations

from typing import Any

ZONE = "America/Los_Angeles"  # of its site


def erp_order(number: str) -> dict[str, Any]:
    """An order as the ERP has it."""
    return {
        "number": number,
        "customer": "C1001",
        "currency": "USD",
        "site": "RNO",
        "zone": ZONE,
        "ordered_on": "2026-03-01",
        "wanted_on": "2026-12-30",
        "created_by": "jo",
        "ship_to": {
            "name": "Harbour Clinic",
            "street": "1 Quay",
            "city": "Oakland",
            "postcode": "94607",
            "country": "US",
        },
        "lines": [
            {"line_no": 1, "item": "KIT-30", "quantity": "10", "unit_price": "12.50", "weight_kg": "0.40"}
        ],
    }
