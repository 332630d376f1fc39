"""Comparing the systems from the command line, here, with nothing served."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hands import Command

from crossdock.assemble import opened
from crossdock.cli.place import settings_in

KEEP = """
insert into crossdock.difference (tenant, what, kind, about, connection, severity, here, there, mend, at)
select tenant, 'invoices', 'invoiced_twice', 'INV-2', 'erp', 'high', 'billed by INV-1', 'invoice INV-2 of SO-1',
  'Credit one of the two there', crossdock.now() from crossdock.tenant where name = 'default'
"""


@pytest.fixture
def here(place: Path, url: str, crossdock: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation without any connection, in which something differs."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")

    async def made() -> None:
        async with opened(settings_in(place), set_up=True) as system, system.database.engine() as transaction:
            await transaction.execute(KEEP)

    asyncio.run(made())
    return place


def test_what_differs_is_a_table_and_a_status(crossdock: Command, here: Path) -> None:
    said = crossdock("reconcile", "--last")
    assert said.status == 1
    for words in ("invoiced_twice/INV-2", "billed by INV-1", "erp: invoice INV-2 of SO-1"):
        assert words in said.out
    compared = crossdock("reconcile", "orders", "--json")
    assert (compared.status, json.loads(compared.out)["compared"]) == (0, {"orders": 0})
    (one,) = json.loads(crossdock("reconcile", "invoices", "--json").out)["differences"]
    assert one["id"] == "invoiced_twice/INV-2"  # its system was not read: it is not gone
    assert crossdock("reconcile", "stars").status != 0
    refused = crossdock("reconcile", "--mend", "invoiced_twice/INV-2")
    assert (refused.status, "taking something in" in refused.err) == (1, True)
