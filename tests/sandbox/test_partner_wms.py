"""Stackyard WMS over HTTP."""

import base64
import hashlib
import hmac
from typing import Any

from partner_bodies import pick
from partner_client import Receiver, Sandbox


async def create(sandbox: Sandbox, **more: Any) -> Any:
    answer = await sandbox.call("wms", "POST", "/api/pickOrders", pick(**more))
    assert answer.status == 201, answer.body
    return answer.json


async def events(sandbox: Sandbox) -> list[Any]:
    return (await sandbox.call("wms", "GET", "/api/events")).json["events"]


async def test_a_pick_is_packed_by_itself_and_the_webhook_can_be_verified(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "wms")
    made = await create(sandbox)
    assert (made["state"], made["lines"][0]["qty"]) == ("OPEN", 10)
    await sandbox.advance(hours=12)
    started, packed = receiver.hooks
    assert [started.json["eventType"], packed.json["eventType"]] == ["PICK_STARTED", "SHIPMENT_PACKED"]
    mac = base64.b64encode(hmac.new(b"stackyard-hook-secret", packed.body, hashlib.sha256).digest()).decode()
    assert packed.headers["X-Stackyard-Hmac"] == mac
    assert packed.headers["X-Stackyard-Topic"] == "SHIPMENT_PACKED"
    shipment = packed.json["shipment"]
    assert shipment["shipmentId"] == "SO-1-1"
    assert shipment["packages"][0]["contents"] == [{"lineRef": "1", "sku": "KIT", "qty": 10}]
    assert shipment["packages"][0]["weightKg"] == 4.4
    assert (packed.json["remainingQty"], packed.json["complete"]) == (0, True)
    after = await sandbox.call("wms", "GET", f"/api/pickOrders/{made['pickOrderId']}")
    assert after.json["state"] == "PACKED"


async def test_a_script_packs_in_parts_and_back_orders_the_rest(sandbox: Sandbox) -> None:
    packs = [{"after_hours": 5, "quantity": 6, "shipment": "ASN-7"}, {"after_hours": 30, "quantity": 2}]
    await sandbox.control("wms", "/script", {"order": "SO-1", "packs": packs})
    await create(sandbox)
    await sandbox.advance(hours=100)
    seen = await events(sandbox)
    assert [event["eventType"] for event in seen] == [
        "PICK_STARTED",
        "SHIPMENT_PACKED",
        "SHIPMENT_PACKED",
        "PICK_SHORT",
        "SHIPMENT_PACKED",
    ]
    packed = [event for event in seen if event["eventType"] == "SHIPMENT_PACKED"]
    assert [event["shipment"]["shipmentId"] for event in packed] == ["ASN-7", "SO-1-1", "SO-1-2"]
    assert [event["remainingQty"] for event in packed] == [4, 2, 0]
    assert seen[3]["lines"] == [{"lineRef": "1", "sku": "KIT", "qty": 2}]
    assert seen[3]["backOrder"]["expectedAt"] == packed[2]["occurredAt"]


async def test_what_is_short_for_good_ends_the_pick_without_it(sandbox: Sandbox) -> None:
    await sandbox.control("wms", "/script", {"order": "SO-1", "short": 3})
    made = await create(sandbox)
    await sandbox.advance(hours=12)
    short, packed = (await events(sandbox))[1:]
    assert (short["backOrder"], short["complete"], short["lines"][0]["qty"]) == (None, False, 3)
    assert (packed["remainingQty"], packed["complete"]) == (0, True)
    after = (await sandbox.call("wms", "GET", f"/api/pickOrders/{made['pickOrderId']}")).json
    assert (after["state"], after["lines"][0]["packedQty"], after["lines"][0]["shortQty"]) == ("PACKED", 7, 3)


