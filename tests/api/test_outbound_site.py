"""Where an installation lets its tenants lead it, as its settings say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crossdock.assemble import System, opened
from crossdock.errors import Refused
from crossdock.settings import Settings


@asynccontextmanager
async def installed(place: Path, url: str, **settings: str) -> AsyncIterator[System]:
    """An installation with a connection to where nothing listens."""
    given = {"DATABASE_URL": url, "CROSSDOCK_PACKS": "", **settings}
    parcels = {
        "connector": "quayline",
        "settings": {"url": "http://127.0.0.1:9"},
        "secrets": {"key": "k", "webhook_secret": "w"},
    }
    (place / "connections.yaml").write_text(json.dumps({"parcels": parcels}))
    async with opened(Settings.read(place, given), set_up=True) as system:
        yield system


async def seen(system: System) -> str:
    """What a test of the connection ends with."""
    return (await system.acts.connections.test(system.whoever("test"), "parcels"))[-1].detail


async def test_a_house_alone_calls_its_own_network_until_others_move_in(tmp_path: Path, url: str) -> None:
    async with installed(tmp_path, url) as system:
        assert "no connection to 127.0.0.1:9" in await seen(system)
        await system.operator("test")
        await system.acts.tenants.create(await system.operator("test"), "neighbour")
    async with installed(tmp_path, url) as system:
        assert "its address is private" in await seen(system)
    async with installed(tmp_path, url, CROSSDOCK_OUTBOUND_PRIVATE="allow") as system:
        assert "no connection to 127.0.0.1:9" in await seen(system)
    async with installed(tmp_path, url, CROSSDOCK_OUTBOUND_NETWORKS="10.0.0.0/8,127.0.0.1") as system:
        assert "no connection to 127.0.0.1:9" in await seen(system)


async def test_its_own_pages_are_never_called(tmp_path: Path, url: str) -> None:
    """Whoever sits at the machine need not sign in: no connection may be led to sit there."""
    async with installed(tmp_path, url, CROSSDOCK_PORT="9") as system:
        assert "Crossdock's own: never called" in await seen(system)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OUTBOUND_PRIVATE", "sometimes", "give auto, allow or deny"),
        ("OUTBOUND_NETWORKS", "10/8/9", "is no network"),
    ],
)
async def test_a_setting_that_means_nothing_is_refused(
    tmp_path: Path, url: str, name: str, value: str, said: str
) -> None:
    with pytest.raises(Refused) as caught:
        async with installed(tmp_path, url, **{f"CROSSDOCK_{name}": value}):
            pass
    assert said in f"{caught.value} {caught.value.mend}"
