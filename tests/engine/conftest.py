"""A running engine for each test; see `played`."""

from __future__ import annotations

import pytest
from played import Engine, World, read

from crossdock.engine import History, Inbox, Library
from crossdock.store import Clock, Database, Tenant


@pytest.fixture
async def engine(database: Database, tenant: Tenant) -> Engine:
    library = Library(database, read)
    engine = Engine(
        database, tenant, library, Inbox(database, library), History(database), Clock(database), World()
    )
    await engine.connect()
    return engine
