"""Personal data on pages: found, looked at, erased by whoever is sure, with a certificate."""

from __future__ import annotations

import html
import re

import pytest

from crossdock.access.audit import Filter
from played_orders import order

DATA = {"customer": {"id": "C-7", "name": "Eva Vogel", "contact": {"email": "eva@vogel.example"}}}


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.split("<main")[1])))


@pytest.fixture
async def handle(tower) -> str:
    """Of somebody whose data a run holds."""
    subjects = tower.acts.personal._subjects
    seal = await subjects.named(tower.tenant.id, "customer/C-7")
    seal.hide(DATA)
    await subjects.keep(tower.tenant.id, [seal])
    async with tower.working():
        await tower.put(order("SO-1"))
        await tower.steps("SO-1", packed="waiting")
    await tower.sql(
        "insert into crossdock.subject_key (tenant, kind, value, handle) values ($1, 'order', 'SO-1', $2)",
        seal.handle,
    )
    return seal.handle


async def test_somebody_is_found_looked_at_and_erased_by_whoever_is_sure(tower, handle):
    first = text(await tower.get("/personal"))
    assert "Nothing was erased yet. When somebody asks for it, find them above" in first
    assert "It was never begun here" in first
    nobody = await tower.post("/personal", page="/personal", act="find", text="Adler")
    assert "Nobody is held who is called so. Look with fewer words" in text(nobody)
    found = await tower.post("/personal", page="/personal", act="find", text="eva vogel")
    assert f'href="/personal/{handle}"' in found
    assert "Eva" not in found.replace('value="eva vogel"', "")
    shown = await tower.get(f"/personal/{handle}")
    assert "customer/C-7" in shown
    assert 'href="/runs/order/SO-1/1"' in shown
    assert "1 run, 1 of them open" in text(shown)
    given = {"page": f"/personal/{handle}", "act": "erase", "subject": handle, "note": "asked on 2 March"}
    wrong = await tower.post("/personal", 400, **given, name="customer/C-8")
    assert "Nothing was erased: type customer/C-7" in text(wrong)
    assert 'value="asked on 2 March"' in wrong
    assert "say who asked" in text(
        await tower.post("/personal", 400, **{**given, "note": " "}, name="customer/C-7")
    )
    done = text(await tower.post("/personal", **given, name="customer/C-7"))
    assert "Certificate of erasure" in done
    assert "1, 1 of them open" in done
    again = text(await tower.get(f"/personal/{handle}"))
    assert f"{handle} Erased" in again
    assert "asked on 2 March" in again
    assert "C-7" not in again
    listed = text(await tower.get("/personal"))
    assert f"{handle} " in listed
    said = (await tower.audit.entries(tower.tenant, Filter(action="personal.find"))).items
    assert {entry.on_id for entry in said} == {"", handle}
    await tower.post("/personal", 404, **given, name="customer/C-7")


async def test_sealing_is_begun_and_ended(tower):
    begun = text(await tower.post("/personal", page="/personal", act="seal", note="the law"))
    assert "Personal data that comes in is sealed from now on." in begun
    assert "what comes in is sealed" in begun
    ended = text(await tower.post("/personal", page="/personal", act="stop"))
    assert "Nothing new is sealed; what was, stays so." in ended
    assert "It was ended before." in text(await tower.post("/personal", page="/personal", act="stop"))


async def test_each_sees_of_it_what_their_role_may(tower, handle):
    tower.seen_by("otto", "auditor")
    page = await tower.get("/personal")
    assert "Find somebody" not in page
    assert "Nothing was erased yet." in page
    assert "Otto may not" in text(await tower.get(f"/personal/{handle}", 403))
    tower.seen_by("vic", "viewer")
    assert "Vic may not find whose personal data is held" in text(await tower.get("/personal", 403))
    assert "Personal data" not in await tower.get("/runs")
