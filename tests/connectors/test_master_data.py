"""Master data that is read from Odoo and ERPNext: what is set, what waits for a person, and nothing by halves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from erp_world import World, world_of

from crossdock.connect.references import References
from crossdock.engine import Connections
from crossdock.errors import Conflict, CrossdockError, Refused
from crossdock.store import Clock, Database
from crossdock.translate.codes import Code

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODES = (
    "select kind, theirs, ours, direction from crossdock.code where tenant = crossdock.tenant() order by 1, 2"
)
WAITING = """
select kind, code, finding from crossdock.master where tenant = crossdock.tenant() and finding <> '' order by 1, 2
"""
ALL = """
select 'code', count(*)::text, md5(coalesce(string_agg(c::text, '|' order by c::text), '')) from crossdock.code c
where tenant = crossdock.tenant()
union all
select 'master', count(*)::text, md5(coalesce(string_agg(m::text, '|' order by m::text), ''))
from crossdock.master m where tenant = crossdock.tenant()
union all
select 'reading', count(*)::text, md5(coalesce(string_agg(r.cursors::text, '|'), ''))
from crossdock.master_reading r where tenant = crossdock.tenant()
order by 1
"""


def furnish(world: World) -> None:
    """A customer, two items of which one is not in use, a warehouse, units of which nobody knows one."""
    if world.house == "erpnext":
        keep = world.erp.keep
        keep("Customer", "C1", customer_name="Clinic", disabled=0, tax_id="DE811")
        stock = {"is_stock_item": 1, "has_variants": 0}
        keep("Item", "KIT-30", item_name="Kit", disabled=0, **stock)
        keep("Item", "OLD-1", item_name="Old", disabled=1, **stock)
        keep("Item", "FREIGHT", item_name="Freight", disabled=0, is_stock_item=0, has_variants=0)
        keep("Warehouse", "Stores - N", warehouse_name="Stores", company="Northway", is_group=0, disabled=0)
        for unit in ("Nos", "Each", "Kg", "Stk"):
            keep("UOM", unit, enabled=1)
        return
    keep = world.erp.keep
    keep("res.partner", name="Clinic", ref="C1", vat="DE811")
    keep("res.partner", name="Jo of the Clinic", parent_id=[1, "Clinic"])
    keep("product.product", name="Kit", default_code="KIT-30", barcode="04012345678901", type="consu")
    keep("product.product", name="Old", default_code="OLD-1", type="consu", active=False)
    keep("product.product", name="Freight", default_code="FREIGHT", type="service")
    keep("stock.warehouse", code="WH", name="Reno")
    for unit in ("Units", "kg", "Stk"):
        keep("uom.uom", name=unit)


@pytest_asyncio.fixture(params=["odoo", "odoo by json-rpc", "erpnext"], loop_scope="module")
async def world(request: pytest.FixtureRequest, ground: Database) -> AsyncIterator[World]:
    async with world_of(request.param, ground) as world:
        furnish(world)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def odoo(ground: Database) -> AsyncIterator[World]:
    async with world_of("odoo", ground) as world:
        furnish(world)
        yield world


def renamed(world: World, old: str, new: str) -> None:
    (item,) = [one for one in world.erp.all("product.product") if one["default_code"] == old]
    item["default_code"] = new
    world.erp.touch(item)


async def test_what_the_erp_keeps_becomes_cross_references_and_again_changes_nothing(world: World) -> None:
    first = await world.masters.read(world.tenant, "erp", by="jo")
    found = await world.fetch(CODES)
    if world.house == "erpnext":
        assert found == [
            ("item", "KIT-30", "KIT-30", "both"),
            ("location", "Stores - N", "RNO", "both"),
            ("party", "C1", "C1", "both"),
            ("unit", "Each", "EA", "in"),
            ("unit", "Kg", "KGM", "both"),
            ("unit", "Nos", "EA", "in"),
        ]
    else:
        assert found == [
            ("item", "KIT-30", "KIT-30", "both"),
            ("location", "WH", "RNO", "both"),
            ("party", "C1", "C1", "both"),
            ("unit", "Units", "EA", "both"),
            ("unit", "kg", "KGM", "both"),
        ]
    item = first.counts["item"]
    assert (item.read, item.added, item.inactive, item.waiting) == (2, 1, 1, 0)
    assert [(one.theirs, one.finding) for one in first.waiting] == [("Stk", "unknown")]
    before = await world.fetch(ALL)
    again = await world.masters.read(world.tenant, "erp", by="jo")
    whole = await world.masters.read(world.tenant, "erp", by="jo", anew=True)
    assert sum(one.added for one in (*again.counts.values(), *whole.counts.values())) == 0
    assert [one[:2] for one in await world.fetch(ALL)] == [one[:2] for one in before]
    assert await world.fetch(CODES) == found


async def test_a_trial_tells_what_would_be_and_keeps_nothing(world: World) -> None:
    trial = await world.masters.read(world.tenant, "erp", by="jo", only_look=True)
    assert {one.theirs for one in trial.added if one.kind == "item"} == {"KIT-30"}
    assert [one[1] for one in await world.fetch(ALL)] == ["0", "0", "0"]
    done = await world.masters.read(world.tenant, "erp", by="jo")
    assert (done.counts, done.added, done.waiting) == (trial.counts, trial.added, trial.waiting)


async def test_what_is_renamed_or_archived_there_waits_for_a_person(odoo: World) -> None:
    await odoo.masters.read(odoo.tenant, "erp", by="jo")
    renamed(odoo, "KIT-30", "KIT-31")
    (partner, _) = odoo.erp.all("res.partner")
    partner["active"] = False
    odoo.erp.touch(partner)
    codes = await odoo.fetch(CODES)
    found = await odoo.masters.read(odoo.tenant, "erp", by="jo")
    waits = {one.kind: (one.finding, one.there, one.mend) for one in found.waiting}
    mend = "crossdock codes set erp item KIT-30 KIT-31 --replace"
    assert waits["item"] == ("renamed", "KIT-30 is called KIT-31 now", mend)
    assert waits["party"][0] == "gone"
    assert await odoo.fetch(CODES) == codes
    references = References(odoo.database)
    put = Code(kind="item", ours="KIT-30", theirs="KIT-31")
    await references.put(odoo.tenant, "erp", [(1, put)], by="jo", replace=True)
    await references.drop(odoo.tenant, "erp", "party", theirs="C1")
    after = await odoo.masters.read(odoo.tenant, "erp", by="jo")
    assert [one.finding for one in after.waiting] == ["unknown"]  # the unit that nobody knows
    assert ("item", "KIT-31", "KIT-30", "both") in await odoo.fetch(CODES)


async def test_a_code_that_is_mapped_otherwise_and_two_for_one_of_ours_wait(odoo: World) -> None:
    kept = Code(kind="location", ours="NEV", theirs="WH")
    await References(odoo.database).put(odoo.tenant, "erp", [(1, kept)], by="jo")
    odoo.erp.keep(
        "product.product", name="Kit B", default_code="KIT-30B", barcode="04012345678901", type="consu"
    )
    found = await odoo.masters.read(odoo.tenant, "erp", by="jo", numbers={"item": "gtin"})
    waits = sorted((one.kind, one.theirs, one.finding, one.here) for one in found.waiting)
    assert waits == [
        ("item", "KIT-30", "doubled", "nothing is 04012345678901"),
        ("item", "KIT-30B", "doubled", "nothing is 04012345678901"),
        ("location", "WH", "taken", "WH is NEV"),
        ("unit", "Stk", "unknown", "nothing"),
    ]
    assert ("location", "WH", "NEV", "both") in await odoo.fetch(CODES)
    assert not [one for one in await odoo.fetch(CODES) if one[0] == "item"]


async def test_what_was_deleted_there_shows_when_all_is_read(odoo: World) -> None:
    await odoo.masters.read(odoo.tenant, "erp", by="jo")
    items = odoo.erp.records["product.product"]
    del items[next(number for number, one in items.items() if one["default_code"] == "KIT-30")]
    await odoo.masters.read(odoo.tenant, "erp", by="jo")
    assert ("item", "KIT-30", "gone") not in await odoo.fetch(WAITING)
    await odoo.masters.read(odoo.tenant, "erp", by="jo", anew=True)
    assert ("item", "KIT-30", "gone") in await odoo.fetch(WAITING)


async def test_more_than_a_page_is_read_to_its_end(odoo: World) -> None:
    for number in range(120):
        odoo.erp.keep("product.product", name="x", default_code=f"P-{number:03}", type="consu")
    found = await odoo.masters.read(odoo.tenant, "erp", ["item"], by="jo")
    assert (found.counts["item"].read, found.counts["item"].added, found.more) == (122, 121, False)


async def test_what_came_by_one_import_has_one_time_and_is_read_whole(ground: Database) -> None:
    async with world_of("erpnext", ground) as world:
        for n in range(320):
            made = world.erp.keep("Item", f"P-{n:03}", disabled=0, is_stock_item=1, has_variants=0)
            made["modified"] = "2026-03-02 10:00:00"
        found = await world.masters.read(world.tenant, "erp", ["item"], by="jo")
        assert (found.counts["item"].read, found.counts["item"].added) == (320, 320)


async def test_a_reading_that_breaks_off_at_the_erp_has_changed_nothing(world: World) -> None:
    def breaks(what: str) -> web.Response | None:
        return web.json_response({}, status=500) if "warehouse" in what.lower() else None

    if world.house == "erpnext":
        world.erp.reading = breaks
    else:
        world.erp.trouble = breaks
    with pytest.raises(CrossdockError):
        await world.masters.read(world.tenant, "erp", by="jo")
    assert [one[1] for one in await world.fetch(ALL)] == ["0", "0", "0"]


async def killed(database: Database) -> int:
    """End whoever waits to write down a reading; a transaction sees who waits as it was at its beginning."""
    async with database.engine() as transaction:
        count: int = await transaction.value(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where wait_event_type = 'Lock' "
            "and query like '%insert into crossdock.master_reading%' and pid <> pg_backend_pid()"
        )
        return count


async def test_killed_while_it_is_kept_nothing_is_half_done_and_the_next_one_does_it_all(odoo: World) -> None:
    async with odoo.database.engine() as holder:
        await holder.execute("lock table crossdock.master_reading in share mode")
        reading = asyncio.create_task(odoo.masters.read(odoo.tenant, "erp", by="jo"))
        async with asyncio.timeout(20):
            while not await killed(odoo.database):
                await asyncio.sleep(0.01)
        with pytest.raises(CrossdockError):
            await reading
    assert [one[1] for one in await odoo.fetch(ALL)] == ["0", "0", "0"]
    done = await odoo.masters.read(odoo.tenant, "erp", by="jo")
    assert done.counts["item"].added == 1


async def test_two_at_once_set_everything_once(odoo: World) -> None:
    both = await asyncio.gather(
        *(odoo.masters.read(odoo.tenant, "erp", by="jo") for _ in range(2)), return_exceptions=True
    )
    assert [one for one in both if isinstance(one, Exception) and not isinstance(one, Conflict)] == []
    assert len(await odoo.fetch(CODES)) == 5


async def test_what_was_read_once_is_read_by_itself_and_one_exception_says_what_waits(odoo: World) -> None:
    masters, clock = odoo.masters, Clock(odoo.database)
    told = "select type from crossdock.parked where tenant = crossdock.tenant() order by id"
    await masters.read(odoo.tenant, "erp", by="jo")
    assert await odoo.fetch(told) == [("difference.found",)]
    renamed(odoo, "KIT-30", "KIT-31")
    await masters.turn()
    assert ("item", "KIT-31", "renamed") not in await odoo.fetch(WAITING)
    await clock.step(timedelta(days=1, minutes=1))
    await masters.turn(most=100)
    assert ("item", "KIT-31", "renamed") in await odoo.fetch(WAITING)
    assert await odoo.fetch(told) == [("difference.found",)]
    references = References(odoo.database)
    for kind, ours, theirs in (("item", "KIT-30", "KIT-31"), ("unit", "EA", "Stk")):
        code: Any = Code(kind=kind, ours=ours, theirs=theirs, direction="in")
        await references.put(odoo.tenant, "erp", [(1, code)], by="jo", replace=True)
    await references.drop(odoo.tenant, "erp", "item", theirs="KIT-30")
    await clock.step(timedelta(days=1, minutes=1))
    await masters.turn(most=100)
    await clock.follow_real()
    assert await odoo.fetch(WAITING) == []
    assert await odoo.fetch(told) == [("difference.found",), ("difference.gone",)]


async def test_a_connection_that_is_removed_takes_along_what_was_read_and_leaves_the_codes(
    odoo: World,
) -> None:
    await odoo.masters.read(odoo.tenant, "erp", by="jo")
    await Connections(odoo.database).remove(odoo.tenant, "erp")
    assert [one[:2] for one in await odoo.fetch(ALL)] == [("code", "5"), ("master", "0"), ("reading", "0")]


async def test_a_system_that_keeps_none_says_so(odoo: World) -> None:
    with pytest.raises(Refused, match="there is no connection"):
        await odoo.masters.read(odoo.tenant, "wms", by="jo")
    no: Any = ["colour"]
    with pytest.raises(Refused, match="odoo cannot list colour"):
        await odoo.masters.read(odoo.tenant, "erp", no, by="jo")
