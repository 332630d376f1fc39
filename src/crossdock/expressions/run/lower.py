"""From the expression that was checked to the program that runs: over plain JSON, where nothing has a type.

    order.customer.name           what Python gets: one name, bound when it runs
    l.note, in a macro over l     has(l.note) ? l.note : null
    order.due, an instant         timestamp(x), because JSON has a string; likewise durations and doubles

So the runtime sees one flat map of names, and only what the expression names is converted for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crossdock.expressions.check.syntax import Syntax
from crossdock.expressions.check.tree import (
    Call,
    Const,
    Entries,
    Ident,
    Items,
    Loop,
    Node,
    Select,
    nullable,
    path,
)
from crossdock.expressions.run.getters import Getter
from crossdock.expressions.run.plan import SYMBOLS, Plan
from crossdock.expressions.types import DOUBLE, DURATION, TIMESTAMP, ListOf, MapOf, Scalar, Type

_FROM_JSON = {TIMESTAMP: "timestamp", DURATION: "duration", DOUBLE: "double"}


@dataclass(slots=True)
class Lowering:
    """One program on its way. `slots` are the names to bind, `local` the variables of Python loops."""

    syntax: Syntax
    plan: Plan
    local: frozenset[str]
    slots: dict[str, Getter] = field(default_factory=dict)
    _names: dict[tuple[tuple[str, ...] | None, bool], str] = field(default_factory=dict)
    _ids: int = 0

    def lowered(self, node: Node, scope: frozenset[str] = frozenset()) -> Any:
        """The expression as the runtime takes it; `scope` are the variables of the macros around it."""
        if isinstance(node, Const):
            built = self._new()
            built.const_expr.CopyFrom(node.proto.const_expr)
            return built
        if self.plan.outside(node, self.local, scope):
            name = self._slot(node)
            return self._from_json(self._ident(name), node.type, optional=nullable(node))
        if isinstance(node, Ident):
            return self._from_json(self._ident(node.name), node.type, optional=False)
        if isinstance(node, Select):
            return self._select(node, scope)
        if isinstance(node, Call):
            return self._call(node, scope)
        if isinstance(node, Items):
            built = self._new()
            built.list_expr.SetInParent()
            built.list_expr.elements.extend([self.lowered(item, scope) for item in node.items])
            return built
        if isinstance(node, Entries):
            return self._entries(node, scope)
        return self._loop(node, scope)

    def _slot(self, node: Node) -> str:
        """The name that the runtime knows what Python gets by; the same path has the same."""
        key = (path(node), isinstance(node, Select) and node.test)
        name = self._names.get(key) if key[0] else None
        if name is None:
            name = self._names[key] = f"@{len(self.slots)}"
            self.slots[name] = self.plan.getter(node, self.local)
        return name

    def _call(self, node: Call, scope: frozenset[str]) -> Any:
        args = [self.lowered(arg, scope) for arg in node.args]
        built = self._apply(SYMBOLS.get(node.function, node.function), *args)
        if node.target is not None:
            built.call_expr.target.CopyFrom(self.lowered(node.target, scope))
        return self._from_json(built, node.type, optional=False) if node.function == "_[_]" else built

    def _select(self, node: Select, scope: frozenset[str]) -> Any:
        """A field of something that is not a path from outside, guarded where there may be nothing."""
        chain: list[Select] = []
        base: Node = node
        while isinstance(base, Select) and not self.plan.outside(base, self.local, scope):
            chain.append(base)
            base = base.operand
        chain.reverse()
        value = self._ident(base.name) if isinstance(base, Ident) else self.lowered(base, scope)
        return self._bound(value, lambda make: self._guarded(chain, base, make))

    def _guarded(self, chain: list[Select], base: Node, make: Callable[[], Any]) -> Any:
        last = chain[-1]
        conditions: list[Any] = []
        if nullable(base):
            conditions.append(self._not_null(make()))
        for place, select in enumerate(chain):
            names = [s.field for s in chain[: place + 1]]
            known = select.declared is not None
            container = known and isinstance(select.type, ListOf | MapOf)
            if select.absent or container or select.test or (last.test and not known):
                conditions.append(self._reached(make(), names, test=True))
                if select is not last or select.test or container:
                    conditions.append(self._not_null(self._reached(make(), names, test=False)))
        if last.test:
            return self._all(conditions)
        value = self._reached(make(), [s.field for s in chain], test=False)
        value = self._from_json(value, last.type, optional=last.absent)
        return self._if(self._all(conditions), value, self._nothing(last.type)) if conditions else value

    def _loop(self, node: Loop, scope: frozenset[str]) -> Any:
        inner = scope | {node.var, node.accu}
        built = self._new()
        loop = built.comprehension_expr
        loop.iter_var, loop.accu_var = node.var, node.accu
        loop.iter_range.CopyFrom(self._range(node.range, scope))
        loop.accu_init.CopyFrom(self.lowered(node.init, scope))
        loop.loop_condition.CopyFrom(self.lowered(node.condition, inner))
        loop.loop_step.CopyFrom(self.lowered(node.step, inner))
        loop.result.CopyFrom(self.lowered(node.result, inner))
        return built

    def _range(self, node: Node, scope: frozenset[str]) -> Any:
        """What a macro runs over: the keys of a map in their order, because the runtime's order is chance."""
        if isinstance(node.type, ListOf) or not self.plan.outside(node, self.local, scope):
            return self.lowered(node, scope)
        inner = self.plan.getter(node, self.local)

        def ordered(values: Any) -> Any:
            value = inner(values)
            return sorted(value) if isinstance(value, dict) else value

        name = f"@{len(self.slots)}"
        self.slots[name] = ordered
        return self._ident(name)

    def _entries(self, node: Entries, scope: frozenset[str]) -> Any:
        built = self._new()
        built.struct_expr.SetInParent()
        for key, value in node.entries:
            entry = built.struct_expr.entries.add(id=built.id)
            entry.map_key.CopyFrom(self.lowered(key, scope))
            entry.value.CopyFrom(self.lowered(value, scope))
        return built

    def _new(self) -> Any:
        self._ids += 1
        return self.syntax.expr(id=self._ids)

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

    def _all(self, conditions: list[Any]) -> Any:
        joined = conditions[0]
        for condition in conditions[1:]:
            joined = self._apply("_&&_", joined, condition)
        return joined

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
        loop.iter_range.list_expr.SetInParent()
        loop.iter_range.id = self._new().id
        loop.accu_init.CopyFrom(value)
        loop.loop_condition.const_expr.bool_value = False
        loop.loop_step.CopyFrom(self._ident(name))
        loop.result.CopyFrom(use(lambda: self._ident(name)))
        return built
