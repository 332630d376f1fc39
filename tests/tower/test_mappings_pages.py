"""Mappings and codes on pages: which there are, their versions, and what a mapping makes of an input."""

from __future__ import annotations

import html
import re

from crossdock.translate.codes import Code

UNITS = """
mapping: units
tables:
  units: { ctn: CT }
takes: { ref: string, uom: string }
gives: { number: "${ document.ref }", unit: { of: "${ document.uom }", table: units }, channel: shop }
"""


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.split("<main")[1])))


async def test_a_mapping_is_listed_shown_and_tried_with_the_origin_of_each_field(tower):
    assert "No mapping is published yet. A mapping is one YAML file." in text(await tower.get("/mappings"))
    by = tower.person.principal
    await tower.acts.mappings.publish(by, {"units.yaml": UNITS})
    (newer,) = await tower.acts.mappings.publish(by, {"units.yaml": UNITS + "title: Units\n"})
    listed = text(await tower.get("/mappings"))
    assert f"units none {newer.version[:10]} 2" in listed
    tower.seen_by("vic", "viewer")  # to try one is to read
    shown = await tower.get("/mappings/units")
    assert "title: Units" in shown
    older = re.search(r"version=([0-9a-f]{11,})", shown.split("in use</span>")[1])[1]
    assert "not in use any more" in text(await tower.get(f"/mappings/units?version={older}"))
    given = {"page": "/mappings/units", "version": newer.version}
    tried = text(await tower.post("/mappings/units", **given, input='{"ref": "SO-9", "uom": "ctn"}'))
    assert "What came of it taken" in tried
    assert '"number": "SO-9"' in tried
    assert "number SO-9 source ref" in tried
    assert "unit CT table units: ctn uom" in tried
    assert "channel shop constant" in tried
    tried = text(await tower.post("/mappings/units", **given, input='{"ref": "SO-9", "uom": "box"}'))
    assert "What came of it not taken" in tried
    assert "unit uom" in tried
    for wrong in ("{", '{"ref": 1}'):
        said = await tower.post("/mappings/units", status=400 if wrong == "{" else 200, **given, input=wrong)
        assert "not taken" in text(said)
        assert html.escape(wrong, quote=True).replace("&quot;", "&#34;") in said  # what was typed stays
    await tower.get("/mappings/nothing", 404)
    await tower.get("/mappings/units?version=nothing", 404)


async def test_codes_are_listed_filtered_and_paged(tower):
    assert "No code is known yet. Take a file in" in text(await tower.get("/codes"))
    by = tower.person.principal
    lines = [(n, Code(kind="item", ours=f"KIT-{n:03}", theirs=f"{n:05}")) for n in range(1, 251)]
    await tower.acts.codes.put(by, "erp", lines)
    await tower.acts.codes.put(by, "wms", [(1, Code(kind="unit", ours="EA", theirs="e/a & b"))])
    tower.seen_by("vic", "viewer")
    seen, where = [], "/codes?scope=erp"
    while where:
        page = await tower.get(where)
        seen += re.findall(r"</span>(KIT-\d+)", page)
        more = re.search(r'href="(/codes\?[^"]*after=[^"]*)">More', page)
        where = html.unescape(more[1]) if more else ""
    assert seen == [f"KIT-{n:03}" for n in range(1, 251)]
    assert "e/a & b is EA unit wms" in text(await tower.get("/codes?kind=unit"))
    assert re.findall(r"</span>(KIT-\d+)", await tower.get("/codes?code=00007")) == ["KIT-007"]
    assert "No code is like that." in text(await tower.get("/codes?code=nothing"))
    assert "KIT-007" in await tower.get("/codes?code=00007&after=x")  # half a place is none


async def test_who_may_not_read_them_sees_neither_page_nor_link(tower):
    await tower.acts.mappings.publish(tower.person.principal, {"units.yaml": UNITS})
    tower.seen_by("dora", "order-desk")
    for path in ("/mappings", "/mappings/units", "/codes"):
        assert "Dora may not see" in text(await tower.get(path, 403))
    await tower.post("/mappings/units", 403, input="{}")
    tower.seen_by("vic", "viewer")
    assert 'href="/mappings"' in await tower.get("/connections")
