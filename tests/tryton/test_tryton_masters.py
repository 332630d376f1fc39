"""Master data of a Tryton that runs: set, and what is renamed or deactivated waits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tryton_world import World

from crossdock.connect.references import References
from crossdock.engine import Inbox, Library
from crossdock.gateway import MasterReader
from crossdock.installed import Installed
from crossdock.translate.codes import Code

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("tryton"),
    pytest.mark.timeout(600),  # the first one installs it
]


async def codes_of(world: World, kind: str) -> dict[str, str]:
    async with world.database.of(world.tenant) as transaction:
        rows = await transaction.fetch(
            "select theirs, ours from crossdock.code where tenant = crossdock.tenant() and kind = $1", kind
        )
    return {row["theirs"]: row["ours"] for row in rows}


async def test_what_tryton_keeps_is_set_and_what_is_renamed_or_goes_waits(world: World) -> None:
    inbox = Inbox(world.database, Library(world.database, Installed.find().reopen))
    masters = MasterReader(world.database, inbox, world.lines, world.calls)
    order = await world.order(1, release=False)
    (kept,) = order.codes
    gone = f"{kept}-OLD"
    await world.company.goods(gone, "Of which none is in stock", Decimal(1), {})
    trial = await masters.read(world.tenant, "erp", by="jo", only_look=True)
    assert await codes_of(world, "item") == {}
    first = await masters.read(world.tenant, "erp", by="jo")
    assert (first.counts, first.more) == (trial.counts, False)
    assert {kept, gone} <= set(await codes_of(world, "item"))
    assert order.customer in await codes_of(world, "party")
    assert (await codes_of(world, "location"))["RDC"] == "RDC"
    units = await codes_of(world, "unit")
    assert (units["u"], units["kg"], units["m³"]) == ("EA", "KGM", "MTQ")
    again = await masters.read(world.tenant, "erp", by="jo")
    assert sum(one.added for one in again.counts.values()) == 0
    assert {one.finding for one in again.waiting} == {one.finding for one in first.waiting}

    changes: tuple[tuple[str, dict[str, object]], ...] = (
        (kept, {"suffix_code": "-B"}),  # the code of a product is its template's and its own
        (gone, {"active": False}),
    )
    for code, values in changes:
        product = await world.admin.one("product.product", [["code", "=", code]], "template")
        await world.admin.write("product.product", [product["id"]], values)
    found = await masters.read(world.tenant, "erp", ["item"], by="jo")
    waits = {one.there: one.finding for one in found.waiting if one.kind == "item"}
    assert waits == {
        f"{kept} is called {kept}-B now": "renamed",
        f"{gone} is in use no more": "gone",
    }
    references = References(world.database)
    renamed = Code(kind="item", ours=kept, theirs=f"{kept}-B")
    await references.put(world.tenant, "erp", [(1, renamed)], by="jo", replace=True)
    await references.drop(world.tenant, "erp", "item", theirs=gone)
    after = await masters.read(world.tenant, "erp", ["item"], by="jo")
    assert [one for one in after.waiting if one.kind == "item"] == []
