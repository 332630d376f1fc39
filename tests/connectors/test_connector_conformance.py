"""Every shipped connector holds what the suite for connectors asks, by what was recorded."""

import json
from importlib import resources
from typing import Any, ClassVar

from talking import SHIPMENT, answer, connector, example

from crossdock.connect.conformance import Conformance, Example, Fed, Told
from crossdock.connect.contract import Response
from crossdock.connect.declarative import from_yaml

URL = {"url": "https://partner.example"}
LINES = [{"order_line": "1", "item": "KIT-30", "quantity": {"value": "2", "unit": "EA"}}]
ORDER = {
    "number": "SO-1",
    "site": "RNO",
    "lines": [{"number": "1", "item": "KIT-30", "quantity": {"value": "10", "unit": "EA"}}],
}
TOTAL = {"amount": "125.00", "currency": "USD"}


def reply(value: Any) -> Response:
    return Response(200, {}, json.dumps(value).encode())


def told(name: str, file: str, *types: str) -> Told:
    return Told(body=example(name, file), types=types)


def fed(name: str, feed: str, file: str, *types: str) -> Fed:
    return Fed(feed=feed, answers=[answer(name, file)], types=types)


NONE = reply({"result": []})


def erp(file: str) -> Response:
    return answer("northway_erp", f"{file}.json")


CREDIT = {"credit": "CN-000001", "amount": {"amount": "25.00", "currency": "USD"}}
CANCELLED = reply(
    {"result": {**json.loads(example("northway_erp", "return.json"))["result"], "status": "CANCELLED"}}
)


LIES = {
    "item": "KIT-30",
    "site": "RNO",
    "quantity": "20",
    "uom": "PCE",
    "changed_at": "2026-03-02T08:00:00Z",
}


class TestNorthway(Conformance):
    connector = connector("northway_erp")
    settings: ClassVar = {**URL, "zone": "America/Los_Angeles"}
    secrets: ClassVar = {n: f"{n}-s3cret" for n in ("user", "password", "company", "webhook_secret")}
    examples: ClassVar = [
        Example(
            operation="check_credit",
            data={"customer": "C1001", "order": "SO-1", "amount": TOTAL},
            answers=[erp("credit_over")],
            output={
                "ok": False,
                "reason": "over_limit",
                "limit": {"amount": "5000.00", "currency": "USD"},
                "exposure": TOTAL,
            },
        ),
        Example(
            operation="list_stock",
            data={"items": ["KIT-30"]},
            answers=[reply({"result": {"stock": [LIES], "cursor": "500"}})],
            output={
                "stock": [
                    {
                        "item": "KIT-30",
                        "site": "RNO",
                        "on_hand": {"value": "20", "unit": "EA"},
                        "changed": "2026-03-02T08:00:00Z",
                    }
                ],
                "next": "500",
            },
        ),
        Example(
            operation="list_allocations",
            data={"cursor": "500"},
            answers=[reply({"result": {"reservations": [{**LIES, "order": "SO-1"}], "cursor": None}})],
            output={
                "allocations": [
                    {
                        "order": "SO-1",
                        "item": "KIT-30",
                        "site": "RNO",
                        "quantity": {"value": "20", "unit": "EA"},
                        "changed": "2026-03-02T08:00:00Z",
                    }
                ]
            },
        ),
        Example(
            operation="adjust_stock",
            data={"item": "KIT-30", "site": "RNO", "change": {"value": "-3", "unit": "EA"}},
            answers=[reply({"result": {"id": "ADJ-000001"}})],
            output={"adjustment": "ADJ-000001"},
            found=[reply({"result": [{"id": "ADJ-000001"}]})],
            not_found=[NONE],
        ),
        Example(
            operation="release_invoice",
            data={"order": "SO-1", "shipments": ["SO-1-1"]},
            answers=[NONE, erp("invoice_draft"), erp("invoice_posted")],
            output={"invoice": "INV-000001", "total": TOTAL},
            found=[erp("invoices_found")],
            not_found=[NONE],
        ),
        Example(
            operation="credit_invoice",
            data={"invoice": "INV-000001"},
            answers=[erp("credit_lines")],
            output=CREDIT,
            found=[erp("credits_found")],
            not_found=[NONE],
        ),
        Example(
            operation="create_credit",
            data={"order": "SO-1", "return": "RMA-000001"},
            answers=[erp("return"), erp("invoices_found"), erp("credit_lines")],
            output=CREDIT,
            found=[erp("credits_found")],
            not_found=[NONE],
        ),
        Example(
            operation="authorise_return",
            data={"order": "SO-1", "lines": LINES},
            answers=[erp("return")],
            output={"return": "RMA-000001"},
            found=[erp("returns_found")],
            not_found=[NONE],
        ),
        Example(operation="cancel_return", data={"return": "RMA-000001"}, answers=[CANCELLED], output={}),
    ]
    pages: ClassVar = [
        fed(
            "northway_erp",
            "changes",
            "changes.json",
            "order.released",
            "order.released",
            "order.changed",
            "order.cancelled",
            "invoice.released",
            "return.authorised",
            "return.authorised",
            "credit.issued",
            "credit.issued",
        )
    ]
    notices: ClassVar = [
        told("northway_erp", "webhook_released.json", "order.released"),
        told("northway_erp", "webhook_cancelled.json", "order.cancelled"),
        told("northway_erp", "webhook_invoice_posted.json", "invoice.released"),
    ]

    def test_every_operation_has_an_example(self) -> None:
        shown = {one.operation for one in self.examples}
        assert {one.name for one in self.connector.operations} - shown == {
            "get_order"
        }  # see the ERP's own tests


