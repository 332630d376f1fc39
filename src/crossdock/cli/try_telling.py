"""What a simulation came to, for eyes and for scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.text import Text

from crossdock.cli.output import console, status, table
from crossdock.process import Process
from crossdock.process.simulate import Run, Script, Simulation, Told
from crossdock.tower.telling.times import span

# Records that say nothing which others do not.
_SILENT = frozenset(
    {"alias.set", "event.kept", "event.emitted", "exception.repeated", "step.chosen", "measure"}
)
_BUSINESS = re.compile(r"\bbusiness |\bcut_off:")
_ENDED = frozenset({"succeeded", "skipped", "failed", "held", "cancelled", "undone"})
_BAD = frozenset(
    {"exception.raised", "step.held", "step.failed", "deadline.passed", "call.retried", "run.stopped"}
)


def tell_simulation(
    simulation: Simulation, process: Process, script: Script | None, *, made_up: bool
) -> None:
    """Print the timeline, how every run ended, what was expected and what is still waited for."""
    title = script.title if script is not None and script.title else process.title
    note = " [dim](its document is made up)[/dim]" if made_up else ""
    console.print(f"[bold]{escape(title)}[/bold]{note}", highlight=False, soft_wrap=True)
    main = simulation.runs[0].state.id if simulation.runs else ""
    day = None
    for told in simulation.told:
        if told.what in _SILENT or told.data.get("decision") == "done":
            continue
        if told.at.date() != day:
            day = told.at.date()
            console.print(f"[bold dim]{told.at:%a} {told.at.day} {told.at:%b %Y}[/bold dim]", highlight=False)
        _tell(told, main)
    for run in simulation.runs:
        _tell_run(run)
    _tell_calendars(simulation)
    _tell_end(simulation)


def as_object(simulation: Simulation, process: Process, script: Script | None) -> dict[str, Any]:
    """Everything, for a program."""
    wrong = [outcome for outcome in simulation.outcomes if outcome.wrong]
    waits = simulation.waits()
    return {
        "ok": not wrong and not simulation.faults and all(wait.named for wait in waits),
        "process": process.name,
        "version": process.version,
        **({"title": script.title} if script is not None and script.title else {}),
        "runs": [_run(run) for run in simulation.runs],
        "timeline": [_line(told) for told in simulation.told],
        "expected": [
            {"line": o.line, "ok": not o.wrong, "wrong": list(o.wrong)} for o in simulation.outcomes
        ],
        "waits": [{"run": wait.run, "step": wait.step, "what": wait.what} for wait in waits],
        "unclaimed": simulation.unclaimed,
        "faults": simulation.faults,
    }


def _line(told: Told) -> dict[str, Any]:
    line = {
        "at": told.at.isoformat().replace("+00:00", "Z"),
        "run": told.run,
        "what": told.what,
        "step": told.step,
        "item": told.item,
        "data": dict(told.data),
        "assumed": told.assumed,
    }
    return {name: value for name, value in line.items() if value not in ("", {}, False)}


def _run(run: Run) -> dict[str, Any]:
    state = run.state
    return {
        "run": state.id,
        "status": state.status,
        **({"reason": state.reason} if state.reason else {}),
        "steps": {name: step.status for name, step in state.steps.items()},
        "exceptions": run.raised,
        "open": [open_.type for open_ in state.exceptions.values()],
        "calls": run.called,
        "measures": {name: data.get("seconds") for name, data in run.measures.items()},
        **({"output": run.output} if run.output is not None else {}),
        "events": len(run.events),
    }


def _tell_calendars(simulation: Simulation) -> None:
    """Business time that is not the one of the calendar which is named: nobody would notice."""
    given = simulation.script.calendars
    counted = (run for run in simulation.runs if _BUSINESS.search(run.process.source))
    lacking = {run.state.calendar for run in counted} - {"", *given}
    if lacking and "default" not in given:
        names = " and ".join(f"`{name}`" for name in sorted(lacking))
        said = "business time is Monday to Friday 09:00 to 17:00 UTC"
        said += f": no script gives {names} under `calendars:`"
        console.print(f"[dim]{escape(said)}[/dim]", highlight=False, soft_wrap=True)


# -- the timeline -----------------------------------------------------------------------------------------


def _tell(told: Told, main: str) -> None:
    """One line: time, step, what happened."""
    whose = "" if told.run in ("", main) else f"{told.run.partition('/')[2].rpartition('/')[0]} "
    sentence = _SENTENCES.get(told.what)
    words = (
        sentence(told)
        if sentence is not None
        else f"{told.what.replace('.', ' ')} {_data(told.data)}".strip()
    )
    colour = "yellow" if told.what in _BAD else "cyan" if told.what == "event" else ""
    line = Text(f"  {told.at:%H:%M:%S}  ", style="dim")
    line.append(f"{whose}{told.step}{' ' + told.item if told.item else ''}".ljust(28) + " ", style="bold")
    line.append(words, style=colour)
    if told.assumed:
        line.append(" (assumed)", style="dim")
    console.print(line, soft_wrap=True)


def _data(data: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}: {_value(value)}" for name, value in data.items())
    return shown if len(shown) <= 100 else shown[:97] + "..."


def _value(value: Any) -> str:
    if isinstance(value, dict):
        if value.keys() == {"amount", "currency"}:
            return f"{value['amount']} {value['currency']}"
        if value.keys() == {"value", "unit"}:
            return f"{value['value']} {value['unit']}"
        return "{" + ", ".join(f"{name}: {_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return "true" if value is True else "false" if value is False else str(value)


def _why(told: Told, name: str = "reason") -> str:
    why = told.data.get(name)
    return f": {why}" if why else ""


def _by(told: Told) -> str:
    return f" by {told.data['by']}" if told.data.get("by") else ""


def _started(told: Told) -> str:
    if "operation" not in told.data:
        return f"runs {told.data.get('process', '')}"
    via = f" via {told.data['via']}" if told.data.get("via") else ""
    return f"calls {told.data['operation']}{via}"


def _waiting(told: Told) -> str:
    types = told.data.get("types")
    if types and len(types) > 3:
        types = [*types[:3], "others"]
    return f"waits for {' or '.join(types)}" if types else f"waits until {_instant(told.data.get('due'))}"


def _event(told: Told) -> str:
    about = ", ".join(f"{kind} {value}" for kind, value in told.data.get("about", {}).items())
    fates = {
        "parked": "it names no live run: kept until one claims it",
        "unwanted": "no process here has a use for it",
        "quarantined": f"set aside: {told.data.get('reason', '')}",
    }
    fate = fates.get(str(told.data.get("fate")), "")
    return f"{told.data.get('type')} ({about})" + (f": {fate}" if fate else "")


def _succeeded(told: Told) -> str:
    output = told.data.get("output")
    if isinstance(output, dict) and "meta" in output:
        return f"done by {output['meta'].get('type')}"
    shown = f": {_data(output)}" if isinstance(output, dict) and output else ""
    return f"done{_by(told)}{shown}"


def _raised(told: Told) -> str:
    severity = f" ({told.data['severity']})" if told.data.get("severity") else ""
    return f"exception {told.data.get('type')}{severity}{_why(told, 'message')}"


def _decided(told: Told) -> str:
    note = f" ({told.data['note']})" if told.data.get("note") else ""
    return f"{told.data.get('decision')}{_by(told)}{note}"


def _redo(told: Told) -> str:
    return f"to be done again, with {', '.join(told.data.get('steps', []))}{_why(told)}"


def _retried(told: Told) -> str:
    return f"{told.data.get('outcome')}, try {told.data.get('attempt')} at {_instant(told.data.get('at'))}"


def _instant(text: Any) -> str:
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    return f"{instant:%a} {instant.day} {instant:%b %H:%M}"


_SENTENCES: dict[str, Callable[[Told], str]] = {
    "event": _event,
    "run.started": lambda told: f"{told.data.get('process')} starts",
    "run.completed": lambda _: "the run is completed",
    "run.cancelled": lambda told: f"the run is cancelled{_why(told)}",
    "run.failed": lambda told: f"the run has failed{_why(told)}",
    "run.cancelling": lambda told: f"the run is being cancelled{_why(told)}",
    "run.stopped": lambda told: f"the run stops{_why(told)}",
    "step.started": _started,
    "step.waiting": _waiting,
    "step.succeeded": _succeeded,
    "step.skipped": lambda told: f"skipped{_by(told)}{_why(told)}",
    "step.failed": lambda told: f"failed{_why(told)}",
    "step.held": lambda told: f"held{_why(told)}",
    "step.cancelled": lambda told: f"cancelled{_why(told)}",
    "step.undoing": lambda told: f"undone by {told.data.get('operation') or 'its runs'}",
    "step.undone": lambda told: f"undone{_why(told)}",
    "step.redone": lambda _: "to be done again",
    "deadline.set": lambda told: f"due {_instant(told.data.get('due'))}",
    "deadline.moved": lambda told: f"now due {_instant(told.data.get('due'))}",
    "deadline.passed": lambda told: f"late: it was due {_instant(told.data.get('due'))}",
    "escalated": lambda told: f"escalated to {told.data.get('to')}",
    "exception.raised": _raised,
    "exception.closed": lambda told: f"exception {told.data.get('type')} closed{_why(told, 'note')}",
    "task.opened": lambda told: f"asks {told.data.get('role')}: {told.data.get('title')}",
    "task.decided": _decided,
    "task.withdrawn": lambda _: "nobody is asked any more",
    "decision.refused": lambda told: f"the decision is not taken{_why(told)}",
    "call.retried": _retried,
    "call.withdrawing": lambda _: "the call is taken back",
    "call.given_up": lambda told: f"given up after {told.data.get('attempts')} tries{_why(told)}",
    "child.started": lambda told: f"starts {told.data.get('process')}",
    "child.ended": lambda told: f"the run is {told.data.get('status')}{_why(told)}",
    "event.taken": lambda told: f"takes {told.data.get('type', 'an event')}, and waits on",
    "step.supplied": lambda told: f"supplied{_by(told)}{_why(told, 'note')}",
    "event.unused": lambda told: f"{told.data.get('type')} changes nothing{_why(told)}",
    "redo.begun": _redo,
    "document.replaced": lambda _: "the document is replaced by a newer one",
}


# -- the end ----------------------------------------------------------------------------------------------


def _tell_run(run: Run) -> None:
    state = run.state
    console.print()
    reason = f": {escape(state.reason)}" if state.reason else ""
    console.print(f"[bold]{escape(state.id)}[/bold] is {status(state.status)}{reason}", highlight=False)
    rows = []
    for name, step in state.steps.items():
        end = run.ends.get(name)
        when = _instant(end.at.isoformat()) if end is not None and step.status in _ENDED else ""
        rows.append((f"  {name}", step.status, when, (end.by or end.reason) if end is not None else ""))
    table("", ("  step", "status", "ended", "by or why"), rows, empty="")
    if run.measures:
        titles = {measure.name: measure.title for measure in run.process.measures}
        said = ", ".join(
            f"{titles.get(name, name)} {span(data.get('seconds', 0))}" for name, data in run.measures.items()
        )
        console.print(f"  [dim]{escape(said)}[/dim]", highlight=False, soft_wrap=True)


def _tell_end(simulation: Simulation) -> None:
    console.print()
    for wait in simulation.waits():
        colour = "yellow" if wait.named else "red"
        console.print(
            f"[{colour}]{escape(wait.run)} {escape(wait.step)}[/{colour}] {escape(wait.what)}",
            highlight=False,
        )
    for event in simulation.unclaimed:
        console.print(f"[yellow]nobody claimed[/yellow] {escape(event)}", highlight=False)
    for fault in simulation.faults:
        console.print(f"[red]{escape(fault)}[/red]", highlight=False)
    for outcome in simulation.outcomes:
        for wrong in outcome.wrong:
            console.print(f"[red]line {outcome.line}: {escape(wrong)}[/red]", highlight=False)
    held = sum(not outcome.wrong for outcome in simulation.outcomes)
    if simulation.outcomes:
        colour = "green" if held == len(simulation.outcomes) else "red"
        said = f"{held} of {len(simulation.outcomes)} expectations hold"
        console.print(f"[bold {colour}]{said}[/bold {colour}]", highlight=False)
