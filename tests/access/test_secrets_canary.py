"""Canaries are planted wherever a secret can be given, then looked for wherever somebody can read."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from crossdock.assemble import System, opened
from crossdock.cli.serving import pages
from crossdock.engine import Arrival
from crossdock.errors import CrossdockError
from crossdock.settings import Settings

MASTER = base64.b64encode(b"canary-of-the-master-key-32bytes").decode()
PLANTED = {
    "the database's password": "canary-db-4711",
    "the master key": MASTER,
    "the token for Vault": "hvs.canary-vault-4711",
    "a connection's key": "canary-key-4711",
    "a connection's hook": "canary-hook-4711",
    "an old hook": "canary-old-4711",
    "a header of a stranger": "canary-stranger-4711",
    "a cookie": "canary-cookie-4711",
    "a key of ours": "cdk_1_abc123_canary4711canary",
    "an address": "canary-query-4711",
}

CONNECTOR = """
connector: depot
title: The depot
version: 1
serves: depot
settings:
  url: { doc: Where it answers }
secrets:
  key: The key of its interface
  hook: Its webhooks carry it
sign_in:
  headers: { Authorization: "Bearer ${ secrets.key }" }
operations:
  count_bin:
    doc: Have a bin counted.
    input: { bin: string }
    output: { said: string }
    changes: true
    idempotency: key
    post: /counts
    json: { bin: "${ input.bin }", ref: "${ key }" }
    result: { said: "${ reply.said }" }
webhook:
  signature: { kind: shared, secret: hook, header: X-Depot-Token }
  records: ${ body.records }
events:
  - if: ${ record.kind == "arrived" }
    type: shipment.delivered
    time: ${ record.at }
    data: { shipment: "${ record.id }" }
"""

PROCESS = """
process: count-bin
title: Count a bin
owner: warehouse-lead
document: Bin
key: ${ bin.number }
declare:
  documents:
    Bin: { number: string }
steps:
  count:
    call: depot.count_bin
    with: { bin: "${ bin.number }" }
    retry: { attempts: 1 }
    undo: none