async def test_counted_stock_limits_a_pack_until_more_is_counted(sandbox: Sandbox) -> None:
    stock = (await sandbox.call("wms", "PUT", "/api/stock/KIT", {"warehouse": "RNO", "onHand": 4})).json
    assert stock == {"sku": "KIT", "warehouse": "RNO", "onHand": 4, "allocated": 0, "available": 4}
    made = await create(sandbox)
    await sandbox.advance(hours=12)
    path = f"/api/pickOrders/{made['pickOrderId']}"
    assert (await sandbox.call("wms", "GET", path)).json["state"] == "PARTIALLY_PACKED"
    await sandbox.call("wms", "PUT", "/api/stock/KIT", {"warehouse": "RNO", "onHand": 20})
    assert (await sandbox.call("wms", "GET", path)).json["state"] == "PACKED"
    left = (await sandbox.call("wms", "GET", "/api/stock/KIT?warehouse=RNO")).json
    assert (left["onHand"], left["allocated"]) == (14, 0)


async def test_a_client_reference_that_stands_is_refused_and_one_cancelled_may_be_used_again(
    sandbox: Sandbox,
) -> None:
    made = await create(sandbox)
    twice = await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    assert twice.status == 409
    assert twice.json["errors"][0]["code"] == "DUPLICATE_REFERENCE"
    assert twice.json["errors"][0]["pickOrderId"] == made["pickOrderId"]
    cancelled = await sandbox.call("wms", "POST", f"/api/pickOrders/{made['pickOrderId']}/cancel")
    assert cancelled.json["state"] == "CANCELLED"
    await sandbox.advance(hours=12)
    assert await events(sandbox) == []
    await create(sandbox)
    ledger = await sandbox.ledger("wms")
    assert ledger["counts"] == {"pick.create": {"SO-1": 2}, "pick.cancel": {"SO-1": 1}}
    assert ledger["standing"] == {"pick": {"SO-1": 1}}


async def test_a_pick_that_is_packed_cannot_be_cancelled(sandbox: Sandbox) -> None:
    made = await create(sandbox)
    await sandbox.advance(hours=12)
    refused = await sandbox.call("wms", "POST", f"/api/pickOrders/{made['pickOrderId']}/cancel")
    assert (refused.status, refused.json["errors"][0]["code"]) == (409, "ALREADY_PACKED")


async def test_a_return_is_received_and_inspected(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "wms")
    script = {
        "return": "RMA-1",
        "received_after_hours": 2,
        "inspected_after_hours": 3,
        "conditions": ["SCRAP"],
    }
    await sandbox.control("wms", "/script", script)
    body = {**pick("ret1"), "rma": "RMA-1"}
    made = (await sandbox.call("wms", "POST", "/api/expectedReturns", body)).json
    await sandbox.advance(hours=4)
    received, inspected = (hook.json for hook in receiver.hooks)
    assert (received["eventType"], received["lines"]) == (
        "RETURN_RECEIVED",
        [{"lineRef": "1", "sku": "KIT", "qty": 10}],
    )
    assert (inspected["eventType"], inspected["lines"][0]["condition"]) == ("RETURN_INSPECTED", "SCRAP")
    late = await sandbox.call("wms", "POST", f"/api/expectedReturns/{made['expectedReturnId']}/cancel")
    assert (late.status, late.json["errors"][0]["code"]) == (409, "WRONG_STATE")


async def test_credentials_are_checked_in_two_ways(sandbox: Sandbox) -> None:
    none = await sandbox.raw("wms", "GET", "/api/events")
    assert (none.status, none.json["errors"][0]["code"]) == (401, "NO_CREDENTIALS")
    wrong = {"X-Stackyard-Client": "crossdock", "X-Stackyard-Secret": "guess"}
    other = await sandbox.raw("wms", "GET", "/api/events", headers=wrong)
    assert (other.status, other.json["errors"][0]["code"]) == (403, "BAD_CREDENTIALS")


async def test_without_a_script_about_one_order_in_eight_is_packed_in_parts(sandbox: Sandbox) -> None:
    await sandbox.control("wms", "/configure", {"calm": False})
    for n in range(200):
        await create(sandbox, reference=f"p{n}", number=f"SO-{n}")
    await sandbox.advance(days=5)
    picks = [(await sandbox.call("wms", "GET", f"/api/pickOrders/PO-{n:06d}")).json for n in range(1, 201)]
    assert {one["state"] for one in picks} == {"PACKED"}
    assert all(sum(line["packedQty"] for line in one["lines"]) == 10 for one in picks)
    assert 15 <= sum(len(one["shipments"]) == 2 for one in picks) <= 45


