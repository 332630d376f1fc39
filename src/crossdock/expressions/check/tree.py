"""A checked expression as a tree of typed nodes: what the lowering reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from crossdock.expressions.check.messages import PARTS, Messages
from crossdock.expressions.types import DYN, STRING, Field, ListOf, MapOf, Record, Scalar, Type


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A literal; `proto` is it as it was written (its kind of number is kept)."""

    type: Type
    value: Any
    proto: Any


@dataclass(frozen=True, slots=True, eq=False)
class Ident:
    """A variable, a macro's variable or the name of a type."""

    type: Type
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """`operand.field`, or `has(operand.field)` with `test`."""

    type: Type
    operand: Node
    field: str
    test: bool

    @property
    def declared(self) -> Field | None:
        """The field as its record declares it; None where the operand is a map or anything."""
        owner = self.operand.type
        record = PARTS.get(owner) if isinstance(owner, Scalar) else owner
        return record.fields.get(self.field) if isinstance(record, Record) else None

    @property
    def absent(self) -> bool:
        """Whether the field may be left out of its record."""
        return self.declared is not None and self.declared.absent


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function or operator; `overloads` are those that may be meant, one if the types are known."""

    type: Type
    function: str
    overloads: tuple[str, ...]
    target: Node | None
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list that is written out."""

    type: Type
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """A map that is written out; `message` when it is written as a protobuf message, which is refused."""

    type: Type
    message: str
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A macro (`map`, `all`, `exists`, `filter`), spelled out."""

    type: Type
    var: str
    range: Node
    accu: str
    init: Node
    condition: Node
    step: Node
    result: Node


Node: TypeAlias = Const | Ident | Select | Call | Items | Entries | Loop


def read(checked: Any, messages: Messages) -> Node:
    """The tree of a `CheckedExpr`."""
    types = {entry.key: entry.value for entry in checked.type_map}
    overloads = {entry.key: tuple(entry.value.overload_id) for entry in checked.reference_map}

    def node(expr: Any) -> Node:
        kind = expr.WhichOneof("kind")
        proto = types.get(expr.id)
        type_ = messages.type_of(proto) if proto is not None else DYN
        if kind == "const_expr":
            which = expr.const_expr.WhichOneof("kind")
            value = None if which in (None, "null_value") else getattr(expr.const_expr, which)
            return Const(type_, value, expr)
        if kind == "ident_expr":
            return Ident(type_, expr.ident_expr.name)
        if kind == "select_expr":
            select = expr.select_expr
            return Select(type_, node(select.operand), select.field, select.test_only)
        if kind == "call_expr":
            call = expr.call_expr
            target = node(call.target) if call.HasField("target") else None
            args = tuple(node(arg) for arg in call.args)
            return Call(type_, call.function, overloads.get(expr.id, ()), target, args)
        if kind == "list_expr":
            return Items(type_, tuple(node(item) for item in expr.list_expr.elements))
        if kind == "struct_expr":
            entries = tuple(
                (node(entry.map_key), node(entry.value))
                for entry in expr.struct_expr.entries
                if entry.WhichOneof("kind") == "map_key"
            )
            return Entries(type_, expr.struct_expr.message_name, entries)
        loop = expr.comprehension_expr
        return Loop(
            type_,
            loop.iter_var,
            node(loop.iter_range),
            loop.accu_var,
            node(loop.accu_init),
            node(loop.loop_condition),
            node(loop.loop_step),
            node(loop.result),
        )

    return node(checked.expr)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes that a node is made of."""
    if isinstance(node, Select):
        return (node.operand,)
    if isinstance(node, Call):
        return node.args if node.target is None else (node.target, *node.args)
    if isinstance(node, Items):
        return node.items
    if isinstance(node, Entries):
        return tuple(part for entry in node.entries for part in entry)
    if isinstance(node, Loop):
        return (node.range, node.init, node.condition, node.step, node.result)
    return ()


def nullable(node: Node, there: frozenset[tuple[str, ...]] = frozenset()) -> bool:
    """Whether the value may be nothing, as far as the types tell, when the paths `there` are not."""
    if isinstance(node, Const):
        return node.value is None
    if isinstance(node, Select):
        if node.test or isinstance(node.type, ListOf | MapOf) or path(node) in there:
            return False  # an absent list or map reads as an empty one
        return node.absent or nullable(node.operand, there)
    if isinstance(node, Call) and node.function == "_?_:_":
        condition, then, other = node.args
        return nullable(then, there | asserted(condition)) or nullable(other, there)
    if isinstance(node, Call) and node.function == "default":
        return nullable(node.args[1], there)
    return False


