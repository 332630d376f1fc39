"""What a server gives. A newer server may give more: what is not known here is passed over.

What stands in a state is text, so that a state that comes later is a value too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What all of them are: frozen, and equal where all they hold is."""


class Page(Shape, Generic[T], frozen=True, kw_only=True):
    """A page of a list; `next` leads to the one after it."""

    items: list[T]
    next: str | None = None


class Alias(Shape, frozen=True, kw_only=True):
    """A number by which events find a run. `live` is false for one that it had before."""

    kind: str
    value: str
    live: bool = True


class Run(Shape, frozen=True, kw_only=True):
    """A run. `id` is its name at that server, `next` when something falls due."""

    id: str
    process: str
    key: str
    generation: int
    status: str
    version: str
    decisions: int
    created: datetime
    changed: datetime
    ended: datetime | None = None
    next: datetime | None = None
    parent: str | None = None
    stopped: str | None = None
    open_exceptions: int = 0
    open_tasks: int = 0
    aliases: list[Alias] = []
    document: Any = None


class Decision(Shape, frozen=True, kw_only=True):
    """One decision of a run: the event, and what was told."""

    seq: int
    at: datetime
    event: dict[str, Any]
    records: list[dict[str, Any]]


class Outcome(Shape, frozen=True, kw_only=True):
    """What came of an act on a run. `outcome` is `done`, or `pending` while it has not decided yet."""

    run: str
    outcome: str
    event: str = ""
    records: list[dict[str, Any]] = []


class Wrong(Shape, frozen=True, kw_only=True):
    """Why one of many was refused."""

    detail: str = ""
    where: str = ""
    mend: str = ""


class Sent(Shape, frozen=True, kw_only=True):
    """What became of an event. `fate` is `duplicate` where it was accepted before: nothing changed."""

    id: str
    fate: str
    runs: list[str] = []
    reason: str = ""
    problem: Wrong | None = None


class SentMany(Shape, frozen=True, kw_only=True):
    """What became of each of many events."""

    items: list[Sent]


class Kept(Shape, frozen=True, kw_only=True):
    """An event that no run has: not claimed yet, or refused with a reason."""

    id: str
    at: datetime
    type: str
    reason: str = ""
    event: Any = None


class Unread(Shape, frozen=True, kw_only=True):
    """What a partner sent and nobody could read; `body` is its beginning."""

    id: str
    at: datetime
    connection: str
    reason: str
    feed: str = ""
    body: str = ""


class Task(Shape, frozen=True, kw_only=True):
    """Something that a person decides. `seen` is the digest of `content`; a decision sends it back."""

    id: str
    kind: str
    status: str
    role: str
    run: str
    process: str
    key: str
    step: str
    opened: datetime
    title: str = ""
    due: datetime | None = None
    ended: datetime | None = None
    content: Any = None
    seen: str | None = None
    excluded: list[str] = []


class Case(Shape, frozen=True, kw_only=True):
    """An exception: something that went otherwise. `holds` tells whether the step waits for it."""

    id: str
    type: str
    severity: str
    status: str
    message: str
    run: str
    process: str
    key: str
    count: int
    holds: bool
    opened: datetime
    owner: str = ""
    step: str = ""
    connection: str = ""
    repeated: datetime | None = None
    closed: datetime | None = None
