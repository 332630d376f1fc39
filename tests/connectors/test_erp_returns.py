"""Goods that come back to Odoo and ERPNext, and four orders at once against their locks; contract servers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from erp_world import World, house_of, world_of

from crossdock.store import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(params=["odoo", "odoo by json-rpc", "erpnext"], loop_scope="module")
async def world(request: pytest.FixtureRequest, ground: Database) -> AsyncIterator[World]:
    async with world_of(request.param, ground) as world:
        yield world


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def lines_of(world: World, house: Any, number: str) -> list[str]:
    """The order's lines as its document names them: ten kits, four boxes."""
    if world.house == "erpnext":
        house.order(number)
        return [f"{number}a", f"{number}b"]
    return list(house.order(number))


def part(line: str, quantity: str) -> dict[str, Any]:
    unit = "XBX" if line.endswith("b") else "EA"  # boxes of ERPNext's
    return {"order_line": line, "line": line, "number": "1", "quantity": {"value": quantity, "unit": unit}}


def returns(world: World) -> list[tuple[bool, float]]:
    """What came back or may, by return: whether it was received, and how much it is."""
    if world.house == "erpnext":
        notes = [one for one in world.erp.documents.get("Delivery Note", {}).values() if one["is_return"]]
        return [(one["docstatus"] == 1, -sum(row["qty"] for row in one["items"])) for one in notes]
    back = [
        one for one in world.erp.all("stock.picking") if one.get("return_id") and one["state"] != "cancel"
    ]
    moves = world.erp.all("stock.move")
    return [
        (
            one["state"] == "done",
            sum(move["product_uom_qty"] for move in moves if move["picking_id"][0] == one["id"]),
        )
        for one in back
    ]


def credits_of(world: World) -> list[bool]:
    """The credits that there are: whether each is final."""
    if world.house == "erpnext":
        found = [one for one in world.erp.documents.get("Sales Invoice", {}).values() if one["is_return"]]
        return [one["docstatus"] == 1 for one in found]
    return [
        one["state"] == "posted" for one in world.erp.all("account.move") if one["move_type"] == "out_refund"
    ]


async def test_a_return_is_authorised_taken_back_authorised_again_received_and_credited(world: World) -> None:
    house = house_of(world)
    house.begin()
    kit, box = lines_of(world, house, "S00001")
    shipped = {"shipments": ["X-1", "X-2"], "lines": [[part(kit, "6")], [part(kit, "4"), part(box, "4")]]}
    await house.done("release_invoice", {"order": "S00001", **shipped}, key="B")
    asked = {
        "order": "S00001",
        "return": "R-1",
        "reason": "broken",
        "lines": [part(kit, "7"), part(box, "1")],
    }
    first = await house.done("authorise_return", asked, key="R")
    for again in (True, False):
        assert await house.done("authorise_return", asked, key="R", again=again) == first
    assert sorted(returns(world)) == [(False, 2.0), (False, 6.0)]  # by what they left with
    for again in (True, False):
        assert await house.done("cancel_return", {"return": first["return"]}, key="T", again=again) == {}
    assert returns(world) == []
    second = await house.done("authorise_return", asked, key="U")
    credit = {"order": "S00001", "return": second["return"], "reason": "broken"}
    wrong = await house.call("create_credit", {**credit, "amount": usd("1.00")}, key="C")
    assert (wrong.outcome, wrong.code) == ("refused", "amount_differs")
    given = await house.done("create_credit", credit, key="C")
    assert given["amount"] == usd("90.5")  # seven kits and a box
    for again in (True, False):
        assert await house.done("create_credit", credit, key="C", again=again) == given
    assert sorted(returns(world)) == [(True, 2.0), (True, 6.0)]
    assert credits_of(world) == [True]
    late = await house.call("cancel_return", {"return": second["return"]}, key="V")
    assert (late.outcome, late.code) == ("refused", "wrong_state")
    rest = {"order": "S00001", "lines": [part(kit, "4")]}
    more = await house.call("authorise_return", rest, key="W")
    assert (more.outcome, more.code) == ("refused", "nothing_left")


