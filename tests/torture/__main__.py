"""`python -m torture`: round after round until the minutes are over; status 1 if anything is wrong."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter

from torture.plan import draw
from torture.round import Outcome, Round


def main() -> int:
    """Read the arguments, play, tell."""
    try:
        return asyncio.run(_until_told(_parser().parse_args()))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130


async def _until_told(arguments: argparse.Namespace) -> int:
    """Play; SIGINT and SIGTERM end it, with nothing left behind."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await _play(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make torture", description="Break Crossdock on purpose, from a seed, and settle all accounts."
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="begin rounds for so long (5)")
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds instead")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each next has one more (1)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of faults in each round (40)")
    parser.add_argument("--orders", type=int, default=24, help="in each round (24)")
    parser.add_argument("--chains", type=int, default=30, help="in each round (30)")
    parser.add_argument("--quiet", action="store_true", help="one line a round")
    parser.add_argument("--keep", action="store_true", help="keep the folder of every round")
    return parser


async def _play(arguments: argparse.Namespace) -> int:
    until = time.monotonic() + arguments.minutes * 60
    struck: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    failed: list[int] = []
    rounds = 0
    while rounds < arguments.rounds if arguments.rounds else time.monotonic() < until:
        seed = arguments.seed + rounds
        plan = draw(seed, seconds=arguments.seconds, orders=arguments.orders, chains=arguments.chains)
        _say(
            f"round {rounds + 1}, seed {seed}: {len(plan.faults)} faults in {plan.seconds:g} s, {plan.clock} clock"
        )
        one = Round(plan, (lambda _: None) if arguments.quiet else _say, keep=arguments.keep)
        outcome = await one.play()
        rounds += 1
        struck += outcome.struck
        seen += outcome.verdict.seen
        if outcome.verdict.wrong:
            failed.append(seed)
        _tell(outcome)
    _say("")
    _say(f"{rounds} rounds. What was done:")
    _list(struck)
    _say("What was looked at:")
    _list(seen)
    if not failed:
        _say("Nothing is wrong.")
        return 0
    again = f"--seconds {arguments.seconds:g} --orders {arguments.orders} --chains {arguments.chains}"
    for seed in failed:
        _say(f'WRONG with seed {seed}; again: make torture ARGS="--rounds 1 --seed {seed} {again}"')
    return 1


def _tell(outcome: Outcome) -> None:
    wrong = outcome.verdict.wrong
    strikes = sum(n for what, n in outcome.struck.items() if "acknowledged" not in what)
    runs = outcome.verdict.seen["runs"]
    _say(
        f"  seed {outcome.plan.seed}: {strikes} strikes, {runs} runs, {sum(outcome.acts.values())} acts of people, "
        f"{outcome.seconds:.0f} s: " + (f"{len(wrong)} WRONG" if wrong else "all accounts balance")
    )
    for line in wrong[:30]:
        _say(f"    {line}")
    if outcome.folder is not None:
        _say(f"    kept: {outcome.folder}")


def _list(counts: Counter[str]) -> None:
    for what, count in sorted(counts.items()):
        _say(f"  {count:7}  {what}")


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
