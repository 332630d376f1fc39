"""A server is killed after a deed was committed, before it could answer: asked again, it is done once."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from outside import crossdock, running, wait_for

BOX = """
process: box
title: Close a box
owner: packing
document: Box
key: ${ box.number }
declare:
  documents: { Box: { number: string } }
steps:
  close: { task: { role: packer }, within: 30 days, late: { escalate: chief } }
"""
# From now on nobody keeps an answer: whoever does so waits, with the deed done and committed.
HOLD = """
create function crossdock.held() returns trigger language plpgsql as
  $$ begin perform pg_sleep(600); return new; end $$;
create trigger held before update of status on crossdock.api_answer
  for each row execute function crossdock.held();
"""


@pytest.fixture
def sql(url: str) -> Callable[[str], Any]:
    """Does something as the owner of the database, and gives its one value."""

    async def do(text: str) -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await (
                connection.fetchval(text) if text.startswith("select") else connection.execute(text)
            )
        finally:
            await connection.close()

    return lambda text: asyncio.run(do(text))


def post(url: str, key: str, body: Any) -> tuple[int, Any]:
    headers = {
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "idempotency-key": "the-one",
        "prefer": "respond-async",
    }
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_server_killed_between_commit_and_answer_has_done_it_once(
    tmp_path: Path, url: str, sql: Callable[[str], Any]
) -> None:
    (tmp_path / "crossdock.toml").write_text("packs = []\n")
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "box.yaml").write_text(BOX)
    more = {"DATABASE_URL": url}
    wanted = {"process": "box", "document": {"number": "A-1"}}
    started = "select count(*) from crossdock.audit where action = 'run.start' and outcome = 'done'"
    with (
        concurrent.futures.ThreadPoolExecutor() as threads,
        running("serve", "--port", "0", "--json", cwd=tmp_path, name="first", **more) as served,
    ):
        at = served.first_object()["url"]
        said = crossdock("key", "create", "--role", "tenant-admin", "--json", cwd=tmp_path, **more)
        key = json.loads(said.stdout)["key"]
        sql(HOLD)
        asking = threads.submit(post, f"{at}/api/v1/runs", key, wanted)
        wait_for(lambda: sql(started) == 1, "the deed, committed")
        assert not asking.done()
        served.end(signal.SIGKILL)
        assert asking.exception(timeout=30) is not None  # the answer is lost
    sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%api_answer%' and pid <> pg_backend_pid()"
    )
    sql("drop function crossdock.held() cascade")
    sql("update crossdock.api_answer set until = now() where status is null")  # its lease runs out
    with running("serve", "--port", "0", "--json", cwd=tmp_path, name="second", **more) as served:
        at = served.first_object()["url"]
        status, again = post(f"{at}/api/v1/runs", key, wanted)
        assert (status, again["key"]) == (201, "A-1")
        assert post(f"{at}/api/v1/runs", key, wanted) == (201, again)
        served.end()
    assert sql(started) == 1
    assert sql("select count(*) from crossdock.run") == 1
