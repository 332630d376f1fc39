"""Warehouses and planners that one YAML file each maps to the contracts, against what their makers publish."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any, ClassVar

import mapped_systems as systems
import pytest
from partner_depot import Bench, Keeps, leased

from crossdock.connect import Connector
from crossdock.connect.conformance import Conformance, Example, Fed
from crossdock.connect.contract import Context, Page, Response
from crossdock.connect.declarative import from_yaml
from crossdock.connect.lines import settled

ORDER = {
    "number": "SO-1",
    "customer": {"id": "C1", "name": "Harbour Clinic"},
    "promised_delivery": "2026-03-06T17:00:00Z",
    "ship_to": {
        "name": "Maya Lindqvist",
        "company": "Harbour Clinic",
        "lines": ["Quay 7"],
        "city": "Oakland",
        "region": "CA",
        "postal_code": "94607",
        "country": "US",
        "contact": {"email": "maya@example.com", "phone": "+1 510 555 0100"},
    },
    "lines": [
        {"number": "1", "item": "KIT-30", "name": "Kit", "quantity": {"value": "2", "unit": "EA"}},
        {"number": "2", "item": "GLOVES", "quantity": {"value": "1", "unit": "EA"}},
    ],
}
SHIPMENT = {
    "number": "SO-1-1",
    "order": "SO-1",
    "pickup_from": "2026-03-04T08:00:00Z",
    "ship_from": {
        "company": "Us",
        "lines": ["Gate 1"],
        "city": "Tallinn",
        "postal_code": "10111",
        "country": "EE",
        "contact": {"name": "Gate", "phone": "+372 1"},
    },
    "ship_to": {
        "company": "Harbour Clinic",
        "lines": ["Quay 7"],
        "city": "Riga",
        "postal_code": "1010",
        "country": "LV",
        "contact": {"name": "Maya", "phone": "+371 1"},
    },
    "packages": [{"id": "1", "weight": {"value": "220.5", "unit": "KGM"}}],
}
FROM = "2026-03-04T08:00:00Z"
TENDER = {"shipment": SHIPMENT, "carrier": "Venipak", "offer": "311"}
SLOT = {"shipment": SHIPMENT, "kind": "pickup", "from": FROM}

SETTINGS: dict[str, dict[str, Any]] = {
    "ongoing_wms": {"goods_owner": 85, "since": "2026-01-01T00:00:00Z"},
    "shipbob": {"channel": "1001", "since": "2026-01-01T00:00:00Z"},
    "cargoson": {},
    "opendock": {"load_type": "L1", "dock": "D1"},
}
SECRETS = {
    "ongoing_wms": {"user": "ours", "password": "let-me-in"},
    "shipbob": {"token": "let-me-in"},
    "cargoson": {"key": "let-me-in"},
    "opendock": {"email": "us@example.com", "password": "let-me-in"},
}
SIGNED = {
    "ongoing_wms": {"Authorization": "Basic b3VyczpsZXQtbWUtaW4="},
    "shipbob": {"Authorization": "Bearer let-me-in", "shipbob_channel_id": "1001"},
    "cargoson": {"Authorization": "Bearer let-me-in"},
    "opendock": {"Authorization": "Bearer T"},
}


@functools.cache
def mapped(name: str) -> Connector:
    text = resources.files("crossdock.connectors").joinpath(name, "connector.yaml").read_text()
    return from_yaml(text, file=f"{name}/connector.yaml")


def context(name: str) -> Context:
    known = settled(mapped(name), {"url": "https://system.example", **SETTINGS[name]})
    return Context(settings=known, key="XD0123456789abcdef01234567")


def read(name: str, system: systems.Mapped, cursor: str = "") -> tuple[Page, list[Any]]:
    """What the feed gives from there, as the system answers, and what it means."""
    (poll,) = mapped(name).polls
    talk = poll.read(cursor, context(name))
    request = next(talk)
    try:
        while True:
            headers = {**SIGNED[name], **request.headers}
            status, said = system.asked(request.method, request.path, request.query, headers, request.json)
            assert status == 200, said
            request = talk.send(Response(status, {}, json.dumps(said).encode()))
    except StopIteration as stop:
        page: Page = stop.value
    assert poll.translate is not None
    return page, [one for record in page.records for one in poll.translate(record, context(name).settings)]


async def call(
    bench: Bench, name: str, operation: str, data: Any, system: systems.Mapped, **more: Any
) -> Any:
    bench.partner.answer = system.answer
    bench.keeps = Keeps(**SECRETS[name])
    connector = mapped(name)
    calls = await bench.calls(connector, **SETTINGS[name])
    return await calls.call(leased(operation, data, system=connector.serves[0], **more))


async def test_ongoing_is_put_an_order_by_its_number_so_that_twice_is_once(bench):
    system = systems.Ongoing()
    for _ in range(2):
        ended = await call(bench, "ongoing_wms", "create_pick", {"order": ORDER}, system)
        assert (ended.outcome, ended.output) == ("done", {"pick": "50163"}), ended.reason
    assert len(system.orders) == 1
    (_, _, put), _ = system.log
    assert put["orderLines"][0] == {"rowNumber": "1", "articleNumber": "KIT-30", "numberOfItems": 2}
    assert (put["goodsOwnerId"], put["deliveryDate"]) == (85, "2026-03-06")


async def test_ongoing_tells_what_left_and_what_was_short_once_it_has_left(bench):
    system = systems.Ongoing()
    await call(bench, "ongoing_wms", "create_pick", {"order": ORDER}, system)
    page, told = read("ongoing_wms", system)
    assert (page.records, page.cursor, told) == ([], "", [])
    system.ship(50163, 2.0, 0.0)
    page, (packed, short, shipped) = read("ongoing_wms", system, page.cursor)
    assert page.cursor == systems.AT
    assert [one.type for one in (packed, short, shipped)] == [
        "warehouse.shipment_packed",
        "warehouse.pick_short",
        "shipment.shipped",
    ]
    (line,) = packed.data["shipment"]["lines"]
    assert (line["line"], line["item"], line["quantity"]["unit"]) == ("1", "KIT-30", "EA")
    assert short.data["lines"][0]["line"] == "2"
    assert (shipped.data["tracking_number"], shipped.data["carrier"]) == ("WB-1", "DHL")
    again = read("ongoing_wms", system, page.cursor)[1]
    assert [one.id for one in again] == [packed.id, short.id, shipped.id]


async def test_ongoing_does_not_cancel_what_the_warehouse_has_begun_with(bench):
    system = systems.Ongoing()
    await call(bench, "ongoing_wms", "create_pick", {"order": ORDER}, system)
    assert (await call(bench, "ongoing_wms", "cancel_pick", {"pick": "50163"}, system)).outcome == "done"
    system.orders[50163]["orderInfo"]["orderStatus"] = {"number": 320, "text": "Allocated"}
    ended = await call(bench, "ongoing_wms", "cancel_pick", {"pick": "50163"}, system)
    assert (ended.outcome, "started working" in ended.reason) == ("refused", True)


async def test_a_lost_answer_of_shipbob_is_looked_up_by_our_reference(bench):
    system = systems.ShipBob()
    system.lost = True
    ended = await call(bench, "shipbob", "create_pick", {"order": ORDER}, system)
    assert (ended.outcome, ended.resolvable) == ("unknown", True)
    ended = await call(bench, "shipbob", "create_pick", {"order": ORDER}, system, find_first=True, attempt=2)
    assert (ended.outcome, ended.output) == ("done", {"pick": "71"}), ended.reason
    assert len(system.orders) == 1
    assert system.orders[0]["order_number"] == "SO-1"


async def test_shipbob_tells_what_is_missing_and_what_was_packed(bench):
    system = systems.ShipBob()
    ended = await call(bench, "shipbob", "create_pick", {"order": ORDER}, system)
    assert ended.outcome == "done", ended.reason
    page, told = read("shipbob", system)
    assert (page.cursor, told) == ("2026-03-03T10:00:00Z", [])
    system.lack()
    page, (short,) = read("shipbob", system, page.cursor)
    assert (short.type, short.data["order"], short.data["missing"]["unit"]) == ("stock.short", "SO-1", "EA")
    assert page.cursor == systems.AT
    system.pack()
    page, (packed, shipped) = read("shipbob", system, page.cursor)
    assert packed.data["shipment"]["tracking_number"] == shipped.data["tracking_number"] == "9400"
    assert [line["item"] for line in packed.data["shipment"]["lines"]] == ["KIT-30", "GLOVES"]
    ended = await call(bench, "shipbob", "cancel_pick", {"pick": "71"}, system)
    assert (ended.outcome, ended.code) == ("refused", "Failure")
    assert "not in a cancellable state" in ended.reason


async def test_ongoing_lists_its_stock_page_by_page_and_what_is_held_for_orders(bench):
    system = systems.Ongoing()
    for n in range(201):
        info = {"numberOfItems": float(n), "allocatedNumberOfItems": 0.0}
        article = {"articleSystemId": 100 + n, "articleNumber": f"KIT-{n}", "inventoryInfo": info}
        system.articles.append(article)
    rows, cursor = [], {}
    for _ in range(2):
        page = (await call(bench, "ongoing_wms", "list_stock", cursor, system)).output
        rows += page["stock"]
        cursor = {"cursor": page.get("next")}
    assert (len(rows), cursor) == (201, {"cursor": None})
    assert rows[200] == {"item": "KIT-200", "on_hand": {"value": "200.0", "unit": "EA"}}
    await call(bench, "ongoing_wms", "create_pick", {"order": ORDER}, system)
    held = (await call(bench, "ongoing_wms", "list_allocations", {}, system)).output
    assert held["allocations"][0] == {
        "order": "SO-1",
        "item": "KIT-30",
        "quantity": {"value": "2.0", "unit": "EA"},
    }
    system.ship(50163, *[1.0] * len(ORDER["lines"]))
    assert (await call(bench, "ongoing_wms", "list_allocations", {}, system)).output == {"allocations": []}


async def test_shipbob_lists_what_lies_in_each_centre_and_what_is_committed(bench):
    system = systems.ShipBob()
    for n in range(101):
        centres = [
            {"location_id": 5, "name": "Cicero (IL)", "on_hand_quantity": n, "committed_quantity": 0},
            {"location_id": 6, "name": "Reno (NV)", "on_hand_quantity": 1, "committed_quantity": 0},
        ]
        system.levels.append({"inventory_id": n, "sku": f"KIT-{n}", "locations": centres})
    first = (await call(bench, "shipbob", "list_stock", {}, system)).output
    assert (len(first["stock"]), first["next"]) == (200, "100=")
    rest = (await call(bench, "shipbob", "list_stock", {"cursor": first["next"]}, system)).output
    assert rest == {
        "stock": [
            {"item": "KIT-100", "site": "Cicero (IL)", "on_hand": {"value": "100", "unit": "EA"}},
            {"item": "KIT-100", "site": "Reno (NV)", "on_hand": {"value": "1", "unit": "EA"}},
        ]
    }
    await call(bench, "shipbob", "create_pick", {"order": ORDER}, system)
    system.lack()
    held = (await call(bench, "shipbob", "list_allocations", {}, system)).output
    assert held == {
        "allocations": [
            {
                "order": "SO-1",
                "item": "KIT-30",
                "site": "Cicero (IL)",
                "quantity": {"value": "1", "unit": "EA"},
            }
        ]
    }


async def test_all_pages_of_shipbob_are_read(bench):
    system = systems.ShipBob()
    await call(bench, "shipbob", "create_pick", {"order": ORDER}, system)
    system.pack()
    system.orders += [{**system.orders[0], "id": n} for n in range(300, 600)]
    page, _ = read("shipbob", system)
    assert len(page.records) == 301


async def test_cargoson_gives_prices_of_which_one_is_booked_and_withdrawn(bench):
    system = systems.Cargoson()
    ended = await call(bench, "cargoson", "rate", {"shipment": SHIPMENT}, system)
    assert ended.outcome == "done", ended.reason
    assert ended.output["offers"][0] == {
        "carrier": "Venipak",
        "service": "Road",
        "price": {"amount": "19.13", "currency": "EUR"},
        "offer": "311",
    }
    ended = await call(bench, "cargoson", "tender", TENDER, system)
    assert (ended.outcome, ended.output["state"], ended.output["booking"]) == ("done", "accepted", "RO1000")
    ended = await call(bench, "cargoson", "booking", {"tender": "RO1000"}, system)
    assert ended.output == {"state": "created", "tracking_number": "T-1"}
    ended = await call(bench, "cargoson", "tender_state", {"tender": "RO1000"}, system)
    assert ended.output == {"state": "accepted"}
    for tender in ("RO1000", "RO1000", "RO9999"):
        assert (await call(bench, "cargoson", "withdraw", {"tender": tender}, system)).outcome == "done"
    ended = await call(bench, "cargoson", "tender_state", {"tender": "RO1000"}, system)
    assert ended.output == {"state": "withdrawn"}
    assert system.bookings == {"RO1000": "withdrawn"}


async def test_a_carrier_that_rejects_at_once_has_declined_and_what_cannot_be_booked_is_refused(bench):
    system = systems.Cargoson()
    system.rejects = True
    ended = await call(bench, "cargoson", "tender", TENDER, system)
    assert ended.output["state"] == "declined"
    ended = await call(bench, "cargoson", "tender", {**TENDER, "offer": "999"}, system)
    assert (ended.outcome, "not available" in ended.reason) == ("refused", True)


async def test_a_lost_answer_of_cargoson_is_left_to_a_person(bench):
    system = systems.Cargoson()
    system.lost = True
    ended = await call(bench, "cargoson", "tender", TENDER, system)
    assert (ended.outcome, ended.resolvable) == ("unknown", False)


async def test_a_slot_of_opendock_is_asked_for_once_and_watched(bench):
    system = systems.Opendock()
    system.lost = False
    ended = await call(bench, "opendock", "request_appointment", SLOT, system)
    assert (ended.outcome, ended.output["state"], ended.output["start"]) == ("done", "requested", FROM), ended
    ended = await call(bench, "opendock", "request_appointment", SLOT, system, find_first=True, attempt=2)
    assert (ended.output["appointment"], len(system.slots)) == ("A-1", 1)
    page, told = read("opendock", system)
    assert (told, page.cursor) == ([], "2026-03-03T10:00:00.000Z")
    seen = []
    changes: list[dict[str, str]] = [
        {"status": "Scheduled"},
        {"start": "2026-03-04T11:00:00Z"},
        {"status": "NoShow"},
        {"status": "Arrived"},
    ]
    for hour, change in enumerate(changes, 11):
        system.slots[0] |= {**change, "lastChangedDateTime": f"2026-03-03T{hour}:00:00.000Z"}
        page, (one,) = read("opendock", system, page.cursor)
        assert (one.data["number"], one.data["shipment"]) == ("A-1", "SO-1-1")
        seen.append((one.type, one.data["start"], one.id))
    assert [type_ for type_, _, _ in seen] == [
        "appointment.confirmed",
        "appointment.confirmed",
        "appointment.missed",
        "appointment.kept",
    ]
    assert len({id_ for _, _, id_ in seen}) == 4
    assert (
        await call(bench, "opendock", "cancel_appointment", {"appointment": "A-1"}, system)
    ).outcome == "done"
    assert system.slots[0]["status"] == "Cancelled"


@pytest.mark.parametrize("name", SETTINGS)
def test_it_says_that_it_was_not_tried_on_the_system_itself(name):
    assert "not yet against" in mapped(name).doc.replace("not\nyet", "not yet")


def reply(value: Any, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(value).encode())


def shipped_order() -> Any:
    system = systems.Ongoing()
    system.put(
        {
            "goodsOwnerId": 85,
            "orderNumber": "SO-1",
            "deliveryDate": "2026-03-06",
            "consignee": {"name": "a", "address1": "b", "postCode": "c", "city": "d", "countryCode": "US"},
            "orderLines": [{"rowNumber": "1", "articleNumber": "KIT-30", "numberOfItems": 2}],
        }
    )
    system.ship(50163, 1.0)
    return list(system.orders.values())


NUMBERS = {"numberOfItems": 11.0, "allocatedNumberOfItems": 0.0}


class TestOngoing(Conformance):
    connector = mapped("ongoing_wms")
    settings: ClassVar = {"url": "https://api.example/api/v1", **SETTINGS["ongoing_wms"]}
    secrets: ClassVar = SECRETS["ongoing_wms"]
    examples: ClassVar = [
        Example(
            operation="create_pick",
            data={"order": ORDER},
            answers=[reply({"orderId": 50163, "message": "Order created."})],
            output={"pick": "50163"},
        ),
        Example(
            operation="cancel_pick",
            data={"pick": "50163"},
            answers=[reply({"orderId": 50163, "message": ""})],
            output={},
        ),
        Example(
            operation="confirm_shipment",
            data={"shipment": "SO-1", "pick": "50163", "tracking_number": "WB-1"},
            answers=[reply({"orderId": 50163, "message": ""})],
            output={},
        ),
        Example(
            operation="list_stock",
            data={},
            answers=[reply([{"articleSystemId": 1, "articleNumber": "KIT", "inventoryInfo": NUMBERS}])],
            output={"stock": [{"item": "KIT", "on_hand": {"value": "11.0", "unit": "EA"}}]},
        ),
        Example(operation="list_allocations", data={}, answers=[reply([])], output={"allocations": []}),
    ]
    pages: ClassVar = [
        Fed(
            feed="shipped",
            answers=[reply(shipped_order())],
            types=["warehouse.shipment_packed", "warehouse.pick_short", "shipment.shipped"],
        )
    ]


def packed_order() -> Any:
    system = systems.ShipBob()
    product = {"reference_id": "KIT-30", "name": "Kit", "quantity": 2}
    system.post(
        {
            "reference_id": "R",
            "order_number": "SO-1",
            "recipient": {"name": "M", "address": {"address1": "Q", "city": "O", "country": "US"}},
            "products": [product],
        }
    )
    system.pack()
    return system.orders


class TestShipBob(Conformance):
    connector = mapped("shipbob")
    settings: ClassVar = SETTINGS["shipbob"]
    secrets: ClassVar = SECRETS["shipbob"]
    examples: ClassVar = [
        Example(
            operation="create_pick",
            data={"order": ORDER},
            answers=[reply({"id": 71, "status": "Processing", "shipments": []}, 201)],
            output={"pick": "71"},
            found=[reply([{"id": 71, "status": "Processing", "shipments": []}])],
            not_found=[reply([])],
        ),
        Example(
            operation="cancel_pick",
            data={"pick": "71"},
            answers=[reply({"order_id": 71, "status": "Success", "canceled_shipment_results": []})],
            output={},
        ),
        Example(
            operation="list_stock",
            data={},
            answers=[reply({"items": [], "next": None})],
            output={"stock": []},
        ),
        Example(operation="list_allocations", data={}, answers=[reply([])], output={"allocations": []}),
    ]
    pages: ClassVar = [
        Fed(
            feed="orders",
            answers=[reply(packed_order())],
            types=["warehouse.shipment_packed", "shipment.shipped"],
        )
    ]


class TestCargoson(Conformance):
    connector = mapped("cargoson")
    secrets: ClassVar = SECRETS["cargoson"]
    price: ClassVar = {"carrier": "DSV", "service": "Road", "service_id": 312, "price": "24.00"}
    examples: ClassVar = [
        Example(
            operation="rate",
            data={"shipment": SHIPMENT},
            answers=[reply({"status": 200, "object": {"prices": [price]}})],
            output={
                "offers": [
                    {
                        "carrier": "DSV",
                        "service": "Road",
                        "price": {"amount": "24.00", "currency": "EUR"},
                        "offer": "312",
                    }
                ]
            },
        ),
        Example(
            operation="tender",
            data=TENDER,
            answers=[reply({"reference": "RO1", "booking_status": "created", "errors": []}, 201)],
            output={"tender": "RO1", "state": "accepted", "booking": "RO1"},
        ),
        Example(operation="withdraw", data={"tender": "RO1"}, answers=[reply({"status": 200})], output={}),
        *(
            Example(
                operation=operation,
                data={"tender": "RO1"},
                answers=[reply({"latest_status": "rejected", "carrier_response_message": "full"})],
                output={"state": state, "reason": "full"},
            )
            for operation, state in (("booking", "rejected"), ("tender_state", "declined"))
        ),
    ]


SLOT_THERE = {
    "id": "A-1",
    "status": "Scheduled",
    "start": FROM,
    "dockId": "D1",
    "notes": "SO-1-1",
    "lastChangedDateTime": "2026-03-03T10:00:00.000Z",
}


class TestOpendock(Conformance):
    connector = mapped("opendock")
    settings: ClassVar = SETTINGS["opendock"]
    secrets: ClassVar = SECRETS["opendock"]
    examples: ClassVar = [
        Example(
            operation="request_appointment",
            data=SLOT,
            answers=[reply({"data": SLOT_THERE, "entity": "Appointment", "action": "create"}, 201)],
            output={"appointment": "A-1", "state": "confirmed", "start": FROM},
            found=[reply({"data": [SLOT_THERE]})],
            not_found=[reply({"data": []})],
        ),
        Example(
            operation="cancel_appointment",
            data={"appointment": "A-1"},
            answers=[reply({"data": {**SLOT_THERE, "status": "Cancelled"}})],
            output={},
        ),
    ]
    pages: ClassVar = [
        Fed(
            feed="appointments",
            answers=[reply({"data": [SLOT_THERE]})],
            types=["appointment.confirmed"],
        )
    ]
