"""What stands in a Tryton that runs is compared with what stands here: by its own feeds, from their beginning."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources

import pytest
from tryton_world import World

from crossdock.engine import Inbox, Library
from crossdock.gateway import Reconciler
from crossdock.installed import Installed
from crossdock.store import Clock

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("tryton"),
    pytest.mark.timeout(600),  # the first one installs it
]


async def open_of(world: World, *numbers: str) -> dict[str, tuple[str, str]]:
    """What differs about these: kind, and how it stands there."""
    async with world.database.of(world.tenant) as transaction:
        rows = await transaction.fetch(
            "select kind, about, there from crossdock.difference "
            "where tenant = crossdock.tenant() and gone is null and about = any($1::text[])",
            list(numbers),
        )
    return {row["about"]: (row["kind"], row["there"]) for row in rows}


async def test_a_sale_that_was_lost_is_found_and_taken_in_and_an_invoice_by_hand_has_no_proof(
    world: World,
) -> None:
    library = Library(world.database, Installed.find().reopen)
    pack = resources.files("crossdock.packs").joinpath("distribution")
    texts = [pack.joinpath(f"{name}.yaml").read_text() for name in PROCESSES]
    await library.publish_all(world.tenant, texts)
    settings = {"reconcile": {"window": "2 hours", "grace": "30 minutes"}}
    await library.set_reference(world.tenant, settings=settings, calendars={}, by="jo")
    inbox = Inbox(world.database, library)
    reconciler = Reconciler(world.database, inbox, world.lines, world.calls, world.registry)
    order = await world.order(2)
    billed = await world.done(
        "release_invoice", {"order": order.number, "shipments": ["S-1"], "lines": [order.part(2)]}
    )
    outcome = await reconciler.once(world.tenant)
    assert outcome.failed == {}
    assert await open_of(world, order.number, billed["invoice"]) == {}  # in flight
    clock = Clock(world.database)
    await clock.step(timedelta(hours=1))
    await reconciler.once(world.tenant)
    found = await open_of(world, order.number, billed["invoice"])
    assert found[order.number][0] == "order_missing_here"
    kind, there = found[billed["invoice"]]
    assert kind == "invoice_without_proof"
    assert f"invoice {billed['invoice']} of {order.number}" in there
    assert await reconciler.mend(world.tenant, f"order_missing_here/{order.number}", by="jo") == 1
    await reconciler.once(world.tenant)
    assert set(await open_of(world, order.number, billed["invoice"])) == {billed["invoice"]}
    await clock.follow_real()  # the other tests are on this database too


PROCESSES = ("settle-difference", "deliver-shipment", "tender-shipment", "order-to-cash")
