"""Outside systems on the pages: how they stand, stopped, started, drained."""

from __future__ import annotations

import html
import re

from crossdock.engine import Connections
from played_orders import order


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.split("<main")[1])))


async def test_a_connection_is_stopped_its_calls_wait_and_leave_when_it_starts(tower):
    stopped = await tower.post("/connections", page="/connections", act="stop", connection="wms")
    assert "wms is stopped. Its calls wait." in stopped
    assert '<span class="badge">1<span class="hidden"> stopped or failing' in stopped
    async with tower.working():
        await tower.put(order("SO-1"), order("SO-2"))
        await tower.steps("SO-2", pick="running")
        await tower.steps("SO-1", pick="running")
        assert "stopped now by you 2 wait" in text(await tower.get("/connections"))
        assert "waits: wms is stopped" in (await tower.get("/runs/order/SO-1/1")).lower()
        assert "wms.pick" not in tower.partners.calls
        told = await tower.post("/connections", page="/connections", act="start", connection="wms", rate="50")
        assert "wms is started. What waited leaves in its order, 50 a second." in told
        await tower.steps("SO-1", packed="waiting")
        await tower.steps("SO-2", packed="waiting")
    again = await tower.post("/connections", page="/connections", act="start", connection="wms")
    assert "wms was started before." in again


async def test_deadlines_stand_still_only_where_somebody_says_so(tower):
    given = {"act": "stop", "connection": "wms", "stand_still": "yes"}
    told = await tower.post("/connections", page="/connections", **given)
    assert "deadlines that wait for it stand still" in told
    assert "by you; deadlines stand still" in text(told)
    (erp, tms, wms) = await Connections(tower.database).of(tower.tenant)
    assert [one.stand_still for one in (erp, tms, wms)] == [False, False, True]


async def test_an_open_breaker_says_when_one_call_tries(tower):
    await tower.sql(
        "update crossdock.connection set failures = 5, open_until = crossdock.now() + '2 min' "
        "where tenant = $1 and name = 'tms'"
    )
    page = text(await tower.get("/connections"))
    assert re.search(r"breaker open one call tries it in (2 min|1 min)", page)


async def test_bad_input_changes_nothing(tower):
    await tower.post("/connections", page="/connections", act="stop", connection="wms")
    for rate in ("fast", "0", "-1", "nan", "inf", "1e9"):
        given = {"act": "start", "connection": "wms", "rate": rate}
        assert "is no rate" in await tower.post("/connections", page="/connections", **given)
    assert "There is no connection nothing" in await tower.post(
        "/connections", 404, page="/connections", act="stop", connection="nothing"
    )
    assert "is nothing that a connection takes" in html.unescape(
        await tower.post("/connections", 400, page="/connections", act="paint", connection="erp")
    )
    tower.seen_by("eve", "viewer")
    await tower.post("/connections", 403, page="/connections", act="start", connection="wms")
    assert [one.stopped is None for one in await Connections(tower.database).of(tower.tenant)] == [
        True,
        True,
        False,
    ]
    assert ">Stop<" not in await tower.get("/connections")
