"""What is agreed about limits, and which queries are let in, from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hands import Command

from crossdock.assemble import opened
from crossdock.cli.place import settings_in

QUERY = "query Tower { orders(first: 5) { nodes { number } } }"


@pytest.fixture
def here(place: Path, url: str, crossdock: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")

    async def made() -> None:
        async with opened(settings_in(place), set_up=True):
            pass

    asyncio.run(made())
    return place


def test_a_limit_is_agreed_told_and_taken_back(crossdock: Command, here: Path) -> None:
    assert "each key" in crossdock("limits", "list").out
    said = crossdock("limits", "set", "read", "6000/minute", "--of", "key:abc", "--json")
    assert json.loads(said.out) == {"who": "key:abc", "kind": "read", "limit": "6000/minute"}
    assert crossdock("limits", "set", "bulk", "5/10 seconds").out == "default may bulk 5/10 seconds.\n"
    listed = [json.loads(line) for line in crossdock("limits", "list", "--json").out.splitlines()]
    assert listed == [
        {"who": "", "kind": "bulk", "limit": "5/10 seconds"},
        {"who": "key:abc", "kind": "read", "limit": "6000/minute"},
    ]
    assert crossdock("limits", "drop", "bulk").status == 0
    again = crossdock("limits", "drop", "bulk")
    assert (again.status, "nothing was agreed" in again.err) == (1, True)
    for words in (("reed", "1/minute"), ("read", "often")):
        assert crossdock("limits", "set", *words).status == 1


def test_queries_are_let_in_listed_and_dropped(crossdock: Command, here: Path) -> None:
    (here / "tower.graphql").write_text(QUERY)
    hash_ = json.loads(crossdock("graphql", "allow", "tower.graphql", "--json").out)["hash"]
    listed = json.loads(crossdock("graphql", "list", "--json").out)
    assert listed == {"hash": hash_, "allowed": True, "text": QUERY}
    assert crossdock("graphql", "drop", hash_.upper()).status == 0
    assert crossdock("graphql", "list", "--json").out == ""
    assert crossdock("graphql", "drop", hash_).status == 1


@pytest.mark.parametrize("text", ["mutation { x }", "{", "{ __schema { types { name } } }"])
def test_a_query_that_would_be_refused_is_not_let_in(crossdock: Command, here: Path, text: str) -> None:
    (here / "tower.graphql").write_text(QUERY)
    (here / "bad.graphql").write_text(text)
    said = crossdock("graphql", "allow", "tower.graphql", "bad.graphql")
    assert (said.status, "bad.graphql" in said.err) == (1, True)
    assert crossdock("graphql", "list", "--json").out == ""  # all or none
