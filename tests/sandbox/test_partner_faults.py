"""Faults on demand, in front of any service."""

import io
import time
from typing import Any

import aiohttp
import pytest
from partner_bodies import CUSTOMER, booking, label, message, order, pick
from partner_client import Receiver, Sandbox


async def send(sandbox: Sandbox, key: str = "k1") -> Any:
    return await sandbox.call("postbox", "POST", "/messages", message(key))


async def fault(sandbox: Sandbox, service: str, name: str, **more: Any) -> None:
    await sandbox.control(service, "/faults", {"fault": name, **more})


async def effects(sandbox: Sandbox, service: str) -> int:
    return len((await sandbox.ledger(service))["entries"])


async def test_slow_answers_late_but_does_it_once(sandbox: Sandbox) -> None:
    await fault(sandbox, "postbox", "slow", seconds=0.2)
    began = time.monotonic()
    assert (await send(sandbox)).status == 202
    assert time.monotonic() - began >= 0.2
    began = time.monotonic()
    assert (await send(sandbox, "k2")).status == 202
    assert time.monotonic() - began < 0.2


async def test_429_tells_when_to_come_back_and_does_nothing(sandbox: Sandbox) -> None:
    await fault(sandbox, "postbox", "429", retry_after=7)
    answer = await send(sandbox)
    assert (answer.status, answer.headers["Retry-After"], answer.json["code"]) == (429, "7", "throttled")
    assert await effects(sandbox, "postbox") == 0
    assert (await send(sandbox)).status == 202


async def test_500_fails_before_doing_anything_even_where_errors_are_200(sandbox: Sandbox) -> None:
    await fault(sandbox, "erp", "500", operation="customer.*")
    failed = await sandbox.call("erp", "POST", "/customers", CUSTOMER)
    assert (failed.status, failed.json["error"]["kind"]) == (500, "internal")
    assert await effects(sandbox, "erp") == 0


async def test_timeout_after_does_it_and_never_answers(sandbox: Sandbox) -> None:
    await fault(sandbox, "oldbridge", "timeout_after", operation="book", seconds=0.1)
    with pytest.raises(aiohttp.ClientError):
        await sandbox.call("oldbridge", "POST", "/services/booking", booking())
    assert await effects(sandbox, "oldbridge") == 1
    (request,) = (await sandbox.raw("oldbridge", "GET", "/ledger?detail=requests")).json["requests"]
    assert (request["fault"], request["reference"]) == ("timeout_after", "SO-1-1")


async def test_refuse_is_a_refusal_in_the_systems_own_words(sandbox: Sandbox) -> None:
    for service in ("erp", "quayline"):
        await fault(sandbox, service, "refuse", operation="*e*", message="Closed today")
    erp = await sandbox.call("erp", "POST", "/customers", CUSTOMER)
    assert (erp.status, erp.json["error"]) == (200, {"kind": "business", "message": "Closed today"})
    carrier = await sandbox.call("quayline", "POST", "/v1/labels", label())
    assert (carrier.status, carrier.json["err"]) == (422, {"no": 4229, "msg": "Closed today"})


async def test_malformed_does_it_and_answers_with_half_of_the_body(sandbox: Sandbox) -> None:
    await fault(sandbox, "wms", "malformed", operation="pick.create")
    answer = await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    assert answer.status == 201
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        _ = answer.json
    assert await effects(sandbox, "wms") == 1


async def test_an_outage_passes_on_the_services_clock_and_holds_webhooks_back(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "wms")
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    await fault(sandbox, "wms", "outage", seconds=24 * 3600)
    down = await sandbox.call("wms", "POST", "/api/pickOrders", pick("p2"))
    assert (down.status, down.body) == (503, b"503 Service Unavailable\n")
    answer = await sandbox.advance(hours=23)
    assert (receiver.hooks, answer["pending"]) == ([], 2)
    answer = await sandbox.advance(hours=2)
    assert answer["pending"] == 0
    assert [hook.json["eventType"] for hook in receiver.hooks] == ["PICK_STARTED", "SHIPMENT_PACKED"]
    assert (await sandbox.call("wms", "POST", "/api/pickOrders", pick("p2"))).status == 201


