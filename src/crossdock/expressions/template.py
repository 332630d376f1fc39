"""YAML values with expressions in them: one alone keeps its type, within a text it becomes text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from crossdock.expressions.errors import EvaluationError, ExpressionError
from crossdock.expressions.functions import as_text
from crossdock.expressions.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    STRING,
    Field,
    ListOf,
    MapOf,
    Record,
    Type,
)

if TYPE_CHECKING:
    from crossdock.expressions.compile import Expression

# Inside an expression: strings, comments and braces, so that the `}` that ends it is found.
_INSIDE = re.compile(
    r"""[rRbB]{0,2}(?:'{3}(?:\\.|[^\\])*?'{3}|"{3}(?:\\.|[^\\])*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|//[^\n]*|[{}]|[^{}'"/rRbB]+|.""",
    re.DOTALL,
)


class Template:
    """A YAML value whose expressions are compiled.

    `type` is what it evaluates to, `paths` what its expressions name. A field whose expression gives nothing
    is left out, because documents are sparse.
    """

    def __init__(self, value: object, compile_: Callable[[str], Expression]) -> None:
        self._node = _node(value, compile_)
        self.type: Type = _type(self._node)
        self.nullable = isinstance(self._node, _Whole) and self._node.expression.nullable
        self.expressions: tuple[Expression, ...] = tuple(_expressions(self._node))
        self.paths: frozenset[tuple[str, ...]] = frozenset().union(*(e.paths for e in self.expressions))
        self.unsayable = tuple(e.text.strip() for e in _said_in(self._node) if e.nullable)
        self.probed: frozenset[tuple[str, ...]] = frozenset().union(*(e.probed for e in self.expressions))

    def evaluate(self, values: Mapping[str, object]) -> Any:
        """The value as JSON. Raises `EvaluationError` as the expressions do."""
        return _evaluate(self._node, values)


@dataclass(frozen=True, slots=True)
class _Literal:
    value: Any
    type: Type


@dataclass(frozen=True, slots=True)
class _Whole:
    expression: Expression


@dataclass(frozen=True, slots=True)
class _Text:
    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class _List:
    items: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Map:
    entries: tuple[tuple[str, _Node], ...]


_Node: TypeAlias = _Literal | _Whole | _Text | _List | _Map


def _node(value: object, compile_: Callable[[str], Expression]) -> _Node:
    if isinstance(value, str):
        return _string(value, compile_)
    if isinstance(value, Mapping):
        return _Map(tuple((str(key), _node(inner, compile_)) for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return _List(tuple(_node(inner, compile_) for inner in value))
    kinds: tuple[tuple[type, Type], ...] = ((bool, BOOL), (int, INT), (float, DOUBLE))
    return _Literal(value, next((t for plain, t in kinds if isinstance(value, plain)), DYN))


def _string(text: str, compile_: Callable[[str], Expression]) -> _Node:
    stripped = text.strip()
    parts: list[str | Expression] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        if start and text[start - 1] == "$":
            parts.append(text[at : start - 1] + "${")
            at = start + 2
            continue
        end = _end(text, start + 2)
        inner = text[start + 2 : end]
        if stripped == text[start : end + 1]:
            return _Whole(compile_(inner))
        parts += [text[at:start], _sayable(compile_(inner))]
        at = end + 1
    parts.append(text[at:])
    if all(isinstance(part, str) for part in parts):
        return _Literal("".join(str(part) for part in parts), STRING)
    return _Text(tuple(part for part in parts if part != ""))


def _end(text: str, at: int) -> int:
    """Where the `}` stands that ends the expression."""
    depth = 0
    start = at
    while found := _INSIDE.match(text, at):
        token = found.group()
        if token == "}" and depth == 0:  # noqa: S105
            return at
        depth += (token == "{") - (token == "}")  # noqa: S105
        at = found.end()
    raise ExpressionError("the expression is not closed", text=text[start:], mend="end it with }")


def _sayable(expression: Expression) -> Expression:
    if isinstance(expression.type, ListOf | MapOf | Record):
        raise ExpressionError(
            f"{expression.type} cannot stand inside a text",
            text=expression.text,
            mend="name one of its fields",
        )
    return expression


def _type(node: _Node) -> Type:
    if isinstance(node, _Literal):
        return node.type
    if isinstance(node, _Whole):
        return node.expression.type
    if isinstance(node, _Text):
        return STRING
    if isinstance(node, _List):
        types = [_type(item) for item in node.items]
        same = bool(types) and all(t is types[0] or t == types[0] for t in types)
        return ListOf(types[0] if same else DYN)
    return Record(
        "", {key: Field(_type(inner), optional=_nullable(inner)) for key, inner in node.entries}, literal=True
    )


def _nullable(node: _Node) -> bool:
    if isinstance(node, _Literal):
        return node.value is None
    return isinstance(node, _Whole) and node.expression.nullable


def _expressions(node: _Node) -> list[Expression]:
    if isinstance(node, _Whole):
        return [node.expression]
    if isinstance(node, _Text):
        return [part for part in node.parts if not isinstance(part, str)]
    if isinstance(node, _List):
        return [e for item in node.items for e in _expressions(item)]
    if isinstance(node, _Map):
        return [e for _, inner in node.entries for e in _expressions(inner)]
    return []


def _said_in(node: _Node) -> list[Expression]:
    """The expressions that stand within texts: there, nothing is an error."""
    if isinstance(node, _Text):
        return [part for part in node.parts if not isinstance(part, str)]
    inner = (
        node.items
        if isinstance(node, _List)
        else [i for _, i in node.entries]
        if isinstance(node, _Map)
        else []
    )
    return [expression for one in inner for expression in _said_in(one)]


def _evaluate(node: _Node, values: Mapping[str, object]) -> Any:
    if isinstance(node, _Literal):
        return node.value
    if isinstance(node, _Whole):
        return node.expression.evaluate(values)
    if isinstance(node, _Text):
        return "".join(part if isinstance(part, str) else _said(part, values) for part in node.parts)
    if isinstance(node, _List):
        return [_evaluate(item, values) for item in node.items]
    found: dict[str, Any] = {}
    for key, inner in node.entries:
        value = _evaluate(inner, values)
        if value is not None or isinstance(inner, _Literal):
            found[key] = value
    return found


def _said(expression: Expression, values: Mapping[str, object]) -> str:
    try:
        return as_text(expression.evaluate(values))
    except EvaluationError as error:
        raise error.within(expression.text) from None
