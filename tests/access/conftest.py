"""Who is known, over a real database: an identity with sealing, at costs that tests can bear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import argon2
import pytest

from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.passwords import Passwords
from crossdock.access.sealing import Sealing
from crossdock.store import Database, Tenant


@pytest.fixture
async def sealing(database: Database, tenant: Tenant, tmp_path: Path) -> Sealing:
    sealing = Sealing(database, Masters(tmp_path / "keys" / "master.key"))
    await sealing.begin(tenant.id)
    return sealing


def cheap() -> Passwords:
    """Argon2id at the lowest costs: what it costs is not what most tests ask."""
    return Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
async def identity(database: Database, audit: Audit, sealing: Sealing) -> AsyncIterator[Identity]:
    identity = Identity(database, audit, sealing, passwords=cheap())
    yield identity
    await identity.settle()
