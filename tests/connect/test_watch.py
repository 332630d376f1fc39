"""What is seen of calls: how many went wrong, how long they took, what quota is left."""

from __future__ import annotations

import time

import pytest
from aiohttp import web
from partner_depot import Bench, depot, leased

from crossdock.connect.quota import Quota, quota_of
from crossdock.connect.watch import Watch, length_at, step_of
from crossdock.desk.health import health


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({}, None),
        ({"ratelimit": '"default";r=50;t=30'}, Quota(left=50, seconds=30)),
        ({"ratelimit": '"burst";r=0;t=3, "day";r=900;t=80000'}, Quota(left=0, seconds=3)),
        ({"ratelimit": "limit=100, remaining=40, reset=7"}, Quota(left=40, limit=100, seconds=7)),
        (
            {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "12", "ratelimit-reset": "9"},
            Quota(left=12, limit=100, seconds=9),
        ),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-limit": "60"}, Quota(left=3, limit=60)),
        ({"x-rate-limit-remaining": "8"}, Quota(left=8)),
        ({"x-shopify-shop-api-call-limit": "32/40"}, Quota(left=8, limit=40)),
        ({"x-ratelimit-remaining": "many"}, None),
        ({"ratelimit": "soon"}, None),
        ({"x-shopify-shop-api-call-limit": "32"}, None),
    ],
)
def test_a_quota_is_read_however_it_is_told(headers: dict[str, str], quota: Quota | None) -> None:
    assert quota_of(headers) == quota


def test_a_reset_may_be_an_instant() -> None:
    at = time.time() + 60
    for text in (f"{at:.0f}", f"{at * 1000:.0f}"):
        quota = quota_of({"x-ratelimit-remaining": "0", "x-ratelimit-reset": text})
        assert quota is not None
        assert quota.seconds == pytest.approx(60, abs=2)


def test_lengths_are_told_a_fifth_too_long_at_most() -> None:
    lengths = [0.002, 0.004, 0.01, 0.2, 3.0]
    steps = {step_of(length): 1 for length in lengths}
    for share, length in ((0.2, 0.002), (0.5, 0.01), (0.95, 3.0), (1.0, 3.0)):
        told = length_at(steps, share)
        assert told is not None
        assert length <= told <= length * 1.2
    assert length_at({}, 0.5) is None
    assert step_of(1e9) == step_of(1e6)


async def test_calls_are_counted_by_how_they_ended_and_the_quota_is_kept(bench: Bench) -> None:
    watch = Watch(bench.database)
    bench.wire.watch = watch
    calls = await bench.calls(depot())
    await calls.call(leased())
    bench.partner.answer = _answer(422, {"x-ratelimit-remaining": "7", "x-ratelimit-limit": "9"})
    await calls.call(leased(key="second"))
    bench.partner.answer = _answer(503, {})
    await calls.call(leased(key="third"))
    await calls.call(leased(data={"order": "none"}))  # is never sent
    await watch.write()
    async with bench.database.of(bench.tenant) as transaction:
        found = (await health(transaction))["depot"]
    assert (found.calls, found.refused, found.failed, found.error_rate) == (3, 1, 1, 1 / 3)
    assert (found.quota_left, found.quota_limit) == (7, 9)
    assert found.last_success is not None
    assert found.last_failure is not None
    assert found.p50 is not None
    assert found.p95 is not None
    assert 0 < found.p50 <= found.p95 < 5
    await calls.call(leased(key="fourth"))
    await watch.write()
    async with bench.database.of(bench.tenant) as transaction:
        assert (await health(transaction))["depot"].failed == 2


def _answer(status: int, headers: dict[str, str]):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    return answer