def wms(file: str) -> Response:
    return answer("stackyard_wms", f"{file}.json")


NOTHING = reply({"items": [], "count": 0})


ALLOCATED = {
    "allocation": "AL-000001",
    "short": [{"line": "1", "item": "KIT-30", "missing": {"value": "2", "unit": "EA"}}],
}


HELD = {"orderNumber": "SO-1", "lineRef": "1", "sku": "KIT-30", "warehouse": "RNO", "qty": 8}


class TestStackyard(Conformance):
    connector = connector("stackyard_wms")
    settings: ClassVar = {**URL, "warehouse": "RNO"}
    secrets: ClassVar = {n: f"{n}-s3cret" for n in ("client", "secret", "webhook_secret")}
    examples: ClassVar = [
        Example(
            operation="create_pick",
            data={"order": ORDER},
            answers=[wms("pick")],
            output={"pick": "PO-000001"},
            found=[wms("picks_found")],
            not_found=[NOTHING],
        ),
        Example(operation="cancel_pick", data={"pick": "PO-000001"}, answers=[wms("pick")], output={}),
        Example(
            operation="list_stock",
            data={},
            answers=[
                reply(
                    {
                        "items": [
                            {
                                "sku": "KIT-30",
                                "warehouse": "RNO",
                                "onHand": 8,
                                "changedAt": "2026-03-02T08:00:00Z",
                            }
                        ],
                        "next": 100,
                    }
                )
            ],
            output={
                "stock": [
                    {
                        "item": "KIT-30",
                        "site": "RNO",
                        "on_hand": {"value": "8", "unit": "EA"},
                        "changed": "2026-03-02T08:00:00Z",
                    }
                ],
                "next": "100",
            },
        ),
        Example(
            operation="list_allocations",
            data={"cursor": "100"},
            answers=[reply({"items": [HELD], "next": None})],
            output={
                "allocations": [
                    {
                        "order": "SO-1",
                        "item": "KIT-30",
                        "site": "RNO",
                        "quantity": {"value": "8", "unit": "EA"},
                    }
                ]
            },
        ),
        Example(
            operation="stock",
            data={"items": ["KIT-30"]},
            answers=[wms("stock")],
            output={
                "stock": [
                    {
                        "item": "KIT-30",
                        "site": "RNO",
                        "on_hand": {"value": "8", "unit": "EA"},
                        "allocated": {"value": "8", "unit": "EA"},
                        "available": {"value": "0", "unit": "EA"},
                    }
                ]
            },
        ),
        Example(
            operation="allocate",
            data={"order": ORDER},
            answers=[wms("allocation")],
            output=ALLOCATED,
            found=[wms("allocations_found")],
            not_found=[NOTHING],
        ),
        Example(
            operation="deallocate",
            data={"allocation": "AL-000001"},
            answers=[wms("allocation")],
            output={},
        ),
        Example(
            operation="count_stock",
            data={"item": "KIT-30", "on_hand": {"value": "5", "unit": "EA"}},
            answers=[wms("stock")],
            output={},
        ),
        Example(
            operation="confirm_shipment",
            data={"shipment": "SO-2-1", "carrier": "farrow", "tracking_number": "PRO-7"},
            answers=[wms("dispatch")],
            output={},
        ),
        Example(
            operation="expect_return",
            data={"return": "RMA-000001", "order": "SO-1", "lines": LINES},
            answers=[wms("expected")],
            output={"receipt": "ER-000001"},
            found=[wms("expected_found")],
            not_found=[NOTHING],
        ),
        Example(
            operation="cancel_receipt", data={"receipt": "ER-000001"}, answers=[wms("expected")], output={}
        ),
    ]
    pages: ClassVar = [
        fed(
            "stackyard_wms",
            "events",
            "events.json",
            "warehouse.pick_started",
            "warehouse.pick_started",
            "warehouse.shipment_packed",
            "warehouse.shipment_packed",
            "warehouse.pick_short",
            "warehouse.pick_short",
            "warehouse.shipment_packed",
            "return.received",
            "warehouse.shipment_packed",
            "return.inspected",
        )
    ]
    notices: ClassVar = [
        told("stackyard_wms", "webhook_packed.json", "warehouse.shipment_packed"),
        told("stackyard_wms", "webhook_counted.json", "stock.adjusted", "stock.short"),
        told("stackyard_wms", "webhook_dispatched.json", "shipment.shipped"),
        *(
            Told(body=json.dumps(event).encode(), types=[type_])
            for event, type_ in zip(
                json.loads(example("stackyard_wms", "events.json"))["events"][-3::2],
                ("return.received", "return.inspected"),
                strict=True,
            )
        ),
    ]


