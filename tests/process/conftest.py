"""Every run that a test drives is replayed at its end, and must come to the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

import driver
import pytest


@pytest.fixture(autouse=True)
def replayed() -> Iterator[None]:
    """Replay the runs of the test."""
    driver.LIVE.clear()
    yield
    for run in driver.LIVE:
        run.replayed()
