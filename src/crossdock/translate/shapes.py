"""Shapes read from YAML: forms, checked with their places, and the rules that say which event a record is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, get_args
from zoneinfo import ZoneInfo

from crossdock.expressions import (
    BOOL,
    DYN,
    INT,
    STRING,
    Environment,
    Expression,
    ListOf,
    MapOf,
    Type,
    assignable,
)
from crossdock.process.places import Places
from crossdock.process.problems import nearest
from crossdock.process.source import Path, Source
from crossdock.translate.grammar import FORMS
from crossdock.translate.rules import Rule
from crossdock.translate.shape import But, Each, Fields, If, Items, Leaf, Node, Of, Refuse, Shape
from crossdock.translate.work import KINDS, Kind

ANY_LIST = ListOf(DYN)
WORDS = MapOf(STRING)


class Shapes(Places):
    """Reads shapes and rules. `tables` are those of the file."""

    def __init__(self, source: Source) -> None:
        """Read from `source`."""
        super().__init__(source)
        self.tables: dict[str, dict[str, str]] = {}
        self.looks_up = False  # whether master data belongs to what is read

    def fields_in(self, path: Path, value: Any, known: Collection[str]) -> dict[str, Any]:
        """A map of these fields, with a problem for each other one."""
        found = self.mapping(path, value, "") or {}
        for key in found:
            if key not in known:
                self.problem((*path, key), f"unknown field `{key}`", nearest(key, known))
        return found

    def shape(
        self, path: Path, value: Any, environment: Environment, *, want: Type | None = None
    ) -> Shape | None:
        """A shape, compiled, or None and a problem."""
        before = len(self.problems)
        node = self._node(path, value, environment)
        if node is None or any(one.severity == "error" for one in self.problems[before:]):
            return None
        shape = Shape(node)
        if want is not None and (why := assignable(shape.type, want)):
            self.problem(self._place(path, value, why), why)
        return shape

    def maybe_shape(
        self, path: Path, value: Any, environment: Environment, want: Type | None = None
    ) -> Shape | None:
        """A shape where something is given."""
        return None if value is None else self.shape(path, value, environment, want=want)

    def rule(
        self, path: Path, given: dict[str, Any], known: Mapping[str, Type], events: Mapping[str, Type]
    ) -> Rule:
        """What a record means, of the fields of `event`. `events`: what each type carries."""
        condition = self.condition((*path, "if"), given.get("if"), Environment(known))
        if "ignore" in given:
            if condition is None:
                self.problem(path, "this would ignore everything", "say `if:` what is of no concern")
            return Rule(condition=condition)
        type_ = str(given.get("type", ""))
        if type_ not in events:
            self.problem((*path, "type"), f"there is no event `{type_}`", nearest(type_, events))
            return Rule(condition=condition)
        each = given.get("each")
        items: Expression | None = None
        if each is not None:
            items = self.expression((*path, "each"), each, Environment(known), want=ANY_LIST)
            known = {**known, "item": DYN}
        environment = Environment(known)
        if "time" not in given:
            self.problem(path, f"when did {type_} happen?", "write `time: ${ ... }`")
        id_, about = given.get("id"), given.get("about")
        return Rule(
            condition=condition,
            type=type_,
            each=items,
            time=self.maybe_shape((*path, "time"), given.get("time"), environment),
            id=None if id_ is None else self.template((*path, "id"), id_, environment),
            about=None if about is None else self.template((*path, "about"), about, environment),
            data=self.maybe_shape((*path, "data"), given.get("data"), environment, events[type_]),
        )

    def _node(self, path: Path, value: Any, environment: Environment) -> Node | None:
        if isinstance(value, list):
            items = [self._node((*path, n), item, environment) for n, item in enumerate(value)]
            return Items(tuple(item for item in items if item is not None))
        if not isinstance(value, dict) or not value:
            template = self.template(path, value, environment)
            return None if template is None else Leaf(template)
        form = next((name for name in FORMS if name in value and _marked(name, value)), "")
        if not form:
            return self._fields(path, value, environment)
        given = self.fields_in(path, value, FORMS[form]["properties"])
        for field in FORMS[form]["required"]:
            if field not in given:
                self.problem(path, f"`{field}` is missing", f"write `{field}: ...`")
        match form:
            case "of":
                return self._of(path, given, environment)
            case "each":
                return self._each(path, given, environment)
            case "if":
                return self._if(path, given, environment)
            case "all":
                everything = self._node((*path, "all"), given.get("all"), environment)
                but = self.mapping((*path, "but"), given.get("but", {}), "") or {}
                fields = self._fields((*path, "but"), but, environment)
                return None if everything is None else But(everything, fields)
            case _:
                reason = self.template((*path, "reject"), given.get("reject"), environment)
                return None if reason is None else Refuse(reason)

    def _fields(self, path: Path, value: dict[str, Any], environment: Environment) -> Fields:
        found = {key: self._node((*path, key), inner, environment) for key, inner in value.items()}
        return Fields(tuple((key, node) for key, node in found.items() if node is not None))

    def _of(self, path: Path, given: dict[str, Any], environment: Environment) -> Of | None:
        value = self._node((*path, "of"), given.get("of"), environment)
        table, lookup = given.get("table"), given.get("lookup")
        if table is not None and table not in self.tables:
            self.problem((*path, "table"), f"there is no table `{table}`", nearest(str(table), self.tables))
        kinds: tuple[Kind, ...] = get_args(Kind)
        kind = next((one for one in kinds if one == lookup), None)
        if lookup is not None and kind is None:
            self.problem(
                (*path, "lookup"), f"there is no master data `{lookup}`", nearest(str(lookup), KINDS)
            )
        if lookup is not None and not self.looks_up:
            self.problem((*path, "lookup"), "a connector knows no master data", "look it up in a mapping")
        if table is not None and lookup is not None:
            self.problem((*path, "lookup"), "it is translated once", "keep `table` or `lookup`")
        if "unknown" in given and table is None and lookup is None:
            self.problem((*path, "unknown"), "nothing is looked up here", "name a `table` or a `lookup`")
        zone = self._zone(path, given)
        if zone is not None and (table is not None or lookup is not None):
            self.problem((*path, "zone"), "a time is in no table", "leave one of them out")
        if value is None:
            return None
        default, unknown = (
            self._node((*path, name), given[name], environment) if name in given else None
            for name in ("default", "unknown")
        )
        return Of(
            value=value,
            table=str(table or ""),
            rows=None if table is None else self.tables.get(str(table), {}),
            lookup=kind,
            default=default,
            unknown=unknown,
            zone=zone,
            written=str(given.get("written", "")),
        )

    def _zone(self, path: Path, given: dict[str, Any]) -> ZoneInfo | None:
        if "written" in given and "zone" not in given:
            self.problem((*path, "written"), "a time has a zone", "say `zone:`, such as Europe/Berlin or UTC")
        if "zone" not in given:
            return None
        try:
            return ZoneInfo(str(given["zone"]))
        except (KeyError, ValueError, OSError):
            self.problem((*path, "zone"), f"there is no zone `{given['zone']}`", "write it as Europe/Berlin")
            return None

    def _each(self, path: Path, given: dict[str, Any], environment: Environment) -> Each | None:
        name = str(given.get("as", "item"))
        if not name.isidentifier() or name in ("tables", "settings", "n"):
            self.problem((*path, "as"), f"`{name}` cannot name an item", "use another word, such as line")
            name = "item"
        listed = self.expression((*path, "each"), given.get("each"), environment, want=ANY_LIST)
        item = listed.type.item if listed is not None and isinstance(listed.type, ListOf) else DYN
        within = Environment({**environment.variables, name: item, "n": INT})
        condition = self.condition((*path, "if"), given.get("if"), within)
        give = self._node((*path, "give"), given.get("give"), within)
        if listed is None or give is None:
            return None
        return Each(listed=listed, name=name, condition=condition, give=give)

    def _if(self, path: Path, given: dict[str, Any], environment: Environment) -> If | None:
        condition = self.expression((*path, "if"), given.get("if"), environment, want=BOOL)
        then = self._node((*path, "then"), given.get("then"), environment)
        other = self._node((*path, "else"), given["else"], environment) if "else" in given else None
        return (
            None if condition is None or then is None else If(condition=condition, then=then, otherwise=other)
        )

    def _place(self, path: Path, value: Any, why: str) -> Path:
        """As far into the shape as the problem's own path leads, through forms."""
        for step in why.partition(":")[0].replace("[]", "").split("."):
            while isinstance(value, dict) and "give" in value:
                path, value = (*path, "give"), value["give"]
            if not isinstance(value, dict) or step not in value:
                break
            path, value = (*path, step), value[step]
        return path


def _marked(form: str, value: dict[str, Any]) -> bool:
    """Whether a map that has the word of a form is one, not a partner's field of that name."""
    match form:
        case "if":
            return "then" in value or "else" in value
        case "all":
            return "but" in value
        case "each":
            return "give" in value or "as" in value
        case "reject":
            return len(value) == 1
        case _:
            return len(value) == 1 or bool(value.keys() & (FORMS["of"]["properties"].keys() - {"of"}))
