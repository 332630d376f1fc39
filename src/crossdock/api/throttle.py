"""How often one may ask: buckets that refill, shared by all processes.

    a request    draws from a bucket of its key and one of its tenant, of its kind: read, write, search ...
    a bucket     holds `amount` units, refilled evenly within `seconds` (the generic cell rate algorithm: all
                 that is kept is the instant at which it is full again)
    a portion    units that a process has drawn from the shared bucket in advance; what they pay for costs no
                 statement. It grows while it is used up quickly, up to a sixteenth of the bucket, and what is
                 left of one after five seconds goes back.

So no key gets more than its bucket and what refills, plus a portion for each process, however many processes
there are. A bucket that is empty is known to be so until its next unit is there: who hammers on costs
nothing. Where the shared store does not answer, each process keeps to the limits by itself and tries again
two seconds later; it is never a reason to refuse.

Who cannot show who they are draw from a bucket of their address, and are refused before they are looked at
once it is empty.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from crossdock.api.throttle_rules import Limit, Rules
from crossdock.errors import TooMany, Unreachable
from crossdock.store import Together

log = structlog.get_logger(__name__)

NOBODY = 0  # the tenant of those who have not shown who they are
UNPROVEN = "sign_in"
_LARGEST_PORTION = 16  # parts of a bucket
_PORTION_SECONDS = 5.0
_ALONE_SECONDS = 2.0
_PATIENCE = 1.0  # seconds for the store
_MOST_BUCKETS = 50_000  # known in a process
_TOGETHER = 200  # buckets in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a process asks of a shared bucket: `want` units, and `back` are left of an earlier portion.

    `each` is the seconds in which one unit refills, `span` those in which all do.
    """

    tenant: int
    name: str
    each: float
    span: float
    want: int
    back: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What it got, and how many seconds from now the bucket will be full again."""

    granted: int
    full_in: float


class Store(Protocol):
    """Keeps the buckets, for all processes."""

    async def draw(self, draws: Sequence[Draw]) -> Sequence[Drawn]:
        """Draw from many buckets, no two of which are the same one. Raises `Unreachable`."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one bucket stands after a request: `left` units now; `reset` is when it is full again, or, where
    the request was refused for it, when the next request is taken: seconds.
    """

    name: str
    limit: Limit
    left: int
    reset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How all buckets stand that a request drew from."""

    policies: tuple[Policy, ...] = ()

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers writes it."""
        if not self.policies:
            return {}
        return {
            "RateLimit-Policy": ", ".join(
                f'"{one.name}";q={one.limit.amount};w={math.ceil(one.limit.seconds)}' for one in self.policies
            ),
            "RateLimit": ", ".join(
                f'"{one.name}";r={one.left};t={math.ceil(one.reset)}' for one in self.policies
            ),
        }


class Throttled(TooMany):
    """A bucket is empty. `standing` tells which."""

    def __init__(self, standing: Standing, retry_after: float, policies: tuple[str, ...]) -> None:
        """After `retry_after` seconds the next request is taken."""
        super().__init__(
            "too many requests",
            where=", ".join(policies),
            mend=f"wait {math.ceil(retry_after)} s, then go on more slowly; RateLimit says how fast",
            retry_after=retry_after,
            policies=policies,
        )
        self.standing = standing


@dataclass(slots=True)
class _Bucket:
    """What this process knows of one: `left` of its portion, until when, and how full the shared one is."""

    left: int = 0
    until: float = 0.0
    portion: int = 1
    full_at: float = 0.0
    closed: float = 0.0  # it is known to be empty until then
    wanted: int = 0  # by all who wait for the lock
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self, now: float, need: int) -> bool:
        """Take units that are here, if there are so many."""
        if self.left < need or self.until <= now:
            return False
        self.left -= need
        return True

    def next_draw(self, now: float, tenant: int, name: str, limit: Limit, need: int) -> Draw:
        """The portion to draw now: larger than the last one where that was used up, else smaller."""
        used_up = self.until > now
        largest = max(1, limit.amount // _LARGEST_PORTION)
        self.portion = min(largest, self.portion * 2) if used_up else max(1, self.portion // 2)
        back = 0 if used_up else self.left
        self.left -= back
        want = max(min(max(self.portion, self.wanted), largest), need) - self.left
        return Draw(tenant=tenant, name=name, each=limit.each, span=limit.seconds, want=want, back=back)

    def there(self, now: float, limit: Limit) -> int:
        """Units that may be drawn, as far as is known here: others draw as well."""
        shared = math.floor((limit.seconds - max(self.full_at - now, 0.0)) / limit.each + 1e-6)
        return max(0, min(limit.amount, self.left + shared))

    def full_in(self, now: float, limit: Limit) -> float:
        """Seconds until nothing is missing, if nobody draws meanwhile."""
        return max(0.0, self.full_at - now - self.left * limit.each)


class Throttle:
    """Lets requests through, or says when the next one is."""

    def __init__(self, store: Store, rules: Rules) -> None:
        """Buckets are kept in `store`, their sizes are those of `rules`."""
        self._store = store
        self.rules = rules
        self._buckets: OrderedDict[tuple[int, str], _Bucket] = OrderedDict()
        self._draws = Together(self._draw_all, most=_TOGETHER)
        self._by_itself = Alone()
        self._alone_until = 0.0
        self.statements = 0  # so far: what the store was asked

    async def admit(self, *, tenant: int, key: str, kind: str, weight: int = 1) -> Standing:
        """Let a request of `key` (a person, a key) through. Raises `Throttled`."""
        own, whole = await self.rules.of(tenant, key, kind)
        wanted = []
        if own is not None:
            wanted.append((f"{kind}-key", f"{kind}|{key}", own))
        if whole is not None:
            wanted.append((f"{kind}-tenant", f"{kind}|", whole))
        return await self._take(tenant, wanted, weight)

    async def failed(self, address: str) -> None:
        """Count that somebody there has not shown who they are. Raises `Throttled` when it is too often."""
        limit = self.rules.address
        if limit is not None:
            await self._take(NOBODY, [(UNPROVEN, f"{UNPROVEN}|{address}", limit)], 1)

    def refuse_shut(self, address: str) -> None:
        """Raise `Throttled` for an address whose bucket is known to be empty, before it is looked at."""
        limit = self.rules.address
        bucket = self._buckets.get((NOBODY, f"{UNPROVEN}|{address}"))
        if limit is not None and bucket is not None and bucket.closed > time.monotonic():
            wait = bucket.closed - time.monotonic()
            raise Throttled(
                Standing(policies=(Policy(name=UNPROVEN, limit=limit, left=0, reset=wait),)),
                wait,
                (UNPROVEN,),
            )

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.close()

    async def _take(self, tenant: int, wanted: Sequence[tuple[str, str, Limit]], weight: int) -> Standing:
        """Take from all of the buckets or from none of them."""
        if not wanted:
            return Standing()
        found = [self._bucket(tenant, name) for _, name, _ in wanted]
        needs = [min(weight, limit.amount) for *_, limit in wanted]
        waits = [
            await self._draw(tenant, name, limit, bucket, need)
            for (_, name, limit), bucket, need in zip(wanted, found, needs, strict=True)
        ]
        short = [wait > 0 for wait in waits]
        if any(short):
            for bucket, need, is_short in zip(found, needs, short, strict=True):
                bucket.left += 0 if is_short else need
        now = time.monotonic()
        policies = tuple(
            Policy(
                name=policy,
                limit=limit,
                left=0 if is_short else bucket.there(now, limit),
                reset=wait if is_short else bucket.full_in(now, limit),
            )
            for (policy, _, limit), bucket, is_short, wait in zip(wanted, found, short, waits, strict=True)
        )
        reached = [policy for policy, is_short in zip(policies, short, strict=True) if is_short]
        if reached:
            wait = max(one.reset for one in reached)
            raise Throttled(Standing(policies=policies), wait, tuple(one.name for one in reached))
        return Standing(policies=policies)

    async def _draw(self, tenant: int, name: str, limit: Limit, bucket: _Bucket, need: int) -> float:
        """Draw `need` units; where they are not there, none, and give the seconds until they may be."""
        now = time.monotonic()
        if bucket.take(now, need):
            return 0.0
        if bucket.closed > now:
            return bucket.closed - now + (need - 1) * limit.each
        bucket.wanted += need
        try:
            async with bucket.lock:
                now = time.monotonic()
                if bucket.take(now, need):  # somebody else has drawn for us all
                    return 0.0
                if bucket.closed > now:
                    return bucket.closed - now + (need - 1) * limit.each
                draw = bucket.next_draw(now, tenant, name, limit, need)
                drawn = await self._draws.put(tenant, draw)
                now = time.monotonic()
                bucket.left += drawn.granted
                bucket.until = now + _PORTION_SECONDS
                bucket.full_at = now + drawn.full_in
                if bucket.take(now, need):
                    return 0.0
                empty = drawn.full_in - limit.seconds - bucket.left * limit.each
                bucket.closed = (
                    now + empty + limit.each
                )  # until there is one again, for whoever needs no more
                return max(empty + need * limit.each, 0.001)
        finally:
            bucket.wanted -= need

    def _bucket(self, tenant: int, name: str) -> _Bucket:
        key = (tenant, name)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket()
            while len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket

    async def _draw_all(self, draws: Sequence[Draw]) -> Sequence[Drawn]:
        if time.monotonic() >= self._alone_until:
            self.statements += 1
            try:
                return await asyncio.wait_for(self._store.draw(draws), _PATIENCE)
            except (Unreachable, TimeoutError) as error:
                self._alone_until = time.monotonic() + _ALONE_SECONDS
                log.warning("throttle.alone", error=getattr(error, "message", "it takes too long"))
        return await self._by_itself.draw(draws)


class Alone:
    """Buckets of this process alone, while the shared ones are away."""

    def __init__(self) -> None:
        """All are full."""
        self._full_at: OrderedDict[tuple[int, str], float] = OrderedDict()

    async def draw(self, draws: Sequence[Draw]) -> Sequence[Drawn]:
        """Draw, as from a shared store."""
        return [self._draw(one) for one in draws]

    async def close(self) -> None:
        """Nothing is open."""

    def _draw(self, draw: Draw) -> Drawn:
        now = time.monotonic()
        key = (draw.tenant, draw.name)
        base = max(self._full_at.pop(key, now) - draw.back * draw.each, now)
        free = math.floor((now + draw.span - base) / draw.each + 1e-6)
        granted = max(0, min(draw.want, free))
        self._full_at[key] = base + granted * draw.each
        while len(self._full_at) > _MOST_BUCKETS:
            self._full_at.popitem(last=False)
        return Drawn(granted=granted, full_in=self._full_at[key] - now)


def address_of(host: str) -> str:
    """The address that counts as one client: of IPv6, the network of 64 bits that one subscriber has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