async def test_cut_off_anywhere_it_comes_back_once_and_is_credited_once(world: World) -> None:
    house = house_of(world)
    house.begin()
    cut = 0
    for n in itertools.count():
        number, calls, met = f"S1{n:04}", itertools.count(), []
        kit, _ = lines_of(world, house, number)
        await house.done("release_invoice", {"order": number, "shipments": [f"X-{n}"]}, key=f"B{n}")
        returned, credited = len(returns(world)), len(credits_of(world))

        def breaks(_: str, n: int = n, calls: Any = calls, met: list[int] = met) -> web.Response | None:
            if next(calls) != n:
                return None
            met.append(n)
            return web.Response(status=502)

        world.erp.stock = 1000.0
        world.erp.trouble = breaks
        asked = {"order": number, "lines": [part(kit, "3")]}
        back = await until_done(house, "authorise_return", asked, f"R{n}")
        credit = {"order": number, "return": back["return"]}
        given = await until_done(house, "create_credit", credit, f"C{n}")
        world.erp.trouble = lambda _: None
        assert given["amount"] == usd("37.5"), n
        assert returns(world)[returned:] == [(True, 3.0)], n
        assert credits_of(world)[credited:] == [True], n
        cut += len(met)
        if not met:
            break
    assert cut > 5


async def until_done(house: Any, operation: str, data: Any, key: str, most: int = 40) -> Any:
    """Call as the engine does until it is done: found out first after the first time."""
    for n in range(most):
        ended = await house.call(operation, data, key=key, again=n > 0)
        if ended.outcome == "done":
            return ended.output
        assert ended.outcome in ("unknown", "unreachable"), ended
    raise AssertionError(ended)


def locked(world: World) -> web.Response:
    """What it answers while another has what it needs."""
    if world.house == "erpnext":
        body: Any = {"exc_type": "QueryDeadlockError", "_server_messages": "[]"}
        return web.json_response(body, status=417)
    error = {"name": "psycopg2.errors.SerializationFailure", "message": "could not serialize access"}
    if world.house == "odoo":
        return web.json_response(error, status=500)
    data = {"code": 200, "message": "Odoo Server Error", "data": error}
    return web.json_response({"jsonrpc": "2.0", "id": 1, "error": data})


async def test_four_orders_at_once_against_its_locks_are_each_billed_once(world: World) -> None:
    house = house_of(world)
    house.begin()
    numbers = [f"S2000{n}" for n in range(4)]
    lines = {number: lines_of(world, house, number) for number in numbers}
    calls, refused = itertools.count(1), []

    def busy(what: str) -> web.Response | None:
        asks = what.startswith(("after", "created")) or what.endswith(("search_read", "fields_get"))
        if asks or next(calls) % 3:
            return None
        refused.append(what)
        return web.Response(status=503) if len(refused) % 2 else locked(world)

    world.erp.trouble = busy

    async def billed(number: str) -> Any:
        kit, box = lines[number]
        data = {"order": number, "shipments": [f"X-{number}"], "lines": [[part(kit, "6"), part(box, "2")]]}
        return await until_done(house, "release_invoice", data, number)

    invoices = await asyncio.gather(*(billed(number) for number in numbers))
    assert [one["total"] for one in invoices] == [usd("81.0")] * 4
    assert len({one["invoice"] for one in invoices}) == 4
    assert len(refused) > 4
    if world.house == "erpnext":
        assert [len(world.erp.documents[one]) for one in ("Delivery Note", "Sales Invoice")] == [4, 4]
    else:
        assert [one["state"] for one in world.erp.all("account.move")] == ["posted"] * 4
        assert [one["state"] for one in world.erp.all("stock.picking")].count("done") == 4
