"""Shops: orders in by push and feed, what was shipped out, and the same thing told once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from importlib import import_module
from typing import Any, ClassVar

import pytest
from talking import Led, answer, connector, context, example, notice

from crossdock.connect.conformance import Conformance, Example, Fed, Told
from crossdock.connect.contract import RefusedByPartner, Response
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import NotVerified, verify
from crossdock.connectors._payload import Part
from crossdock.errors import Refused
from crossdock.gateway import translate

SHOPS = ("shopify", "woocommerce")
ALL = ("order.created", "order.released", "order.changed")


def read(name: str, file: str, change: dict[str, Any] | None = None, **given: Any) -> list[Any]:
    body = json.loads(example(name, file))
    return translate(connector(name), json.dumps(body | (change or {})).encode(), **given)


def response(value: Any) -> Response:
    return Response(200, {}, json.dumps(value).encode())


NONE = response({"fulfillments": []})


@pytest.mark.parametrize("name", SHOPS)
def test_an_order_is_created_released_and_changed_by_push_and_feed_alike(name: str) -> None:
    pushed, fed = (
        read(name, "order.json"),
        translate(connector(name), example(name, "orders.json"), feed="orders"),
    )
    assert [event.type for event in pushed] == list(ALL)
    assert [(e.id, e.type, e.time, e.data) for e in pushed] == [(e.id, e.type, e.time, e.data) for e in fed]


@pytest.mark.parametrize(("name", "number"), [("shopify", "#1001"), ("woocommerce", "727")])
def test_an_order_carries_what_a_distributor_needs(name: str, number: str) -> None:
    order = read(name, "order.json")[0].data
    assert order["number"] == number
    (line,) = order["lines"]
    assert (line["item"], line["quantity"]) == ("KIT-30", {"value": "2", "unit": "EA"})
    assert (line["amount"], line["tax"]) == (
        {"amount": "200.00", "currency": "USD"},
        {"amount": "16.50", "currency": "USD"},
    )
    assert order["total"] == {"amount": "231.50", "currency": "USD"}
    assert order["charges"][0]["amount"] == {"amount": "15.00", "currency": "USD"}
    assert order["ship_to"]["country"] == "US"
    assert order["ship_to"]["region"] == "CA"
    assert order["ordered"] == "2026-03-02T16:00:00Z"


def test_prices_with_tax_in_them_are_told_without() -> None:
    line = read("shopify", "order.json", {"taxes_included": True})[0].data["lines"][0]
    assert line["amount"] == {"amount": "183.50", "currency": "USD"}
    assert "price" not in line


@pytest.mark.parametrize(
    ("name", "change"),
    [("shopify", {"financial_status": "pending"}), ("woocommerce", {"status": "on-hold"})],
)
def test_what_is_not_paid_is_not_released(name: str, change: dict[str, Any]) -> None:
    assert "order.released" not in [event.type for event in read(name, "order.json", change)]


def test_a_payment_that_failed_cancels_nothing_since_it_may_be_made_again() -> None:
    events = read("woocommerce", "order.json", {"status": "failed"})
    assert not {"order.released", "order.cancelled"} & {event.type for event in events}
    assert {event.data["state"] for event in events} == {"held"}


@pytest.mark.parametrize("name", SHOPS)
def test_a_cancelled_order_is_cancelled_and_nothing_else(name: str) -> None:
    (event,) = read(name, "cancelled.json")
    assert event.type == "order.cancelled"
    assert event.data["reason"]


def test_a_refund_is_the_sum_that_was_paid_out() -> None:
    (event,) = read("shopify", "refund.json")
    assert (event.type, event.data["amount"]) == ("refund.paid", {"amount": "105.00", "currency": "USD"})
    assert event.about["shop_order"] == "5000000000017"
    pending = {"kind": "refund", "status": "pending", "amount": "105.00", "currency": "USD"}
    with pytest.raises(Refused, match="no amount"):
        read("shopify", "refund.json", {"transactions": [pending]})


def test_goods_that_were_taken_off_without_money_are_no_refund() -> None:
    assert read("shopify", "refund.json", {"transactions": []}) == []
    void = {"kind": "void", "status": "success", "amount": "0.00", "currency": "EUR"}
    assert read("shopify", "refund.json", {"transactions": [void]}) == []


def test_lines_are_told_as_they_are_to_be_delivered() -> None:
    line = json.loads(example("shopify", "order.json"))["line_items"][0]
    plain = line | {"price": "10.00", "quantity": 3, "tax_lines": [], "discount_allocations": []}
    lines = [
        plain | {"id": 1, "current_quantity": 2},
        plain | {"id": 2, "current_quantity": 0},
        plain | {"id": 3, "current_quantity": 1, "fulfillment_status": "fulfilled"},  # two came back
        plain | {"id": 4, "current_quantity": 1, "tax_lines": [{"price": "3.00"}]},
    ]
    change = {"line_items": lines, "current_total_price": "65.00", "current_total_tax": "1.00"}
    order = read("shopify", "order.json", change)[0].data
    seen = [
        (one["number"], one["quantity"]["value"], one.get("amount", {}).get("amount"))
        for one in order["lines"]
    ]
    assert seen == [("1", "2", "20.00"), ("3", "3", "30.00"), ("4", "1", None)]
    assert (order["total"]["amount"], order["tax"]["amount"]) == ("65.00", "1.00")


def test_what_is_paid_beside_the_goods_is_told_without_tax_and_after_discounts() -> None:
    shipping = {
        "title": "Courier",
        "price": "11.90",
        "discount_allocations": [{"amount": "5.95"}],
        "tax_lines": [{"price": "0.95"}],
    }
    change = {
        "taxes_included": True,
        "test": True,
        "shipping_lines": [shipping],
        "total_tip_received": "3.00",
        "original_total_duties_set": {"shop_money": {"amount": "7.00", "currency_code": "USD"}},
    }
    order = read("shopify", "order.json", change)[0].data
    charged = [(charge["kind"], charge["amount"]["amount"]) for charge in order["charges"]]
    assert charged == [("freight", "5.00"), ("duty", "7.00"), ("tip", "3.00")]
    assert order["custom"]["test"] is True

    fees = [{"name": "Gift wrap", "total": "2.50"}, {"name": "Loyal", "total": "-1.00"}]
    order = read("woocommerce", "order.json", {"fee_lines": fees})[0].data
    charged = [(charge["kind"], charge["amount"]["amount"]) for charge in order["charges"]]
    assert charged == [("freight", "15.00"), ("fee", "2.50"), ("discount", "-1.00")]


def test_a_deleted_order_and_the_ping_of_a_new_webhook() -> None:
    shop = connector("woocommerce")
    assert translate(shop, b"webhook_id=7") == []
    headers = {"x-wc-webhook-topic": "order.deleted"}
    (event,) = translate(shop, b'{"id": 727}', headers=headers)
    assert (event.type, event.data["order"]) == ("order.cancelled", "727")


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("inventory_levels/update", {"inventory_item_id": 271878346596884015, "available": None}),
        ("customers/data_request", {"shop_id": 954889, "orders_requested": [299938], "customer": {"id": 1}}),
        ("fulfillment_orders/placed_on_hold", {"fulfillment_order": {"id": "gid", "status": "on_hold"}}),
        ("orders/edited", {"order_edit": {"order_id": 820982911946154508, "line_items": {"additions": []}}}),
        ("", {"order_edit": {"order_id": 820982911946154508, "line_items": {"additions": []}}}),
    ],
)
def test_what_shopify_tells_of_other_things_is_no_concern_of_ours(topic: str, payload: Any) -> None:
    headers = {"x-shopify-topic": topic} if topic else {}
    assert translate(connector("shopify"), json.dumps(payload).encode(), headers=headers) == []


@pytest.mark.parametrize(
    ("name", "header", "delivery"),
    [
        ("shopify", "X-Shopify-Hmac-SHA256", "x-shopify-webhook-id"),
        ("woocommerce", "X-WC-Webhook-Signature", "x-wc-webhook-delivery-id"),
    ],
)
def test_a_webhook_is_signed_and_named(name: str, header: str, delivery: str) -> None:
    webhook, body = connector(name).webhook, example(name, "order.json")
    assert webhook is not None
    mac = base64.b64encode(hmac.digest(b"new", body, hashlib.sha256)).decode()
    verify(webhook.signature, [(header, mac)], body, [Secret("old"), Secret("new")], now=0.0)
    with pytest.raises(NotVerified):
        verify(webhook.signature, [(header, mac)], body + b" ", [Secret("new")], now=0.0)
    assert webhook.delivery_id(notice(name, body, {delivery: "d-1"})) == "d-1"


@pytest.mark.parametrize("name", SHOPS)
def test_a_feed_goes_on_from_the_last_change(name: str) -> None:
    (poll,) = connector(name).polls
    led = Led(poll.read("2026-03-01T00:00:00Z", context(name)), [answer(name, "orders.json")])
    assert "2026-03-01T00:00:00Z" in led.asked[0].query.values()
    assert led.result.cursor.startswith("2026-03-02T")
    assert not led.result.more


def test_what_is_shipped_of_some_lines_names_them() -> None:
    data = {
        "order": "#1001",
        "tracking_number": "T",
        "lines": [{"line": "9000000000017", "quantity": {"value": "1", "unit": "EA"}}],
    }
    do = next(one for one in connector("shopify").operations if one.name == "fulfil").do
    rest = [answer("shopify", file) for file in ("fulfilment_orders.json", "fulfilled.201.json")]
    led = Led(do(data, context("shopify")), [answer("shopify", "orders.json"), NONE, *rest])
    assert led.asked[-1].json["fulfillment"]["line_items_by_fulfillment_order"] == [
        {
            "fulfillment_order_id": 6000000000017,
            "fulfillment_order_line_items": [{"id": 6100000000017, "quantity": 1}],
        }
    ]
    with pytest.raises(RefusedByPartner, match="nothing of"):
        Led(
            do({**data, "lines": [{"line": "1", "quantity": {"value": "1"}}]}, context("shopify")),
            [answer("shopify", "orders.json"), NONE, answer("shopify", "fulfilment_orders.json")],
        )


def test_nobody_is_told_twice_where_the_order_was_not_completed() -> None:
    do = next(one for one in connector("woocommerce").operations if one.name == "fulfil").do
    data = {"order": "727", "tracking_number": "1ZCD00010300000017"}
    led = Led(
        do(data, context("woocommerce")),
        [
            answer("woocommerce", "order.json"),
            answer("woocommerce", "notes.json"),
            answer("woocommerce", "completed.json"),
        ],
    )
    assert [request.method for request in led.asked] == ["GET", "GET", "PUT"]


def seen(name: str) -> Any:
    module = import_module(f"crossdock.connectors.{name}.replies")
    return module.read_order(Part(json.loads(example(name, "order.json"))), {}).order


FULFIL: dict[str, Any] = {"order": "#1001", "tracking_number": "1ZCD00010300000017", "carrier": "ups"}


class TestShopify(Conformance):
    connector = connector("shopify")
    settings: ClassVar = {"url": "https://shop.example"}
    secrets: ClassVar = {"token": "let-me-in", "webhook_secret": "sign-it"}
    examples: ClassVar = [
        Example(
            operation="get_order",
            data={"order": "#1001"},
            answers=[answer("shopify", "orders.json")],
            output=seen("shopify"),
        ),
        Example(
            operation="fulfil",
            data=FULFIL,
            answers=[
                answer("shopify", "orders.json"),
                NONE,
                answer("shopify", "fulfilment_orders.json"),
                answer("shopify", "fulfilled.201.json"),
            ],
            output={"fulfilment": "6500000000017"},
        ),
        Example(
            operation="cancel_fulfilment",
            data={"fulfilment": "6500000000017"},
            answers=[response({"fulfillment": {"status": "cancelled"}})],
            output={},
        ),
    ]
    pages: ClassVar = [Fed(feed="orders", answers=[answer("shopify", "orders.json")], types=ALL)]
    notices: ClassVar = [
        Told(body=example("shopify", "order.json"), types=ALL),
        Told(body=example("shopify", "cancelled.json"), types=("order.cancelled",)),
        Told(body=example("shopify", "refund.json"), types=("refund.paid",)),
    ]


class TestWooCommerce(Conformance):
    connector = connector("woocommerce")
    settings: ClassVar = {"url": "https://shop.example"}
    secrets: ClassVar = {"key": "ck_let", "secret": "cs_me-in", "webhook_secret": "sign-it"}
    examples: ClassVar = [
        Example(
            operation="get_order",
            data={"order": "727"},
            answers=[answer("woocommerce", "order.json")],
            output=seen("woocommerce"),
        ),
        Example(
            operation="fulfil",
            data={**FULFIL, "order": "727"},
            answers=[
                answer("woocommerce", "order.json"),
                response([]),
                answer("woocommerce", "note.201.json"),
                answer("woocommerce", "completed.json"),
            ],
            output={"fulfilment": "727/281"},
        ),
        Example(
            operation="cancel_fulfilment",
            data={"fulfilment": "727/281"},
            answers=[response({}), answer("woocommerce", "order.json")],
            output={},
        ),
    ]
    pages: ClassVar = [Fed(feed="orders", answers=[answer("woocommerce", "orders.json")], types=ALL)]
    notices: ClassVar = [
        Told(body=example("woocommerce", "order.json"), types=ALL),
        Told(body=example("woocommerce", "cancelled.json"), types=("order.cancelled",)),
    ]
