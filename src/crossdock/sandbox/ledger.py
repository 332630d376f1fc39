"""What a service was asked to do: what had effect, and every request."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crossdock.sandbox.clock import stamp

REQUESTS_KEPT = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One effect. `key` is the business key (an order, a shipment), `reference` the caller's name for it."""

    seq: int
    at: datetime
    operation: str
    key: str
    order: str
    reference: str
    idempotency_key: str
    id: str


class Ledger:
    """Effects in order, with counts by business key."""

    def __init__(self, service: str) -> None:
        """Begin empty for the named service."""
        self.service = service
        self.entries: list[Entry] = []
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._standing: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def write(
        self,
        operation: str,
        key: str,
        *,
        at: datetime,
        order: str = "",
        reference: str = "",
        idempotency_key: str = "",
        id: str = "",  # noqa: A002 - the word on the wire
        kind: str = "",
        change: int = 0,
    ) -> None:
        """Note an effect; `change` is how many documents of `kind` stand for the key more (or less) by it."""
        self.entries.append(
            Entry(
                seq=len(self.entries) + 1,
                at=at,
                operation=operation,
                key=key,
                order=order or key,
                reference=reference,
                idempotency_key=idempotency_key,
                id=id,
            )
        )
        self._counts[operation][key] += 1
        if kind:
            self._standing[kind][key] += change

    def page(self, *, key: str = "", operation: str = "", since: int = 0) -> dict[str, Any]:
        """The entries after `since`, narrowed, with the counts of all."""
        entries = [
            {
                "seq": e.seq,
                "at": stamp(e.at),
                "operation": e.operation,
                "key": e.key,
                "order": e.order,
                "reference": e.reference,
                "idempotency_key": e.idempotency_key,
                "id": e.id,
            }
            for e in self.entries[since:]
            if (not key or key in {e.key, e.order}) and (not operation or e.operation == operation)
        ]
        return {
            "service": self.service,
            "entries": entries,
            "counts": self._counts,
            "standing": self._standing,
        }