def tms(file: str) -> Response:
    return answer("waypost_tms", f"{file}.json")


class TestWaypost(Conformance):
    connector = connector("waypost_tms")
    settings: ClassVar = {**URL, "zone": "America/Los_Angeles"}
    secrets: ClassVar = {n: f"{n}-s3cret" for n in ("key", "secret", "webhook_secret")}
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": SHIPMENT},
            answers=[
                reply({"quotes": [json.loads(example("waypost_tms", "rate.json"))["quotes"][0]]}),
            ],
            output={
                "offers": [
                    {
                        "carrier": "oldbridge",
                        "service": "ECONOMY",
                        "price": {"amount": "9.38", "currency": "USD"},
                        "cut_off": "2026-03-02T22:00:00Z",
                        "delivery_by": "2026-03-10T06:59:59Z",
                        "offer": "Q-000001-4",
                    }
                ]
            },
        ),
        Example(
            operation="tender",
            data={"shipment": SHIPMENT, "carrier": "oldbridge", "offer": "Q-000001-4"},
            answers=[tms("tender")],
            output={"tender": "T-000001", "state": "offered"},
            found=[tms("tenders_found")],
            not_found=[reply({"tenders": []})],
        ),
        Example(operation="withdraw", data={"tender": "T-000001"}, answers=[tms("withdraw")], output={}),
        Example(
            operation="request_appointment",
            data={
                "shipment": SHIPMENT,
                "kind": "pickup",
                "carrier": "oldbridge",
                "tender": "T-000001",
                "until": "2026-03-02T22:00:00Z",
            },
            answers=[tms("appointment")],
            output={
                "appointment": "AP-000001",
                "state": "requested",
                "start": "2026-03-02T21:00:00Z",
                "end": "2026-03-02T22:00:00Z",
            },
            found=[tms("appointments_found")],
            not_found=[reply({"appointments": []})],
        ),
        Example(
            operation="cancel_appointment",
            data={"appointment": "AP-000001"},
            answers=[tms("appointment_cancel")],
            output={},
        ),
    ]
    pages: ClassVar = [fed("waypost_tms", "events", "events.json", "tender.declined", "tender.accepted")]
    notices: ClassVar = [
        told("waypost_tms", "webhook_declined.json", "tender.declined"),
        told("waypost_tms", "webhook_accepted.json", "tender.accepted"),
        told("waypost_tms", "webhook_moved.json", "appointment.moved"),
    ]


class TestQuayline(Conformance):
    connector = connector("quayline")
    settings: ClassVar = URL
    secrets: ClassVar = {n: f"{n}-s3cret" for n in ("key", "webhook_secret")}
    examples: ClassVar = [
        Example(
            operation="book",
            data={"shipment": SHIPMENT},
            answers=[answer("quayline", "label.json")],
            output={
                "booking": "QX00000001",
                "tracking_number": "QX00000001",
                "label": "data:application/zpl;base64,"
                + json.loads(example("quayline", "label.json"))["lbl"]["b64"],
                "price": {"amount": "15.92", "currency": "USD"},
                "estimated_delivery": "2026-03-05T02:00:00Z",
            },
        ),
        Example(operation="void", data={"booking": "QX1"}, answers=[reply({"st": "98"})], output={}),
        Example(
            operation="track",
            data={"tracking_number": "QX1"},
            answers=[reply({"trk": "QX1", "scans": []})],
            output={"milestones": [], "events": []},
        ),
    ]
    notices: ClassVar = [
        told("quayline", "webhook_delivered.json", "shipment.delivered"),
        told("quayline", "webhook_delayed.json", "shipment.delayed"),
    ]


