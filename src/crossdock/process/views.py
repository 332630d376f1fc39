"""What expressions see of a run: steps without copying them, the run, and the events that came."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from crossdock.process.messages import Event
from crossdock.process.state import Children, State, StepState

_NO_CHILDREN = Children()
_PLAIN = frozenset({"status", "by", "reason", "redo", "events", "output"})


@functools.lru_cache(maxsize=4096)  # the same few instants are told again and again
def text_of(instant: datetime) -> str:
    """An instant as RFC 3339; in UTC, as all of the kernel's are, it ends with Z."""
    return instant.isoformat().replace("+00:00", "Z")


class StepView(Mapping[str, Any]):
    """What expressions see of a step."""

    __slots__ = ("_step",)
    _FIELDS = ("status", "output", "events", "outputs", "started", "ended", "by", "reason", "redo", "counts")

    def __init__(self, step: StepState) -> None:
        """Look at `step` without copying it."""
        self._step = step

    def get(self, name: str, default: Any = None) -> Any:
        """A field, or `default` where there is none (yet)."""
        step = self._step
        if name in _PLAIN:
            value = getattr(step, name)
            return default if value is None else value
        if name in ("started", "ended"):
            instant = getattr(step, name)
            return default if instant is None else text_of(instant)
        children = step.children or _NO_CHILDREN
        if name == "outputs":
            # in the order of the items, whichever child ended first
            order = children.started or children.outputs
            return [children.outputs[item] for item in order if item in children.outputs]
        if name == "counts":
            return {
                "total": children.total,
                "open": len(children.open),
                "succeeded": children.succeeded + children.supplied,
                "failed": children.failed,
                "cancelled": children.cancelled,
            }
        return default

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._FIELDS if name in self)

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self)


class StepsView(Mapping[str, StepView]):
    """What expressions see as `steps`."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Mapping[str, StepState]) -> None:
        """Look at `steps` without copying them."""
        self._steps = steps

    def __getitem__(self, name: str) -> StepView:
        return StepView(self._steps[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def run_view(state: State) -> dict[str, Any]:
    """What expressions see as `run`."""
    view = {
        "id": state.id,
        "key": state.key,
        "generation": state.generation,
        "process": state.process,
        "version": state.version,
        "status": state.status,
        "started_by": state.started_by,
        "exceptions": sorted({one.type for one in state.exceptions.values()}),
    }
    if state.started is not None:
        view["started"] = text_of(state.started)
    return view


def event_view(event: Event) -> dict[str, Any]:
    """What expressions see of a business event: what it says, and `meta` about the event itself."""
    data = event.data if isinstance(event.data, dict) else {} if event.data is None else {"value": event.data}
    meta = {
        "type": event.type,
        "id": event.id,
        "source": event.source,
        "time": text_of(event.time),
        "received": text_of(event.received),
    }
    return {**data, "meta": meta}


def same_event(view: Any, event: Event) -> bool:
    """Whether a view is of this event: source and id name it once for ever."""
    meta = view.get("meta", {})
    return bool(meta.get("id") == event.id and meta.get("source") == event.source)
