"""Postbox over HTTP."""

from partner_bodies import message
from partner_client import Sandbox


async def test_a_message_is_kept_once_for_each_key(sandbox: Sandbox) -> None:
    first = await sandbox.call("postbox", "POST", "/messages", message())
    assert (first.status, first.json) == (202, {"ok": True, "id": "MSG-000001", "duplicate": False})
    again = await sandbox.call("postbox", "POST", "/messages", message(text="Other words"))
    assert (again.status, again.json) == (200, {"ok": True, "id": "MSG-000001", "duplicate": True})
    found = (await sandbox.call("postbox", "GET", "/messages?order=SO-1")).json["messages"]
    assert [one["text"] for one in found] == ["It is late."]
    ledger = await sandbox.ledger("postbox")
    assert ledger["counts"] == {"message.send": {"SO-1": 1}}
    requests = (await sandbox.raw("postbox", "GET", "/ledger?detail=requests")).json["requests"]
    assert [one["replayed"] for one in requests if one["operation"] == "message.send"] == [False, True]


async def test_an_address_without_an_at_is_invalid(sandbox: Sandbox) -> None:
    bad = await sandbox.call("postbox", "POST", "/messages", message(to="nowhere"))
    assert (bad.status, bad.json["ok"], bad.json["code"], bad.json["field"]) == (422, False, "invalid", "to")
