"""What the pages show, over real HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import re

import pytest

from crossdock.engine import Arrival
from crossdock.tower.addresses import run_page
from played_orders import event, order


async def test_empty_pages_say_what_to_do_next(tower):
    assert "Nothing waits for a person." in await tower.get("/")
    assert "2 processes are published" in await tower.get("/")
    assert "A run starts when an event comes" in await tower.get("/runs")
    assert "the most urgent on top" in await tower.get("/desk")
    assert "Every event has found its run." in await tower.get("/events")


async def test_the_overview_counts_runs_and_what_waits(tower):
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1"), order("SO-2", "5000.00"))
        await tower.steps("SO-1", pick="held")
        await tower.steps("SO-2", approve="waiting")
    page = await tower.get("/")
    tiles = dict(re.findall(r'<a class="tile[^>]*href="([^"]+)"><b>(\d+)</b>', page))
    assert (tiles["/runs?status=active"], tiles["/runs?status=held"]) == ("1", "1")
    assert (tiles["/desk"], tiles["/desk?kind=exception"]) == ("1", "1")
    assert "Mon 4 May 2026 10:00" in page
    assert "Europe/Berlin · virtual clock" in page
    assert "no stock" in page


async def test_runs_that_take_long_to_count_are_not_counted_for_everybody_who_looks(tower):
    def active(page: str) -> str:
        return dict(re.findall(r'href="([^"]+)"><b>(\d+)</b>', page))["/runs?status=active"]

    async with tower.database.engine() as others:
        await others.execute("lock table crossdock.run in access exclusive mode")
        first = asyncio.create_task(tower.get("/"))
        await asyncio.sleep(0.3)  # so long does counting take
    assert active(await first) == "0"
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", packed="waiting")
    old = 0
    while active(page := await tower.get("/")) == "0":
        old += "Runs were counted" in page
        await asyncio.sleep(0.05)
    assert old
    assert "Runs were counted" not in page


async def test_a_case_is_found_by_any_number_whole_or_begun(tower):
    async with tower.working():
        await tower.put(order("SO-1"), order("SO-10"), order("so-77"))
        await tower.steps("SO-1", packed="waiting")
        shipment = {"number": "S-9", "carrier": "UPS"}
        await tower.put(
            event("warehouse.shipment_packed", {"order": "SO-1", "shipment": shipment}, order="SO-1")
        )
        await tower.steps("S-9", delivered="waiting")
    assert keys(await tower.get("/runs?q=SO-1")) == ["SO-1"]
    assert keys(await tower.get("/runs?q=SO-")) == ["SO-10", "SO-1"]
    by_tracking = await tower.get("/runs?q=UPS-S-9")
    assert keys(by_tracking) == ["S-9"]
    assert "Tracking UPS-S-9" in by_tracking
    assert keys(await tower.get("/runs?q=ups-s-9")) == ["S-9"]
    assert "No run has the number “1Z”" in await tower.get("/runs?q=1Z")


async def test_the_table_is_filtered_and_paged_and_its_address_says_how(tower):
    for n in range(120):
        await tower.put(order(f"SO-{n}"))
    first = await tower.get("/runs?process=order&status=active")
    assert keys(first) == [f"SO-{n}" for n in range(119, 69, -1)]
    older = link(first, "next")
    assert older.startswith("/runs?status=active&process=order&before=")
    second = await tower.get(older)
    assert keys(second) == [f"SO-{n}" for n in range(69, 19, -1)]
    last = await tower.get(link(second, "next"))
    assert keys(last) == [f"SO-{n}" for n in range(19, -1, -1)]
    assert 'rel="next"' not in last
    assert keys(await tower.get(link(last, "prev"))) == keys(second)
    assert keys(await tower.get(link(second, "prev"))) == keys(first)
    assert "No run is like that now." in await tower.get("/runs?status=failed")


async def test_the_export_holds_exactly_the_filtered_rows(tower):
    for key in ("SO-1", "=HYPERLINK(1)", "SO-3"):
        await tower.put(order(key))
    async with tower.http.get(tower.url + "/runs.csv?process=order") as answer:
        assert answer.headers["content-disposition"] == 'attachment; filename="runs.csv"'
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["key"] for row in rows] == ["SO-3", "'=HYPERLINK(1)", "SO-1"]
    assert rows[0]["started"] == "2026-05-04T08:00:00Z"
    async with tower.http.get(tower.url + "/runs.csv?process=delivery") as answer:
        assert len((await answer.text()).splitlines()) == 1


@pytest.mark.parametrize("key", ["PO 47/11", "..", "a?b#c&d", "100%", "<b>x</b>", "雪/é"])
async def test_a_run_with_an_odd_key_has_a_page(tower, key):
    async with tower.working():
        await tower.put(order(key))
        await tower.steps(key, packed="waiting")
    page = await tower.get("/runs")
    address = re.search(r'<th scope="row" class="break"><a href="([^"]+)"', page)[1]
    assert address == run_page("order", key, 1)
    shown = await tower.get(address)
    assert escaped(key) in shown
    assert "<b>x</b>" not in shown


async def test_a_run_shows_its_picture_its_story_and_its_step(tower):
    tower.partners.refuse["wms.pick"] = "item 4711 is blocked"
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", pick="held")
    page = await tower.get("/runs/order/SO-1/1")
    assert 'id="n-pick"' in page
    assert "7 steps: 1 done, 1 skipped, 1 held, 4 pending" in page
    assert "Müller &amp; Söhne &lt;Lager&gt;" in page
    assert "EUR 100.00" in page
    assert "Pick: given up, 1 try: item 4711 is blocked" in page
    assert "Approve a large order: skipped: its condition does not hold" in page
    assert '<h2 id="step-title">' in page
    assert ">Try again now<" in page
    other = await tower.get("/runs/order/SO-1/1?step=check_credit")
    assert ">Do again" in other
    assert ">Try again now<" not in other


async def test_a_run_shows_its_children_and_a_child_its_parent(tower):
    async with tower.working():
        await tower.put(order("SO-1"))
        shipment = {"number": "S-1", "carrier": "UPS"}
        await tower.steps("SO-1", packed="waiting")
        await tower.put(
            event("warehouse.shipment_packed", {"order": "SO-1", "shipment": shipment}, order="SO-1")
        )
        await tower.steps("S-1", delivered="waiting")
    assert '<a href="/runs/delivery/S-1/1">delivery S-1</a>' in await tower.get("/runs/order/SO-1/1")
    child = await tower.get("/runs/delivery/S-1/1")
    assert '<a href="/runs/order/SO-1/1">child of order SO-1</a>' in child
    assert '<span class="mono">UPS-S-1</span>' in child


async def test_processes_show_picture_text_and_words(tower):
    listed = await tower.get("/processes")
    assert '<a href="/processes/order">Order to cash</a>' in listed
    page = await tower.get("/processes/order")
    assert 'id="n-invoice"' in page
    assert "<span>process: order</span>" in page
    assert "within 4 business hours" in page
    assert "late: escalate finance lead; refused: cancel amount refused" in page
    await tower.get("/processes/unheard-of", status=404)
    await tower.get("/processes/order?version=nonsense", status=404)


async def test_unclaimed_and_refused_events_are_shown_with_the_reason(tower):
    async with tower.working():
        await tower.put(order("SO-1"), event("shipment.delivered", {"shipment": "S-404"}, shipment="S-404"))
        await tower.steps("SO-1", packed="waiting")
        await tower.put(event("order.cancelled", {"order": "SO-1"}, order="SO-1"))
        await tower.steps("SO-1", pick="undone")
        await tower.put(event("order.released", order("SO-1").data, named="again", order="SO-1"))
    page = await tower.get("/events")
    assert "shipment S-404" in page
    assert "has ended, and the process does not say" in page


async def test_answers_carry_the_headers_that_keep_others_out(tower):
    for path in ("/", "/static/tower.css", "/nowhere", "/runs.csv"):
        async with tower.http.get(tower.url + path) as answer:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
    page = await tower.get("/processes/order")
    assert not re.search(r"<style|style=|<script>|onclick=|javascript:", page)


async def test_what_is_not_there_is_said_plainly(tower):
    assert "There is no run order/SO-404/1" in await tower.get("/runs/order/SO-404/1", status=404)
    assert "There is no page /nowhere" in await tower.get("/nowhere", status=404)
    await tower.get("/runs/order/SO-1/99999999999", status=404)
    await tower.get("/runs?before=abc&after=9999999999999999999999")
    for number in ("9" * 5000, "\u00b2", "\u0663"):  # too long for a number, and none, though a digit
        await tower.get(f"/runs/order/SO-1/{number}", status=404)
        await tower.get(f"/repairs/{number}", status=404)
        await tower.get(f"/runs?before={number}&after={number}")
        await tower.get(f"/events?before={number}")
        await tower.get(f"/desk?page={number}")
        await tower.get(f"/proposals?page={number}")
    await tower.get("/desk?page=99999&kind=x")
    await tower.get("/desk?type=%00", status=404)
    await tower.get("/runs/order/a~00b/1", status=404)


async def test_a_page_of_another_tenant_shows_nothing_of_this_one(tower):
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", packed="waiting")
    async with tower.neighbour("globex") as url, tower.http.get(url + "/runs?q=SO-1") as answer:
        assert "No run has the number" in await answer.text()
    async with tower.neighbour("initech") as url, tower.http.get(url + "/runs/order/SO-1/1") as answer:
        assert answer.status == 404


async def test_pages_stand_where_they_are_mounted(tower):
    async with tower.mounted("/acme") as url:
        async with tower.http.get(url + "/acme/runs") as answer:
            page = await answer.text()
        assert answer.status == 200
        addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
        assert addresses
        assert all(address.startswith("/acme/") for address in addresses)
        async with tower.http.get(url + "/acme/static/tower.css") as answer:
            assert answer.status == 200


def keys(page: str) -> list[str]:
    """The keys in the table of runs, from top to bottom."""
    return re.findall(r'<th scope="row" class="break"><a [^>]+>([^<]+)</a>', page)


def link(page: str, rel: str) -> str:
    """Where the link of that relation leads."""
    return re.search(rf'rel="{rel}" href="([^"]+)"', page)[1].replace("&amp;", "&")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def told(code: str, time: str, by: str) -> Arrival:
    milestone = {"code": code, "time": time, "by": by, "text": "At the depot", "place": {"name": "Kiel"}}
    data = {"shipment": "SO-1-0", "milestone": milestone}
    return event(f"shipment.{code}", data, named=f"{by}/{code}", shipment="SO-1-0")


async def delivered_and_moving(tower) -> None:
    """A shipment that was scanned, told twice, delivered, and then told to move still."""
    parcel = {"order": "SO-1", "shipment": {"number": "SO-1-0"}}
    await tower.put(order("SO-1"), event("warehouse.shipment_packed", parcel, order="SO-1"))
    async with tower.working():
        await tower.steps("SO-1-0", delivered="waiting")
        await tower.put(
            told("in_transit", "2026-05-05T10:00:00Z", "carrier"),
            told("in_transit", "2026-05-05T10:00:30Z", "feed"),
            told("delivered", "2026-05-06T10:00:00Z", "carrier"),
        )
        await tower.steps("SO-1-0", delivered="succeeded")
    await tower.put(told("in_transit", "2026-05-07T10:00:00Z", "later"))


async def test_a_shipments_milestones_stand_once_and_a_contradiction_shows_both_sides(tower):
    await delivered_and_moving(tower)
    page = await tower.get("/runs/delivery/SO-1-0/1")
    table = page.partition('id="run-milestones"')[2].partition("</section>")[0]
    assert table.count("<tr>") == 4
    assert "told 2 times" in table
    assert "Contradicts: delivered" in table
    assert "This one moves nothing" in table


async def test_what_a_policy_forbids_by_process_is_on_no_page(tower):
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1"), order("SO-2", "5000.00"))
        await tower.steps("SO-1", pick="held")
        await tower.steps("SO-2", approve="waiting")
    async with tower.database.engine() as transaction:
        await transaction.execute(
            "insert into crossdock.policy (tenant, version, by, why, roles, text) "
            "values ($1, 1, 'ann', 'who sees what', '{}', $2)",
            tower.tenant.id,
            '@id("not-orders") forbid (principal in Role::"viewer", action, resource) '
            'when { resource has process && resource.process == "order" };',
        )
    tower.seen_by("vera", "viewer")
    await tower.get(run_page("order", "SO-1", 1), status=403)
    for path in ("/", "/runs", "/runs?q=SO-1", "/runs.csv", "/desk", "/events", "/repairs", "/processes"):
        assert run_page("order", "SO-1", 1) not in (page := await tower.get(path)), path
        assert "no stock" not in page, path
        assert 'class="badge"' not in page, path  # nothing waits for her
    assert "0 open, 0 late" in await tower.get("/desk")
    tiles = (await tower.get("/")).partition('class="tiles"')[2].partition('class="grid')[0]
    assert set(re.findall(r"<b>(.*?)</b>", tiles)) == {"0"}
    assert "Nothing has that cause now." in await tower.get("/repairs/new?exception=refused_by_partner")
    tower.seen_by("olga", "operations-lead")
    assert 'class="badge">2<' in await tower.get("/runs")
    assert "1 exception<" in await tower.get("/repairs/new?exception=refused_by_partner")
    assert "SO-1" in await tower.get("/desk")
    assert "SO-1" in await tower.get("/runs")