class _Referenced(Conformance):
    """A carrier that is searched by the shipment's number: its webhooks must name it, so it holds no key of ours."""

    def test_what_changes_carries_our_key_where_a_repeat_relies_on_it(self) -> None:
        book = next(one for one in self.examples if one.operation == "book")
        operation = next(one for one in self.connector.operations if one.name == "book")
        assert operation.find is not None
        request = next(operation.do(book.data, self._context()))
        assert b"SO-1-1" in (request.body or json.dumps(request.json, default=str).encode())


class TestFarrow(_Referenced):
    connector = connector("farrow")
    settings: ClassVar = {**URL, "zone": "America/Los_Angeles"}
    secrets: ClassVar = {
        "client_id": "client-s3cret",
        "client_secret": "s3cret-too",
        "webhook_secret": "whsec_czNjcmV0",
    }
    examples: ClassVar = [
        Example(
            operation="book",
            data={"shipment": SHIPMENT},
            answers=[answer("farrow", "consignment.json")],
            output={
                "booking": "FP-000001",
                "tracking_number": "FP-000001",
                "label": "data:application/pdf;base64,JVBERi0xLjQgbGFiZWwgRlAtMDAwMDAx",
                "price": {"amount": "12.88", "currency": "USD"},
                "estimated_delivery": "2026-03-05T07:59:59Z",
            },
            found=[answer("farrow", "consignments_found.json")],
            not_found=[reply({"consignments": [], "total": 0})],
        ),
        Example(
            operation="void",
            data={"booking": "FP-000001"},
            answers=[
                answer("farrow", "cancelled_again.409.json"),
                answer("farrow", "consignment_cancelled.json"),
            ],
            output={},
        ),
        Example(
            operation="track",
            data={"tracking_number": "FP-000001"},
            answers=[reply({"tracking": {"consignmentId": "FP-000001", "events": []}})],
            output={"milestones": [], "events": []},
        ),
    ]
    pages: ClassVar = [
        fed(
            "farrow",
            "events",
            "events.json",
            "shipment.announced",
            "shipment.picked_up",
            "shipment.delayed",
            "shipment.delivered",
        )
    ]
    notices: ClassVar = [told("farrow", "webhook_delivered.json", "shipment.delivered")]


BOOKED = {
    "booking": "OB0000001",
    "tracking_number": "OB0000001",
    "price": {"amount": "9.48", "currency": "USD"},
    "estimated_delivery": "2026-03-10T06:59:59Z",
}


class TestOldbridge(_Referenced):
    connector = connector("oldbridge")
    settings: ClassVar = URL
    secrets: ClassVar = {n: f"{n}-s3cret" for n in ("user", "password", "webhook_secret")}
    examples: ClassVar = [
        Example(
            operation="book",
            data={"shipment": SHIPMENT},
            # The search has no label, so the example is one of a booking without.
            answers=[
                Response(200, {}, example("oldbridge", "search.xml").replace(b"SearchReply", b"BookingReply"))
            ],
            output=BOOKED,
            found=[answer("oldbridge", "search.xml")],
            not_found=[Response(200, {}, b"<SearchReply/>")],
        ),
        Example(
            operation="void",
            data={"booking": "OB0000002"},
            answers=[
                answer("oldbridge", "cancelled_again.409.xml"),
                answer("oldbridge", "track_cancelled.xml"),
            ],
            output={},
        ),
        Example(
            operation="track",
            data={"tracking_number": "OB0000001"},
            answers=[Response(200, {}, b"<TrackReply><Consignment/></TrackReply>")],
            output={"milestones": [], "events": []},
        ),
    ]
    notices: ClassVar = [told("oldbridge", "webhook_delivered.xml", "shipment.delivered")]


class TestPostbox(Conformance):
    connector = from_yaml(
        resources.files("crossdock.connectors").joinpath("postbox", "connector.yaml").read_text()
    )
    settings: ClassVar = URL
    secrets: ClassVar = {"key": "key-s3cret"}
    examples: ClassVar = [
        Example(
            operation="notify",
            data={"order": "SO-1", "customer": "C1001", "topic": "shipped", "message": "On its way."},
            answers=[reply({"ok": True, "id": "MSG-000001", "duplicate": False})],
            output={"message_id": "MSG-000001"},
            found=[reply({"ok": True, "messages": [{"id": "MSG-000001"}]})],
            not_found=[reply({"ok": True, "messages": []})],
        )
    ]
