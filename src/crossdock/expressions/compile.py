"""Texts to expressions: checked against the variables' types, then ready to be evaluated over JSON."""

from __future__ import annotations

import copy
import ctypes
import functools
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Self

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf.message import DecodeError

from crossdock.expressions import functions
from crossdock.expressions.check import wording
from crossdock.expressions.check.guards import unguarded
from crossdock.expressions.check.literals import literal_calls, zones
from crossdock.expressions.check.messages import Messages
from crossdock.expressions.check.rewrite import Rewritten, rewrite
from crossdock.expressions.check.syntax import syntax
from crossdock.expressions.check.tree import (
    Const,
    Entries,
    Node,
    asserted,
    children,
    nullable,
    probed,
    read,
    shape,
)
from crossdock.expressions.errors import EvaluationError, ExpressionError
from crossdock.expressions.functions import written
from crossdock.expressions.run.getters import Getter
from crossdock.expressions.run.lower import Lowering
from crossdock.expressions.run.plan import Plan, Program
from crossdock.expressions.template import Template
from crossdock.expressions.types import Type

LONGEST = 4000
_BUILTIN = [
    "size",
    "string",
    "int",
    "double",
    "bool",
    "timestamp",
    "duration",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "split",
    "join",
    "replace",
    "lowerAscii",
    "upperAscii",
    "trim",
    "substring",
    "indexOf",
    "lastIndexOf",
    "charAt",
    "format",
    "all",
    "exists",
    "exists_one",
    "filter",
    "map",
    "has",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "type",
    "dyn",
]


class Expression:
    """One expression, compiled. It has no state: evaluate it as often as needed, over any values."""

    def __init__(
        self,
        text: str,
        node: Node,
        variables: frozenset[str],
        messages: Messages,
        there: frozenset[tuple[str, ...]],
    ) -> None:
        """Plan the evaluation of a checked `node`; only an `Environment` makes one."""
        plan = Plan(variables, _programs(messages))
        self.text = text
        self.type: Type = shape(node)
        self.nullable = nullable(node, there)
        self.unguarded = tuple(dict.fromkeys(unguarded(node, there)))  # compared, and may be nothing
        self.asserted = asserted(node)  # paths at which something stands where it holds
        self.probed = frozenset(probed(node))  # paths at which it reckons with nothing
        self._get = plan.getter(node)
        self.paths = frozenset(plan.paths)

    def __repr__(self) -> str:
        return f"Expression({self.text!r}: {self.type})"

    def evaluate(self, values: Mapping[str, object]) -> Any:
        """The value as JSON, over the values of the variables.

        Only what `paths` names is read; a part of a document is given back as it is, not as a copy. Raises
        `EvaluationError` where something needed is not there, or is not what is needed.
        """
        try:
            return self._get(values)
        except EvaluationError as error:
            raise error.within(self.text) from None


