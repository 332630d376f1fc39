"""Repair of many runs from the pages: by cause, counted, a few first, an outcome for each."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from played_orders import order


@pytest.fixture
async def seven(tower: Any) -> Any:
    """Seven orders that the warehouse has refused, and a worker."""
    tower.partners.refuse["wms.pick"] = "item 4711 is blocked"
    async with tower.working():
        await tower.put(*[order(f"SO-{n}") for n in range(7)])
        for n in range(7):
            await tower.steps(f"SO-{n}", pick="held")
        yield tower


def link_to(page: str, words: str) -> str:
    """The address of a button that says these words."""
    return html.unescape(re.search(rf'href="([^"]+)">[^<]*{words}', page)[1])


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the form that begins a repair."""
    own = page.split('action="/repairs"')[1].split("</form>", maxsplit=1)[0]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', own)
    return {name: html.unescape(value) for name, value in found if name != "token"}


async def begin(tower: Any, **given: str) -> str:
    """Begin what the desk proposes; gives the page that follows."""
    page = await tower.get(link_to(await tower.get("/desk"), "together"))
    values = {**fields(page), "act": "retry", "trial": "2", "rate": "1000", **given}
    return await tower.post("/repairs", page="/repairs", **values)


async def until_said(tower: Any, path: str, *words: str) -> str:
    async def is_so() -> Any:
        page = await tower.get(path)
        return page if all(word in text(page) for word in words) else None

    return await tower.until(is_so)


