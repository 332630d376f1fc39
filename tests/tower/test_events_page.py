"""Events that have no run: given to one, dismissed, read again."""

from __future__ import annotations

import html
import re

import pytest

from played_orders import event, order


async def parked(tower) -> str:
    await tower.put(event("order.cancelled", {"order": "S0-1"}, order="S0-1"))
    return re.search(r'id="parked-(\d+)"', await tower.get("/events"))[1]


async def test_a_parked_event_is_given_to_the_run_that_a_person_names(tower):
    async with tower.working():
        await tower.put(order("SO-1"), order("SO-10"))
        await tower.steps("SO-1", packed="waiting")
        number = await parked(tower)
        given = {"act": "attach", "event": number, "page": "/events"}
        assert "Say which run" in await tower.post("/events", **given, number=" ")
        assert "No run has the number “SO-”" in await tower.post("/events", **given, number="SO-")
        told = await tower.post("/events", **given, number="so-1")
        assert "Given to order SO-1, which decides what comes of it." in told
        assert "Every event has found its run." in told
        await tower.steps("SO-1", packed="cancelled")
        assert "Somebody was quicker" in await tower.post("/events", **given, number="SO-10")
    assert "cancelled" not in await tower.get("/runs/order/SO-10/1")


async def test_a_run_that_has_ended_is_given_nothing(tower):
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", packed="waiting")
        await tower.put(event("order.cancelled", {"order": "SO-1"}, order="SO-1"))
        await tower.steps("SO-1", packed="cancelled")
        number = await parked(tower)
        told = await tower.post("/events", act="attach", event=number, number="SO-1", page="/events")
    assert "No live run has the number “SO-1”. The event is kept." in told
    assert f'id="parked-{number}"' in told


@pytest.fixture
async def unread(tower):
    """What a carrier has sent, in a word that its connector does not know."""
    await tower.sql("insert into crossdock.blob (tenant, hash, data) values ($1, 'h', $2)", BODY)
    await tower.sql(
        "insert into crossdock.delivery (tenant, connection, message, outcome, reason, body) "
        "values ($1, 'tms', 'm', 'quarantined', 'unknown word', 'h')"
    )
    return tower


BODY = b'{"what": "abgeliefert <b>", "shipment": "S-9"}'


async def test_what_could_not_be_read_is_shown_as_it_came_and_read_again(unread):
    page = await unread.get("/events")
    assert '{"what": "abgeliefert <b>", "shipment": "S-9"}' in html.unescape(page)
    assert "abgeliefert <b>" not in page
    number = re.search(r'id="unread-(\d+)"', page)[1]
    given = {"act": "replay", "event": number, "page": "/events"}
    still = html.unescape(await unread.post("/events", **given))
    assert "It still cannot be read: unknown word 'abgeliefert <b>'" in still
    readable = BODY.replace(b"abgeliefert <b>", b"delivered")
    await unread.sql("insert into crossdock.blob (tenant, hash, data) values ($1, 'good', $2)", readable)
    await unread.sql("update crossdock.delivery set body = 'good' where tenant = $1")
    told = await unread.post("/events", **given)
    assert "Read: 1 event came of it." in told
    assert "All that partners sent was read." in told
    assert "shipment.delivered" in told  # no run has it: it is parked
    assert "Somebody was quicker" in await unread.post("/events", **given)


async def test_what_nobody_needs_is_dismissed_with_a_reason(unread):
    number = re.search(r'id="unread-(\d+)"', await unread.get("/events"))[1]
    given = {"act": "drop", "event": number, "page": "/events"}
    assert "Give a reason" in await unread.post("/events", **given)
    assert "Dismissed." in await unread.post("/events", **given, note="a test of theirs")
    assert "All that partners sent was read." in await unread.get("/events")


async def test_what_is_no_event_or_no_deed_is_refused(tower):
    assert "is no event" in await tower.post("/events", 400, page="/events", act="dismiss", event="1; drop")
    assert "is nothing that an event takes" in html.unescape(
        await tower.post("/events", 400, page="/events", act="eat", event="1")
    )
