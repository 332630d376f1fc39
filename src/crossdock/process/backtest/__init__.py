"""A version of a process proved on a case of the past: what would have been otherwise. Pure, nothing is done.

`backtest` plays a case's history under the version and compares. `same` and `different` are what is known;
`undecided` says at which question the history holds no answer, and nothing is guessed about what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from crossdock.process.backtest.compare import Difference, Kind, differences
from crossdock.process.backtest.play import Play
from crossdock.process.definition import Process
from crossdock.process.move import Course
from crossdock.process.state import ENDED_RUN

__all__ = ["Case", "Difference", "Kind", "backtest", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What came of one case: each difference with its detail, and the question that nobody can answer."""

    verdict: Literal["same", "different", "undecided"]
    differences: tuple[tuple[Difference, str], ...] = ()
    undecided: tuple[Difference, str] | None = None
    assumed: Mapping[str, int] = field(default_factory=dict)  # answers that were assumed, and how often


def backtest(process: Process, course: Course, *, until: datetime, assume: bool = False) -> Case:
    """Play the case of `course` under `process` and say what differs. An open case is played `until` then."""
    history = course.history
    then = course.state
    if then.wake is not None and then.wake <= until:  # what is due, and not decided yet, is not compared
        until = then.wake - timedelta(microseconds=1)
    known = frozenset(
        type_ for version in course.versions for type_ in (*version.awaited, *version.on, *version.carries)
    )
    play = Play(process, history, closed=then.status in ENDED_RUN, until=until, known=known, assume=assume)
    if play.refused:
        found = Difference("end", "", play.refused.partition(":")[0])
        return Case(verdict="different", differences=((found, play.refused),))
    unknown = play.unknown
    told = tuple(
        _once(
            differences(
                process,
                (then, [past.decision for past in history]),
                (play.state, play.decisions),
                whole=unknown is None and not play.broken,
            )
        )
    )
    if play.broken:
        told = (*told, (Difference("end", "", "a decision fails, and stops it"), play.broken))
    if unknown is None:
        return Case(verdict="different" if told else "same", differences=told, assumed=dict(play.assumed))
    kind: Kind = "person" if unknown.what.startswith("asks") else "call"
    # That it is asked, is the question itself.
    told = tuple(one for one in told if (one[0].kind, one[0].step) != (kind, unknown.step))
    question = (Difference(kind, unknown.step, unknown.what), unknown.detail)
    return Case(verdict="undecided", differences=told, undecided=question, assumed=dict(play.assumed))


def unreadable(why: str) -> Case:
    """A case whose history cannot be decided again."""
    return Case(
        verdict="undecided", undecided=(Difference("end", "", "its history cannot be decided again"), why)
    )


def _once(found: Iterable[tuple[Difference, str]]) -> Iterable[tuple[Difference, str]]:
    """Each difference once for a case, with the first detail."""
    seen: set[Difference] = set()
    for one, detail in found:
        if one not in seen:
            seen.add(one)
            yield one, detail
