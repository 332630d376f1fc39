"""Calls on their way: sent, answered, tried again, taken back. A call has done what it was for, or has not,
whatever was answered: that is found out when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from crossdock.process.messages import CALL_ENDED, Call, CallEnded
from crossdock.process.simulate.runs import Answer, Out, Run

_SOON = timedelta(seconds=1)


class Stage(Protocol):
    """Where calls are played: it has a time, an agenda, and takes events to runs."""

    now: datetime

    def plan(self, at: datetime, act: Callable[[], None]) -> None:
        """Do something at a time."""

    def deliver(self, run: Run, type_: str, data: Any, *, assumed: bool = False) -> None:
        """An event for one run."""


class Calls:
    """All calls of all runs."""

    def __init__(self, stage: Stage, answer: Callable[[Run, Call], Answer]) -> None:
        """Play on `stage`; `answer` says how each try is answered."""
        self._stage = stage
        self._answer = answer

    def call(self, run: Run, call: Call) -> None:
        """A call leaves; or it is looked for, where an earlier life of it may have done it."""
        before = run.out.get(call.id)
        out = Out(call=call)
        if before is not None and call.doubt:
            out.done, out.output = before.done, before.output
        run.out[call.id] = out
        if not call.doubt and not call.only_find:
            run.called.append(f"{call.system}.{call.operation}")
        self._try(run, out)

    def _try(self, run: Run, out: Out) -> None:
        out.attempt += 1
        out.flying = True
        attempt = out.attempt
        looks = out.call.only_find or out.withdrawn
        if looks or out.done:
            answer = Answer(output=out.output, after=_SOON)
            ended = CallEnded(
                command=out.call.id, outcome="done" if out.done else "withdrawn", output=out.output
            )
        else:
            answer = self._answer(run, out.call)
            if answer.outcome == "never":
                out.silent = True
                return
            out.done = answer.outcome == "done" or answer.found
            out.output = answer.output
            ended = CallEnded(
                command=out.call.id,
                outcome=answer.outcome,
                output=answer.output if answer.outcome == "done" else None,
                reason=answer.reason,
                retry_after=answer.retry_after,
                resolvable=answer.resolvable,
            )

        def arrive() -> None:
            if run.out.get(out.call.id) is out and out.attempt == attempt:
                out.flying = False
                self._stage.deliver(run, CALL_ENDED, msgspec.to_builtins(ended), assumed=answer.assumed)

        self._stage.plan(self._stage.now + answer.after, arrive)

    def again(self, run: Run, id_: str, at: datetime) -> None:
        """The same call goes again at a time."""
        out = run.out.get(id_)
        if out is None or out.flying:
            return
        attempt = out.attempt

        def go() -> None:
            if run.out.get(id_) is out and out.attempt == attempt and not out.flying:
                self._try(run, out)

        self._stage.plan(at, go)

    def withdraw(self, run: Run, id_: str) -> None:
        """A call is taken back: what was not done is not done any more, what was done is found out."""
        out = run.out.get(id_)
        if out is None:
            self._stage.plan(
                self._stage.now,
                lambda: self._stage.deliver(run, CALL_ENDED, {"command": id_, "outcome": "withdrawn"}),
            )
            return
        out.withdrawn = True  # an answer that is on its way comes all the same
        if out.silent or not out.flying:
            out.silent = False
            self._try(run, out)
