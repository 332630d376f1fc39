"""The states of the runs that a worker decided last, so that they need not be read and decoded again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from crossdock.process import State


@dataclass(slots=True)
class _Known:
    """A run's state as this worker last wrote it."""

    seq: int
    state: State


class States:
    """The states of the runs decided last: bounded, and right only if the row's `seq` is the same."""

    def __init__(self, most: int = 20_000) -> None:
        """Keep at most so many."""
        self._most = most
        self._known: OrderedDict[tuple[int, int], _Known] = OrderedDict()

    def seq(self, tenant: int, run: int) -> int:
        """The decisions that the kept state has behind it; -1 where there is none."""
        known = self._known.get((tenant, run))
        return known.seq if known else -1

    def get(self, tenant: int, run: int, seq: int) -> State | None:
        """The kept state, if it is that of `seq`."""
        known = self._known.get((tenant, run))
        return known.state if known is not None and known.seq == seq else None

    def last(self, tenant: int, run: int) -> State | None:
        """The state as this worker wrote it last, if it still has it."""
        known = self._known.get((tenant, run))
        return known.state if known is not None else None

    def keep(self, tenant: int, run: int, state: State) -> None:
        """Keep a state that is committed. States of ended runs are let go."""
        if state.ended is not None:
            self._known.pop((tenant, run), None)
            return
        self._known[tenant, run] = _Known(state.seq, state)
        self._known.move_to_end((tenant, run))
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, runs: Iterable[tuple[int, int]]) -> None:
        """Let go of states of which it is not known whether they were written."""
        for run in runs:
            self._known.pop(run, None)
