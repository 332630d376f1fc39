"""Northway ERP over HTTP."""

import hashlib
import hmac

from partner_bodies import CUSTOMER, order
from partner_client import Receiver, Sandbox


async def released(sandbox: Sandbox, **more: object) -> dict:
    await sandbox.call("erp", "POST", "/customers", CUSTOMER)
    await sandbox.call("erp", "POST", "/orders", order(**more))
    return (await sandbox.call("erp", "POST", "/orders/SO-1/release")).json["result"]


async def test_a_released_order_is_pushed_with_its_signature_and_is_in_the_changes(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "erp")
    document = await released(sandbox)
    assert document["status"] == "RELEASED"
    assert document["total"] == "125.67"  # 125.00 + 0.67: halves go to the even cent
    await sandbox.advance(hours=0)
    (hook,) = receiver.hooks
    mac = hmac.new(b"northway-hook-secret", hook.body, hashlib.sha256).hexdigest()
    assert hook.headers["X-Northway-Signature"] == f"sha256={mac}"
    assert hook.headers["X-Northway-Event"] == "SO_RELEASED"
    assert hook.json["document"] == document
    changes = (await sandbox.call("erp", "GET", "/changes?expand=1")).json["result"]
    assert [change["event"] for change in changes["changes"]] == ["SO_RELEASED"]
    assert changes["changes"][0]["document"] == document
    later = (await sandbox.call("erp", "GET", f"/changes?cursor={changes['cursor']}")).json["result"]
    assert later == {"changes": [], "cursor": "1", "more": False}


async def test_errors_come_with_status_200_and_name_the_field(sandbox: Sandbox) -> None:
    missing = await sandbox.call("erp", "GET", "/orders/NONE")
    assert (missing.status, missing.json["error"]["kind"]) == (200, "not_found")
    bad = order()
    bad["lines"][0]["quantity"] = "-1"
    await sandbox.call("erp", "POST", "/customers", CUSTOMER)
    invalid = await sandbox.call("erp", "POST", "/orders", bad)
    assert invalid.status == 200
    assert invalid.json["error"]["kind"] == "invalid"
    assert invalid.json["error"]["field"] == "lines[0].quantity"
    malformed = await sandbox.call("erp", "POST", "/orders", b"{")
    assert (malformed.status, malformed.json["error"]["kind"]) == (400, "malformed")


async def test_calls_without_a_session_or_with_an_old_one_are_turned_away(sandbox: Sandbox) -> None:
    nobody = await sandbox.raw("erp", "GET", "/orders/SO-1")
    assert (nobody.status, nobody.json["error"]["kind"]) == (401, "session")
    await sandbox.control("erp", "/configure", {"token_seconds": 0})
    old = await sandbox.call("erp", "GET", "/orders/SO-1")
    assert old.status == 401
    await sandbox.control("erp", "/configure", {"token_seconds": 3600})


async def test_credit_counts_released_orders_and_leaves_out_the_one_asked_about(sandbox: Sandbox) -> None:
    await released(sandbox)
    question = {"customer": "C1", "amount": "100.00", "currency": "USD"}
    other = (await sandbox.call("erp", "POST", "/credit/check", question)).json["result"]
    assert (other["decision"], other["exposure"], other["available"]) == ("OVER_LIMIT", "125.67", "74.33")
    own = (await sandbox.call("erp", "POST", "/credit/check", {**question, "order": "SO-1"})).json["result"]
    assert (own["decision"], own["exposure"]) == ("OK", "0.00")