output: { said: "${ steps.count.output.said }" }
"""


async def _echo(request: web.Request) -> web.Response:
    """A partner that says back all it was sent, in every way."""
    body = await request.json()
    key = PLANTED["a connection's key"]
    seen = (
        json.dumps(dict(request.headers)) + f" {key} {quote(key)} {base64.b64encode(key.encode()).decode()}"
    )
    match body["bin"]:
        case "B-done":
            return web.json_response({"said": f"counted by {key} with {request.headers['Authorization']}"})
        case "B-refused":
            return web.json_response({"error": seen, "message": seen}, status=422)
        case "B-broken":
            return web.Response(text=f"<html>{seen}", status=200, content_type="application/json")
        case "B-fails":
            return web.Response(text=seen, status=500)
    return web.Response(text=seen, status=403)


@pytest.fixture
async def partner() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/counts", _echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def place(tmp_path: Path, partner: str) -> Path:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "depot.yaml").write_text(CONNECTOR)
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "count-bin.yaml").write_text(PROCESS)
    secrets = {
        "key": PLANTED["a connection's key"],
        "hook": [PLANTED["a connection's hook"], PLANTED["an old hook"]],
    }
    connection = {"connector": "depot", "settings": {"url": partner}, "secrets": secrets}
    (tmp_path / "connections.yaml").write_text(json.dumps({"depot": connection}))
    return tmp_path


def environment(url: str) -> dict[str, str]:
    password = PLANTED["the database's password"]
    return {
        "DATABASE_URL": url.replace("postgres@", f"postgres:{password}@"),
        "CROSSDOCK_MASTER_KEY": MASTER,
        "VAULT_TOKEN": PLANTED["the token for Vault"],
        "CROSSDOCK_PACKS": "",
        "CROSSDOCK_PORT": "0",
    }


def found_in(text: str) -> list[str]:
    """Which canaries stand in it, also in base64 or an address."""
    return [
        what
        for what, canary in PLANTED.items()
        if any(
            form in text
            for form in (
                canary,
                quote(canary, safe=""),
                base64.b64encode(canary.encode()).decode().rstrip("="),
            )
        )
    ]


async def everything_in(url: str) -> dict[str, str]:
    """All texts and bytes of all tables, by table and column."""
    owner = await asyncpg.connect(url)
    columns = await owner.fetch(
        "select c.relname, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        "where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p') "
        "and not c.relispartition"
    )
    assert len({row["relname"] for row in columns}) > 20
    found = {}
    for name, column in columns:
        values = [row[0] for row in await owner.fetch(f'select "{column}" from crossdock."{name}"')]
        found[f"{name}.{column}"] = "\n".join(
            value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
            for value in values
        )
    await owner.close()
    return found


async def _talk(url: str) -> list[str]:
    """Come to every door with a canary; gives all that was answered."""
    said = []
    own, key = PLANTED["a connection's hook"], PLANTED["a key of ours"]
    headers = {
        "Authorization": f"Bearer {PLANTED['a header of a stranger']}",
        "Cookie": f"session={PLANTED['a cookie']}",
        "X-Api-Key": key,
        "X-Auth-Token": key,
    }
    query = f"?token={PLANTED['an address']}"
    async with aiohttp.ClientSession() as http:
        for token, body in (
            ("wrong", {"records": []}),
            (own, {"records": "no list"}),
            (PLANTED["an old hook"], {"records": [{"kind": "?"}]}),
            (PLANTED["an old hook"], {"records": [{"kind": "arrived", "id": "S-1", "at": "never"}]}),
        ):
            async with http.post(
                f"{url}/hooks/default/depot{query}", json=body, headers={**headers, "X-Depot-Token": token}
            ) as reply:
                said.append(f"{reply.headers} {await reply.text()}")
        for path in (
            *("/", "/runs", "/desk", "/events", "/connections", "/processes", "/processes/count-bin"),
            *("/repairs", "/runs.csv", "/nowhere", "/runs/count-bin/B-nowhere/1"),
            *(f"/runs/count-bin/B-{how}/1" for how in ("done", "refused", "broken", "fails")),
        ):
            async with http.get(f"{url}{path}", headers=headers) as reply:
                said.append(f"{reply.headers} {await reply.text()}")
            async with http.post(
                f"{url}{path}", data={"token": PLANTED["a cookie"]}, headers=headers
            ) as reply:
                said.append(f"{reply.headers} {await reply.text()}")
    return said


async def _run_all(system: System) -> None:
    for how in ("done", "refused", "broken", "fails"):
        document = {"number": f"B-{how}"}
        await system.inbox.put(
            system.tenant,
            [
                Arrival(
                    id=how,
                    source="here",
                    type="run.start",
                    data={"process": "count-bin", "document": document},
                )
            ],
        )
    async with asyncio.timeout(20):
        while True:
            async with system.database.engine() as transaction:
                left = await transaction.value(
                    "select 4 - count(distinct run) from crossdock.history where type = 'call.ended'"
                )
            if left <= 0:
                return
            await asyncio.sleep(0.05)


async def test_no_canary_is_in_any_log_table_page_or_answer(place, url, capsys, caplog):
    settings = Settings.read(place, environment(url))
    said = [repr(settings), str(settings)]
    async with opened(settings, set_up=True) as system, pages(system, port=0) as address, system.worker():
        await _run_all(system)
        said += await _talk(address)
        said += [
            repr(await system.connections.of(system.tenant)),
            repr(await system.secrets.known(system.tenant)),
        ]
        said += [repr(system.sealing.masters)]
    written = capsys.readouterr()
    told = {"answers": "\n".join(said), "the log": written.out + written.err + caplog.text}
    tables = await everything_in(url)
    assert "counted by *** with Bearer ***" in tables["history.event"]  # the partner did say them
    for where, text in (told | tables).items():
        places = [
            text[max(0, text.find(one) - 200) : text.find(one) + 200]
            for one in PLANTED.values()
            if one in text
        ]
        assert found_in(text) == [], f"in {where}: {places}"
    assert "webhook.not_verified" in told["the log"]
    left = [path for path in place.rglob("*") if path.is_file() and path.name != "connections.yaml"]
    assert {
        str(path): found_in(path.read_text(errors="replace"))
        for path in left
        if found_in(path.read_text(errors="replace"))
    } == {}


async def test_a_setting_of_a_connection_takes_no_secret(place, url):
    connection = {"connector": "depot", "settings": {"url": "http://anna:canary-4711@depot.example"}}
    (place / "connections.yaml").write_text(json.dumps({"depot": connection}))
    with pytest.raises(Exception, match="a secret stands in the setting `url`") as refused:
        async with opened(Settings.read(place, environment(url)), set_up=True):
            pass
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["c4n/ary-4711", "c4n#ary-4711", "c4n?ary:4711", "c4n[ary-4711", "c4nary-4711"]
)
async def test_an_address_of_a_database_that_is_wrong_is_refused_without_its_password(place, password):
    settings = Settings.read(place, {"DATABASE_URL": f"postgresql://u:{password}@127.0.0.1:1/db"})
    with pytest.raises(CrossdockError) as refused:
        async with opened(settings):
            pass
    assert not [part for part in ("c4n", "ary", "4711") if part in str(refused.value)]