def asserted(condition: Node) -> frozenset[tuple[str, ...]]:
    """The paths that are certainly not nothing where the condition holds: has(a.b), a.b != null."""
    if isinstance(condition, Select) and condition.test:
        found = path(condition)
        return _prefixes(found)
    if isinstance(condition, Call) and condition.function == "_&&_":
        return asserted(condition.args[0]) | asserted(condition.args[1])
    if isinstance(condition, Call) and condition.function in ("_==_", "op_eq"):
        return _met(*condition.args) | _met(*reversed(condition.args))
    if isinstance(condition, Call) and condition.function in ("_!=_", "op_ne"):
        left, right = condition.args
        return _prefixes(path(left)) if isinstance(right, Const) and right.value is None else frozenset()
    if isinstance(condition, Call) and condition.function == "!_":
        return denied(condition.args[0])
    return frozenset()


def denied(condition: Node) -> frozenset[tuple[str, ...]]:
    """The paths that are certainly not nothing where the condition does not hold: !has(a.b), a.b == null."""
    if isinstance(condition, Call) and condition.function == "!_":
        return asserted(condition.args[0])
    if isinstance(condition, Call) and condition.function == "_||_":
        return denied(condition.args[0]) | denied(condition.args[1])
    if isinstance(condition, Call) and condition.function in ("_==_", "op_eq"):
        left, right = condition.args
        return _prefixes(path(left)) if isinstance(right, Const) and right.value is None else frozenset()
    return frozenset()


def _met(one: Node, other: Node) -> frozenset[tuple[str, ...]]:
    """What is there when a path equals a value; what has succeeded has its output."""
    found = path(one)
    if found is None or not isinstance(other, Const) or other.value is None:
        return frozenset()
    output = {(*found[:-1], "output")} if found[-1] == "status" and other.value == "succeeded" else set()
    return _prefixes(found) | output


def probed(node: Node) -> Iterator[tuple[str, ...]]:
    """The paths at which an expression reckons with nothing: of which it asks has(...), or default(...)."""
    if isinstance(node, Select) and node.test and (found := path(node)):
        yield found
    if isinstance(node, Call) and node.function == "default":
        yield from _paths(node.args[0])
    for child in children(node):
        yield from probed(child)


def _paths(node: Node) -> Iterator[tuple[str, ...]]:
    if isinstance(node, Select) and (found := path(node)):
        yield found
        return
    for child in children(node):
        yield from _paths(child)


def _prefixes(found: tuple[str, ...] | None) -> frozenset[tuple[str, ...]]:
    """What is there if something is there at the end of this path."""
    return frozenset(found[: end + 1] for end in range(len(found))) if found else frozenset()


def path(node: Node) -> tuple[str, ...] | None:
    """The chain of names that a node is, if it is nothing else."""
    names: list[str] = []
    while isinstance(node, Select):
        names.append(node.field)
        node = node.operand
    return (node.name, *reversed(names)) if isinstance(node, Ident) else None


def shape(node: Node) -> Type:
    """The type of a result, more exactly than the checker has it: written-out maps are records."""
    if isinstance(node, Entries):
        fields: dict[str, Field] = {}
        for key, value in node.entries:
            if not isinstance(key, Const) or key.type != STRING:
                return node.type
            fields[key.value] = Field(shape(value), optional=nullable(value))
        return Record("", fields, literal=True) if fields else node.type
    if isinstance(node, Items) and len(node.items) == 1:
        return ListOf(shape(node.items[0]))
    if isinstance(node, Call) and node.function == "_?_:_" and isinstance(node.type, Scalar):
        found = [shape(arg) for arg in node.args[1:]]
        return found[0] if found[0] is found[1] else node.type
    if isinstance(node, Loop) and isinstance(node.type, ListOf):
        items = [shape(item) for item in _gathered(node.step)]
        return ListOf(items[0]) if len(items) == 1 and isinstance(items[0], Record) else node.type
    return node.type


def _gathered(step: Node) -> Iterator[Node]:
    """What a `map` macro adds to its list in each step."""
    if isinstance(step, Call) and step.function == "_?_:_":
        yield from _gathered(step.args[1])
    elif isinstance(step, Call) and step.function == "_+_" and isinstance(step.args[1], Items):
        yield from step.args[1].items
