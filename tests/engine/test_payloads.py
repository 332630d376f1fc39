"""Large payloads are kept once, and nothing changes for those who read."""

from __future__ import annotations

from played import chain, order


async def test_a_large_document_is_kept_once_however_many_decisions_are_made_on_it(engine):
    lines = [{"number": str(n), "item": f"SKU-{n}", "text": "x" * 50} for n in range(2000)]
    await engine.publish(chain(steps=4))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1", lines=lines), order("SO-2", lines=lines)])
        detail = await engine.ended("SO-1")
        await engine.ended("SO-2")
    assert detail.state.document["lines"] == lines
    assert detail.lines[0].event.data["lines"] == lines
    (row,) = await engine.sql("select count(*) as n, min(length(data)) as size from crossdock.blob")
    assert row["n"] == 1
    assert row["size"] > 150_000
    (row,) = await engine.sql("select max(length(state)) as states from crossdock.run, lateral (select 1) x")
    assert row["states"] < 5_000
    (row,) = await engine.sql("select sum(length(event) + length(records)) as told from crossdock.history")
    assert row["told"] < 20_000
    await engine.assert_sound()
