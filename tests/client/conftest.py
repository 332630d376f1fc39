"""The client over the world of the API's tests: a real database, a real worker, real HTTP."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crossdock.store import Database, Tenant

sys.path.append(str(Path(__file__).parents[1] / "api"))

from api_world import World, world_of


@pytest.fixture
async def world(database: Database, tenant: Tenant, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(database, tenant, tmp_path) as world:
        yield world
