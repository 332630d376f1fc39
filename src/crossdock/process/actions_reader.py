"""Reading the verbs of `late`, `fails`, `refused` and `on`.

Both `{ raise: pick_late }` and `{ do: raise, type: pick_late }` are understood.
"""

from __future__ import annotations

from typing import Any

from crossdock.expressions import Environment
from crossdock.process.definition import Action, Rung
from crossdock.process.names import DOTTED
from crossdock.process.places import Places
from crossdock.process.problems import nearest
from crossdock.process.schema import SEVERITIES, VERBS
from crossdock.process.source import Path

# Where the verb's object stands when the verb is written as `do:`.
_OBJECT = {
    "raise": "type",
    "escalate": "to",
    "emit": "type",
    "skip": "reason",
    "cancel": "reason",
    "fail": "reason",
    "redo": "step",
    "step": "step",
    "nothing": "reason",
}
# Fields that mean something for one verb only.
_OF_VERB = {"severity": "raise", "data": "emit", "most": "redo"}
_NEEDS_OBJECT = frozenset({"raise", "escalate", "emit", "redo", "step"})


class ActionReader:
    """Reads actions into the problems of the process being read."""

    def __init__(self, places: Places) -> None:
        """Tell problems through `places`."""
        self._places = places

    def many(self, path: Path, raw: Any, environment: Environment, step: str) -> tuple[Action, ...]:
        """One action or a list of them."""
        items = raw if isinstance(raw, list) else [raw]
        found = []
        for index, item in enumerate(items):
            at = (*path, index) if isinstance(raw, list) else path
            action = self._one(at, item, environment, step, "action")
            if action is not None:
                found.append(action)
        return tuple(found)

    def ladder(self, path: Path, raw: Any, environment: Environment, step: str) -> tuple[Rung, ...]:
        """One rung or a list of them, as written: their order in time may depend on a calendar."""
        items = raw if isinstance(raw, list) else [raw]
        rungs = []
        for index, item in enumerate(items):
            at = (*path, index) if isinstance(raw, list) else path
            after = None
            if isinstance(item, dict) and item.get("after") is not None:
                after = self._places.duration((*at, "after"), str(item["after"]).lstrip("+ "))
            rest = {k: v for k, v in item.items() if k != "after"} if isinstance(item, dict) else item
            action = self._one(at, rest, environment, step, "rung")
            if action is not None:
                rungs.append(Rung(after=after, actions=(action,)))
        return tuple(rungs)

    def _one(self, path: Path, raw: Any, environment: Environment, step: str, part: str) -> Action | None:
        places = self._places
        if isinstance(raw, str):
            if raw == "raise" and "fails" in path:
                return None  # as without: an exception of the type that the failure has
            first, _, rest = raw.partition(" ")
            if rest and first in VERBS:
                places.problem(path, f"{raw!r} is no name of a step", f"write `{{ {first}: {rest} }}`")
                return None
            raw = {raw: ""} if raw in ("skip", "cancel", "fail", "raise") else {"step": raw}
        value = places.mapping(path, raw, part)
        if value is None:
            return None
        verb, word = self._verb(path, value)
        if verb is None:
            return None
        if verb in _NEEDS_OBJECT and not word:
            places.problem(path, f"`{verb}` does not say what", f"write `{verb}: ...`")
            return None
        if verb == "emit" and not DOTTED.match(word):
            places.problem(path, f"{word!r} is not an event type", "write it as `document.what_happened`")
            return None
        if verb == "skip" and not step:
            places.problem(path, "`skip` skips a step, and here is none", "use `redo`, `cancel` or `raise`")
            return None
        for field, only in _OF_VERB.items():
            if field in value and verb != only:
                places.problem((*path, field), f"`{field}` means nothing for `{verb}`", f"it is for `{only}`")
        severity = value.get("severity")
        if severity is not None and severity not in SEVERITIES:
            mend = nearest(str(severity), SEVERITIES)
            places.problem((*path, "severity"), f"{severity!r} is not a severity", mend)
            severity = None
        most = self.times((*path, "most"), value.get("most"))
        condition = places.condition((*path, "if"), value.get("if"), environment)
        environment = environment.where(condition.asserted if condition is not None else frozenset())
        message = value.get("message")
        if "${" in word and verb in ("skip", "cancel", "fail", "nothing"):
            message, word = word, ""  # a reason that is worked out
        data = value.get("data")
        content = places.template((*path, "data"), data, environment) if data is not None else None
        if data is not None and content is None:
            return None
        return Action(
            verb=verb,  # type: ignore[arg-type] # one of VERBS or nothing
            word=word,
            at=places.source.at(path),
            condition=condition,
            severity=severity,
            message=places.template((*path, "message"), message, environment)
            if message is not None
            else None,
            data=content,
            most=most,
        )

    def times(self, path: Path, most: Any) -> int | None:
        """How often at most, where that is given."""
        if most is None or (isinstance(most, int) and not isinstance(most, bool) and 1 <= most <= 100):
            return most
        self._places.problem(path, f"{most!r} is not a number of times", "give 1 to 100")
        return None

    def _verb(self, path: Path, value: dict[str, Any]) -> tuple[str | None, str]:
        do = value.get("do")
        if do is not None:
            if do not in _OBJECT:
                self._places.problem((*path, "do"), f"{do!r} is not a verb", nearest(str(do), _OBJECT))
                return None, ""
            return str(do), str(value.get(_OBJECT[do]) or value.get(do) or "")
        verbs = [verb for verb in VERBS if verb in value]
        if not verbs and self._places.step in self._places.misspelt:
            return None, ""
        if len(verbs) != 1:
            said = f"both {' and '.join(verbs)}" if verbs else "nothing that is done"
            mend = f"give one of {', '.join(VERBS)}"
            if verbs:
                each = ", ".join(f"{{ {verb}: {value[verb]} }}" for verb in verbs)
                mend = f"write a list: `[{each}]`"
            self._places.problem(path, f"here stands {said}", mend)
            return None, ""
        word = value[verbs[0]]
        return verbs[0], "" if word in (None, True) else str(word)
