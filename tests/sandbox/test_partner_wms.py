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
