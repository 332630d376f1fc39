"""Master data of a system by the command line: tried, set, and what waits; its connector is one YAML file."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hands import Command

from crossdock.assemble import opened
from crossdock.cli.place import settings_in

CONNECTOR = """
connector: little_erp
title: A little ERP
version: 1
serves: erp
settings:
  url: { doc: Where it answers }
operations:
  list_items:
    get: /items
    query: { after: "${ default(input.cursor, '') }" }
    result:
      records: ${ reply.items }
      cursor: ${ reply.last }
      more: false
"""


class Erp(ThreadingHTTPServer):
    """Items that were changed after a number."""

    items: list[dict[str, Any]]


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Erp)
        after = int(self.path.partition("after=")[2] or 0)
        items = [one for n, one in enumerate(self.server.items, 1) if n > after]
        body = json.dumps({"items": items, "last": str(len(self.server.items))}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def erp(place: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Erp]:
    """An ERP of two items, which is connected."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")
    server = Erp(("127.0.0.1", 0), Answers)
    server.items = [
        {"id": "1", "code": "KIT-30", "ours": "10041", "name": "Kit", "active": True},
        {"id": "2", "code": "BOX-1", "ours": "10042", "name": "Box", "active": True},
    ]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (place / "connectors").mkdir()
    (place / "connectors" / "little_erp.yaml").write_text(CONNECTOR)
    connection = {"connector": "little_erp", "settings": {"url": f"http://127.0.0.1:{server.server_port}"}}
    (place / "connections.yaml").write_text(json.dumps({"erp": connection}))

    async def made() -> None:
        async with opened(settings_in(place), set_up=True):
            pass

    asyncio.run(made())
    yield server
    server.shutdown()
    server.server_close()


def test_it_is_tried_set_and_what_is_renamed_there_waits_until_it_is_mended(
    crossdock: Command, erp: Erp
) -> None:
    tried = crossdock("codes", "fetch", "erp", "--dry-run", "--json")
    assert (tried.status, tried.json["done"], tried.json["counts"]["item"]["added"]) == (0, False, 2)
    assert crossdock("codes", "list", "--json").lines == []
    said = crossdock("codes", "fetch", "erp", "--why", "the catalogue")
    assert said.status == 0
    for words in ("KIT-30", "10041", "Kit", "that are set"):
        assert words in said.out
    assert {(one["theirs"], one["ours"]) for one in crossdock("codes", "list", "erp", "--json").lines} == {
        ("KIT-30", "10041"),
        ("BOX-1", "10042"),
    }
    assert crossdock("codes", "fetch", "erp", "--json").json["counts"]["item"]["read"] == 0
    erp.items.append({"id": "1", "code": "KIT-31", "ours": "10041", "active": True})
    renamed = crossdock("codes", "fetch", "erp", "item")
    assert (renamed.status, "KIT-30 is called KIT-31 now" in renamed.out) == (1, True)
    (waits,) = crossdock("codes", "waiting", "erp", "--json").lines
    assert (waits["finding"], waits["here"]) == ("renamed", "KIT-30 is 10041")
    assert crossdock(*waits["mend"].split()[1:]).status == 0
    assert crossdock("codes", "fetch", "erp").status == 0
    assert "Nothing waits." in crossdock("codes", "waiting").out
    told = crossdock("audit", "list", "--json").lines
    assert [one["why"] for one in told if one["action"] == "code.change"].count("the catalogue") == 1


def test_what_cannot_be_asked_is_refused_with_what_mends_it(crossdock: Command, erp: Erp) -> None:
    no = crossdock("codes", "fetch", "erp", "unit")
    assert (no.status, "little_erp cannot list unit" in no.err) == (1, True)
    assert "KIND=NUMBER" in crossdock("codes", "fetch", "erp", "--ours", "gtin").err
    assert crossdock("codes", "fetch", "wms").status == 1
    erp.items.append({"id": "3", "active": True})
    odd = crossdock("codes", "fetch", "erp")
    assert (odd.status, "does not fit erp.list_items" in odd.err) == (1, True)
    assert crossdock("codes", "list", "--json").lines == []