class Environment:
    """The variables that expressions of one place may name. Building one takes a millisecond."""

    def __init__(self, variables: Mapping[str, Type]) -> None:
        self.variables = dict(variables)
        self._messages = Messages(self.variables)
        self._checking = cel.NewEnv(
            self._messages.pool,
            config=functions.checked_config(),
            variables=self._messages.variables,
            extensions=[ext_strings.ExtStrings()],
        )
        self._there: frozenset[tuple[str, ...]] = frozenset()
        self.wider: Callable[[], Environment] | None = None  # what says it better where this one refuses

    def where(self, there: frozenset[tuple[str, ...]]) -> Self:
        """The same, for expressions that are asked only where something stands at these paths."""
        if not there:
            return self
        other = copy.copy(self)
        other._there = self._there | there  # noqa: SLF001 - a copy of itself
        return other

    def compile(self, text: str) -> Expression:
        """Compile an expression, without `${` and `}` around it. Raises `ExpressionError`."""
        try:
            return self._compiled(text)
        except ExpressionError:
            if self.wider is None:
                raise
            return self.wider().compile(text)

    def _compiled(self, text: str) -> Expression:
        if len(text) > LONGEST:
            raise ExpressionError(
                f"the expression has {len(text)} characters, at most {LONGEST} are read",
                text=f"{text[:60]}...",
                mend="split it into several steps",
            )
        if not text.strip():
            raise ExpressionError("the expression is empty", text=text)
        try:
            node = read(syntax().read_checked(self._checked(text)), self._messages)
            _refuse_foreign(node, text)
            self._try_literals(node, text)
            return Expression(text, node, frozenset(self.variables), self._messages, self._there)
        except (DecodeError, RecursionError):
            raise _too_deep(text) from None
        except EvaluationError as error:  # a call on literals, which can never succeed
            raise ExpressionError(error.message, text=text, mend=error.mend) from None
        except RuntimeError as error:
            if "nest" in str(error) or "parse" in str(error).lower() or "depth" in str(error):
                raise _too_deep(text) from None
            raise

    def _try_literals(self, node: Node, text: str) -> None:
        """Refuse what can never be worked out, whatever the variables are."""
        for zone in zones(node):
            if not functions.is_zone(zone):
                raise ExpressionError(
                    f"unknown time zone {zone!r}", text=text, mend="write it as Europe/Berlin"
                )
        for call in literal_calls(node):
            Plan(frozenset(), _programs(self._messages)).getter(call)({})

    def template(self, value: object) -> Template:
        """Compile all expressions in a YAML value. A string that is one `${ ... }` keeps the value's type."""
        return Template(value, self.compile)

    def _checked(self, text: str) -> bytes:
        try:
            return self._checking.compile(text).serialize()  # type: ignore[no-any-return]
        except RuntimeError as error:
            raw = str(error)
        rewritten: Rewritten | None = rewrite(text) if wording.is_about_operators(raw) else None
        if rewritten is not None:
            try:
                return self._checking.compile(rewritten.text).serialize()  # type: ignore[no-any-return]
            except RuntimeError as error:
                raw = str(error)
        names = wording.Names(self.variables, (*functions.names(), *_BUILTIN), self._messages)
        raise wording.refused(text, raw, names, rewritten)


def _too_deep(text: str) -> ExpressionError:
    return ExpressionError("the expression nests too deeply", text=text, mend="split it into several steps")


def _refuse_foreign(node: Node, text: str) -> None:
    """An expression makes maps, not protobuf messages, and no bytes."""
    if isinstance(node, Const) and isinstance(node.value, bytes):
        raise ExpressionError("JSON has no bytes", text=text, mend="write a string, without the b")
    if isinstance(node, Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        raise ExpressionError("a number here is too large", text=text, mend="write a smaller one")
    if isinstance(node, Entries) and node.message:
        mend = 'write {"a": ...}'
        raise ExpressionError("a map is written without a name before it", text=text, mend=mend)
    for child in children(node):
        _refuse_foreign(child, text)


def _programs(messages: Messages) -> Program:
    """How a plan makes a CEL program of a node."""

    def program(plan: Plan, node: Node, local: frozenset[str]) -> Getter:
        lowering = Lowering(syntax(), plan, local)
        lowered = syntax().write_parsed(lowering.lowered(node))
        evaluate = _runtime().deserialize(lowered).eval
        slots = tuple(lowering.slots.items())

        def run(values: Mapping[str, object]) -> Any:
            bound: dict[str, Any] = {}
            unbound: dict[str, EvaluationError] = {}
            for name, getter in slots:
                try:
                    bound[name] = getter(values)
                except EvaluationError as error:
                    unbound[name] = error
            try:
                value = evaluate(data=bound)
            except RuntimeError as error:
                raise wording.failed(str(error), unbound, messages) from None
            plain = value.plain_value()
            if plain is True or plain is False:
                return plain
            if isinstance(plain, str) and value.type() == cel.Type.ERROR:
                raise wording.failed(plain, unbound, messages)
            return written(plain)

        return run

    return program


def _keep_none() -> None:
    """Before Python 3.12, each null that the runtime hands over takes a reference from None: give it plenty.

    Python 3.12 and newer never count references to None; there this does nothing.
    """
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


@functools.cache
def _runtime() -> Any:
    """The run-time environment: no variables, no functions of ours; the same for all, so there is one."""
    _keep_none()
    return cel.NewEnv(None, extensions=[ext_strings.ExtStrings()])
