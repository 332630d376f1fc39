"""Mappings and codes on pages: which there are, their versions, and what a mapping makes of an input."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import aiohttp
from yarl import URL

from crossdock.access.audit import Filter
from crossdock.engine import Connections
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


async def upload(tower: Any, path: str, name: str, file: bytes, status: int = 200, **fields: str) -> str:
    """Send a form with a file as a browser does; gives the page that it leads to."""
    await tower.get(path)
    cookie = tower.http.cookie_jar.filter_cookies(URL(tower.url))["crossdock_token"]
    form = aiohttp.FormData({"token": cookie.value, **fields})
    form.add_field("file", file, filename=name, content_type="application/octet-stream")
    async with tower.http.post(tower.url + path, data=form) as answer:
        page = await answer.text()
        assert answer.status == status, page
        return page


def amiss(page: str) -> dict[str, str]:
    """What is said beside fields, by the field."""
    found = re.findall(r'<p class="amiss" id="([\w-]+)-wrong" role="alert">(.*?)</p>', page)
    for name, _ in found:
        assert re.search(rf'id="{name}"[^>]* aria-invalid="true" aria-describedby="{name}-wrong"', page)
    return {name: html.unescape(said) for name, said in found}


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
    assert "No code is known yet. Say above what one means" in text(await tower.get("/codes"))
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


async def test_master_data_is_tried_then_read_from_its_system(tower):
    await Connections(tower.database).put(tower.tenant, "books", system="erp", connector="books")
    given = {"page": "/connections/books", "act": "fetch", "connection": "books"}
    page = await tower.get("/connections/books")
    assert ">Try</button>" in page
    assert ">Read now</button>" in page
    tried = text(await tower.post("/connections", **given, **{"try": "yes"}))
    assert "If it were read now" in tried
    assert re.search(r"item 3 1 0 0 2", tried), tried
    assert "What would wait" in tried
    assert "GEL/1" in tried
    assert "No code is known yet" in text(await tower.get("/codes"))  # nothing is kept
    read = text(await tower.post("/connections", **given))
    assert "3 records were read, 1 codes are new." in read
    assert "What waits for a person" in read
    assert "KIT/30 is KIT-30 item books" in text(await tower.get("/codes"))
    tower.seen_by("vic", "viewer")
    assert ">Read now</button>" not in await tower.get("/connections/books")
    await tower.post("/connections", 403, **given)


async def test_who_may_not_read_them_sees_neither_page_nor_link(tower):
    await tower.acts.mappings.publish(tower.person.principal, {"units.yaml": UNITS})
    tower.seen_by("dora", "order-desk")
    for path in ("/mappings", "/mappings/units", "/codes"):
        assert "Dora may not see" in text(await tower.get(path, 403))
    await tower.post("/mappings/units", 403, input="{}")
    tower.seen_by("vic", "viewer")
    assert 'href="/mappings"' in await tower.get("/connections")


async def test_a_code_is_said_replaced_and_forgotten(tower):
    said = {"page": "/codes", "act": "set", "scope": "erp", "kind": "item", "ours": "KIT-1", "theirs": "4711"}
    assert "4711 of erp is KIT-1." in text(await tower.post("/codes", **said, direction="in", note="new kit"))
    assert "4711 is KIT-1 item erp only read so" in text(await tower.get("/codes"))
    assert "It was so before." in text(await tower.post("/codes", **said, direction="in"))
    other = {**said, "ours": "KIT-2", "direction": "in"}
    page = await tower.post("/codes", 400, **other)
    assert amiss(page)["theirs"].startswith("4711 is read as KIT-1 since ")
    assert 'value="KIT-2"' in page  # what was typed stays
    assert "4711 is KIT-1 item erp" in text(await tower.get("/codes"))
    assert "4711 of erp is KIT-2." in text(await tower.post("/codes", **other, replace="yes"))
    for field, value, words in (
        ("scope", "nowhere", "There is no connection or system nowhere."),
        ("kind", "itme", "There is no kind `itme`. Did you mean `item`?"),
        ("theirs", " ", "No code of theirs. Give both codes."),
        ("ours", "x" * 300, "give at most 200 letters"),
        ("direction", "up", "`up` is no direction."),
    ):
        told = amiss(await tower.post("/codes", 400, **{**other, field: value}))
        assert list(told) == [field]
        assert words.casefold() in told[field].casefold()
    gone = {**other, "act": "drop", "note": "no more"}
    assert "4711 of erp is KIT-2 no more." in text(await tower.post("/codes", **gone))
    assert "It was forgotten before." in text(await tower.post("/codes", **gone))
    await tower.post("/codes", 400, page="/codes", act="paint")
    entries = (await tower.audit.entries(tower.tenant, Filter(action="code.change"))).items
    assert [one.why for one in entries if one.outcome == "done"] == ["no more", "", "new kit"]


async def test_a_file_of_codes_is_looked_at_and_taken_in_with_a_report_by_line(tower):
    by = tower.person.principal
    await tower.acts.codes.put(by, "erp", [(1, Code(kind="item", ours="KIT-1", theirs="4711"))])
    file = "\ufeffkind,ours,theirs,direction\nitem,KIT-1,4711,\nitem,KÄS-2,4712,in\n".encode()
    given = {"scope": "erp", "act": "look"}
    told = text(await upload(tower, "/codes", "codes.csv", file, **given))
    assert "codes.csv only looked at 1 would be added, 0 would be changed, 1 as before." in told
    assert "line 3 4712 is KÄS-2 item added" in told
    assert "4712 is KÄS-2 item erp" not in text(await tower.get("/codes"))
    told = text(await upload(tower, "/codes", "codes.csv", file, scope="erp", act="import", note="of May"))
    assert "codes.csv taken in 1 added, 0 changed, 1 as before." in told
    assert "4712 is KÄS-2 item erp only read so" in text(await tower.get("/codes"))

    against = b"kind,ours,theirs\nitem,KIT-9,4711\nitem,KIT-8,4718\n"
    told = text(await upload(tower, "/codes", "c.csv", against, 400, scope="erp", act="import"))
    assert "nothing was set 1 would be added, 0 would be changed, 0 as before, 1 in conflict." in told
    assert "line 2 4711 is KIT-9 item conflict 4711 is KIT-1 since" in told
    assert "KIT-8 item erp" not in text(await tower.get("/codes"))
    told = await upload(tower, "/codes", "c.csv", against, scope="erp", act="import", replace="yes")
    assert "taken in 1 added, 1 changed, 0 as before." in text(told)

    broken = b"kind,ours,theirs\nitme,A,B\nitem,C,D\nitem,E\n"
    told = text(await upload(tower, "/codes", "c.csv", broken, 400, scope="erp", act="import"))
    assert "nothing was set" in told
    assert re.search(r"line 2 \W+ not read there is no kind `itme` did you mean `item`\?", told)
    assert re.search(r"line 4 \W+ not read it has too many or too few cells", told)
    assert "2 cannot be read" in told
    for wrong, field, words in (
        (b"", "file", "There is no column `kind`"),
        (b"kind,ours,theirs\n", "file", "There is no line in it"),
        (b"kind,ours,theirs,colour\nitem,A,B,red\n", "file", "Unknown column `colour`"),
    ):
        page = await upload(tower, "/codes", "c.csv", wrong, 400, scope="erp", act="import")
        assert words in amiss(page)[field]
    page = await upload(tower, "/codes", "c.csv", against, 400, scope="nowhere", act="import")
    assert "There is no connection or system nowhere." in amiss(page)["file_scope"]
    await upload(tower, "/codes", "c.csv", "item,KÄS,1".encode("latin-1"), 400, scope="erp", act="import")


async def test_a_mapping_is_checked_by_line_and_published_from_a_file(tower):
    broken = UNITS.replace("document.ref", "docment.ref").encode()
    for act in ("check", "publish"):
        told = text(await upload(tower, "/mappings", "units.yaml", broken, 400, act=act))
        assert "nothing was published" in told
        assert re.search(r"line 6:\d+ error unknown name 'docment'.* write document", told)
    told = text(await upload(tower, "/mappings", "units.yaml", UNITS.encode(), act="check"))
    assert "units may be published Nothing stands against it. To publish it, choose the file again." in told
    assert "No mapping is published yet." in told
    told = text(await upload(tower, "/mappings", "units.yaml", UNITS.encode(), act="publish", note="first"))
    assert "units in use Nothing stands against it. See units" in told
    page = await upload(tower, "/mappings", "empty.yaml", b"", 400, act="publish")
    assert amiss(page) == {"file": "Choose a file with a mapping in it."}
    (entry,) = (await tower.audit.entries(tower.tenant, Filter(action="mapping.publish"))).items
    assert (entry.on_id, entry.why) == ("units", "first")
    tower.seen_by("vic", "viewer")
    page = await tower.get("/mappings")
    assert "Only check it" in page
    assert "Publish it" not in page
    assert "Say what a code means" not in await tower.get("/codes")
    await upload(tower, "/mappings", "units.yaml", UNITS.encode(), 403, act="publish")


async def test_a_form_with_a_file_is_bounded_and_needs_the_token_of_the_page(tower):
    await tower.get("/codes")
    cookie = tower.http.cookie_jar.filter_cookies(URL(tower.url))["crossdock_token"].value
    kind = {"content-type": "multipart/form-data; boundary=b"}
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    token, act = part.format("token", cookie), part.format("act", "look")
    for body in (
        act + "--b--",  # no token
        part.format("token", "x" * 43) + act + "--b--",
        token + act,  # no end
        token + "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",  # no name
        token + "--b--\r\n" + token,
        "x" + token + act + "--b--",
        token + act * 600 + "--b--",
        token + part.format("file", "x" * 2_000_000) + "--b--",
        "",
    ):
        async with tower.http.post(
            tower.url + "/codes", data=io.BytesIO(body.encode()), headers=kind
        ) as answer:
            assert answer.status == 400, body[:300]
    for media in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b"):
        body = (token + act + "--b--").encode()
        async with tower.http.post(
            tower.url + "/codes", data=body, headers={"content-type": media}
        ) as answer:
            assert answer.status == 400, media
