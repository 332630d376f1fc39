"""What differs between systems, on its page: both sides, by kind and system, and what to do."""

from __future__ import annotations

import html
import re
from typing import Any

KEEP = """
insert into crossdock.difference (tenant, what, kind, about, connection, against, severity, here, there, mend,
  takes_in, "order", at, told, gone)
values ($1, $2, $3, $4, $5, $6, 'high', $7, $8, $9, $10, $11, crossdock.now() - interval '3 hours', $12,
  case when $12 = 'gone' then crossdock.now() end)
"""


async def keep(tower: Any, kind: str, about: str, *, told: str = "found", **more: Any) -> None:
    known = {
        "what": "stock",
        "connection": "wms",
        "against": "erp",
        "here": f"100 EA of {about}",
        "there": "93 EA on hand",
        "mend": "Count it",
        "takes_in": False,
        "order": "",
    } | more
    async with tower.database.engine() as transaction:
        await transaction.execute(
            KEEP,
            *(tower.tenant.id, known["what"], kind, about, known["connection"], known["against"]),
            *(known[name] for name in ("here", "there", "mend", "takes_in", "order")),
            told,
        )


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.split("<main")[1])))


async def test_both_sides_stand_beside_each_other_with_since_when_and_what_to_do(tower):
    assert "Nothing was compared yet." in text(await tower.get("/differences"))
    await keep(tower, "stock_differs", "KIT-30@RNO")
    page = text(await tower.get("/differences"))
    assert "Stock differs KIT-30@RNO" in page
    assert "erp 100 EA of KIT-30@RNO wms 93 EA on hand" in page
    assert "3 h ago" in page
    assert "Count it" in page
    assert "Differences" in await tower.get("/desk")


async def test_it_is_filtered_by_kind_and_system_and_state(tower):
    await keep(tower, "stock_differs", "KIT-30@RNO")
    await keep(tower, "allocated_differs", "SO-1/KIT-30@RNO", connection="wms2", what="allocations")
    await keep(tower, "stock_differs", "GEL-1@RNO", told="waiting")
    await keep(tower, "stock_differs", "OLD-1@RNO", told="gone")
    both = text(await tower.get("/differences"))
    assert "KIT-30@RNO" in both
    assert "GEL-1@RNO" not in both
    assert "OLD-1@RNO" not in both
    assert "SO-1/KIT-30@RNO" not in text(await tower.get("/differences?kind=stock_differs"))
    assert "SO-1/KIT-30@RNO" in text(await tower.get("/differences?system=wms2"))
    assert "No difference is like that now." in text(await tower.get("/differences?system=tms"))
    assert "GEL-1@RNO" in text(await tower.get("/differences?state=waiting"))
    assert "OLD-1@RNO" in text(await tower.get("/differences?state=gone"))


async def test_what_was_lost_is_taken_in_from_there_by_those_who_repair(tower):
    order = {"connection": "erp", "against": "", "what": "orders", "takes_in": True, "order": "SO-9"}
    await keep(tower, "order_missing_here", "SO-9", **order)
    page = await tower.get("/differences")
    assert 'value="order_missing_here/SO-9"' in page
    said = await tower.post("/differences", page="/differences", difference="order_missing_here/SO-9")
    assert "SO-9" in text(said)  # the ERP could not be read: it stands, and the page says why
    tower.seen_by("vera", "viewer")
    assert 'name="difference"' not in await tower.get("/differences")
