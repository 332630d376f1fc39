"""Running processes in memory: virtual time, answers from a script or made up, nothing outside.

`Simulation` is the kernel with a world around it. The same process, script and start give the same history,
byte for byte, so a script with expectations is a test of a process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crossdock.errors import CrossdockError, Refused
from crossdock.expressions import DYN, problems
from crossdock.process.catalogue import Catalogue
from crossdock.process.definition import AwaitWork, CallWork, PersonWork, Process, RunWork, WaitWork
from crossdock.process.names import Names
from crossdock.process.simulate.expect import Outcome
from crossdock.process.simulate.play import Player
from crossdock.process.simulate.runs import Run, Told
from crossdock.process.simulate.samples import Samples
from crossdock.process.simulate.script import NotAScript, Script
from crossdock.process.simulate.script_reader import read_script
from crossdock.process.simulate.values import Values, merged
from crossdock.process.simulate.world import World, replay
from crossdock.process.source import Source
from crossdock.process.state import ENDED_STEP, encode_state
from crossdock.process.turn import Plain, Reference, text_of

__all__ = ["NotAScript", "Outcome", "Run", "Script", "Simulation", "Told", "Wait", "declared", "read_script"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a run that has not ended waits for; `named` is False where nothing is known that would move it."""

    run: str
    step: str
    what: str
    named: bool = True


def declared(catalogue: Catalogue, processes: Mapping[str, Process]) -> Catalogue:
    """The catalogue with what these processes declare themselves."""
    for process in processes.values():
        source = Source(process.source)
        names = Names(source, catalogue)
        names.declare(source.value.get("declare") or {})
        catalogue = names.catalogue
    return catalogue


class Simulation:
    """Runs of the processes in `library`, from `start` on. No I/O, no clock, nothing random.

    `catalogue` says what operations and events look like, `reference` gives settings and calendars.
    """

    def __init__(
        self,
        library: Mapping[str, Process],
        reference: Reference | None = None,
        start: datetime | None = None,
        *,
        catalogue: Catalogue,
        script: Script | None = None,
    ) -> None:
        """Nothing has happened yet. A start is given here or by the script."""
        self.script = script or Script()
        begins = self.script.start or start
        if begins is None:
            raise Refused(
                "it does not say when the simulation starts", mend="give a start, here or in the script"
            )
        settings = dict(self.script.settings)
        tenant = {"id": "default", "name": "default", "settings": settings}
        self.reference = reference or Plain(tenant, self.script.calendars)
        self._catalogue = declared(catalogue, library)
        self._world = World(library, self._catalogue, self.reference, begins)
        sources = tuple(process.source for process in library.values())
        self._samples = Samples(sources)
        values = Values(self._world, self._samples, bare=self.script.defaults == "none")
        self._player = Player(self._world, self.script, values)
        self._world.meet(self._player)

    def document(self, process: Process) -> Any:
        """A document for the process: what the script says of it, over what is made up."""
        type_ = self._catalogue.documents.get(process.document, DYN)
        made = self._samples.document(process.document, type_, self._world.now)
        return merged(made, dict(self.script.document) or None)

    def begin(self, process: Process, document: Any) -> Run:
        """Start a run for a document. Raises `Refused` where the document does not fit or has no key."""
        type_ = self._catalogue.documents.get(process.document, DYN)
        wrong = problems(document, type_)
        if wrong:
            raise Refused(
                f"the document is no {process.document}: " + "; ".join(wrong[:5]), mend="complete it"
            )
        self._player.begin(process.name)
        try:
            run = self._world.begin(process, document)
        except CrossdockError as error:
            raise Refused(error.message, where=error.where, mend=error.mend) from error
        if run is None:
            raise Refused(f"{process.name} does not start with this document")
        return run

    def go_on(self, until: datetime) -> None:
        """Let time pass until nothing is to come, or until then; what the script expects is judged."""
        self._world.go_on(until)
        self._player.end()

    # -- what came of it -------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self._world.now

    @property
    def runs(self) -> list[Run]:
        """All runs, in the order they were started."""
        return list(self._world.runs.values())

    @property
    def told(self) -> list[Told]:
        """Everything that happened, in order."""
        return self._world.told

    @property
    def outcomes(self) -> list[Outcome]:
        """What the script expected, and what was otherwise."""
        return self._player.outcomes

    @property
    def faults(self) -> list[str]:
        """Decisions that raised, and parts of the script that never came to pass."""
        return [*self._world.faults, *self._player.faults]

    @property
    def unclaimed(self) -> list[str]:
        """Events that named no run, by type and what they are about."""
        return [f"{event.type} {dict(event.about)}" for event in self._world.parked]

    def waits(self) -> list[Wait]:
        """What every run that has not ended waits for."""
        return [wait for run in self.runs if run.live or run.stopped for wait in self._waits(run)]

    def replayed(self, run: Run) -> bool:
        """Whether folding the run's events once more gives its state, byte for byte."""
        return replay(run, self.reference) == encode_state(run.state)

    def _waits(self, run: Run) -> list[Wait]:
        name = run.state.id
        if run.stopped:
            return [Wait(run=name, step="", what=run.stopped, named=False)]
        found = []
        for step, state in run.state.steps.items():
            what = ""
            if state.status in ("running", "waiting", "held"):
                what = self._what(run, step)
            elif state.call is not None and state.call.out:
                what = f"waits for an answer of its {'undo' if state.call.undo else 'call'}"
            if what:
                found.append(Wait(run=name, step=step, what=what))
        if not found:
            pending = [step for step, state in run.state.steps.items() if state.status not in ENDED_STEP]
            what = f"nothing moves {', '.join(pending)}"
            return [Wait(run=name, step=pending[0] if pending else "", what=what, named=False)]
        return found

    def _what(self, run: Run, step: str) -> str:
        state = run.state.steps[step]
        if state.status == "held":
            types = [
                open_.type for open_ in run.state.exceptions.values() if open_.step == step and open_.holds
            ]
            return f"held by {', '.join(types) or 'an exception'}: {state.reason}"
        unsatisfied = self._player.unsatisfied.get((run.state.id, step))
        if unsatisfied:
            return unsatisfied
        work = run.process.steps[step].work
        due = f" until {text_of(state.due)}" if state.due is not None else ""
        match work:
            case CallWork():
                return f"waits for an answer of {work.system}.{work.operation}"
            case AwaitWork():
                return f"waits for {' or '.join(work.types)}{due}"
            case PersonWork():
                return f"waits for a decision of {work.role}{due}"
            case WaitWork():
                return f"waits for its time{due}"
            case RunWork():
                return f"waits for runs of {work.process}"
            case _:
                return ""
