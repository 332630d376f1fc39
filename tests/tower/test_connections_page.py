"""Outside systems on the pages: how they stand, stopped, started, drained."""

from __future__ import annotations

import html
import re

from crossdock.connect.watch import Watch
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


async def test_a_connection_is_added_with_what_its_connector_asks_for_and_tested(tower):
    assert "Choose" in text(await tower.get("/connections/new"))
    asked = await tower.get("/connections/new?connector=tests")
    assert "signs webhooks. Sealed, and never shown again" in text(asked)
    given = {"act": "add", "connector": "tests", "connection": "tms-try", "system": "tms"}
    given |= {"environment": "sandbox", "secret.hook": "canary-hook", "rate": "2,5"}
    told = await tower.post("/connections", page="/connections/new?connector=tests", **given)
    assert "tms-try is added. See whether it works." in told
    assert "tms by tests, a sandbox: only runs in test call it" in text(told)
    assert "canary" not in told
    made = await Connections(tower.database).named(tower.tenant, "tms-try")
    assert (made.environment, made.rate, made.concurrency) == ("sandbox", 2.5, None)
    tested = await tower.post("/connections", page="/connections/tms-try", act="test", connection="tms-try")
    assert "Nothing wrong was seen" in text(tested)
    again = await tower.post("/connections", 400, page="/connections/new?connector=tests", **given)
    assert "there is a connection tms-try already" in text(again)
    assert 'value="tms-try"' in again
    assert "sandbox" in text(await tower.get("/connections"))


async def test_a_connection_is_changed_its_secret_replaced_recorded_and_removed(tower):
    page = "/connections/tms"
    for text_ in ("canary-1", "canary-2"):
        given = {"act": "secret", "connection": "tms", "secret": "hook", "text": text_, "hours": "24"}
        told = await tower.post("/connections", page=page, **given)
    assert "hook is set. The one before holds for 24 hours more." in told
    assert "in use since" in told
    assert "one before holds until" in told
    assert "canary" not in told
    changed = await tower.post("/connections", page=page, act="set", connection="tms", concurrency="3")
    assert "tms is changed." in changed
    wrong = await tower.post("/connections", 400, page=page, act="set", connection="tms", concurrency="many")
    assert "`concurrency` is" in text(wrong)
    recorded = await tower.post("/connections", page=page, act="record", connection="tms", minutes="5")
    assert "It is recorded until" in text(recorded)
    assert '"version": "1.2"' in await tower.get(f"{page}/recording.har")
    gone = await tower.post("/connections", page=page, act="remove", connection="tms")
    assert "tms is removed." in gone
    await tower.get(page, 404)


async def test_who_may_only_look_sees_how_it_does_and_no_forms(tower):
    watch = Watch(tower.database)
    for how in ("done", "done", "done", "unreachable"):
        watch.ended(tower.tenant.id, "tms", how, 0.1)
    watch.answered(tower.tenant.id, "tms", {"x-ratelimit-remaining": "41", "x-ratelimit-limit": "60"})
    await watch.write()
    tower.seen_by("eve", "viewer")
    told = await tower.get("/connections/tms")
    assert "Last success now" in text(told)
    assert "Failed 25.0 %" in text(told)
    assert "Quota left 41 of 60" in text(told)
    assert "<form" not in told.split("<main")[1]
    assert "4 calls, 25.0 % failed" in text(await tower.get("/connections"))
    await tower.get("/connections/new", 403)
    await tower.get("/connections/tms/recording.har", 403)
    await tower.get("/connections/nothing", 404)
