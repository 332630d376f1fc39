"""The buckets in Redis or Valkey, where many machines ask much: a script that does what the SQL does.

One script a bucket, all of a batch in one way there and back. Keys go by themselves when a bucket is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crossdock.api.throttle import Draw, Drawn
from crossdock.errors import Refused, Unreachable

_PREFIX = "crossdock:throttle"
_SECONDS = 0.5  # for the connection, and for an answer

_DRAW = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local each, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, back = tonumber(ARGV[3]), tonumber(ARGV[4])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
local base = math.max(full_at - back * each, now)
local granted = math.max(0, math.min(want, math.floor((now + span - base) / each + 0.000001)))
full_at = base + granted * each
if full_at > now then
  redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000))
else
  redis.call('DEL', KEYS[1])
end
return {granted, string.format('%.6f', full_at - now)}
"""


class InRedis:
    """Keeps buckets for all processes that use the same server."""

    def __init__(self, url: str) -> None:
        """At `redis://` or `rediss://`. Raises `Refused` for a bad one, and where the client is missing."""
        try:
            from redis.asyncio import Redis
            from redis.exceptions import RedisError
        except ImportError:
            raise Refused(
                "requests are to be counted in Redis, and its client is not installed",
                where="throttle_url",
                mend="install crossdock[redis]",
            ) from None
        self._errors = (RedisError, OSError, TimeoutError)
        try:
            self._redis: Any = Redis.from_url(
                url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, decode_responses=True
            )
        except ValueError:
            raise Refused(
                "this is no address of Redis",  # not with its words: they quote the password
                where="throttle_url",
                mend="write redis://:password@host:6379/0, or rediss:// with TLS",
            ) from None
        self._script: Any = self._redis.register_script(_DRAW)

    async def draw(self, draws: Sequence[Draw]) -> Sequence[Drawn]:
        """Draw from many buckets, no two of which are the same one. Raises `Unreachable`."""
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for one in draws:
                await self._script(
                    keys=[f"{_PREFIX}:{one.tenant}:{one.name}"],
                    args=[repr(one.each), repr(one.span), one.want, one.back],
                    client=pipeline,
                )
            answers = await pipeline.execute()
        except self._errors as error:
            raise Unreachable(
                f"the counts of requests cannot be reached: {type(error).__name__}",
                where="throttle_url",
                mend="see that Redis runs",
            ) from None
        return [Drawn(granted=int(granted), full_in=float(full_in)) for granted, full_in in answers]

    async def close(self) -> None:
        """Let go of its connections."""
        await self._redis.aclose()
