"""What differs between the systems and what stands here, by the API."""

from __future__ import annotations

from typing import Any

KEEP = """
insert into crossdock.difference (tenant, what, kind, about, connection, severity, here, there, mend, takes_in,
  "order", at, gone)
values ($1, 'orders', $2, $3, 'erp', 'high', 'no run has it', $3 || ' is released', 'Take the order in', $4, $3,
  crossdock.now(), case when $5 then crossdock.now() end)
"""


async def keep(world: Any, kind: str, about: str, *, takes_in: bool = False, gone: bool = False) -> None:
    async with world.database.engine() as transaction:
        await transaction.execute(KEEP, world.tenant.id, kind, about, takes_in, gone)


async def test_what_differs_is_listed_with_both_sides_and_paged(world):
    assert (await world.get("/reconciliation")) == {
        "compared": {},
        "failed": {},
        "differ": 0,
        "waiting": 0,
    }
    for n in range(3):
        await keep(world, "order_missing_here", f"SO-{n}", takes_in=True)
    await keep(world, "order_cancelled_here", "SO-9", gone=True)
    assert (await world.get("/reconciliation"))["differ"] == 3
    first = await world.get("/reconciliation/differences?limit=2")
    rest = await world.get(f"/reconciliation/differences?limit=2&cursor={first['next']}")
    found = [*first["items"], *rest["items"]]
    assert [one["id"] for one in found] == [f"order_missing_here/SO-{n}" for n in (2, 1, 0)]
    assert (found[0]["here"], found[0]["there"]) == ("no run has it", "SO-2 is released")
    assert "next" not in rest or rest["next"] is None
    (old,) = (await world.get("/reconciliation/differences?state=gone"))["items"]
    assert old["id"] == "order_cancelled_here/SO-9"
    assert (await world.get("/reconciliation/differences?what=invoices"))["items"] == []


async def test_they_are_filtered_by_kind_and_system_and_what_may_be_in_flight_stands_apart(world):
    await keep(world, "order_missing_here", "SO-1")
    await keep(world, "order_cancelled_here", "SO-2")
    async with world.database.engine() as transaction:
        await transaction.execute(
            "update crossdock.difference set told = 'waiting', against = 'erp', connection = 'wms', "
            "what = 'stock', item = about where tenant = $1 and about = 'SO-2'",
            world.tenant.id,
        )
    told = await world.get("/reconciliation")
    assert (told["differ"], told["waiting"]) == (1, 1)

    async def found(query: str) -> list[str]:
        return [one["about"] for one in (await world.get(f"/reconciliation/differences?{query}"))["items"]]

    assert await found("") == ["SO-1"]
    assert await found("state=waiting") == ["SO-2"]
    assert await found("state=any&system=wms") == ["SO-2"]
    assert await found("state=any&system=erp") == ["SO-2", "SO-1"]
    assert await found("kind=order_missing_here") == ["SO-1"]
    assert await found("kind=stock_differs") == []
    (one,) = (await world.get("/reconciliation/differences?state=waiting"))["items"]
    assert (one["against"], one["connection"], one["item"]) == ("erp", "wms", "SO-2")


async def test_comparing_and_mending_is_for_those_who_repair(world):
    viewer = await world.key_of("viewer")
    for path, body in (("/reconciliation", {}), ("/reconciliation/mend", {"difference": "x/1"})):
        answer = await world.ask("POST", path, key=viewer, json=body)
        assert answer.status == 403, answer.text
    compared = await world.ask("POST", "/reconciliation", json={"what": ["orders"]})
    assert compared.status == 200, compared.text
    missing = await world.ask("POST", "/reconciliation/mend", json={"difference": "order_missing_here/SO-1"})
    assert missing.status == 404
    by_hand = "invoiced_twice/INV-1"
    await keep(world, "invoiced_twice", "INV-1")
    answer = await world.ask("POST", "/reconciliation/mend", json={"difference": by_hand})
    assert answer.status == 404
    assert "taking something in" in answer.text
