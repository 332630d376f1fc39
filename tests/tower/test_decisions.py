"""What people do on pages, over real HTTP, and what runs make of it."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from tower_world import ORDERS
from yarl import URL

from played_orders import event, order


@pytest.fixture
async def waiting(tower):
    """A large order that waits for its approval."""
    async with tower.working():
        await tower.put(order("SO-1", "5000.00", version="1"))
        await tower.steps("SO-1", approve="waiting")
        yield tower


@pytest.fixture
async def held(tower):
    """An order whose pick the warehouse has refused."""
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", pick="held")
        tower.partners.refuse.clear()
        yield tower


async def test_an_approval_is_shown_with_what_it_is_about_and_lets_the_run_go_on(waiting):
    page = await waiting.get("/desk")
    assert "Approve a large order" in page
    assert "EUR 5,000.00" in page
    assert "due in" in page
    told = await waiting.post("/desk/task", **form(page, decision="approved", note="seen the books"))
    assert "Approve a large order: approved by you: seen the books" in told
    assert "Nothing waits for a person." in told
    detail = await waiting.steps("SO-1", approve="succeeded")
    decided = next(line for line in detail.lines if line.event.type == "task.decided")
    assert decided.event.actor.roles == ("finance",)
    assert decided.event.source == "desk/you"


async def test_a_refusal_takes_the_note_along(waiting):
    page = await waiting.get("/desk")
    await waiting.post("/desk/task", **form(page, decision="refused", note="over the limit"))
    detail = await waiting.steps("SO-1", approve="cancelled")
    assert detail.run.status == "cancelled"
    assert "refused by you: over the limit" in await waiting.get("/runs/order/SO-1/1")


async def test_who_asked_for_it_may_not_decide_it(waiting):
    page = await waiting.get("/desk")
    waiting.seen_by("ann")
    assert "You are excluded here" in await waiting.get("/desk")
    told = await waiting.post("/desk/task", 403, page="/events", **form(page, decision="approved"))
    assert "Ann is excluded here" in told
    assert (await waiting.steps("SO-1")).state.steps["approve"].status == "waiting"


async def test_only_the_role_decides(waiting):
    page = await waiting.get("/desk")
    waiting.seen_by("bob", "viewer", "warehouse")
    assert "Decided by someone with the role finance." in await waiting.get("/desk")
    told = await waiting.post("/desk/task", 403, page="/events", **form(page, decision="approved"))
    assert "Bob has not the role finance" in told


async def test_a_reader_sees_and_cannot_act(waiting):
    page = await waiting.get("/desk")
    waiting.seen_by("eve", "viewer")
    shown = await waiting.get("/desk")
    assert "You may look at this, not decide it." in shown
    assert "<form" not in shown.split('id="cases"')[1]
    assert 'method="post"' not in await waiting.get("/runs/order/SO-1/1")
    await waiting.post("/desk/task", status=403, token=token(page), **form(page, decision="approved"))


async def test_a_decision_about_content_that_has_changed_is_not_taken(waiting):
    page = await waiting.get("/desk")
    changed = order("SO-1", "9000.00", version="2", changed="2026-05-04T09:00:00Z")
    await waiting.put(event("order.changed", changed.data, order="SO-1"))

    async def is_there():
        return "EUR 9,000.00" in await waiting.get("/desk")

    await waiting.until(is_there)
    told = await waiting.post("/desk/task", **form(page, decision="approved"))
    assert "What is decided has changed since it was looked at" in told
    assert (await waiting.steps("SO-1")).state.steps["approve"].status == "waiting"


async def test_a_button_pressed_twice_decides_once(held):
    page = await held.get("/runs/order/SO-1/1")
    fields = {"act": "retry", "step": "pick", "seq": seq(page), "back": "/runs/order/SO-1/1"}
    await held.post("/runs/order/SO-1/1", **fields)
    again = await held.post("/runs/order/SO-1/1", **fields)
    assert "That was sent before; it is not done twice." in again
    detail = await held.steps("SO-1", pick="succeeded")
    assert [line.event.type for line in detail.lines].count("step.retry") == 1
    assert held.partners.calls.count("wms.pick") == 2


async def test_a_page_that_is_old_repairs_nothing_that_somebody_else_has_mended(held):
    page = await held.get("/runs/order/SO-1/1")
    (seen,) = set(re.findall(r'name="exception" value="([^"]+)"', page))
    fields = {"step": "pick", "seq": seq(page), "exception": seen, "back": "/runs/order/SO-1/1"}
    await held.post("/runs/order/SO-1/1", act="retry", **fields)
    await held.steps("SO-1", packed="waiting")
    told = await held.post("/runs/order/SO-1/1", act="redo", note="once more", **fields)
    assert f"{seen} is not open any more" in told
    assert (await held.steps("SO-1", pick="succeeded")).state.steps["pick"].redo == 0


async def test_a_post_without_the_pages_token_is_refused(waiting):
    page = await waiting.get("/desk")
    fields = form(page, decision="approved")
    for wrong in ("", "x" * 43):
        async with waiting.http.post(waiting.url + "/desk/task", data={**fields, "token": wrong}) as answer:
            assert answer.status == 400
            assert "The page was too old to act on" in await answer.text()
    headers = {"sec-fetch-site": "cross-site"}
    data = {**fields, "token": token(page)}
    async with waiting.http.post(waiting.url + "/desk/task", data=data, headers=headers) as answer:
        assert answer.status == 400
    async with waiting.http.get(waiting.url + "/desk") as answer:
        cookie = waiting.http.cookie_jar.filter_cookies(URL(waiting.url))["crossdock_token"]
        assert cookie.value == token(await answer.text())
    assert (await waiting.steps("SO-1")).state.steps["approve"].status == "waiting"


async def test_the_token_cookie_is_of_no_use_to_other_sites(tower):
    tower.http.cookie_jar.clear()
    async with tower.http.get(tower.url + "/") as answer:
        cookie = answer.headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie


async def test_a_form_too_large_or_of_another_kind_is_refused(tower):
    form_type = {"content-type": "application/x-www-form-urlencoded"}
    async with tower.http.post(
        tower.url + "/desk/task", data=io.BytesIO(b"note=" + b"x" * 1_100_000), headers=form_type
    ) as answer:
        assert answer.status == 400
    async with tower.http.post(tower.url + "/desk/task", json={"task": "x"}) as answer:
        assert answer.status == 400


async def test_a_post_leads_back_to_pages_of_ours_alone(held):
    page = await held.get("/desk")
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
        data = {"token": token(page), "act": "skip", "step": "pick", "back": elsewhere}
        async with held.http.post(
            held.url + "/runs/order/SO-1/1", data=data, allow_redirects=False
        ) as answer:
            assert (answer.status, answer.headers["location"]) == (303, "/desk")


async def test_a_tasks_form_is_filled_in_and_its_values_reach_the_run(tower):
    async with tower.working():
        await tower.put(order("SO-1", channel="desk"))
        await tower.steps("SO-1", count="waiting")
        page = await tower.get("/desk")
        assert 'name="form.counted.value"' in page
        filled = {
            "form.counted.value": "9",
            "form.counted.unit": "EA",
            "form.damage.amount": "12.50",
            "form.damage.currency": "EUR",
            "form.again": "no",
            "form.when": "2026-05-04T11:00",
        }
        incomplete = {**filled, "form.again": "", "form.note": "typed <b>before</b>"}
        again = await tower.post("/desk/task", status=422, **form(page, decision="done"), **incomplete)
        assert "again: missing" in again
        assert "typed &lt;b&gt;before&lt;/b&gt;</textarea>" in again
        assert 'name="form.counted.value" aria-label="Counted: value" value="9"' in again
        await tower.post("/desk/task", **form(page, decision="done"), **filled)
        detail = await tower.steps("SO-1", count="succeeded")
    told = [record for line in detail.lines for record in line.records if record.step == "count"]
    assert next(record for record in told if record.what == "task.decided").data["form"] == {
        "counted": {"value": "9", "unit": "EA"},
        "damage": {"amount": "12.50", "currency": "EUR"},
        "again": False,
        "when": "2026-05-04T09:00:00Z",
    }


async def test_an_exception_says_what_is_wrong_and_its_step_is_tried_again(held):
    page = await held.get("/desk")
    assert "Refused by partner" in page
    assert "no stock" in page
    assert "calls wms.pick" in page
    told = await held.post("/desk/exception", **exception(page, "retry"))
    assert "Exception refused by partner closed by you" in told
    await held.steps("SO-1", pick="succeeded")
    assert "It has been closed meanwhile." in await held.post("/desk/exception", **exception(page, "retry"))


TRIPS = """
process: trip
owner: linehaul
document: Order
key: ${ order.number }
start: { on: order.released }
alias: { truck: T-1 }
steps: { away: { wait: 30 days } }
"""


async def test_a_number_that_another_run_had_is_claimed_again_at_the_desk(tower):
    await tower.library.publish(tower.tenant, TRIPS, by="tests")
    async with tower.working():
        for number in ("SO-1", "SO-2"):
            await tower.put(order(number))
            await tower.steps(number, away="waiting")
        await tower.until(lambda: tower.history.exceptions(tower.tenant))
        page = await tower.get("/desk")
        assert "Claim it again" in page
        told = await tower.post("/desk/exception", **exception(page, "retry"))
        assert "Exception alias conflict closed by you" in told


async def test_skipping_needs_a_reason_which_stays_with_the_run(held):
    page = await held.get("/desk")
    assert "Give a reason" in await held.post("/desk/exception", **exception(page, "skip"))
    await held.post("/desk/exception", **exception(page, "skip"), note="picked by hand")
    await held.steps("SO-1", pick="skipped")
    assert "picked by hand</p>" in await held.get("/runs/order/SO-1/1?step=pick")


async def test_a_result_found_out_by_hand_is_supplied(held):
    page = "/runs/order/SO-1/1"
    wrong = await held.post(page, act="supply", step="pick", output="{not json", back=page)
    assert "The result is not taken: this is not JSON" in wrong
    await held.post(page, act="supply", step="pick", output='{"pick": "P-7"}', note="by phone", back=page)
    await held.steps("SO-1", pick="succeeded")
    shown = await held.get("/runs/order/SO-1/1?step=pick")
    assert "&#34;pick&#34;: &#34;P-7&#34;" in shown
    assert "<dt>By</dt><dd>you</dd>" in shown


async def test_a_step_is_done_again_and_the_run_is_cancelled(held):
    page = "/runs/order/SO-1/1"
    await held.post(page, act="retry", step="pick", back=page)
    await held.steps("SO-1", pick="succeeded")
    told = await held.post(page, act="redo", step="pick", note="wrong bin", back=page)
    assert "Pick: done again by you: wrong bin" in told
    await held.steps("SO-1", pick="succeeded", packed="waiting")
    assert held.partners.calls.count("wms.unpick") == 1
    await held.post(page, act="cancel", note="customer is gone", back=page)
    detail = await held.steps("SO-1", pick="undone")
    await held.steps("SO-1", packed="cancelled")
    assert held.partners.calls.count("wms.unpick") == 2
    assert detail.state.reason in ("", "customer is gone")
    assert "Cancel the run" not in (await held.get(page)).split("<main")[1].split("What happened")[0]


async def test_late_approvals_come_first_and_say_how_late(tower):
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"))
        await tower.steps("SO-1", approve="waiting")
        await tower.clock.step(timedelta(hours=2))
        await tower.put(order("SO-2", "5000.00"))
        await tower.steps("SO-2", approve="waiting")
        await tower.clock.step(timedelta(hours=3, minutes=30))

        async def is_late():
            return "for finance-lead" in await tower.get("/desk")

        await tower.until(is_late)
    page = await tower.get("/desk")
    assert re.findall(r"order (SO-\d)</a>", page) == ["SO-1", "SO-2"]
    assert "30 min late" in page
    assert "2 open, 1 late" in page


async def test_the_desk_shows_one_kind_or_one_owner(tower):
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1"), order("SO-2", "5000.00"))
        await tower.steps("SO-1", pick="held")
        await tower.steps("SO-2", approve="waiting")
    assert "1 open" in await tower.get("/desk?kind=approve")
    assert "Refused by partner" not in (await tower.get("/desk?kind=approve")).split('id="cases"')[1]
    assert "SO-2" not in (await tower.get("/desk?type=refused_by_partner")).split('id="cases"')[1]
    assert "Nothing like that is open." in await tower.get("/desk?owner=nobody")


async def test_a_parked_event_is_dismissed_and_a_refused_one_tries_again(tower):
    async with tower.working():
        await tower.put(event("shipment.delivered", {"shipment": "S-404"}, shipment="S-404"))
        page = await tower.get("/events")
        number = re.search(r'id="parked-(\d+)"', page)[1]
        told = await tower.post("/events", act="dismiss", event=number, back="/events", page="/events")
        assert "Dismissed." in told
        assert "S-404" not in told
        again = await tower.post("/events", act="dismiss", event=number, back="/events", page="/desk")
        assert "Somebody was quicker" in again


async def test_a_run_that_a_broken_decision_has_stopped_is_released(tower):
    await tower.put(order("SO-1"))
    async with tower.database.engine() as transaction:
        await transaction.execute("update crossdock.run set error = 'KeyError: nothing', status = 'held'")
    page = await tower.get("/runs/order/SO-1/1")
    assert "A decision broke, and this run waits" in page
    assert "KeyError: nothing" in page
    async with tower.working():
        fields = {"act": "release", "again": "yes", "back": "/runs/order/SO-1/1"}
        told = await tower.post("/runs/order/SO-1/1", page="/runs/order/SO-1/1", **fields)
        assert "The run goes on." in told
        await tower.steps("SO-1", packed="waiting")


def form(page: str, **fields: str) -> dict[str, str]:
    """The hidden fields of the first decision on a page, and what is decided."""
    own = page.split('<form method="post" action="/desk/task"')[1].split("</form>", maxsplit=1)[0]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', own))
    return {**{name: value for name, value in hidden.items() if name != "token"}, **fields}


def exception(page: str, action: str) -> dict[str, str]:
    """The fields of the first exception on a page."""
    own = page.split('action="/desk/exception"')[1].split("</form>", maxsplit=1)[0]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', own))
    return {"exception": hidden["exception"], "seq": hidden["seq"], "action": action, "back": "/desk"}


def token(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page)[1]


def seq(page: str) -> str:
    return re.search(r'name="seq" value="(\d+)"', page)[1]


async def test_a_run_goes_on_under_the_newest_version_from_its_page_or_the_page_says_why_not(held):
    page = await held.get("/runs/order/SO-1/1")
    assert "Go on under the newest version" not in page
    mended = ORDERS.replace(
        'with: { order: "${ order.number }" }\n    retry', 'with: { nr: "${ order.number }" }\n    retry'
    )
    assert mended != ORDERS
    other = mended.replace("check_credit", "look")
    await held.library.publish(held.tenant, other.replace("erp.look", "erp.check_credit"), by="tests")
    page = await held.get("/runs/order/SO-1/1")
    told = await held.post("/runs/order/SO-1/1", **_move(page))
    assert "cannot go on under version" in told
    assert "erp.check_credit was called, and would not have been" in told
    process, _ = await held.library.publish(held.tenant, mended, by="tests")
    page = await held.get("/runs/order/SO-1/1")
    assert f"Go on under version {process.version[:10]}" in page
    told = await held.post("/runs/order/SO-1/1", **_move(page, note="the field is nr"))
    assert f"Goes on under version {process.version[:10]} by you: the field is nr" in told
    detail = await held.steps("SO-1", pick="succeeded")
    assert detail.run.version == process.version
    assert "Go on under the newest version" not in await held.get("/runs/order/SO-1/1")


def _move(page: str, **fields: str) -> dict[str, str]:
    """The fields of the button that moves a run."""
    own = page.split("Go on under the newest version")[1].split("</form>", maxsplit=1)[0]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', own))
    return {**{name: value for name, value in hidden.items() if name != "token"}, **fields}
