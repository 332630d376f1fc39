"""Labels of real carriers: rated, bought, found after an unknown outcome, taken back; by their published APIs."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from talking import Led, connector, context

from crossdock.connect.conformance import _KEY, Conformance, Example
from crossdock.connect.contract import RefusedByPartner, Response
from crossdock.errors import Refused, UnknownOutcome

PDF = "JVBERi0xLjQK"
HERE = {
    "name": "Dock 4",
    "company": "Reno Supply",
    "lines": ["9 Depot Road"],
    "city": "Reno",
    "region": "NV",
    "postal_code": "89501",
    "country": "US",
    "contact": {"phone": "+17755550100"},
}
THERE = {
    **HERE,
    "name": "Harbour Clinic",
    "lines": ["1 Quay"],
    "city": "Oakland",
    "region": "CA",
    "postal_code": "94607",
}
SIDE = {"value": "30", "unit": "CMT"}


def shipment(unit: str = "CMT", pieces: int = 1, **more: Any) -> dict[str, Any]:
    side = {"value": "30", "unit": unit}
    package = {"weight": {"value": "4.4", "unit": "KGM"}, "length": side, "width": side, "height": side}
    return {
        "number": "SO-1-1",
        "ship_from": HERE,
        "ship_to": THERE,
        "pickup_from": "2026-03-02T22:00:00Z",
        "packages": [{"id": str(n), **package} for n in range(1, pieces + 1)],
        **more,
    }


def reply(value: Any, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(value).encode())


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def led(name: str, which: str, data: Any, *answers: Response, find: bool = False, **settings: Any) -> Led:
    operation = next(one for one in connector(name).operations if one.name == which)
    talk = operation.find if find else operation.do
    assert talk is not None
    return Led(talk(data, context(name, **settings)), list(answers))


class _Suite(Conformance):
    def test_every_operation_has_an_example(self) -> None:
        shown = {one.operation for one in self.examples}
        assert {one.name for one in self.connector.operations} - shown == {"track"}

    def test_webhooks_become_events_of_the_model(self) -> None:
        """They are shown where tracking is."""


UPS_BOOKED = {
    "ShipmentResponse": {
        "ShipmentResults": {
            "ShipmentIdentificationNumber": "1ZCD00010300000017",
            "ShipmentCharges": {"TotalCharges": {"CurrencyCode": "USD", "MonetaryValue": "12.40"}},
            "PackageResults": {
                "TrackingNumber": "1ZCD00010300000017",
                "ShippingLabel": {"ImageFormat": {"Code": "GIF"}, "GraphicImage": "R0lGODlh"},
            },
        }
    }
}


class TestUps(_Suite):
    connector = connector("ups")
    settings: ClassVar = {"account": "A1B2C3"}
    secrets: ClassVar = dict.fromkeys(connector.secrets, "let-me-in")
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": shipment()},
            answers=[
                reply(
                    {
                        "RateResponse": {
                            "RatedShipment": [
                                {
                                    "Service": {"Code": "03"},
                                    "TotalCharges": {"CurrencyCode": "USD", "MonetaryValue": "15.00"},
                                    "NegotiatedRateCharges": {
                                        "TotalCharge": {"CurrencyCode": "USD", "MonetaryValue": "12.40"}
                                    },
                                }
                            ]
                        }
                    }
                )
            ],
            output={"offers": [{"carrier": "it", "service": "03", "price": usd("12.40")}]},
        ),
        Example(
            operation="book",
            data={"shipment": shipment()},
            answers=[reply(UPS_BOOKED)],
            output={
                "booking": "1ZCD00010300000017",
                "tracking_number": "1ZCD00010300000017",
                "label": "data:image/gif;base64,R0lGODlh",
                "price": usd("12.40"),
            },
        ),
        Example(
            operation="void",
            data={"booking": "1ZCD00010300000017"},
            answers=[reply({"VoidShipmentResponse": {"SummaryResult": {"Status": {"Code": "1"}}}})],
            output={},
        ),
    ]


class TestFedex(_Suite):
    connector = connector("fedex")
    settings: ClassVar = {"account": "740561073"}
    secrets: ClassVar = dict.fromkeys(connector.secrets, "let-me-in")
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": shipment(pieces=2)},
            answers=[
                reply(
                    {
                        "output": {
                            "rateReplyDetails": [
                                {
                                    "serviceType": "FEDEX_GROUND",
                                    "ratedShipmentDetails": [{"totalNetCharge": 12.4, "currency": "USD"}],
                                }
                            ]
                        }
                    }
                )
            ],
            output={"offers": [{"carrier": "it", "service": "FEDEX_GROUND", "price": usd("12.4")}]},
        ),
        Example(
            operation="book",
            data={"shipment": shipment()},
            answers=[
                reply(
                    {
                        "output": {
                            "transactionShipments": [
                                {
                                    "masterTrackingNumber": "700000000017",
                                    "pieceResponses": [
                                        {
                                            "trackingNumber": "700000000017",
                                            "packageDocuments": [{"docType": "PDF", "encodedLabel": PDF}],
                                        }
                                    ],
                                    "completedShipmentDetail": {
                                        "shipmentRating": {
                                            "shipmentRateDetails": [
                                                {"totalNetCharge": 12.4, "currency": "USD"}
                                            ]
                                        }
                                    },
                                }
                            ]
                        }
                    }
                )
            ],
            output={
                "booking": "700000000017",
                "tracking_number": "700000000017",
                "label": f"data:application/pdf;base64,{PDF}",
                "price": usd("12.4"),
            },
        ),
        Example(
            operation="void",
            data={"booking": "700000000017"},
            answers=[reply({"output": {"cancelledShipment": True}})],
            output={},
        ),
    ]


class TestDhl(_Suite):
    connector = connector("dhl")
    settings: ClassVar = {"account": "960000001"}
    secrets: ClassVar = dict.fromkeys(connector.secrets, "let-me-in")
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": shipment()},
            answers=[
                reply(
                    {
                        "products": [
                            {
                                "productCode": "P",
                                "totalPrice": [
                                    {"currencyType": "BILLC", "priceCurrency": "USD", "price": 31.5},
                                    {"currencyType": "PULCL", "priceCurrency": "EUR", "price": 29},
                                ],
                            }
                        ]
                    }
                )
            ],
            output={"offers": [{"carrier": "it", "service": "P", "price": usd("31.5")}]},
        ),
        Example(
            operation="book",
            data={"shipment": shipment()},
            answers=[
                reply(
                    {
                        "shipmentTrackingNumber": "7000000017",
                        "documents": [{"typeCode": "label", "imageFormat": "PDF", "content": PDF}],
                    },
                    201,
                )
            ],
            output={
                "booking": "7000000017",
                "tracking_number": "7000000017",
                "label": f"data:application/pdf;base64,{PDF}",
            },
        ),
    ]


PAYMENT = reply({"paymentAuthorizationToken": "pay-me"})


class TestUsps(_Suite):
    connector = connector("usps")
    settings: ClassVar = {"account": "1000", "crid": "2000", "mid": "3000"}
    secrets: ClassVar = dict.fromkeys(connector.secrets, "let-me-in")
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": shipment("INH")},
            answers=[reply({"totalBasePrice": 9.15, "rates": []})],
            output={"offers": [{"carrier": "it", "service": "USPS_GROUND_ADVANTAGE", "price": usd("9.15")}]},
        ),
        Example(
            operation="book",
            data={"shipment": shipment("INH")},
            answers=[
                PAYMENT,
                reply(
                    {
                        "labelMetadata": {"trackingNumber": "9400100000000000000017", "postage": 9.15},
                        "labelImage": PDF,
                    }
                ),
            ],
            output={
                "booking": "9400100000000000000017",
                "tracking_number": "9400100000000000000017",
                "label": f"data:application/pdf;base64,{PDF}",
                "price": usd("9.15"),
            },
        ),
        Example(
            operation="void",
            data={"booking": "9400100000000000000017"},
            answers=[PAYMENT, reply({"trackingNumber": "9400100000000000000017", "status": "CANCELED"})],
            output={},
        ),
    ]


RATES = [
    {"id": "rate_2", "carrier": "USPS", "service": "Priority", "rate": "12.40", "currency": "USD"},
    {"id": "rate_1", "carrier": "UPS", "service": "Ground", "rate": "11.90", "currency": "USD"},
]
EASY = {
    "id": "shp_1",
    "reference": _KEY,
    "tracking_code": "EZ1",
    "selected_rate": RATES[1],
    "postage_label": {"label_url": "https://labels.example/1.pdf"},
}


class TestEasypost(_Suite):
    connector = connector("easypost")
    settings: ClassVar = {}
    secrets: ClassVar = dict.fromkeys(connector.secrets, "let-me-in")
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": shipment()},
            answers=[reply({"id": "shp_1", "rates": RATES[:1]})],
            output={"offers": [{"carrier": "it", "service": "USPS Priority", "price": usd("12.40")}]},
        ),
        Example(
            operation="book",
            data={"shipment": shipment()},
            answers=[reply({"id": "shp_1", "rates": RATES}), reply(EASY)],
            output={
                "booking": "shp_1",
                "tracking_number": "EZ1",
                "label": "https://labels.example/1.pdf",
                "price": usd("11.90"),
            },
            found=[reply(EASY)],
            not_found=[reply({"error": {"code": "NOT_FOUND"}}, 404)],
        ),
        Example(
            operation="void",
            data={"booking": "shp_1"},
            answers=[reply({"id": "shp_1", "refund_status": "submitted"})],
            output={},
        ),
    ]


SHIPPO_RATES = [
    {
        "object_id": "r1",
        "provider": "USPS",
        "servicelevel": {"token": "usps_priority"},
        "amount": "12.40",
        "currency": "USD",
    },
    {
        "object_id": "r2",
        "provider": "UPS",
        "servicelevel": {"token": "ups_ground"},
        "amount": "11.90",
        "currency": "USD",
    },
]
BOUGHT = {
    "object_id": "t1",
    "status": "SUCCESS",
    "metadata": _KEY,
    "tracking_number": "9205",
    "label_url": "https://labels.example/2.pdf",
    "rate": {"amount": "12.40", "currency": "USD"},
}


class TestShippo(_Suite):
    connector = connector("shippo")
    settings: ClassVar = {}
    secrets: ClassVar = dict.fromkeys(connector.secrets, "let-me-in")
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": shipment()},
            answers=[reply({"rates": SHIPPO_RATES[:1]})],
            output={"offers": [{"carrier": "it", "service": "usps_priority", "price": usd("12.40")}]},
        ),
        Example(
            operation="book",
            data={"shipment": shipment()},
            answers=[reply({"rates": SHIPPO_RATES}), reply(BOUGHT)],
            output={
                "booking": "t1",
                "tracking_number": "9205",
                "label": "https://labels.example/2.pdf",
                "price": usd("12.40"),
            },
            found=[reply({"results": [BOUGHT], "next": None})],
            not_found=[reply({"results": [], "next": None})],
        ),
        Example(
            operation="void",
            data={"booking": "t1"},
            answers=[reply({"status": "QUEUED"})],
            output={},
        ),
    ]


ACCOUNT = {"account": "A1"}


def test_what_is_not_known_is_asked_for_before_anything_is_bought() -> None:
    nowhere = shipment()
    del nowhere["ship_from"]
    with pytest.raises(Refused, match="leaves from"):
        led("ups", "book", {"shipment": nowhere}, **ACCOUNT)
    with pytest.raises(Refused, match="its account"):
        led("ups", "book", {"shipment": shipment()})
    unmeasured = shipment()
    del unmeasured["packages"][0]["height"]
    for name in ("dhl", "shippo"):
        with pytest.raises(Refused, match="length, width and height"):
            led(name, "book", {"shipment": unmeasured}, **ACCOUNT)
    with pytest.raises(Refused, match="handed over"):
        led("dhl", "book", {"shipment": shipment(pickup_from=None)}, **ACCOUNT)
    with pytest.raises(Refused, match="one package"):
        led("easypost", "book", {"shipment": shipment(pieces=2)})
    abroad = shipment(ship_to={**THERE, "country": "CA"})
    with pytest.raises(Refused, match="crosses a border"):
        led("dhl", "book", {"shipment": abroad}, **ACCOUNT)
    with pytest.raises(Refused, match="within the United States"):
        led("usps", "book", {"shipment": abroad}, account="1", crid="2", mid="3")


def test_a_connection_says_where_its_shipments_leave_from() -> None:
    without = shipment()
    del without["ship_from"]
    asked = led("ups", "book", {"shipment": without}, reply(UPS_BOOKED), ship_from=HERE, **ACCOUNT).asked[0]
    assert asked.json["ShipmentRequest"]["Shipment"]["ShipFrom"]["Address"]["City"] == "Reno"


def test_every_package_is_booked_and_weighed() -> None:
    asked = led("ups", "book", {"shipment": shipment(pieces=2)}, reply(UPS_BOOKED), **ACCOUNT).asked[0]
    weights = [p["PackageWeight"]["Weight"] for p in asked.json["ShipmentRequest"]["Shipment"]["Package"]]
    assert weights == ["4.4", "4.4"]


def test_a_void_that_was_done_before_is_done() -> None:
    already = reply({"response": {"errors": [{"code": "190117", "message": "already voided"}]}}, 400)
    assert led("ups", "void", {"booking": "1Z"}, already).result == {}
    other = reply({"response": {"errors": [{"code": "190102", "message": "too late"}]}}, 400)
    with pytest.raises(RefusedByPartner, match="too late"):
        led("ups", "void", {"booking": "1Z"}, other)
    asked_before = [reply({"error": {"code": "X"}}, 422), reply({"refund_status": "refunded"})]
    assert led("easypost", "void", {"booking": "shp_1"}, *asked_before).result == {}


def test_what_no_carrier_offers_is_refused_and_nothing_is_bought() -> None:
    rated = reply({"id": "shp_1", "rates": RATES})
    with pytest.raises(RefusedByPartner, match="no carrier offers Rocket"):
        led("easypost", "book", {"shipment": shipment(), "service": "Rocket"}, rated)
    silent = {"carrier": "UPS", "type": "rate_error", "message": "Invalid account."}
    none = reply({"id": "shp_1", "rates": [], "messages": [silent]})
    with pytest.raises(RefusedByPartner, match=r"to take it: UPS: Invalid account\."):
        led("easypost", "book", {"shipment": shipment()}, none)
    none = reply({"rates": [], "messages": [{"source": "USPS", "code": "", "text": "Too heavy."}]})
    with pytest.raises(RefusedByPartner, match=r"offers usps: USPS: Too heavy\."):
        led("shippo", "book", {"shipment": shipment()}, none)
    chosen = led("easypost", "book", {"shipment": shipment(), "service": "USPS Priority"}, rated, reply(EASY))
    assert chosen.asked[1].json == {"rate": {"id": "rate_2"}}


def test_a_search_that_does_not_reach_back_far_enough_says_so() -> None:
    page = reply({"results": [], "next": "https://api.goshippo.com/transactions?page=2"})
    with pytest.raises(UnknownOutcome, match="latest 500"):
        led("shippo", "book", {"shipment": shipment()}, *[page] * 5, find=True)


def test_the_unified_tracking_of_dhl_sells_nothing() -> None:
    with pytest.raises(Refused, match="sells nothing"):
        led("dhl", "book", {"shipment": shipment()}, api="unified", **ACCOUNT)
