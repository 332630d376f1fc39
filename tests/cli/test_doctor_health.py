"""The doctor tells how connections fared within the last hour, and what mends one that fares badly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hands import Command

from crossdock.assemble import opened
from crossdock.cli.place import settings_in

LINE = {
    "connector": "quayline",
    "settings": {"url": "http://127.0.0.1:9"},
    "secrets": {"key": "long enough", "webhook_secret": "long enough"},
}
FARED = (
    (
        "insert into crossdock.connection_health (tenant, connection, succeeded, quota_left, quota_limit) "
        "values ($1, 'good', crossdock.now(), 40, 100), ($1, 'bad', crossdock.now(), 0, 100)"
    ),
    (
        "insert into crossdock.connection_minute (tenant, connection, minute, ended, span, calls) values "
        "($1, 'good', date_trunc('minute', crossdock.now()), 'done', 3, 30), "
        "($1, 'good', date_trunc('minute', crossdock.now()), 'unreachable', 3, 10), "
        "($1, 'bad', date_trunc('minute', crossdock.now()), 'unknown', 3, 20)"
    ),
    (
        "insert into crossdock.feed (tenant, connection, name, read_at, failures) "
        "values ($1, 'good', 'moves', crossdock.now() - interval '90 seconds', 0), ($1, 'bad', 'moves', null, 5)"
    ),
)


@pytest.fixture
def here(place: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with connections of which one fares well and another badly."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")
    (place / "connections.yaml").write_text(json.dumps({"good": LINE, "bad": LINE, "new": LINE}))

    async def made() -> None:
        async with opened(settings_in(place), set_up=True) as system, system.database.engine() as transaction:
            for sql in FARED:
                await transaction.execute(sql, system.tenant.id)

    asyncio.run(made())
    return place


def test_the_doctor_tells_how_connections_fare(crossdock: Command, here: Path) -> None:
    said = crossdock("doctor", "--json")
    found = {one["what"]: one for one in said.json["findings"]}
    good, bad = found["connection good"], found["connection bad"]
    assert good["good"] is True
    assert "calls within the hour: 40, 25% failed; quota 40 of 100 left; feed moves read " in good["detail"]
    assert "last success 20" in good["detail"]
    assert (said.status, bad["good"]) == (1, False)
    assert "calls within the hour: 20, 100% failed; quota 0 of 100 left" in bad["detail"]
    assert "never read to its end" in bad["detail"]
    for mend in (
        "crossdock connections test bad",
        "its quota is used up",
        "feed moves failed 5 times in a row",
    ):
        assert mend in bad["mend"]
    assert found["connection new"]["detail"] == "quayline, 0 calls wait, 0 out"
