"""What each step will give, learnt before its expressions are compiled, so that they can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import DYN, STRING, Environment, Field, ListOf, Record, Type
from crossdock.process.names import Names
from crossdock.process.scope import Scope, step_type, variable_of

_ACTIONS = ("late", "fails", "refused")
_ALONE = ("skip", "cancel", "fail", "raise")


def learn(names: Names, document: str, steps: dict[str, Any], kinds: dict[str, str]) -> Scope:
    """The scope of a process: its document, and what each of its steps gives."""
    shape: Type = names.catalogue.documents.get(document, DYN)
    variable = variable_of(document)
    outputs = {name: _given(names, kinds[name], steps[name]) for name in steps}
    for _ in range(4):  # values built from values: a few rounds reach the end of any sensible chain
        types = {
            name: step_type(
                name,
                kinds[name],
                outputs[name],
                outputs=outputs[name] if kinds[name] == "run" and "each" in steps[name] else None,
            )
            for name in steps
        }
        scope = Scope(variable, shape, types)
        learnt = {
            name: _built(scope.environment(), kinds[name], steps[name], outputs[name]) for name in steps
        }
        if {name: str(type_) for name, type_ in learnt.items()} == {n: str(t) for n, t in outputs.items()}:
            break
        outputs = learnt
    return scope


def certain(steps: dict[str, Any], on: Any) -> dict[str, frozenset[str]]:
    """The steps whose output is there for certain when each step starts: needed, and skipped by nothing.

    A person may skip any step; then what asks for its output is held, and the person sees why.
    """
    parts = {name: value if isinstance(value, dict) else {} for name, value in steps.items()}
    causes: dict[str, set[str]] = {}
    for name, value in parts.items():
        for word in (word for field in _ACTIONS for word in _words(value.get(field), "step")):
            causes.setdefault(word, set()).add(name)
    at_any_time = {w for raw in (on.values() if isinstance(on, dict) else ()) for w in _words(raw, "step")}
    called = causes.keys() | at_any_time
    may_skip = {
        name
        for name, value in parts.items()
        if "if" in value
        or "until" in value
        or any(True for field in _ACTIONS for _ in _words(value.get(field), "skip"))
    }

    known: dict[str, set[str]] = {}

    def needed(name: str) -> set[str]:
        if name in known or name not in parts:
            return known.get(name, set())
        found = known[name] = set()
        raw = parts[name].get("needs") or ()
        for other in [raw] if isinstance(raw, str) else raw:
            if other not in parts:  # misspelt: nobody knows what has ended before, and nothing more is told
                found |= parts.keys()
            else:
                found.add(other)
                if other not in called:  # one that is skipped because nobody called for it needed nothing
                    found |= needed(other)
        either = parts[name].get("needs_any") or ()
        either = [either] if isinstance(either, str) else either
        if either and all(other in parts for other in either):  # the one that has ended had started
            found |= set.intersection(*(needed(other) for other in either))
        if name in causes and name not in at_any_time:  # what it takes the place of had started
            found |= set.intersection(*(needed(cause) for cause in causes[name]))
        return found

    return {name: frozenset(needed(name) - may_skip - called) for name in parts}


def _words(raw: Any, verb: str) -> Iterator[str]:
    """The objects of `verb` in one action or a list of them; a word alone is a step, or a verb itself."""
    for action in raw if isinstance(raw, list) else [raw]:
        if isinstance(action, str):
            if action == verb or (verb == "step" and action not in _ALONE):
                yield action
        elif isinstance(action, dict) and action.get("do", verb if verb in action else "") == verb:
            yield str(action.get(verb) or action.get("step") or "")


def _given(names: Names, kind: str, value: dict[str, Any]) -> Type | None:
    match kind:
        case "call":
            operation = names.catalogue.operations.get(str(value["call"]))
            return operation.output if operation is not None else DYN
        case "await":
            raw = value["await"]
            types = (raw,) if isinstance(raw, str) else tuple(str(one) for one in raw or ())
            return names.event_type(types)
        case "approve" | "task":
            part = value[kind] if isinstance(value[kind], dict) else {}
            form = names.form((), part.get("form"), quiet=True)
            if kind == "task":
                return form or DYN
            fields = {name: Field(STRING) for name in ("decision", "by", "note")}
            return Record("Approval", {**fields, "form": Field(form or DYN)})
        case "run":
            process = names.catalogue.processes.get(str(value["run"]))
            return process.output if process is not None else DYN
        case "wait":
            return None
    return DYN


def _built(environment: Environment, kind: str, value: dict[str, Any], known: Type | None) -> Type | None:
    """The type of what `set`, `choose` and `emit` build from expressions."""
    match kind:
        case "set":
            parts = [value["set"]]
        case "emit":
            parts = [value.get("data", {})]
        case "choose" if isinstance(value["choose"], dict):
            table = value["choose"]
            rules = table.get("rules")
            parts = (
                [r["give"] for r in rules if isinstance(r, dict) and "give" in r]
                if isinstance(rules, list)
                else []
            )
            if "otherwise" in table:
                parts.append(table["otherwise"])
        case _:
            return known
    try:
        types = [environment.template(part).type for part in parts]
    except Refused:
        return known
    if not types or any(str(one) != str(types[0]) for one in types):
        return DYN
    hit = value["choose"].get("hit", "first") if kind == "choose" else "first"
    if hit not in ("first", "collect"):
        return DYN  # what it gives shows when that is mended
    collected = hit == "collect"
    return ListOf(types[0]) if collected else types[0]
