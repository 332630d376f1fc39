"""What is acted on, as far as a decision about it needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Value = str | int | bool | tuple[str, ...]
_NOTHING: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing, or all things of a kind where `id` is empty (a list, a search).

    `kind` is the first part of the actions on it: run, task, exception, process, connection, key, person ...
    `attributes` are those that policies may ask about: `process`, `role` (that decides a task), `excluded`
    (the people who may not), `connection`, `owner`, `status`.
    """

    kind: str
    id: str = ""
    attributes: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
