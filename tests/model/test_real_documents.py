"""Documents that others wrote fit without bending.

SCMS: delivery history of the Supply Chain Management System, USAID, public domain. Shop: draft order and
fulfilment from Shopify's own client tests (shopify_python_api, MIT), shortened.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from decimal import Decimal
from typing import Any

from crossdock.model import parse_document, to_json
from crossdock.model.orders import Order
from crossdock.model.shipments import Shipment

SCMS = """\
line_id,project_code,quote_no,order_no,shipment_no,country,managed_by,fulfil_via,incoterm,mode,quote_sent,po_sent,scheduled_delivery,delivered,delivery_recorded,days_late,product_group,vendor,item,pack_size,quantity,line_value_usd,pack_price_usd,site,first_line,weight_kg,freight_usd,insurance_usd
10540,100-CI-T01,Pre-PQ Process,SO-283,DN-16,Côte d'Ivoire,PMO - US,From RDC,N/A - From RDC,N/A,,,2007-02-22,2007-02-22,2007-02-22,0,ARV,SCMS from RDC,"Lamivudine/Zidovudine 150/300mg, tablets, 60 Tabs",60,2230,22857.5,10.25,"Aurobindo Unit III, India",Yes,909,2804,
11086,100-CI-T01,Pre-PQ Process,SO-283,DN-16,Côte d'Ivoire,PMO - US,From RDC,N/A - From RDC,N/A,,,2007-02-22,2007-02-22,2007-02-22,0,ARV,SCMS from RDC,"Efavirenz 600mg, tablets, 30 Tabs",30,4350,70687.5,16.25,"Aurobindo Unit III, India",No,See DN-16 (ID#:10540),See DN-16 (ID#:10540),
11088,100-CI-T01,Pre-PQ Process,SO-283,DN-26,Côte d'Ivoire,PMO - US,From RDC,N/A - From RDC,N/A,,,2007-02-22,2007-03-08,2007-03-08,14,ARV,SCMS from RDC,"Efavirenz 600mg, tablets, 30 Tabs",30,3024,49140,16.25,"Aurobindo Unit III, India",Yes,275,1448,
25037,161-ZA-T30,FPQ-6708,SCMS-93570,ASN-11701,South Africa,PMO - US,Direct Drop,DDP,Ocean,2010-11-26,2010-12-14,2011-10-05,2011-10-05,2011-10-05,0,ARV,Aurobindo Pharma Limited,"Tenofovir Disoproxil Fumarate 300mg, tablets, 30 Tabs",30,71984,478693.6,6.65,"Aurobindo Unit III, India",Yes,6719,9726.54,789.84
36447,161-ZA-T30,FPQ-6708,SCMS-93570,ASN-11801,South Africa,PMO - US,Direct Drop,DDP,Ocean,2010-11-26,2010-12-14,2011-10-05,2011-10-14,2011-10-14,9,ARV,Aurobindo Pharma Limited,"Tenofovir Disoproxil Fumarate 300mg, tablets, 30 Tabs",30,14155,94130.75,6.65,"Aurobindo Unit III, India",Yes,1321,9726.53,155.32
3753,116-ZA-T01,Pre-PQ Process,SCMS-41210,ASN-3737,South Africa,PMO - US,Direct Drop,DDP,Air,,,2009-03-30,2009-01-23,2009-01-23,-66,ARV,S. BUYS WHOLESALER,"Saquinavir 200mg [Invirase], capsules, 270 Caps",270,2,114.9,57.45,Roche Basel,Yes,Weight Captured Separately,Freight Included in Commodity Cost,0.23
"""

COUNTRIES = {"Côte d'Ivoire": "CI", "South Africa": "ZA"}
MODES = {"Ocean": "ocean", "Air": "air", "N/A": "unknown"}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def number(text: str) -> str | None:
    """A number where there is one; the source also writes "See DN-16 (ID#:10540)"."""
    return text if text.replace(".", "", 1).isdigit() else None


def scms() -> tuple[dict[str, Order], dict[str, Shipment]]:
    by_order: dict[str, list[dict[str, str]]] = defaultdict(list)
    by_shipment: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(SCMS)):
        by_order[row["order_no"]].append(row)
        by_shipment[row["shipment_no"]].append(row)
    orders, shipments = {}, {}
    for order_no, rows in by_order.items():
        first = rows[0]
        order = parse_document(
            "Order",
            {
                "number": order_no,
                "customer": {"id": first["project_code"]},
                "quote": first["quote_no"],
                "ship_to": {"country": COUNTRIES[first["country"]]},
                "incoterm": "unknown" if first["incoterm"].startswith("N/A") else first["incoterm"],
                "kind": "drop_ship" if first["fulfil_via"] == "Direct Drop" else "sale",
                "requested_delivery": first["scheduled_delivery"] + "T23:59:59+00:00",
                "requested_delivery_precision": "day",
                "total": usd(str(sum(Decimal(row["line_value_usd"]) for row in rows))),
                "lines": [
                    {
                        "number": row["line_id"],
                        "item": row["item"],
                        "supplier": row["vendor"],
                        "quantity": {"value": row["quantity"], "unit": "PK"},
                        "price": usd(row["pack_price_usd"]),
                        "amount": usd(row["line_value_usd"]),
                        "custom": {"product_group": row["product_group"], "pack_size": row["pack_size"]},
                    }
                    for row in rows
                ],
                "source": "scms",
                "origins": {"requested_delivery": "scheduled_delivery", "total": "sum of line_value_usd"},
            },
        )
        assert isinstance(order, Order)
        orders[order_no] = order
    for shipment_no, rows in by_shipment.items():
        first = rows[0]
        weight, freight = number(first["weight_kg"]), number(first["freight_usd"])
        shipment = parse_document(
            "Shipment",
            {
                "number": shipment_no,
                "orders": sorted({row["order_no"] for row in rows}),
                "mode": MODES[first["mode"]],
                "weight": {"value": weight, "unit": "KGM"} if weight else None,
                "freight": usd(freight) if freight else None,
                "delivered": first["delivered"] + "T23:59:59Z",
                "delivered_precision": "day",
                "lines": [
                    {
                        "line": row["line_id"],
                        "item": row["item"],
                        "quantity": {"value": row["quantity"], "unit": "PK"},
                    }
                    for row in rows
                ],
                "custom": {} if weight else {"weight_kg": first["weight_kg"]},
            },
        )
        assert isinstance(shipment, Shipment)
        shipments[shipment_no] = shipment
    return orders, shipments


def test_a_real_order_of_many_lines_and_shipments_fits():
    orders, shipments = scms()
    order = orders["SO-283"]
    assert str(order.total) == "142685.0 USD"
    assert str(order.quantity) == "9604 PK"
    assert order.currency == "USD"
    of_order = [shipment for shipment in shipments.values() if shipment.order == "SO-283"]
    assert [str(shipment.quantity) for shipment in of_order] == ["6580 PK", "3024 PK"]
    assert [str(shipment.weight) for shipment in of_order] == ["909 KGM", "275 KGM"]


def test_price_times_quantity_is_the_value_that_the_source_has_to_the_cent():
    orders, _ = scms()
    lines = [line for order in orders.values() for line in order.lines]
    assert len(lines) == 6
    for line in lines:
        assert line.price is not None
        assert line.price * line.quantity.value == line.amount


def test_what_the_source_does_not_know_stays_unknown_with_its_words():
    orders, shipments = scms()
    assert orders["SO-283"].incoterm == "unknown"
    assert orders["SCMS-93570"].incoterm == "DDP"
    assert shipments["ASN-3737"].weight is None
    assert shipments["ASN-3737"].custom == {"weight_kg": "Weight Captured Separately"}


def test_all_of_them_read_back_from_their_json():
    orders, shipments = scms()
    for name, documents in (("Order", orders), ("Shipment", shipments)):
        for document in documents.values():
            assert parse_document(name, to_json(document)) == document


SHOP_ORDER: dict[str, Any] = {
    "id": 517119332,
    "name": "#D1",
    "currency": "CAD",
    "total_tax": "0.00",
    "total_price": "1027.41",
    "updated_at": "2017-02-02T13:14:38-05:00",
    "completed_at": "2017-02-02T14:15:16-17:00",
    "line_items": [
        {"sku": "IPOD2008GREEN", "name": "IPod Nano - 8gb - green", "price": "199.00", "quantity": 1, "properties": []},
        {"sku": None, "name": "Custom item", "price": "494.14", "quantity": 2, "properties": []},
    ],
    "shipping_address": {
        "name": "Jan Fisher", "company": "Steuber and Sons", "address1": "512 Ernestina Forks", "address2": "Apt. 702",
        "city": "Lakefurt", "zip": "24093", "province_code": "VA", "country_code": "US", "phone": "(639) 372 1289",
    },
    "shipping_line": {"title": "Custom shipping", "price": "20.00"},
    "customer": {"id": 207119551, "first_name": "Bob", "last_name": "Norman", "email": "bob.norman@hostmail.com"},
}  # fmt: skip


def test_a_shop_order_fits_also_with_a_line_that_has_no_item_number():
    shop = SHOP_ORDER
    address = shop["shipping_address"]
    order = parse_document(
        "Order",
        {
            "number": shop["name"],
            "references": [{"kind": "shop", "value": str(shop["id"])}],
            "changed": shop["updated_at"],
            "ordered": shop["completed_at"],
            "customer": {
                "id": str(shop["customer"]["id"]),
                "name": f"{shop['customer']['first_name']} {shop['customer']['last_name']}",
                "contact": {"email": shop["customer"]["email"]},
            },
            "total": {"amount": shop["total_price"], "currency": shop["currency"]},
            "tax": {"amount": shop["total_tax"], "currency": shop["currency"]},
            "charges": [
                {"kind": "freight", "amount": {"amount": shop["shipping_line"]["price"], "currency": "CAD"}}
            ],
            "ship_to": {
                "name": address["name"],
                "company": address["company"],
                "lines": [address["address1"], address["address2"]],
                "city": address["city"],
                "postal_code": address["zip"],
                "region": address["province_code"],
                "country": address["country_code"],
                "contact": {"phone": address["phone"]},
            },
            "lines": [
                {
                    "number": str(position),
                    "item": item["sku"],
                    "name": item["name"],
                    "quantity": {"value": item["quantity"], "unit": "EA"},
                    "price": {"amount": item["price"], "currency": shop["currency"]},
                }
                for position, item in enumerate(shop["line_items"], start=1)
            ],
        },
    )
    written = to_json(order)
    assert written["quantity"] == {"value": "3", "unit": "EA"}
    assert written["ordered"] == "2017-02-03T07:15:16Z"
    assert written["tax"] == {"amount": "0.00", "currency": "CAD"}
    assert "item" not in written["lines"][1]
    assert parse_document("Order", written) == order
