"""What the partner systems push and list, through the real doors: proven, translated, kept once."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from partners import CARRIERS, Partners

from crossdock.access import Policies
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.connect import Calls
from crossdock.engine import Inbox, Library
from crossdock.gateway import Poller, Senders, webhooks
from crossdock.process import canonical
from crossdock.process.publish import reopen
from played_orders import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = {"quayline": "QX2", "farrow": "STD48", "oldbridge": "ECONOMY"}


class Doors:
    """Our doors, and what came in by them."""

    def __init__(self, partners: Partners, keys: Path) -> None:
        catalogue = canonical()
        database = partners.database
        self.partners = partners
        self.inbox = Inbox(database, Library(database, lambda text, *_: reopen(text, catalogue)))
        audit = Audit(database)
        identity = Identity(database, audit, Sealing(database, Masters(keys / "master.key")))
        senders = Senders(identity, Policies(database, audit))
        self.app = webhooks(database, self.inbox, partners.lines, senders)
        self.poller = Poller(
            database, self.inbox, partners.lines, Calls(partners.lines, partners.wire), partners.registry
        )

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.partners.database.engine() as transaction:
            return [dict(row) for row in await transaction.fetch(sql, self.partners.tenant.id)]

    async def events(self) -> list[Any]:
        """All events so far; no run claims them, so they are parked."""
        found = await self.rows("select event from crossdock.parked where tenant = $1 order by id")
        return [json.loads(row["event"]) for row in found]

    async def aside(self) -> list[str]:
        """What could not be read, with the reason."""
        rows = await self.rows(
            "select reason from crossdock.delivery where tenant = $1 and outcome = 'quarantined'"
        )
        return [row["reason"] for row in rows]

    async def poll(self) -> None:
        """Read all feeds to their ends."""
        await self.rows("update crossdock.feed set due = '-infinity' where tenant = $1 returning 1")
        while await self.poller.turn():
            pass


@pytest_asyncio.fixture(loop_scope="module")
async def doors(partners: Partners, tmp_path: Path) -> AsyncIterator[Doors]:
    it = Doors(partners, tmp_path)
    async with serving(it.app) as url:
        for name in ("erp", "wms", "tms", *CARRIERS):
            await partners.control(
                name, "/configure", {"webhook_url": f"{url}/{partners.tenant.name}/{name}"}
            )
        yield it
        for name in ("erp", "wms", "tms", *CARRIERS):
            await partners.control(name, "/configure", {"webhook_url": None})


async def play(partners: Partners, number: str) -> None:
    """An order of which a part is short, sent with all three carriers, and one delivery with remarks."""
    await partners.import_order(number)
    order = await partners.done("erp", "get_order", {"order": number})
    packs = [{"after_hours": 2, "quantity": 8}]
    await partners.control("wms", "/script", {"order": number, "packs": packs, "short": 2})
    await partners.done("wms", "create_pick", {"order": order})
    scan = {"kind": "exception", "after_hours": 20, "reason": "customs", "place": "Reno"}
    for carrier in CARRIERS:
        script = {"order": number, "pickup_after_hours": 3, "delivered_after_hours": 50, "events": [scan]}
        await partners.control(carrier, "/script", {**script, "damaged": 1, "signed_by": "M. Okafor"})
        shipment = {
            "number": f"{number}-{carrier}",
            "order": number,
            "ship_to": order["ship_to"],
            "weight": {"value": "4.4", "unit": "KGM"},
        }
        await partners.done(carrier, "book", {"shipment": shipment, "service": SERVICES[carrier]})
    await partners.advance(days=4)


JOURNEY = Counter(
    {
        "order.released": 1,
        "warehouse.pick_started": 1,
        "warehouse.pick_short": 1,
        "warehouse.shipment_packed": 1,
        "shipment.announced": 3,
        "shipment.picked_up": 3,
        "shipment.customs_held": 3,
        "shipment.delivered": 3,
    }
)


async def test_all_that_is_pushed_comes_in_once_and_the_feeds_add_nothing(doors: Doors) -> None:
    await play(doors.partners, "SO-71")
    events = await doors.events()
    assert await doors.aside() == []
    assert Counter(event["type"] for event in events) == JOURNEY
    for event in events:
        assert event["about"]["order"] == "SO-71"
        if event["type"] == "shipment.delivered":
            assert [d["kind"] for d in event["data"]["proof"]["discrepancies"]] == ["damaged"]
    await doors.poll()
    assert await doors.aside() == []
    assert len(await doors.events()) == len(events)


async def test_what_push_has_lost_the_feeds_find(doors: Doors) -> None:
    partners = doors.partners
    for service in ("erp", "wms", "farrow"):
        await partners.fault(service, "lost_webhook", "*", count=50)
    await play(partners, "SO-72")
    pushed = Counter(event["type"] for event in await doors.events())
    assert pushed == Counter(
        {
            type_: 2 for type_, many in JOURNEY.items() if many == 3
        }  # of quayline and oldbridge, which have none
    )
    await doors.poll()
    assert Counter(event["type"] for event in await doors.events()) == JOURNEY
    assert await doors.aside() == []


async def test_delivered_twice_and_out_of_order_it_comes_in_once(doors: Doors) -> None:
    partners = doors.partners
    for service in ("erp", "wms", *CARRIERS):
        await partners.fault(service, "duplicate", "*", count=50)
    await play(partners, "SO-73")
    assert Counter(event["type"] for event in await doors.events()) == JOURNEY
    assert await doors.aside() == []


async def test_a_message_that_somebody_else_sent_is_not_taken(doors: Doors) -> None:
    partners = doors.partners
    await partners.control("quayline", "/configure", {"secret": "another"})
    await play(partners, "SO-74")
    await partners.control("quayline", "/configure", {"secret": "quayline-hook-secret"})
    carriers = {event["data"].get("carrier") for event in await doors.events()}
    assert carriers - {None} == {"farrow", "oldbridge"}
