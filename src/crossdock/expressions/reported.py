"""How much a list of warehouse or carrier events reports, wherever they carry their quantities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crossdock.expressions import amounts
from crossdock.expressions.errors import EvaluationError

EMPTY = {"value": "0", "unit": ""}


def reported(events: Sequence[object]) -> Any:
    """The total quantity over `events`, in their one unit; the empty quantity where there are none.

    Of each event (its `data`, where it has one) the first of these counts: `quantity`; of its `shipment`,
    else of itself: `quantity`, `lines[].quantity`, `packages[].contents[].quantity`. An event that reports
    none is refused: not known is not zero.
    """
    total: Any = EMPTY
    for index, event in enumerate(events):
        body = (
            event.get("data")
            if isinstance(event, Mapping) and isinstance(event.get("data"), Mapping)
            else event
        )
        found = list(_quantities(body))
        if not found:
            raise EvaluationError(
                f"event {index} reports no quantity", mend="map the partner's event to quantity or lines"
            )
        for quantity in found:
            total = amounts.added("add", total, quantity)
    return total


def _quantities(body: object) -> Iterator[object]:
    if not isinstance(body, Mapping):
        return
    if body.get("quantity") is not None:
        yield body["quantity"]
        return
    for holder in (body.get("shipment"), body):
        if not isinstance(holder, Mapping):
            continue
        if holder.get("quantity") is not None:
            yield holder["quantity"]
            return
        found = [*_each(holder.get("lines"))]
        if not found:
            packages = holder.get("packages") or ()
            found = [
                q
                for package in packages
                if isinstance(package, Mapping)
                for q in _each(package.get("contents"))
            ]
        if found:
            yield from found
            return


def _each(lines: object) -> Iterator[object]:
    if isinstance(lines, list | tuple):
        for line in lines:
            if isinstance(line, Mapping) and line.get("quantity") is not None:
                yield line["quantity"]