async def allocate(sandbox: Sandbox, order: str, reference: str, qty: int = 6) -> Any:
    lines = [{"lineRef": "1", "sku": "KIT", "qty": qty}]
    body = {"clientReference": reference, "orderNumber": order, "warehouse": "RNO", "lines": lines}
    return await sandbox.call("wms", "POST", "/api/allocations", body)


async def test_what_is_there_is_promised_once_and_a_pick_takes_it_up(sandbox: Sandbox) -> None:
    await sandbox.call("wms", "PUT", "/api/stock/KIT", {"warehouse": "RNO", "onHand": 10})
    first = (await allocate(sandbox, "SO-1", "a1")).json
    assert first["lines"] == [{"lineRef": "1", "sku": "KIT", "qty": 6, "allocatedQty": 6, "shortQty": 0}]
    second = (await allocate(sandbox, "SO-2", "a2")).json
    assert (second["lines"][0]["allocatedQty"], second["lines"][0]["shortQty"]) == (4, 2)
    again = await allocate(sandbox, "SO-1", "a1")
    assert (again.status, again.json["errors"][0]["allocationId"]) == (409, first["allocationId"])
    for _ in range(2):
        freed = await sandbox.call("wms", "POST", f"/api/allocations/{second['allocationId']}/release")
        assert freed.json["state"] == "RELEASED"
    assert (await sandbox.call("wms", "GET", "/api/stock/KIT?warehouse=RNO")).json["available"] == 4
    await create(sandbox)
    found = (await sandbox.call("wms", "GET", "/api/allocations?clientReference=a1")).json["items"]
    assert found[0]["state"] == "PICKED"
    assert (await sandbox.ledger("wms"))["standing"]["allocation"] == {"SO-1": 1, "SO-2": 0}


async def test_a_count_that_finds_less_names_the_orders_that_lose_by_it_newest_first(
    sandbox: Sandbox,
) -> None:
    await sandbox.call("wms", "PUT", "/api/stock/KIT", {"warehouse": "RNO", "onHand": 12})
    await allocate(sandbox, "SO-1", "a1")
    await allocate(sandbox, "SO-2", "a2")
    count = {"warehouse": "RNO", "onHand": 5, "reason": "cycle count"}
    await sandbox.call("wms", "PUT", "/api/stock/KIT", count)
    (told,) = await events(sandbox)
    assert (told["eventType"], told["before"], told["onHand"]) == ("STOCK_COUNTED", 12, 5)
    assert told["uncovered"] == [
        {"orderNumber": "SO-2", "lineRef": "1", "qty": 6},
        {"orderNumber": "SO-1", "lineRef": "1", "qty": 1},
    ]
    await sandbox.call("wms", "PUT", "/api/stock/KIT", {"warehouse": "RNO", "onHand": 20})
    assert (await events(sandbox))[1]["uncovered"] == []


async def test_a_shipment_leaves_once_with_its_number(sandbox: Sandbox) -> None:
    await create(sandbox)
    await sandbox.advance(hours=12)
    (packed,) = [one for one in await events(sandbox) if one["eventType"] == "SHIPMENT_PACKED"]
    path = f"/api/shipments/{packed['shipment']['shipmentId']}/dispatch"
    body = {"carrier": "farrow", "trackingNumber": "PRO-7"}
    first = (await sandbox.call("wms", "POST", path, body)).json
    assert (await sandbox.call("wms", "POST", path, body)).json == first
    left = [one for one in await events(sandbox) if one["eventType"] == "SHIPMENT_DISPATCHED"]
    assert [(one["orderNumber"], one["trackingNumber"]) for one in left] == [("SO-1", "PRO-7")]
    assert (await sandbox.call("wms", "POST", "/api/shipments/X/dispatch", body)).status == 404
