"""The pages in a real browser: they follow what happens, and leave alone what a person has in hand."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from playwright.async_api import async_playwright, expect

from crossdock.translate.codes import Code
from played_orders import order

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture
async def browser():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser):
    page = await browser.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    yield page
    await page.close()
    assert faults == []


async def test_a_page_follows_what_happens_without_a_reload(tower, page):
    await page.goto(tower.url + "/desk")
    await expect(page.locator("#live")).to_have_text("live")
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"))
        await expect(page.get_by_role("heading", name="Approve a large order")).to_be_visible()
        await expect(page.locator(".badge").first).to_contain_text("1")


async def test_what_is_being_typed_stays_while_the_page_follows(tower, page):
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"))
        await tower.steps("SO-1", approve="waiting")
        await page.goto(tower.url + "/desk")
        note = page.get_by_placeholder("Note (stays with the run)").first
        await note.fill("half a sen")
        await tower.put(order("SO-2", "6000.00"))
        await expect(page.get_by_role("heading", name="Approve a large order")).to_have_count(2)
        await expect(note).to_have_value("half a sen")
        await expect(note).to_be_focused()
        await page.get_by_role("button", name="Approve").first.click()
        await expect(page.get_by_role("status").first).to_contain_text("approved by you: half a sen")
        await tower.steps("SO-1", pick="succeeded")


async def test_a_person_is_told_when_what_is_decided_changes_under_their_eyes(tower, page):
    async with tower.working():
        await tower.put(order("SO-1", "5000.00", version="1"))
        await tower.steps("SO-1", approve="waiting")
        await page.goto(tower.url + "/desk")
        await page.get_by_placeholder("Note (stays with the run)").fill("fine with me")
        changed = order("SO-1", "9000.00", version="2")
        await tower.put(changed.__class__(
            id="changed", source="tests", type="order.changed", time=changed.time + timedelta(hours=1),
            data=changed.data, about=changed.about,
        ))  # fmt: skip
        await expect(page.get_by_text("EUR 9,000.00").first).to_be_visible()
        await expect(page.locator("article.changed")).to_have_count(1)
        await expect(page.locator("#said")).to_contain_text("has changed. Look again")


async def test_a_run_is_followed_step_by_step(tower, page):
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", pick="held")
        await page.goto(tower.url + "/runs/order/SO-1/1")
        await expect(page.locator("#n-pick")).to_have_class("box held bad chosen")
        await page.get_by_text("Document", exact=True).click()
        tower.partners.refuse.clear()
        await tower.clock.step(timedelta(minutes=1))
        detail = await tower.steps("SO-1")
        await tower.retry(detail.run.id, "pick")
        await expect(page.locator("#n-packed .state")).to_have_text("waiting")
        await expect(page.locator("#document")).to_have_attribute("open", "")


async def test_a_run_is_repaired_with_the_keyboard_alone(tower, page):
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", pick="held")
        tower.partners.refuse.clear()
        await page.goto(tower.url + "/runs/order/SO-1/1")
        await page.keyboard.press("Tab")
        await expect(page.get_by_text("Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent") == "Try the step again":
                break
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("closed by you")
        await tower.steps("SO-1", packed="waiting")


async def test_a_form_that_is_open_stays_open_while_the_page_follows(tower, page):
    async with tower.working():
        await page.goto(tower.url + "/connections")
        await expect(page.locator("#live")).to_have_text("live")
        await page.locator("#n-wms summary").click()
        await page.locator("#n-wms").get_by_label("Deadlines that wait for it stand still").check()
        await tower.put(order("SO-1", "5000.00"))
        await expect(page.locator(".badge").first).to_contain_text("1")  # the page has followed
        await expect(
            page.locator("#n-wms").get_by_label("Deadlines that wait for it stand still")
        ).to_be_checked()
        await page.locator("#n-wms").get_by_role("button", name="Stop it").click()
        await expect(page.get_by_role("status").first).to_contain_text("wms is stopped.")
        await expect(page.locator("#n-wms")).to_contain_text("deadlines stand still")


async def test_without_javascript_everything_works_by_reload(tower, browser):
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"))
        await tower.steps("SO-1", approve="waiting")
        await page.goto(tower.url + "/desk")
        await page.get_by_placeholder("Note (stays with the run)").fill("by hand")
        await page.get_by_role("button", name="Refuse").click()
        await expect(page.get_by_role("status").first).to_contain_text("refused by you: by hand")
        await expect(page.get_by_text("Nothing waits for a person.")).to_be_visible()
    file = {"name": "codes.csv", "mimeType": "text/csv", "buffer": b"kind,ours,theirs\nitem,KIT-1,4711\n"}
    await page.goto(tower.url + "/codes")
    await page.get_by_text("Take in a file", exact=True).click()
    await page.locator("#file").set_input_files(files=[file])
    await page.locator("#file_scope").fill("erp")
    await page.get_by_role("button", name="Take all lines in").click()
    await expect(page.locator("#report")).to_contain_text("1 added")
    await context.close()


PAGES = [
    "/",
    "/desk",
    "/desk?view=list",
    "/runs",
    "/runs/order/SO-1/1",
    "/repairs",
    "/repairs/new?exception=refused_by_partner",
    "/differences",
    "/events",
    "/connections",
    "/connections/new",
    "/connections/new?connector=tests",
    "/connections/erp",
    "/processes/order",
    "/codes",
    "/mappings",
]


async def test_no_page_is_wider_than_a_phone(tower, page):
    tower.partners.refuse["wms.pick"] = "no stock " + "x" * 200
    async with tower.working():
        await tower.put(order("SO-1", channel="desk"), order("SO-2", "5000.00"))
        await tower.steps("SO-1", pick="held")
        await tower.steps("SO-2", approve="waiting")
    code = Code(kind="item", ours="KIT-" + "1" * 90, theirs="4" * 90)
    await tower.acts.codes.put(tower.person.principal, "erp", [(1, code)])
    await page.set_viewport_size({"width": 360, "height": 780})
    wide = {}
    for path in PAGES:
        await page.goto(tower.url + path)
        wide[path] = await page.evaluate("document.documentElement.scrollWidth")
    assert {path: width for path, width in wide.items() if width > 360} == {}
