"""Where people decide: approvals and tasks are opened, changed, decided and withdrawn.

A decision is taken only from someone of the role, or of one that it was escalated to, who is not excluded
(segregation of duties), whose eyes were on what is decided: a decision that carries `seen`, the digest of
what its maker looked at, is refused when the content has changed since. An assistant never decides. A person
who repairs runs does not decide in the place of an approval: it cannot be supplied, and those whom it
excludes cannot skip it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from crossdock.expressions import Template, problems
from crossdock.process import undoing
from crossdock.process.actions import decide
from crossdock.process.definition import PersonWork
from crossdock.process.messages import Actor
from crossdock.process.turn import FAILURES, Turn


def open_task(turn: Turn, name: str, work: PersonWork) -> None:
    """Put an approval or a task before the people who may decide it."""
    content = turn.evaluate(work.content) if work.content is not None else None
    excluded = _excluded(turn, work)
    candidates = _people(turn, work.candidates)
    step = turn.step(name)
    step.status = "waiting"
    life = undoing.life(step)
    step.task = f"{turn.state.id}/{name}" + (f"#{life}" if life else "")
    step.input = content
    step.escalated = []
    turn.record(
        "task.opened",
        name,
        task=step.task,
        kind=work.kind,
        title=turn.process.steps[name].title,
        role=work.role,
        excluded=excluded or None,
        candidates=candidates or None,
        content=content,
        seen=digest(content),
    )


def refresh_content(turn: Turn, name: str) -> None:
    """The document has changed: what is to be decided may have changed with it."""
    step = turn.look(name)
    work = turn.process.steps[name].work
    if not isinstance(work, PersonWork) or not step.task or work.content is None:
        return
    content = turn.evaluate(work.content)
    if content != step.input:
        turn.step(name).input = content
        turn.record("task.changed", name, task=step.task, content=content, seen=digest(content))


def decided(turn: Turn) -> None:
    """Take a person's decision, or say why it is not taken."""
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    task = str(data.get("task", ""))
    name = next((name for name, step in turn.state.steps.items() if step.task and step.task == task), "")
    actor = turn.event.actor
    by = actor.person if actor else ""
    if not name:
        turn.record("decision.refused", task=task, by=by, reason="it was decided or withdrawn before")
        return
    work = turn.process.steps[name].work
    assert isinstance(work, PersonWork)  # noqa: S101 - only such steps have a task
    try:
        reason = _objection(turn, name, work, data)
    except FAILURES as error:
        reason = f"who may decide could not be worked out: {error}"
        turn.open("decision_failed", name, message=reason)
    if reason:
        turn.record("decision.refused", name, task=task, by=by, reason=reason)
        return
    form = data.get("form") or {}
    note = str(data.get("note", ""))
    yes = data.get("decision", "approved") != "refused"
    turn.record(
        "task.decided",
        name,
        task=task,
        decision=("approved" if yes else "refused") if work.kind == "approve" else "done",
        by=by,
        note=note,
        form=form or None,
    )
    turn.step(name).task = ""
    if work.kind == "task":
        turn.succeed(name, form, by=by, at=turn.happened())
        return
    output: dict[str, Any] = {
        "decision": "approved" if yes else "refused",
        "by": by,
        "note": note,
        "form": form,
    }
    if yes:
        turn.succeed(name, output, by=by, at=turn.happened())
        return
    step = turn.step(name)
    step.output = output
    step.by = by
    message = f"refused by {by}: {note}" if note else f"refused by {by}"
    decide(turn, work.refused, "refused", name, "refused", message)


def may_not_skip(turn: Turn, name: str, by: str) -> str:
    """Why this person may not skip an approval, if so: skipping is deciding."""
    work = turn.process.steps[name].work
    if not isinstance(work, PersonWork) or work.kind != "approve":
        return ""
    actor = turn.event.actor
    if actor is None or actor.kind == "assistant":
        return "a person has to skip an approval"
    if _nobody_answers(actor, work):
        return f"nobody answers for {actor.id}, and there are people who may not skip this"
    if {actor.id, actor.person} & set(_excluded(turn, work)):
        return f"{by} is excluded here: who asks for it may not skip its approval"
    return ""


def digest(content: Any) -> str:
    """Names what a person sees, so that a decision can say what it was about."""
    if content is None:
        return ""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:16]


def _objection(turn: Turn, name: str, work: PersonWork, data: dict[str, Any]) -> str:
    actor = turn.event.actor
    if actor is None:
        return "nobody is named who decides"
    if actor.kind == "assistant":
        return "an assistant may propose, not decide"
    roles = (work.role, *turn.look(name).escalated)
    if not set(roles) & set(actor.roles):
        return f"{actor.id} has not the role {' or '.join(roles)}"
    if _nobody_answers(actor, work):
        return f"nobody answers for {actor.id}, and there are people who may not decide this"
    if {actor.id, actor.person} & set(_excluded(turn, work)):
        return f"{actor.id} is excluded here: who asks for it may not also decide it"
    candidates = _people(turn, work.candidates)
    if candidates and not {actor.id, actor.person} & set(candidates):
        return f"{actor.id} is not one of those who may decide"
    seen = data.get("seen")
    if seen and seen != digest(turn.look(name).input):
        return "what is decided has changed since it was looked at"
    decision, form = data.get("decision"), data.get("form")
    if work.kind == "task" and decision not in (None, "done", "approved"):
        return f"{decision!r} is not how a task ends: it is done"
    if work.kind == "approve" and decision not in ("approved", "refused"):
        return f"{decision!r} is neither approved nor refused"
    if form is not None and not isinstance(form, dict):
        return "the form is not a map of fields"
    if work.form is not None and decision != "refused":
        wrong = problems(form or {}, work.form)
        if wrong:
            return "the form is not complete: " + "; ".join(wrong[:5])
    return ""


def _nobody_answers(actor: Actor, work: PersonWork) -> bool:
    """Whether it cannot be known that this is not somebody who may not: a key behind which nobody stands."""
    return bool(work.excluded) and actor.kind == "key" and not actor.behind


def _excluded(turn: Turn, work: PersonWork) -> list[str]:
    """Who may not decide; where the process excludes somebody who is not known, whoever started the run."""
    people = _people(turn, work.excluded)
    if work.excluded and not people and turn.state.started_by:
        return [turn.state.started_by]
    return people


def _people(turn: Turn, templates: tuple[Template, ...]) -> list[str]:
    people: list[str] = []
    for template in templates:
        value = turn.evaluate(template)
        people.extend(str(one) for one in (value if isinstance(value, list) else [value]) if one)
    return people
