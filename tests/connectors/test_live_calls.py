"""Every operation against the partner systems, through the real runtime: what they did stands in their ledgers."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from partners import CARRIERS, Partners

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHIPMENT = {
    "number": "SO-1-1",
    "order": "SO-1",
    "promised_delivery": "2026-12-31T07:59:59Z",
    "ship_to": {"name": "Harbour Clinic", "city": "Oakland", "postal_code": "94607", "country": "US"},
    "packages": [{"id": "1", "weight": {"value": "4.4", "unit": "KGM"}}],
}
LINES = [{"order_line": "1", "item": "KIT-30", "quantity": {"value": "2", "unit": "EA"}}]
SERVICES = {"quayline": "QX2", "farrow": "STD48", "oldbridge": "ECONOMY"}


async def released(partners: Partners) -> Any:
    """An order, as the ERP gives it."""
    await partners.import_order("SO-1")
    return await partners.done("erp", "get_order", {"order": "SO-1"})


async def test_an_order_goes_from_credit_to_credit_note(partners: Partners) -> None:
    order = await released(partners)
    credit = await partners.done(
        "erp", "check_credit", {"customer": "C1001", "order": "SO-1", "amount": order["total"]}
    )
    assert credit["ok"] is True
    pick = await partners.done("wms", "create_pick", {"order": order})
    await partners.done("wms", "cancel_pick", pick)
    await partners.done("wms", "cancel_pick", pick)
    pick = await partners.done("wms", "create_pick", {"order": order})
    invoice = await partners.done("erp", "release_invoice", {"order": "SO-1", "proof": [{"x": 1}]})
    assert invoice["total"] == order["total"]
    returned = await partners.done("erp", "authorise_return", {"order": "SO-1", "lines": LINES})
    back = {"return": returned["return"], "order": "SO-1", "lines": LINES}
    receipt = await partners.done("wms", "expect_return", back)
    await partners.done("wms", "cancel_receipt", receipt)
    await partners.done("wms", "cancel_receipt", receipt)
    some = await partners.done(
        "erp", "create_credit", {"order": "SO-1", "return": returned["return"], "reason": "broken"}
    )
    assert some["amount"] == {"amount": "25.00", "currency": "USD"}
    rest = await partners.done("erp", "credit_invoice", {"invoice": invoice["invoice"]})
    assert rest["credit"] != some["credit"]
    await partners.done("erp", "cancel_return", returned)
    await partners.done("erp", "cancel_return", returned)
    assert (await partners.control("wms", "/ledger"))["standing"]["pick"] == {"SO-1": 1}


async def test_only_what_was_delivered_is_billed(partners: Partners) -> None:
    order = await released(partners)
    (line, *_) = order["lines"]
    some = {"line": line["number"], "item": line["item"], "quantity": {**line["quantity"], "value": "1"}}
    invoice = await partners.done("erp", "release_invoice", {"order": "SO-1", "lines": [[some]]})
    assert invoice["total"] == line["price"]


async def test_an_offer_can_be_booked_with_the_carrier_that_makes_it(partners: Partners) -> None:
    offers = (await partners.done("tms", "rate", {"shipment": SHIPMENT}))["offers"]
    assert {offer["carrier"] for offer in offers} == set(CARRIERS)
    for offer in offers[:3]:
        data = {"shipment": SHIPMENT, "service": offer["service"], "reference": "SO-1-1"}
        booked = await partners.done(offer["carrier"], "book", data)
        assert booked["label"].startswith("data:application/")
        assert booked["estimated_delivery"] <= offer["delivery_by"]
        tracked = await partners.done(
            offer["carrier"], "track", {"tracking_number": booked["tracking_number"]}
        )
        assert [m["code"] for m in tracked["milestones"]] == ["info_received"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_booking_is_voided_once_and_again(partners: Partners, carrier: str) -> None:
    data = {"shipment": SHIPMENT, "service": SERVICES[carrier], "reference": "SO-1-1"}
    booked = await partners.done(carrier, "book", data)
    for _ in range(2):
        assert await partners.done(carrier, "void", {"booking": booked["booking"]}) == {}
    # The next booking of the shipment is another: what was cancelled is not found.
    again = await partners.done(carrier, "book", data, again="another call")
    assert again["booking"] != booked["booking"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_what_was_picked_up_cannot_be_voided(partners: Partners, carrier: str) -> None:
    await partners.control(carrier, "/script", {"shipment": "SO-1-1", "pickup_after_hours": 1})
    data = {"shipment": SHIPMENT, "service": SERVICES[carrier], "reference": "SO-1-1"}
    booked = await partners.done(carrier, "book", data)
    await partners.advance(hours=2)
    ended = await partners.call(carrier, "void", {"booking": booked["booking"]})
    assert ended.outcome == "refused"
    assert ended.reason.endswith("picked up from the sender")


async def test_a_refusal_comes_in_the_words_of_the_partner(partners: Partners) -> None:
    ended = await partners.call("erp", "get_order", {"order": "NOPE"})
    assert (ended.outcome, ended.code, ended.reason) == ("refused", "not_found", "No order NOPE")
    data = {"shipment": SHIPMENT, "service": "NOPE"}
    ended = await partners.call("oldbridge", "book", data)
    assert (ended.outcome, ended.code) == ("refused", "E422")
    assert "Unknown service" in ended.reason


class Change(NamedTuple):
    """An operation that changes something, and where its effect is counted."""

    connection: str
    operation: str
    counted: str
    key: str
    data: Callable[[Partners], Awaitable[Any]]


async def _pick(partners: Partners) -> Any:
    return {"order": await released(partners)}


async def _invoice(partners: Partners) -> Any:
    await released(partners)
    return {"order": "SO-1", "shipments": ["SO-1-1"], "proof": [{"received_by": "M. Okafor"}]}


async def _posted(partners: Partners) -> Any:
    invoice = await partners.done("erp", "release_invoice", await _invoice(partners))
    return {"invoice": invoice["invoice"]}


async def _return(partners: Partners) -> Any:
    await released(partners)
    return {"order": "SO-1", "lines": LINES, "reason": "broken"}


async def _receipt(partners: Partners) -> Any:
    await partners.done("wms", "create_pick", await _pick(partners))
    return {"return": "RMA-1", "order": "SO-1", "lines": LINES}


async def _notice(_: Partners) -> Any:
    return {"order": "SO-1", "customer": "C1001", "topic": "shipped", "message": "It is on its way."}


async def _tender(partners: Partners) -> Any:
    offers = (await partners.done("tms", "rate", {"shipment": SHIPMENT}))["offers"]
    return {"shipment": SHIPMENT, "carrier": offers[0]["carrier"], "offer": offers[0]["offer"]}


async def _slot(_: Partners) -> Any:
    return {"shipment": SHIPMENT, "kind": "pickup", "carrier": "farrow"}


def _booking(carrier: str) -> Callable[[Partners], Awaitable[Any]]:
    async def data(_: Partners) -> Any:
        return {"shipment": SHIPMENT, "service": SERVICES[carrier], "reference": "SO-1-1"}

    return data


CHANGES = (
    Change("wms", "create_pick", "pick.create", "SO-1", _pick),
    Change("wms", "allocate", "allocation.create", "SO-1", _pick),
    Change("tms", "tender", "tender.create", "SO-1-1", _tender),
    Change("tms", "request_appointment", "appointment.create", "SO-1-1", _slot),
    Change("wms", "expect_return", "return.create", "SO-1", _receipt),
    Change("erp", "release_invoice", "invoice.create", "SO-1", _invoice),
    Change("erp", "release_invoice", "invoice.post", "SO-1", _invoice),
    Change("erp", "credit_invoice", "credit_note.create", "SO-1", _posted),
    Change("erp", "authorise_return", "return.create", "SO-1", _return),
    Change("quayline", "book", "label.create", "SO-1-1", _booking("quayline")),
    Change("farrow", "book", "consignment.create", "SO-1-1", _booking("farrow")),
    Change("oldbridge", "book", "book", "SO-1-1", _booking("oldbridge")),
    Change("postbox", "notify", "message.send", "SO-1", _notice),
)
FAULTS = {  # what a call meets, and how it ends
    "slow": "done",
    "429": "unreachable",
    "500": "unknown",
    "timeout_after": "unknown",
    "refuse": "refused",
    "malformed": "unknown",
    "outage": "unreachable",
}
MORE: dict[str, Any] = {"slow": {"seconds": 0.05}, "timeout_after": {"seconds": 1.0}}


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: f"{c.connection}.{c.operation}-{c.counted}")
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_goes_wrong_it_happens_once(partners: Partners, change: Change, fault: str) -> None:
    data = await change.data(partners)
    await partners.fault(change.connection, fault, change.counted, **MORE.get(fault, {}))
    seconds = 0.4 if fault == "timeout_after" else 10.0
    ended = await partners.call(change.connection, change.operation, data, key="K", seconds=seconds)
    # A second step that could not be reached after a first was done leaves the whole in doubt.
    half_done = change.counted == "invoice.post" and FAULTS[fault] == "unreachable"
    assert ended.outcome == ("unknown" if half_done else FAULTS[fault]), ended
    if fault == "429":
        assert ended.retry_after == 1.0
    if fault == "refuse":
        assert ended.reason
    output = await partners.done(change.connection, change.operation, data, again="K")
    assert await partners.standing(change.connection, change.counted, change.key) == 1
    if ended.outcome == "done":
        assert {**ended.output, "label": ""} == {**output, "label": ""}


@pytest.mark.parametrize("connection", ["wms", "quayline", "postbox"])
async def test_sent_twice_under_one_key_it_is_done_once(partners: Partners, connection: str) -> None:
    change = next(c for c in CHANGES if c.connection == connection)
    data = await change.data(partners)
    first = await partners.done(connection, change.operation, data, key="K")
    assert await partners.done(connection, change.operation, data, key="K") == first
    assert await partners.standing(connection, change.counted, change.key) == 1


@pytest.mark.parametrize(
    "change", [c for c in CHANGES if c.connection != "quayline"], ids=lambda c: c.counted
)
async def test_what_was_taken_back_before_it_was_done_is_found_not_to_be_there(
    partners: Partners, change: Change
) -> None:
    data = await change.data(partners)
    ended = await partners.call(change.connection, change.operation, data, key="K", only_find=True)
    assert ended.outcome == "withdrawn"
    output = await partners.done(change.connection, change.operation, data, key="K")
    found = await partners.done(change.connection, change.operation, data, key="K", only_find=True)
    assert {**found, "label": ""} == {**output, "label": ""}
    assert await partners.standing(change.connection, change.counted, change.key) == 1


async def test_a_session_that_has_ended_is_replaced_in_the_middle_of_a_call(partners: Partners) -> None:
    await partners.control("erp", "/configure", {"token_seconds": 1})
    await partners.control("farrow", "/configure", {"token_seconds": 1})
    await released(partners)
    await partners.done("farrow", "book", await _booking("farrow")(partners))
    await partners.advance(minutes=1)
    await partners.done("erp", "get_order", {"order": "SO-1"})
    await partners.done("farrow", "track", {"tracking_number": "FP-000001"})
    for service, seconds in (("erp", 3600), ("farrow", 1800)):
        await partners.control(service, "/configure", {"token_seconds": seconds})


async def test_every_partner_answers_when_asked_for_its_health(partners: Partners) -> None:
    for connection in ("erp", "wms", "tms", "postbox", *CARRIERS):
        line = await partners.lines.line(partners.tenant.id, connection)
        assert line.connector.health is not None
        await partners.calls.ask(partners.tenant.id, connection, line.connector.health, {})


async def test_a_customer_is_written_to_in_their_language_about_the_topic(partners: Partners) -> None:
    told = await partners.done("postbox", "notify", await _notice(partners))
    without = {"shipment": "SO-1-1", "topic": "weather", "message": "It snows."}
    other = await partners.done("postbox", "notify", without)
    url = partners.services["postbox"]["url"] + "/messages"
    key = partners.services["postbox"]["credentials"]["key"]
    async with partners.http.get(url, headers={"Authorization": f"Bearer {key}"}) as reply:
        first, second = (await reply.json())["messages"]
    assert (first["id"], second["id"]) == (told["message_id"], other["message_id"])
    assert (first["to"], first["language"], first["template"]) == ("C1001@customers.example", "en", "shipped")
    assert (first["order"], first["subject"]) == ("SO-1", "Your order SO-1 is on its way")
    assert first["text"] == "It is on its way."
    assert (second["to"], second["subject"]) == ("SO-1-1@customers.example", "Your order SO-1-1 weather")
    assert not second.get("order")


async def test_stock_and_what_is_promised_are_listed_page_by_page_by_both_sides(partners: Partners) -> None:
    order = await released(partners)
    for item in ("KIT-30", "GEL-1"):
        await partners.by_hand("/stock/count", {"item": item, "site": "RNO", "quantity": "20"})
        await partners.done(
            "wms", "count_stock", {"item": item, "site": "RNO", "on_hand": {"value": "20", "unit": "EA"}}
        )
    await partners.done("wms", "create_pick", {"order": order})
    for name in ("erp", "wms"):
        stock = (await partners.done(name, "list_stock", {}))["stock"]
        assert [(one["item"], one["site"], one["on_hand"]) for one in stock] == [
            (item, "RNO", {"value": "20", "unit": "EA"}) for item in ("GEL-1", "KIT-30")
        ]
        assert all("changed" in one for one in stock)
        (only,) = (await partners.done(name, "list_stock", {"items": ["GEL-1"]}))["stock"]
        assert only["item"] == "GEL-1"
        (held,) = (await partners.done(name, "list_allocations", {}))["allocations"]
        assert (held["order"], held["item"], held["site"]) == ("SO-1", "KIT-30", "RNO")
        assert held["quantity"] == {"value": "10", "unit": "EA"}
    await partners.done("erp", "release_invoice", {"order": "SO-1"})
    assert (await partners.done("erp", "list_allocations", {}))["allocations"] == []
    (left,) = (await partners.done("erp", "list_stock", {"items": ["KIT-30"]}))["stock"]
    assert left["on_hand"]["value"] == "10"


async def test_a_count_is_taken_over_once_however_often_it_is_called(partners: Partners) -> None:
    await partners.by_hand("/stock/count", {"item": "KIT-30", "site": "RNO", "quantity": "20"})
    data = {"item": "KIT-30", "site": "RNO", "change": {"value": "-3", "unit": "EA"}, "adjustment": "CC-1"}
    made = await partners.done("erp", "adjust_stock", data, key="count/CC-1")
    again = await partners.call("erp", "adjust_stock", data, again="count/CC-1")
    assert again.output == made
    (left,) = (await partners.done("erp", "list_stock", {}))["stock"]
    assert left["on_hand"] == {"value": "17", "unit": "EA"}
