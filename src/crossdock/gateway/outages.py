"""Systems that do not answer: an outage is logged when it begins and when it has ended, not with each try."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)


class Outages:
    """What one reader knows of them. Each worker tells for itself."""

    def __init__(self, what: str) -> None:
        """`what` is the reader, as its lines in the log begin: `tracking`."""
        self._failed, self._again = f"{what}.failed", f"{what}.answers_again"
        self._away: set[tuple[str, ...]] = set()

    def failed(self, tenant: str, error: str, **place: str) -> None:
        """It did not answer; it is logged unless it is away already."""
        key = (tenant, *place.values())
        if key not in self._away:
            self._away.add(key)
            log.warning(self._failed, tenant=tenant, error=error, **place)

    def answered(self, tenant: str, **place: str) -> None:
        """It did answer; that is logged where it had been away."""
        key = (tenant, *place.values())
        if key in self._away:
            self._away.discard(key)
            log.info(self._again, tenant=tenant, **place)
