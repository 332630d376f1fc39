"""The API over a running engine: a real database, a real worker, real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_world import World, world_of

from crossdock.store import Database, Tenant


@pytest.fixture
async def world(database: Database, tenant: Tenant, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(database, tenant, tmp_path) as world:
        yield world
