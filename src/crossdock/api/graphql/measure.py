"""What a query would cost, found out from its text alone: before it is validated, and before anything runs.

    cost        objects that it may give: a list counts `first` times what stands in it. A document, which is
                large, counts as one more
    depth       how deep selections stand in each other, fragments laid open
    aliases, directives, fields     as often as they would be carried out, fragments laid open

A text is cut off at a number of tokens; fragments that spread each other are refused; counting stops at the
first bound that is reached, so a text made to be expensive to count is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    parse,
)

from crossdock.errors import Refused

# Fields that give a list: how many where nothing is said, and at most.
LISTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("orders", "runs"), (20, 100)),
    **dict.fromkeys(
        ("shipments", "exceptions", "tasks", "proposals", "connections", "differences"), (20, 100)
    ),
    **dict.fromkeys(("children", "milestones", "aliases"), (20, 50)),
}
_WRAPPING = frozenset({"edges", "nodes", "node", "pageInfo"})
_HEAVY = frozenset({"document", "content"})
_MOST_TOKENS = 2000
# What the schema tells of itself is as large as the schema: tools ask for types in types, deeper than for
# anything else; but lists of types in each other multiply.
_SCHEMA_DEPTH = 20
_SCHEMA_LISTS = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
_MOST_SCHEMA_LISTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one query may be."""

    cost: int = 10_000
    depth: int = 12
    aliases: int = 30
    directives: int = 20
    fields: int = 400
    introspection: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A query that was measured: it is within all bounds."""

    operation: str
    cost: int
    depth: int


def measured(text: str, variables: Mapping[str, Any], operation: str | None, bounds: Bounds) -> Measured:
    """What it would cost. Raises `Refused` where that is too much, or it is no query."""
    try:
        document = parse(text, max_tokens=_MOST_TOKENS, no_location=True)
    except GraphQLSyntaxError as error:
        raise Refused(f"this is no query: {error.message}", where="query", mend="mend this place") from None
    except RecursionError:
        raise Refused("nested too deeply", where="query", mend="ask for less at once") from None
    chosen = _operation(document, operation)
    count = _Count(document, variables, bounds, chosen)
    cost = count.selections(chosen.selection_set, 1, frozenset())
    return Measured(operation=chosen.name.value if chosen.name else "", cost=cost, depth=count.deepest)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    for one in found:
        if one.operation is not OperationType.QUERY:
            raise Refused(
                f"there are no {one.operation.value}s here: it only reads",
                where="query",
                mend="change things by the API under /api/v1",
            )
    named = [one for one in found if name is None or (one.name is not None and one.name.value == name)]
    if len(named) != 1:
        what = "no operation of that name" if name is not None else "not exactly one operation"
        raise Refused(f"there is {what}", where="operationName", mend="name the one to carry out")
    return named[0]


class _Count:
    def __init__(
        self,
        document: DocumentNode,
        variables: Mapping[str, Any],
        bounds: Bounds,
        operation: OperationDefinitionNode,
    ) -> None:
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        defaults = {
            one.variable.name.value: one.default_value for one in operation.variable_definitions or ()
        }
        self._variables = {
            name: int(value.value) for name, value in defaults.items() if isinstance(value, IntValueNode)
        }
        self._variables |= {
            name: value
            for name, value in variables.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
        self._bounds = bounds
        self._fields = self._aliases = self._directives = 0
        self._most_deep = bounds.depth
        self._schema_lists: int | None = None  # of the schema, that the field stands in; None outside of it
        self.deepest = 0
        self._cost = 0
        self._directives_of(operation)
        for one in self._fragments.values():
            self._directives_of(one)

    def selections(self, chosen: SelectionSetNode | None, depth: int, inside: frozenset[str]) -> int:
        """The cost of what is selected, below `depth` other selections, within these fragments."""
        if chosen is None:
            return 0
        self._see("deep", depth, self._most_deep)
        self.deepest = max(self.deepest, depth)
        cost = 0
        for one in chosen.selections:
            self._directives_of(one)
            if isinstance(one, FieldNode):
                cost += self._field(one, depth, inside)
            elif isinstance(one, FragmentSpreadNode):
                name = one.name.value
                if name in inside:
                    raise Refused(
                        f"the fragment {name[:40]} spreads itself", where="query", mend="lay it open"
                    )
                fragment = self._fragments.get(name)
                self._fields += 1
                self._see("fields", self._fields, self._bounds.fields)
                if fragment is not None:
                    cost += self.selections(fragment.selection_set, depth, inside | {name})
            elif isinstance(one, InlineFragmentNode):
                self._fields += 1
                self._see("fields", self._fields, self._bounds.fields)
                cost += self.selections(one.selection_set, depth, inside)
            self._see("cost", cost, self._bounds.cost)
        return cost

    def _field(self, field: FieldNode, depth: int, inside: frozenset[str]) -> int:
        name = field.name.value
        self._fields += 1
        self._see("fields", self._fields, self._bounds.fields)
        if field.alias is not None:
            self._aliases += 1
            self._see("aliases", self._aliases, self._bounds.aliases)
        if name in ("__schema", "__type"):
            return self._schema(field, inside)
        if self._schema_lists is not None and name in _SCHEMA_LISTS:
            self._schema_lists += 1
            self._see("schema", self._schema_lists, _MOST_SCHEMA_LISTS)
            self.selections(field.selection_set, depth + 1, inside)
            self._schema_lists -= 1
            return 0
        below = self.selections(field.selection_set, depth + 1, inside)
        if name in LISTS:
            return self._first(field) * (1 + below)
        if name in _WRAPPING:
            return below
        if field.selection_set is None:
            return int(name in _HEAVY)
        return 1 + below

    def _schema(self, field: FieldNode, inside: frozenset[str]) -> int:
        if not self._bounds.introspection:
            raise Refused("the schema is not told here", where="query", mend="see the documentation")
        self._most_deep, self._schema_lists = _SCHEMA_DEPTH, 0
        self.selections(field.selection_set, 2, inside)
        self._most_deep, self._schema_lists = self._bounds.depth, None
        return 1

    def _first(self, field: FieldNode) -> int:
        """How many a list may give: what cannot be known beforehand counts as the most."""
        usual, most = LISTS[field.name.value]
        for argument in field.arguments or ():
            if argument.name.value == "first":
                value = argument.value
                if isinstance(value, VariableNode):
                    return max(0, min(self._variables.get(value.name.value, most), most))
                return max(0, min(int(value.value), most)) if isinstance(value, IntValueNode) else most
        return usual

    def _directives_of(self, node: Any) -> None:
        self._directives += len(node.directives or ())
        self._see("directives", self._directives, self._bounds.directives)

    @staticmethod
    def _see(what: str, found: int, most: int) -> None:
        if found <= most:
            return
        words = {
            "deep": f"it is nested deeper than {most} selections",
            "schema": f"lists of the schema stand in each other more than {most} deep",
            "cost": f"it may give more than {most} objects",
        }
        raise Refused(
            words.get(what, f"it has more than {most} {what}"),
            where="query",
            mend="ask for less at once: a smaller `first`, fewer levels",
        )