async def test_an_outage_may_cut_the_connection_and_ends_when_faults_are_cleared(sandbox: Sandbox) -> None:
    await fault(sandbox, "postbox", "outage", drop=True)
    for _ in range(3):
        with pytest.raises(aiohttp.ClientError):
            await send(sandbox)
    await sandbox.raw("postbox", "DELETE", "/faults")
    assert (await send(sandbox)).status == 202


async def test_a_rate_strikes_the_same_requests_for_the_same_seed(sandbox: Sandbox) -> None:
    async def struck() -> list[int]:
        await sandbox.control("postbox", "/reset", None)
        await fault(sandbox, "postbox", "500", rate=0.3, seed=4)
        return [(await send(sandbox, f"k{n}")).status for n in range(40)]

    first = await struck()
    assert await struck() == first
    assert 5 <= first.count(500) <= 20
    (one,) = (await sandbox.raw("postbox", "GET", "/faults")).json["faults"]
    assert one["struck"] == first.count(500)


async def test_a_duplicate_webhook_has_the_same_id(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "quayline")
    await fault(sandbox, "quayline", "duplicate")
    await sandbox.call("quayline", "POST", "/v1/labels", label())
    await sandbox.advance(hours=0)
    first, second = receiver.hooks
    assert first.body == second.body
    assert (await sandbox.raw("quayline", "GET", "/webhooks/pending")).json["duplicated"] == 1


async def test_out_of_order_swaps_two_webhooks_about_one_thing(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "quayline")
    await fault(sandbox, "quayline", "out_of_order")
    await sandbox.control("quayline", "/script", {"order": "SO-1", "pickup_after_hours": 1, "lost": True})
    for reference in ("SO-1-1", "SO-1-2"):
        await sandbox.call("quayline", "POST", "/v1/labels", label(reference))
    await sandbox.advance(hours=1)
    seen = [(hook.json["ref1"], hook.json["scan"]["st"]) for hook in receiver.hooks]
    assert [st for ref, st in seen if ref == "SO-1-1"] == ["10", "00"]
    assert [st for ref, st in seen if ref == "SO-1-2"] == ["00", "10"]


async def test_what_is_held_back_arrives_within_two_hours_though_nothing_overtakes_it(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "quayline")
    await fault(sandbox, "quayline", "out_of_order")
    await sandbox.control("quayline", "/script", {"order": "SO-1", "pickup_after_hours": 5})
    await sandbox.call("quayline", "POST", "/v1/labels", label())
    assert (await sandbox.advance(minutes=119))["pending"] == 1
    assert (await sandbox.advance(minutes=1))["pending"] == 0
    assert [hook.json["scan"]["st"] for hook in receiver.hooks] == ["00"]


async def test_a_lost_webhook_is_still_in_the_feed(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "erp")
    await fault(sandbox, "erp", "lost_webhook", operation="SO_RELEASED")
    await sandbox.call("erp", "POST", "/customers", CUSTOMER)
    await sandbox.call("erp", "POST", "/orders", order())
    await sandbox.call("erp", "POST", "/orders/SO-1/release")
    await sandbox.advance(hours=1)
    assert receiver.hooks == []
    assert (await sandbox.raw("erp", "GET", "/webhooks/pending")).json["lost"] == 1
    changes = (await sandbox.call("erp", "GET", "/changes")).json["result"]["changes"]
    assert [change["event"] for change in changes] == ["SO_RELEASED"]


async def test_a_fault_that_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    answer = await sandbox.raw("erp", "POST", "/faults", json={"fault": "earthquake"})
    assert answer.status == 400
    assert "earthquake" in answer.json["error"]


async def test_bodies_over_the_limit_are_refused_in_each_systems_form(sandbox: Sandbox) -> None:
    huge = b" " * (1024 * 1024 + 1)
    wms = await sandbox.call("wms", "POST", "/api/pickOrders", io.BytesIO(huge))
    assert (wms.status, wms.json["errors"][0]["code"]) == (413, "TOO_LARGE")
    carrier = await sandbox.call("oldbridge", "POST", "/services/booking", io.BytesIO(huge))
    assert (carrier.status, b"<Code>E413</Code>" in carrier.body) == (413, True)


async def test_an_unknown_path_is_an_error_of_the_systems_own_form(sandbox: Sandbox) -> None:
    answer = await sandbox.call("tms", "GET", "/v2/nothing")
    assert (answer.status, answer.json["type"]) == (404, "urn:waypost:not-found")