async def test_an_invoice_is_drafted_posted_once_and_paid_in_time(sandbox: Sandbox) -> None:
    await released(sandbox)
    made = (await sandbox.call("erp", "POST", "/invoices", {"order": "SO-1", "reference": "r1"})).json[
        "result"
    ]
    assert (made["status"], made["total"]) == ("DRAFT", "125.67")
    posted = (await sandbox.call("erp", "POST", f"/invoices/{made['id']}/post")).json["result"]
    assert (posted["status"], posted["number"]) == ("POSTED", "INV-000001")
    again = await sandbox.call("erp", "POST", f"/invoices/{made['id']}/post")
    assert again.json["error"]["kind"] == "wrong_state"
    found = (await sandbox.call("erp", "GET", "/invoices?reference=r1")).json["result"]
    assert found == [posted]
    assert (await sandbox.ledger("erp"))["standing"]["posted"] == {"SO-1": 1}
    await sandbox.advance(days=30)
    assert (await sandbox.call("erp", "GET", "/invoices/INV-000001")).json["result"]["status"] == "PAID"
    assert (await sandbox.call("erp", "GET", "/customers/C1")).json["result"]["exposure"] == "0.00"


async def test_a_create_that_is_repeated_makes_a_second_document(sandbox: Sandbox) -> None:
    await released(sandbox)
    for _ in range(2):
        await sandbox.call("erp", "POST", "/invoices", {"order": "SO-1", "reference": "r1"})
    assert (await sandbox.ledger("erp"))["counts"]["invoice.create"] == {"SO-1": 2}
    assert len((await sandbox.call("erp", "GET", "/invoices?order=SO-1")).json["result"]) == 2


async def test_a_credit_note_never_exceeds_what_the_invoice_has_left(sandbox: Sandbox) -> None:
    await released(sandbox)
    invoice = (await sandbox.call("erp", "POST", "/invoices", {"order": "SO-1"})).json["result"]["id"]
    await sandbox.call("erp", "POST", f"/invoices/{invoice}/post")
    body = {"invoice": invoice, "reference": "cn", "lines": [{"line_no": 1, "quantity": "4"}]}
    note = (await sandbox.call("erp", "POST", "/credit-notes", body)).json["result"]
    assert (note["status"], note["amount"]) == ("POSTED", "50.00")
    more = await sandbox.call("erp", "POST", "/credit-notes", {"invoice": invoice, "amount": "75.68"})
    assert more.json["error"] == {
        "kind": "business",
        "message": f"Invoice {invoice} has 75.67 left",
        "field": "amount",
    }


async def test_a_script_releases_changes_returns_and_cancels_in_its_order(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "erp")
    imported = await sandbox.raw(
        "erp", "POST", "/import", json={"customers": [CUSTOMER], "orders": [order()]}
    )
    assert imported.json == {"result": {"customers": 1, "orders": 1}}
    actions = [
        {"do": "cancel", "after_hours": 4, "reason": "not needed"},
        {"do": "release", "after_hours": 1},
        {"do": "return", "after_hours": 3, "reason": "wrong item", "lines": [{"line_no": 2, "quantity": 1}]},
        {"do": "change", "after_hours": 2, "wanted_on": "2026-04-01"},
    ]
    await sandbox.control("erp", "/script", {"order": "SO-1", "actions": actions})
    await sandbox.advance(hours=5)
    assert [hook.json["event"] for hook in receiver.hooks] == [
        "SO_RELEASED",
        "SO_CHANGED",
        "RMA_AUTHORISED",
        "SO_CANCELLED",
    ]
    changed = receiver.hooks[1].json
    assert (changed["revision"], changed["document"]["wanted_on"]) == (2, "2026-04-01")
    assert receiver.hooks[2].json["document"]["lines"] == [{"line_no": 2, "item": "GLOVE", "quantity": "1"}]
    assert receiver.hooks[3].json["document"]["note"] == "not needed"


async def test_an_import_with_one_bad_order_takes_nothing(sandbox: Sandbox) -> None:
    body = {"customers": [CUSTOMER], "orders": [order(), order("SO-2", customer="C9")]}
    answer = await sandbox.raw("erp", "POST", "/import", json=body)
    assert answer.json["error"]["message"] == "Order SO-2: no customer C9"
    assert (await sandbox.call("erp", "GET", "/orders/SO-1")).json["error"]["kind"] == "not_found"
