"""What will be broken and when: drawn from the seed alone, so a seed that failed can be played again.

The same seed gives the same plan. How the machine schedules processes is not in it, so a fault strikes at about
the same moment, not at the same instruction.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

WORKERS = 3  # two that serve pages and webhooks and work as well, and one that only works
SPEED = 20_000.0  # how fast the partners' time passes

# How often each is drawn, besides once in every round that is long enough.
OURS = {
    "worker killed": 6,
    "worker killed after its call": 4,
    "worker killed while a partner works": 3,
    "worker frozen beyond its lease": 3,
}
BASE = {
    "database stopped": 2,
    "database killed": 1,
    "database backend killed": 2,
    "disk full": 1,
}
LINE = {
    "commit not sent": 3,
    "commit cut in half": 2,
    "commit not answered": 5,
    "statement not answered": 4,
    "connections cut": 2,
    "connections stalled": 2,
}
PARTNERS = {
    "slow": 2,
    "429": 2,
    "500": 3,
    "timeout_after": 4,
    "malformed": 2,
    "refuse": 1,
    "outage": 2,
    "duplicate": 2,
    "out_of_order": 2,
    "lost_webhook": 2,
}
SERVICES = ("erp", "wms", "tms", "quayline", "farrow", "oldbridge", "postbox")
# Whoever loses a webhook of these has a feed that still knows it; the others would need a person to ask.
WITH_FEED = ("erp", "wms", "farrow")
SENDS = ("erp", "wms", "quayline", "farrow", "oldbridge")
_TO_WHOM = {"lost_webhook": WITH_FEED, "duplicate": SENDS, "out_of_order": SENDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to do, `at` seconds after the work began, for `seconds`, to `target`."""

    at: float
    kind: str
    target: str = ""
    seconds: float = 0.0
    count: int = 1

    def __str__(self) -> str:
        """As it is told."""
        parts = [f"{self.at:5.1f} s  {self.kind}", self.target]
        if self.seconds:
            parts.append(f"for {self.seconds:.1f} s")
        if self.count > 1:
            parts.append(f"{self.count} times")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round. `clock`: the real one (the straight way is taken), or one as fast as the partners' (deadlines
    fire). `skews` are hours by which the clock of each worker that is started is wrong.
    """

    seed: int
    seconds: float
    orders: int
    chains: int
    clock: Literal["real", "fast"]
    skews: tuple[float, ...]
    faults: tuple[Fault, ...]


def draw(seed: int, *, seconds: float, orders: int, chains: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(f"torture/{seed}")
    return Plan(
        seed=seed,
        seconds=seconds,
        orders=orders,
        chains=chains,
        clock="real" if seed % 2 else "fast",
        skews=tuple(chance.choice((0.0, 0.0, 3.0, -5.0, 30.0, -30.0)) for _ in range(50)),
        faults=_faults(chance, seconds),
    )


def _faults(chance: random.Random, seconds: float) -> tuple[Fault, ...]:
    kinds = {**OURS, **BASE, **LINE, **{f"partner {kind}": n for kind, n in PARTNERS.items()}}
    number = max(4, int(seconds * 1.2))
    drawn = chance.sample(list(kinds), k=min(number, len(kinds)))  # each once, where there is time
    drawn += chance.choices(list(kinds), weights=list(kinds.values()), k=number - len(drawn))
    chance.shuffle(drawn)
    times = sorted(chance.uniform(0.5, max(1.0, seconds - 2.0)) for _ in drawn)
    return tuple(_fault(chance, at, kind) for at, kind in zip(times, drawn, strict=True))


def _fault(chance: random.Random, at: float, kind: str) -> Fault:
    group, _, name = kind.partition(" ")
    if group == "partner":
        service = chance.choice(_TO_WHOM.get(name, SERVICES))
        lasting = {"slow": 0.5 + 2.5 * chance.random(), "outage": 0.5 + 3 * chance.random()}
        count = 1 if name in ("slow", "outage", "refuse") else chance.randint(1, 4)
        return Fault(at=at, kind=kind, target=service, seconds=lasting.get(name, 0.0), count=count)
    if kind == "worker killed while a partner works":
        return Fault(at=at, kind=kind, target=chance.choice(SENDS))
    if kind in OURS:
        long = 2.5 + 2 * chance.random() if kind == "worker frozen beyond its lease" else 0.0
        return Fault(at=at, kind=kind, target=str(chance.randrange(WORKERS)), seconds=long)
    if kind in LINE:
        long = 1.0 + 3 * chance.random() if kind == "connections stalled" else 0.0
        return Fault(at=at, kind=kind, seconds=long, count=chance.randint(1, 3))
    return Fault(at=at, kind=kind, seconds=0.2 + 1.5 * chance.random())
