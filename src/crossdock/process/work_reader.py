"""Reading the work of a step, by its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

from crossdock.expressions import (
    BOOL,
    DOUBLE,
    DYN,
    MONEY,
    QUANTITY,
    STRING,
    Environment,
    ListOf,
    Record,
    Template,
    Type,
)
from crossdock.process.actions_reader import ActionReader
from crossdock.process.definition import (
    AwaitWork,
    CallWork,
    ChooseWork,
    EmitWork,
    PersonWork,
    Retry,
    Rule,
    RunWork,
    SetWork,
    WaitWork,
    Work,
)
from crossdock.process.messages import CLOSINGS, EXCEPTION_CLOSE
from crossdock.process.names import DOTTED, OPERATION, Names
from crossdock.process.problems import nearest
from crossdock.process.scope import Scope, kind_of
from crossdock.process.source import Path

_A_LIST = "name a list: of the document, or the `events` of a step that awaits several"
_OWN_KEYS = ("id", "number", "key", "name")
SLUG = re.compile(r"[a-z][a-z0-9_-]*\Z")


class WorkReader:
    """Reads what a step does; problems go to `names`, expressions see what `scope` says."""

    def __init__(self, names: Names, scope: Scope) -> None:
        """Read against `names` and `scope`."""
        self._in = names
        self._scope = scope

    def read(self, kind: str, path: Path, value: dict[str, Any]) -> Work | None:
        """The work of a step of this kind, or None and a problem."""
        readers: Mapping[str, Callable[[Path, dict[str, Any]], Work | None]] = {
            "call": self._call,
            "await": self._await,
            "approve": lambda path, value: self._person(path, value, "approve"),
            "task": lambda path, value: self._person(path, value, "task"),
            "wait": self._wait,
            "choose": self._choose,
            "emit": self._emit,
            "run": self._run,
            "set": self._set,
        }
        return readers[kind](path, value)

    def _call(self, path: Path, value: dict[str, Any]) -> CallWork | None:
        called = value["call"]
        if not isinstance(called, str) or not OPERATION.match(called):
            self._in.problem(
                (*path, "call"), f"{called!r} is not an operation", "write it as `system.operation`"
            )
            return None
        operation = self._in.operation((*path, "call"), called)
        environment = self._scope.environment()
        given = self._in.template((*path, "with"), value.get("with", {}), environment)
        if given is None:
            return None
        if operation is not None and ("with" in value or self._in.step not in self._in.misspelt):
            self._in.fits((*path, "with"), given.type, operation.input, called)
        system, _, name = called.partition(".")
        via = (
            self._in.template((*path, "via"), value["via"], environment, want=STRING)
            if value.get("via")
            else None
        )
        retry = self._retry((*path, "retry"), value.get("retry"))
        return CallWork(system=system, operation=name, input=given, via=via, retry=retry)

    def _retry(self, path: Path, raw: Any) -> Retry:
        if raw is None:
            return Retry()
        if raw == "none":
            return Retry(attempts=1)
        value = self._in.mapping(path, raw, "retry") or {}
        attempts = value.get("attempts", Retry().attempts)
        if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 1000:
            self._in.problem((*path, "attempts"), f"{attempts!r} is not a number of tries", "give 1 to 1000")
            attempts = Retry().attempts
        backoff = self._in.choice(
            (*path, "backoff"), value.get("backoff", "exponential"), ("exponential", "fixed")
        )
        first = self._exact((*path, "first"), value.get("first"), Retry().first)
        most = self._exact((*path, "most"), value.get("most"), max(first, Retry().most))
        if first > most:
            self._in.problem((*path, "most"), "it is less than the first wait", "give it at least `first`")
        return Retry(
            attempts=attempts,
            exponential=backoff == "exponential",
            first=first,
            most=most,
        )

    def _exact(self, path: Path, raw: Any, default: timedelta) -> timedelta:
        found = self._in.duration(path, raw) if raw is not None else None
        if found is None:
            return default
        if found.business:
            self._in.problem(path, "tries are not made in business time", "give plain time, as 5s or 10m")
            return default
        return found.exact

    def _await(self, path: Path, value: dict[str, Any]) -> AwaitWork | None:
        raw = value["await"]
        names = [raw] if isinstance(raw, str) else self._in.sequence((*path, "await"), raw)
        types = tuple(self._in.event_name((*path, "await"), name) for name in names)
        environment = self._scope.environment({"event": self._in.event_type(types)})
        return AwaitWork(
            types=types,
            match=self._in.condition((*path, "match"), value.get("match"), environment),
            until=self._in.condition((*path, "until"), value.get("until"), self._scope.environment()),
        )

    def _person(
        self, path: Path, value: dict[str, Any], kind: Literal["approve", "task"]
    ) -> PersonWork | None:
        part = self._in.mapping((*path, kind), value[kind], kind)
        if part is None:
            return None
        if not isinstance(part.get("role"), str) or not part["role"]:
            self._in.problem(
                (*path, kind), "`role` is missing", "say which role decides: `role: credit-controller`"
            )
        environment = self._scope.environment()
        actions = ActionReader(self._in)
        refused = value.get("refused")
        decided = self._scope.knowing(frozenset({str(path[1])})).environment()
        people = {
            field: tuple(
                template
                for index, text in enumerate(_listed(part.get(field)))
                if (template := self._in.template((*path, kind, field, index), text, environment)) is not None
            )
            for field in ("not", "candidates")
        }
        return PersonWork(
            kind=kind,
            role=str(part.get("role") or ""),
            excluded=people["not"],
            candidates=people["candidates"],
            form=self._in.form((*path, kind, "form"), part.get("form")),
            content=self._in.template((*path, "with"), value["with"], environment)
            if "with" in value
            else None,
            refused=actions.many((*path, "refused"), refused, decided, self._in.step) if refused else (),
        )

    def _wait(self, path: Path, value: dict[str, Any]) -> WaitWork | None:
        raw = value["wait"]
        environment = self._scope.environment()
        at: Path = (*path, "wait")
        if isinstance(raw, str) and raw.strip().startswith("${"):
            return WaitWork(until=self._in.time_or_length(at, raw, environment))
        if isinstance(raw, str) and re.match(r"\d{4}-\d\d-\d\d", raw):
            self._in.problem(at, f"{raw!r} is a time", f"write `wait: {{ until: {raw} }}`")
            return None
        if not isinstance(raw, dict):
            return WaitWork(duration=self._in.length(at, raw, environment))
        given = {key: raw[key] for key in ("for", "until", "cut_off") if raw.get(key)}
        before = len(self._in.problems)
        self._in.mapping(at, raw, "wait")
        if len(given) != 1 and len(self._in.problems) > before:
            return None  # what is misspelt is told, and may be what lacks
        if len(given) != 1:
            self._in.problem(at, "a wait has one of `for`, `until`, `cut_off`", "keep one of them")
            return None
        calendar = raw.get("calendar")
        return WaitWork(
            duration=self._in.length((*at, "for"), given["for"], environment) if "for" in given else None,
            until=self._in.time((*at, "until"), given["until"], environment) if "until" in given else None,
            cut_off=str(given.get("cut_off", "")),
            calendar=self._in.template((*at, "calendar"), calendar, environment, want=STRING)
            if calendar
            else None,
        )

    def _choose(self, path: Path, value: dict[str, Any]) -> ChooseWork | None:
        at: Path = (*path, "choose")
        table = self._in.mapping(at, value["choose"], "choose")
        if table is None:
            return None
        environment = self._scope.environment()
        rules = []
        for index, raw in enumerate(self._in.sequence((*at, "rules"), table.get("rules") or [])):
            rule = self._in.mapping((*at, "rules", index), raw, "rule") or {}
            if "give" not in rule:
                if rule.keys() <= {"when"}:  # else it is misspelt, which is told
                    mend = 'write `{ when: "${ ... }", give: { ... } }`'
                    self._in.problem((*at, "rules", index), "a rule must `give` something", mend)
                continue
            give = self._in.template((*at, "rules", index, "give"), rule["give"], environment)
            when = self._in.condition((*at, "rules", index, "when"), rule.get("when"), environment)
            if give is not None and (when is not None or rule.get("when") is None):
                rules.append(Rule(when=when, give=give))
        if not table.get("rules"):
            self._in.problem(at, "the table has no rules", "add `rules:` with at least one")
        hit = self._in.choice((*at, "hit"), table.get("hit", "first"), ("first", "collect"))
        otherwise = table.get("otherwise")
        return ChooseWork(
            collect=hit == "collect",
            rules=tuple(rules),
            otherwise=self._in.template((*at, "otherwise"), otherwise, environment)
            if "otherwise" in table
            else None,
        )

    def _emit(self, path: Path, value: dict[str, Any]) -> EmitWork | None:
        type_ = value["emit"]
        if not isinstance(type_, str) or not DOTTED.match(type_):
            self._in.problem(
                (*path, "emit"), f"{type_!r} is not an event type", "write it as `document.what_happened`"
            )
            return None
        environment = self._scope.environment()
        data = self._in.template((*path, "data"), value.get("data", {}), environment)
        shape = self._in.catalogue.emitted(type_)
        whole = "data" in value or self._in.step not in self._in.misspelt
        if data is not None and shape is not None and whole:
            self._in.fits((*path, "data"), data.type, shape.data, type_)
        if type_ == EXCEPTION_CLOSE and isinstance(value.get("data"), dict):
            action = value["data"].get("action", "close")
            if "${" not in str(action) and action not in CLOSINGS:
                mend = nearest(str(action), CLOSINGS)
                self._in.problem(
                    (*path, "data", "action"), f"an exception cannot be closed by {action!r}", mend
                )
        about = aliases(self._in, (*path, "about"), value.get("about") or {}, environment)
        return EmitWork(type=type_, data=data, about=about) if data is not None else None

    def _run(self, path: Path, value: dict[str, Any]) -> RunWork | None:
        name = self._in.word((*path, "run"), value["run"], SLUG, "the name of a process")
        environment = self._scope.environment()
        each = value.get("each")
        items = self._in.expression((*path, "each"), each, environment) if each is not None else None
        item: Type = DYN
        if items is not None:
            if isinstance(items.type, ListOf):
                item = items.type.item
            elif items.type != DYN:
                self._in.problem((*path, "each"), f"`each` needs a list, and this is {items.type}", _A_LIST)
        if each is not None and "item_key" not in value and not _has_key(item):
            self._keyless((*path, "each"), item)
        inner = self._scope.environment({"item": item}) if each is not None else environment
        document = self._in.template((*path, "with"), value["with"], inner) if "with" in value else None
        wanted = self._document_of(name)
        if wanted is not None and (document is not None or "with" not in value):
            given = document.type if document is not None else item if each is not None else DYN
            self._in.fits((*path, "with" if document is not None else "run"), given, wanted, name)
        item_key = value.get("item_key")
        if item_key is not None and each is None:
            self._in.problem((*path, "item_key"), "`item_key` without `each`", "say of which list: `each:`")
        return RunWork(
            process=name,
            document=document,
            each=items,
            item_key=self._in.expression((*path, "item_key"), item_key, inner) if item_key else None,
            growing=frozenset(p[1] for p in items.paths if len(p) > 1 and p[0] == "steps")
            if items
            else frozenset(),
            keeps_outputs=False,
        )

    def _keyless(self, path: Path, item: Type) -> None:
        """Items of a list that do not tell by themselves which one each is."""
        fields = item.fields if isinstance(item, Record) else {}
        what = f"it has {', '.join(fields)}" if fields else f"it is {item}"
        run = kind_of(str(self._in.source.value.get("document")))  # the same of all
        fit = [key for key, one in fields.items() if one.type == STRING and not one.optional and key != run]
        mend = f"say what names an item: `item_key: ${{ item{'.' + fit[0] if fit else ''} }}`"
        self._in.problem(path, f"an item of `each` has no key of its own: {what}", mend)

    def _document_of(self, process: str) -> Type | None:
        """What a run of a process (this one too) is about."""
        catalogue, here = self._in.catalogue, self._in.source.value
        if process == here.get("process"):
            return catalogue.documents.get(str(here.get("document")))
        known = catalogue.processes.get(process)
        return known.document if known is not None else None

    def _set(self, path: Path, value: dict[str, Any]) -> SetWork | None:
        values = self._in.template((*path, "set"), value["set"], self._scope.environment())
        return SetWork(values=values) if values is not None else None


def _has_key(item: Type) -> bool:
    """Whether an item of a list tells by itself which one it is."""
    if isinstance(item, Record):
        return any(key in item.fields for key in _OWN_KEYS)
    return item not in (MONEY, QUANTITY, BOOL, DOUBLE)


def _listed(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else [] if raw is None else [raw]


def aliases(names: Names, path: Path, raw: Any, environment: Environment) -> Mapping[str, Template]:
    """Business keys by kind, each worked out by a template."""
    found: dict[str, Template] = {}
    for kind, text in (names.mapping(path, raw, "") or {}).items():
        template = names.template((*path, kind), text, environment)
        if template is not None:
            found[kind] = template
    return found
