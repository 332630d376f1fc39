"""Time, webhooks that wait, and the process itself."""

import asyncio
import json
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from partner_bodies import CUSTOMER, order, pick
from partner_client import Receiver, Sandbox


async def test_the_clock_tells_what_is_next_and_runs_it_in_order_over_all_services(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "erp", "wms")
    now = await sandbox.now()
    assert (await sandbox.raw("tms", "GET", "/clock")).json["next"] is None
    later = (now + timedelta(hours=7)).isoformat()
    body = {"customers": [CUSTOMER], "orders": [order(release_at=later)]}
    await sandbox.raw("erp", "POST", "/import", json=body)
    packs = [{"after_hours": 5, "quantity": 5}, {"after_hours": 9}]
    await sandbox.control("wms", "/script", {"order": "SO-1", "packs": packs})
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    due = []
    while (at := (await sandbox.raw("tms", "GET", "/clock")).json["next"]) is not None:
        due.append((datetime.fromisoformat(at) - now) / timedelta(hours=1))
        assert (await sandbox.control("tms", "/clock", {"now": at}))["pending"] == 0
    assert due == [1, 5, 7, 9]
    assert [hook.path for hook in receiver.hooks] == ["/wms", "/wms", "/erp", "/wms"]


async def test_one_long_step_delivers_each_orders_events_in_order(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "wms")
    for n in range(20):
        packs = [{"after_hours": 2, "quantity": 3}, {"after_hours": 3, "quantity": 3}, {"after_hours": 4}]
        await sandbox.control("wms", "/script", {"order": f"SO-{n}", "packs": packs})
        await sandbox.call("wms", "POST", "/api/pickOrders", pick(f"p{n}", f"SO-{n}"))
    answer = await sandbox.advance(days=1)
    assert (answer["ran"], answer["pending"]) == (80, 0)
    for n in range(20):
        seen = [hook.json["occurredAt"] for hook in receiver.hooks if hook.json["orderNumber"] == f"SO-{n}"]
        assert len(seen) == 4
        assert seen == sorted(seen)


async def test_time_never_goes_back(sandbox: Sandbox) -> None:
    before = (await sandbox.now()) - timedelta(seconds=1)
    answer = await sandbox.raw("erp", "POST", "/clock", json={"now": before.isoformat()})
    assert answer.status == 409
    naive = await sandbox.raw("erp", "POST", "/clock", json={"now": "2026-03-02T08:00:00"})
    assert naive.status == 400


async def test_webhooks_wait_for_a_receiver_that_is_down_and_keep_their_order(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "wms")
    receiver.status = 503
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    answer = await sandbox.advance(hours=12)
    assert answer["pending"] == 2
    assert answer["next"] is not None
    tried = len(receiver.hooks)
    assert {hook.json["eventType"] for hook in receiver.hooks} == {"PICK_STARTED"}
    receiver.status = 204
    answer = await sandbox.control("wms", "/clock", {"now": answer["next"]})
    assert answer["pending"] == 0
    seen = [hook.json["eventType"] for hook in receiver.hooks[tried:]]
    assert seen == ["PICK_STARTED", "SHIPMENT_PACKED"]
    assert (await sandbox.raw("wms", "GET", "/webhooks/pending")).json["delivered"] == 2


async def test_waiting_webhooks_can_be_sent_without_time_passing(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "wms")
    receiver.status = 500
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    await sandbox.advance(hours=1)
    receiver.status = 200
    page = await sandbox.control("wms", "/webhooks/retry", None)
    assert (page["pending"], page["delivered"], page["messages"]) == (0, 1, [])


async def test_what_happens_before_anybody_listens_is_not_sent_later(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    await sandbox.advance(hours=1)
    await sandbox.listen(receiver, "wms")
    await sandbox.advance(hours=12)
    assert [hook.json["eventType"] for hook in receiver.hooks] == ["SHIPMENT_PACKED"]
    assert len((await sandbox.call("wms", "GET", "/api/events")).json["events"]) == 2


async def test_a_reset_forgets_documents_ledger_and_plans(sandbox: Sandbox) -> None:
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    await sandbox.control("wms", "/reset", None)
    ledger = await sandbox.ledger("wms")
    assert ledger == {"service": "wms", "entries": [], "counts": {}, "standing": {}}
    assert (await sandbox.raw("wms", "GET", "/clock")).json["next"] is None
    assert (await sandbox.call("wms", "POST", "/api/pickOrders", pick())).status == 201


async def test_a_webhook_that_is_refused_waits_for_its_next_round(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "wms")
    receiver.status = 400
    await sandbox.call("wms", "POST", "/api/pickOrders", pick())
    answer = await sandbox.advance(hours=1)
    assert (len(receiver.hooks), answer["pending"]) == (1, 1)


async def test_a_secret_that_cannot_sign_and_a_script_that_makes_no_sense_are_refused(
    sandbox: Sandbox,
) -> None:
    secret = await sandbox.raw("farrow", "POST", "/configure", json={"secret": "whsec_x"})
    assert secret.status == 400
    for script in (
        {"order": "SO-1", "actions": [{"do": "explode"}]},
        {"order": "SO-1", "actions": [{"do": "change", "lines": [{"line_no": 1}]}]},
    ):
        assert (await sandbox.raw("erp", "POST", "/script", json=script)).status == 400
    both = await sandbox.raw("wms", "POST", "/script", json={"order": "SO-1", "return": "RMA-1"})
    assert both.json == {"error": "a script is about an order or about a return"}
    assert (await sandbox.raw("postbox", "POST", "/script", json={})).status == 400
    assert (await sandbox.raw("erp", "GET", "/clock")).json["next"] is None


async def started(*arguments: str) -> tuple[asyncio.subprocess.Process, Any]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "crossdock.sandbox",
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    return running, json.loads(await running.stdout.readline() or "null")


async def test_real_time_passes_by_itself_at_its_speed(receiver: Receiver) -> None:
    running, line = await started(
        *(
            "--port-base",
            "0",
            "--only",
            "wms",
            "--real-time",
            "--speed",
            "36000",
            "--calm",
            "--stop-with-stdin",
        )
    )
    assert line["clock"] == "real"
    async with aiohttp.ClientSession() as session:
        sandbox = Sandbox(line, session)
        await sandbox.listen(receiver, "wms")
        assert (await sandbox.raw("wms", "POST", "/clock", json={"now": line["now"]})).status == 409
        await sandbox.call("wms", "POST", "/api/pickOrders", pick())  # packed within 9 hours: within a second
        async with asyncio.timeout(10), receiver.arrived:
            await receiver.arrived.wait_for(lambda: len(receiver.hooks) == 2)
    assert [hook.json["eventType"] for hook in receiver.hooks] == ["PICK_STARTED", "SHIPMENT_PACKED"]
    assert running.stdin is not None
    running.stdin.close()
    assert await running.wait() == 0


async def test_a_port_in_use_ends_it_with_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running, line = await started("--port-base", str(taken.getsockname()[1]), "--only", "erp")
        assert line is None
        assert await running.wait() == 1
        assert running.stderr is not None
        text = (await running.stderr.read()).decode()
        assert text.startswith("crossdock.sandbox: ")
        assert "choose another --port" in text
        assert text.count("\n") == 1
