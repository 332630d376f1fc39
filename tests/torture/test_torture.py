"""The short form: a few faults of each seed, and all accounts balance. The long one is `make torture`."""

from __future__ import annotations

import pytest

from torture.plan import draw
from torture.round import Round


def test_a_seed_always_gives_the_same_plan() -> None:
    one, again, other = (draw(seed, seconds=60, orders=9, chains=9) for seed in (5, 5, 6))
    assert one == again
    assert one.faults != other.faults
    kinds = {fault.kind for fault in one.faults}
    assert {"worker killed after its call", "database stopped", "commit not answered", "disk full"} <= kinds


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [7])
async def test_broken_on_purpose_all_accounts_balance(seed: int) -> None:
    told: list[str] = []
    plan = draw(seed, seconds=9, orders=4, chains=6)
    outcome = await Round(plan, told.append).play()
    assert outcome.verdict.wrong == [], "\n".join(told)
    assert outcome.verdict.seen["chain completed"] == 6
    assert outcome.verdict.seen["runs"] >= 10