def text(page: str) -> str:
    """What a page says, without its marks."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.split("<main")[1])))


async def test_what_has_one_cause_is_counted_and_shown_before_anything_happens(seven):
    desk = await seven.get("/desk")
    assert "Refused by partner · order at Pick · via wms · item 4711 is blocked Repair 7 together" in text(
        desk
    )
    page = await seven.get(link_to(desk, "together"))
    assert "Refused by partner via wms in order at step Pick 7 exceptions" in text(page)
    assert page.count("item 4711 is blocked") == 7
    assert 'value="retry" required checked' in page
    assert "Begin with the first 3" in page
    assert "Nothing has that cause now." in await seven.get("/repairs/new?error=nothing+like+it")
    assert await seven.history.exceptions(seven.tenant, most=100)
    assert len(seven.partners.calls) == 14  # each once for credit and pick: nothing was tried again


async def test_a_few_go_first_and_the_rest_when_a_person_has_seen_what_came_of_them(seven):
    page = await begin(seven, note="the stock was counted")
    assert "Begun: 2 of 7 go first." in page
    page = await until_said(seven, "/repairs/1", "waits for you", "held again 2", "not sent yet 5")
    assert "Go on with the other 5" in page
    assert "the stock was counted" in page
    seven.partners.refuse.clear()
    assert "The rest follows." in await seven.post("/repairs/1", page="/repairs/1", act="proceed")
    page = await until_said(seven, "/repairs/1", "all sent", "mended 5", "held again 2")
    assert "Send no more" not in page
    assert len(keys(await seven.get("/repairs/1?outcome=held"))) == 2
    assert len(keys(await seven.get("/repairs/1"))) == 7
    listed = text(await seven.get("/repairs"))
    assert "Try the step again Refused by partner via wms in order at step Pick all sent 7 of 7" in listed
    told = await seven.get("/runs/order/SO-6/1")
    assert "the stock was counted" in told


async def test_a_set_that_has_changed_since_it_was_seen_is_not_touched(seven):
    page = await begin(seven, seen="6")
    assert "It would touch 7 by now, not 6; look at them again, then begin." in page
    assert "7 exceptions" in text(page)
    assert "No repair of many runs yet." in await seven.get("/repairs")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"act": "skip"}, "Give a reason"),
        ({"act": "cancel"}, "Give a reason"),
        ({"act": "explode"}, "Choose what is to be done"),
        ({"act": "release"}, "Choose what is to be done"),
        ({"trial": "-1"}, "is no number of runs"),
        ({"trial": "x"}, "is no number of runs"),
        ({"rate": "0"}, "is no rate"),
        ({"rate": "nan"}, "is no rate"),
        ({"seen": ""}, "is no number of runs"),
    ],
)
async def test_what_cannot_be_begun_says_why_and_does_nothing(tower, given, said):
    tower.partners.refuse["wms.pick"] = "blocked"
    async with tower.working():
        await tower.put(*[order(f"SO-{n}") for n in range(3)])
        for n in range(3):
            await tower.steps(f"SO-{n}", pick="held")
    assert said in text(await begin(tower, **given))
    assert "No repair of many runs yet." in await tower.get("/repairs")


async def test_a_repair_is_stopped_and_what_was_sent_stays_sent(seven):
    await begin(seven, trial="1")
    await until_said(seven, "/repairs/1", "waits for you")
    assert "No more is sent." in await seven.post("/repairs/1", page="/repairs/1", act="stop")
    again = await seven.post("/repairs/1", page="/repairs/1", act="stop")
    assert "It has gone on meanwhile" in again
    assert "Go on with the other 6" in again
    assert "1 of 7 sent" in text(again)


async def test_exceptions_that_hold_nothing_are_to_be_closed_not_tried_again(tower):
    async with tower.working():
        await tower.put(*[order(f"SO-{n}") for n in range(3)])
        for n in range(3):
            await tower.steps(f"SO-{n}", packed="waiting")
        await tower.clock.step(timedelta(days=2))
        await until_said(tower, "/desk", "Pick late")
        page = await until_said(tower, "/repairs/new?exception=pick_late", "3 exceptions")
        assert 'value="close" required checked' in page
        values = {**fields(page), "act": "close", "trial": "0", "rate": "100", "note": "counted"}
        await tower.post("/repairs", page="/repairs", **values)
        await until_said(tower, "/repairs/1", "all sent", "mended 3")
    assert "No exception is open." in await tower.get("/repairs")


async def test_runs_that_a_broken_decision_has_stopped_are_let_go_on_together(tower):
    await tower.put(order("SO-1"), order("SO-2"))
    await tower.sql("update crossdock.run set error = 'KeyError: nothing', status = 'held' where tenant = $1")
    page = await tower.get(link_to(await tower.get("/repairs"), "Let them go on"))
    assert "2 runs" in text(page)
    async with tower.working():
        values = {**fields(page), "act": "release", "trial": "0", "rate": "100"}
        assert "Begun, with all 2." in await tower.post("/repairs", page="/repairs", **values)
        await tower.steps("SO-1", packed="waiting")
        await tower.steps("SO-2", packed="waiting")


async def test_who_may_only_look_begins_and_stops_nothing(seven):
    seven.seen_by("eve", "viewer")
    page = await seven.get(link_to(await seven.get("/desk"), "together"))
    assert "You may look at this, not begin it." in page
    given = {"act": "retry", "trial": "1", "rate": "1", "seen": "7", "exception": "refused_by_partner"}
    assert "may not retry, supply" in await seven.post("/repairs", 403, page="/repairs", **given)
    assert "No repair of many runs yet." in await seven.get("/repairs")


async def test_a_repair_that_is_not_there_and_another_tenant_s(seven):
    await begin(seven)
    assert "There is no repair 2" in await seven.get("/repairs/2", 404)
    await seven.get("/repairs/99999999999999999999999", 404)
    async with seven.neighbour("other") as url, seven.http.get(f"{url}/repairs/1") as answer:
        assert answer.status == 404


async def test_the_list_of_the_desk_is_dense_and_leads_to_each_case(seven):
    page = await seven.get("/desk?view=list&kind=exception")
    assert page.count('<tr id="l-case-') == 7
    assert 'href="/runs/order/SO-3/1?step=pick"' in page
    assert "<article" not in page
    assert 'href="/desk?kind=exception"' in page  # as cards, with the same filter


def keys(page: str) -> list[str]:
    return re.findall(r'<th scope="row" class="break"><a href="[^"]+">order (SO-\d+)</a>', page)
