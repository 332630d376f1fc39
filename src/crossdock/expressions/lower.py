"""From the expression that was checked to the one that runs: over plain JSON, where nothing has a type.

    order.total >= money(...)     a call of ours on values from outside: one name, bound in Python (bind.py)
    order.customer.name           a path from outside: likewise; a field of nothing is nothing
    l.note, in a macro over l     has(l.note) ? l.note : null
    order.due, an instant         timestamp(x), because JSON has it as a string; likewise durations, doubles
    a == b, on money              equality by value: 10.0 EUR is 10.00 EUR
    map.exists(k, ...)            runs over the keys in their order, not in the runtime's

So the runtime sees one flat map of names, and only what the expression names is converted for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crossdock.expressions import bind, functions
from crossdock.expressions.functions import IN, IN_TIMES, KEYS, SAME
from crossdock.expressions.syntax import Syntax
from crossdock.expressions.tree import Call, Const, Entries, Ident, Items, Loop, Node, Select, nullable
from crossdock.expressions.types import (
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    MONEY,
    QUANTITY,
    TIMESTAMP,
    ListOf,
    MapOf,
    Scalar,
    Type,
)

_EXACT = (MONEY, QUANTITY, DECIMAL)
_EXACT_NAMES = {str(type_) for type_ in _EXACT}
_FROM_JSON = {TIMESTAMP: "timestamp", DURATION: "duration", DOUBLE: "double"}
_SYMBOLS = {
    "op_lt": "_<_",
    "op_le": "_<=_",
    "op_gt": "_>_",
    "op_ge": "_>=_",
    "op_eq": "_==_",
    "op_ne": "_!=_",
    "op_add": "_+_",
    "op_sub": "_-_",
    "op_mul": "_*_",
    "op_div": "_/_",
    "op_mod": "_%_",
    "op_neg": "-_",
}
_EMPTY: dict[type, Callable[[], Any]] = {ListOf: list, MapOf: dict}


@dataclass(slots=True)
class Lowering:
    """One expression on its way. `slots` are the names to bind, `paths` what it takes from outside."""

    variables: frozenset[str]
    syntax: Syntax
    slots: dict[str, bind.Getter] = field(default_factory=dict)
    paths: set[tuple[str, ...]] = field(default_factory=set)
    _named: dict[tuple[object, ...], str] = field(default_factory=dict)
    _binds: int = 0

    # What needs no CEL

    def hoisted(self, node: Node, scope: frozenset[str]) -> bind.Getter | None:
        """How Python gets the value from outside; None if it takes CEL, or a macro's variable."""
        if isinstance(node, Const):
            return bind.constant(node.value) if not isinstance(node.value, bytes) else None
        if isinstance(node, Items):
            items = [self.hoisted(item, scope) for item in node.items]
            return bind.listed(tuple(i for i in items if i)) if all(items) else None
        if isinstance(node, Call):
            run = self._ours(node)
            if run is None:
                return self._picked(node, scope)
            args = [self.hoisted(arg, scope) for arg in node.args]
            return bind.call(run[1], tuple(arg for arg in args if arg)) if all(args) else None
        return self._picked(node, scope)

    def _picked(self, node: Node, scope: frozenset[str]) -> bind.Getter | None:
        steps = self._steps(node, scope)
        if steps is None:
            return None
        names: list[str] = []
        for step in steps:
            if not isinstance(step.key, str):
                break
            names.append(step.key)
        self.paths.add(tuple(names))
        if isinstance(node, Select) and node.test:
            return bind.prober(steps)
        return bind.picker(steps, _EMPTY.get(type(node.type)))

    def _steps(self, node: Node, scope: frozenset[str]) -> tuple[bind.Step, ...] | None:
        """The path that a node is, if it begins outside."""
        steps: list[bind.Step] = []
        while True:
            if isinstance(node, Ident):
                if node.name in scope or node.name not in self.variables:
                    return None
                return (bind.Step(node.name, optional=False), *reversed(steps))
            if isinstance(node, Select) and not (steps and node.test):
                known = node.declared is not None and isinstance(node.type, ListOf | MapOf)
                steps.append(bind.Step(node.field, optional=node.absent or known))
                node = node.operand
            elif isinstance(node, Call) and node.function == "_[_]" and isinstance(node.args[1], Const):
                key = node.args[1].value
                if isinstance(key, bool) or not isinstance(key, str | int):
                    return None
                steps.append(bind.Step(key, optional=False))
                node = node.args[0]
            else:
                return None

    def _ours(self, node: Call) -> tuple[str, Callable[..., Any]] | None:
        """The function of ours that a call means, by the name the runtime knows."""
        if node.target is not None:
            return None
        implementations = functions.implementations()
        if node.function in ("_==_", "_!=_", "op_eq", "op_ne"):
            return self._equality(node)
        if node.function == "@in" and isinstance(node.args[1].type, ListOf):
            types = {str(node.args[0].type), str(node.args[1].type.item)}
            name = IN_TIMES if str(TIMESTAMP) in types else IN if types & _EXACT_NAMES else ""
            return (name, implementations[name]) if name else None
        if node.function not in functions.names() and node.function not in _SYMBOLS:
            return None
        if any(overload.startswith("builtin:") for overload in node.overloads):
            return None
        name = node.overloads[0] if len(node.overloads) == 1 else node.function
        return name, implementations[name]

    def _equality(self, node: Call) -> tuple[str, Callable[..., Any]] | None:
        exact = any(_is_exact(arg.type) for arg in node.args)
        nothing = any(isinstance(arg, Const) and arg.value is None for arg in node.args)
        if not exact or nothing:
            return None
        same = functions.implementations()[SAME]
        if node.function in ("_==_", "op_eq"):
            return SAME, same
        return f"!{SAME}", lambda a, b: not same(a, b)

    # What CEL runs

    def lowered(self, node: Node, scope: frozenset[str] = frozenset()) -> Any:
        """The expression as the runtime takes it."""
        if isinstance(node, Const):
            return self._const(node)
        getter = self.hoisted(node, scope)
        if getter is not None:
            return self._from_json(self._slot(node, getter, scope), node.type, optional=nullable(node))
        if isinstance(node, Ident):
            return self._from_json(self._ident(node.name), node.type, optional=False)
        if isinstance(node, Select):
            return self._select(node, scope)
        if isinstance(node, Call):
            return self._call(node, scope)
        if isinstance(node, Items):
            built = self._new()
            built.list_expr.elements.extend([self.lowered(item, scope) for item in node.items])
            if not node.items:
                built.list_expr.SetInParent()
            return built
        if isinstance(node, Entries):
            return self._entries(node, scope)
        return self._loop(node, scope)

    def _slot(self, node: Node, getter: bind.Getter, scope: frozenset[str]) -> Any:
        steps = self._steps(node, scope)
        test = isinstance(node, Select) and node.test
        key: tuple[object, ...] = (id(node),) if steps is None else (*steps, test)
        name = self._named.get(key)
        if name is None:
            name = self._named[key] = f"@{len(self.slots)}"
            self.slots[name] = getter
        return self._ident(name)

    def _call(self, node: Call, scope: frozenset[str]) -> Any:
        if node.function == "default":
            value, other = (self.lowered(arg, scope) for arg in node.args)
            return self._bound(value, lambda v: self._if(self._not_null(v()), v(), other))
        ours = self._ours(node)
        args = [self.lowered(arg, scope) for arg in node.args]
        if ours is not None:
            name = ours[0]
            negated = name.startswith("!")
            built = self._apply(name.lstrip("!"), *args)
            built = self._apply("!_", built) if negated else built
            return self._from_json(built, node.type, optional=False)
        built = self._apply(_SYMBOLS.get(node.function, node.function), *args)
        if node.target is not None:
            built.call_expr.target.CopyFrom(self.lowered(node.target, scope))
        if node.function == "_[_]":
            return self._from_json(built, node.type, optional=False)
        return built

    def _select(self, node: Select, scope: frozenset[str]) -> Any:
        """A field of something that is not a path from outside, guarded where there may be nothing."""
        chain: list[Select] = []
        base: Node = node
        while isinstance(base, Select):
            chain.append(base)
            base = base.operand
        chain.reverse()
        if isinstance(base, Ident):
            name = base.name
            return self._guarded(chain, base, lambda: self._ident(name))
        return self._bound(self.lowered(base, scope), lambda make: self._guarded(chain, base, make))

    def _guarded(self, chain: list[Select], base: Node, make: Callable[[], Any]) -> Any:
        last = chain[-1]
        conditions: list[Any] = []
        if nullable(base):
            conditions.append(self._not_null(make()))
        for place, select in enumerate(chain):
            names = [s.field for s in chain[: place + 1]]
            open_ended = select.declared is None and last.test
            if select.absent or open_ended or select.test or isinstance(select.type, ListOf | MapOf):
                conditions.append(self._reached(make(), names, test=True))
                if select is not last or select.test or isinstance(select.type, ListOf | MapOf):
                    conditions.append(self._not_null(self._reached(make(), names, test=False)))
        value = self._reached(make(), [s.field for s in chain], test=False)
        if not last.test:
            value = self._from_json(value, last.type, optional=last.absent)
        if not conditions:
            return value
        condition = conditions[0]
        for further in conditions[1:]:
            condition = self._apply("_&&_", condition, further)
        if last.test:
            return condition
        return self._if(condition, value, self._nothing(last.type))

    def _loop(self, node: Loop, scope: frozenset[str]) -> Any:
        inner = scope | {node.var, node.accu}
        built = self._new()
        loop = built.comprehension_expr
        loop.iter_var, loop.accu_var = node.var, node.accu
        over = self.lowered(node.range, scope)
        if isinstance(node.range.type, MapOf) or node.range.type == DYN:
            over = self._apply(KEYS, over)
        loop.iter_range.CopyFrom(over)
        loop.accu_init.CopyFrom(self.lowered(node.init, scope))
        for name in ("condition", "step"):
            getattr(loop, f"loop_{name}").CopyFrom(self.lowered(getattr(node, name), inner))
        loop.result.CopyFrom(self.lowered(node.result, inner))
        return built

    def _entries(self, node: Entries, scope: frozenset[str]) -> Any:
        built = self._new()
        built.struct_expr.SetInParent()
        for key, value in node.entries:
            entry = built.struct_expr.entries.add(id=built.id)
            entry.map_key.CopyFrom(self.lowered(key, scope))
            entry.value.CopyFrom(self.lowered(value, scope))
        return built

    # Pieces

    def _new(self) -> Any:
        self._binds += 1
        return self.syntax.expr(id=self._binds)

    def _const(self, node: Const) -> Any:
        built = self._new()
        built.const_expr.CopyFrom(node.proto.const_expr)
        return built

    def _ident(self, name: str) -> Any:
        built = self._new()
        built.ident_expr.name = name
        return built

    def _apply(self, function: str, *args: Any) -> Any:
        built = self._new()
        built.call_expr.function = function
        built.call_expr.args.extend(args)
        return built

    def _reached(self, base: Any, names: list[str], *, test: bool) -> Any:
        for place, name in enumerate(names):
            built = self._new()
            built.select_expr.operand.CopyFrom(base)
            built.select_expr.field = name
            built.select_expr.test_only = test and place == len(names) - 1
            base = built
        return base

    def _null(self) -> Any:
        built = self._new()
        built.const_expr.null_value = 0
        return built

    def _nothing(self, type_: Type) -> Any:
        if not isinstance(type_, ListOf | MapOf):
            return self._null()
        built = self._new()
        (built.list_expr if isinstance(type_, ListOf) else built.struct_expr).SetInParent()
        return built

    def _not_null(self, value: Any) -> Any:
        return self._apply("_!=_", value, self._null())

    def _if(self, condition: Any, then: Any, other: Any) -> Any:
        return self._apply("_?_:_", condition, then, other)

    def _from_json(self, value: Any, type_: Type, *, optional: bool) -> Any:
        convert = _FROM_JSON.get(type_) if isinstance(type_, Scalar) else None
        if convert is None:
            return value
        if not optional:
            return self._apply(convert, value)
        return self._bound(
            value, lambda v: self._if(self._not_null(v()), self._apply(convert, v()), self._null())
        )

    def _bound(self, value: Any, use: Callable[[Callable[[], Any]], Any]) -> Any:
        """Use a value several times, evaluating it once: a macro that runs over nothing."""
        if value.WhichOneof("kind") == "ident_expr":
            name = value.ident_expr.name
            return use(lambda: self._ident(name))
        built = self._new()
        name = f"@bind{built.id}"
        loop = built.comprehension_expr
        loop.iter_var, loop.accu_var = f"{name}_", name
        loop.iter_range.CopyFrom(self._new())
        loop.iter_range.list_expr.SetInParent()
        loop.accu_init.CopyFrom(value)
        loop.loop_condition.CopyFrom(self._bool(value=False))
        loop.loop_step.CopyFrom(self._ident(name))
        loop.result.CopyFrom(use(lambda: self._ident(name)))
        return built

    def _bool(self, *, value: bool) -> Any:
        built = self._new()
        built.const_expr.bool_value = value
        return built


def _is_exact(type_: Type) -> bool:
    return isinstance(type_, Scalar) and type_ in _EXACT
