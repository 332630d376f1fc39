"""People of a tenant that is suspended read on every page that it is, and why."""

from __future__ import annotations

import pytest

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.tenants import Tenants

WHY = "unpaid since <May>"
SHOWN = "is suspended: nothing comes in, nothing is decided, nothing leaves. unpaid since &lt;May&gt;"


@pytest.mark.parametrize("page", ["/", "/runs", "/desk", "/events", "/connections", "/processes", "/repairs"])
async def test_every_page_says_why_nothing_moves(tower, database, tenant, page):
    assert "is suspended" not in await tower.get(page)
    operator = await database.create_tenant("operator")
    tenants = Tenants(database, Audit(database))
    root = Principal(tenant=operator.id, id="root", kind="human")
    await tenants.suspend(tenant.name, root, why=WHY)
    assert SHOWN in await tower.get(page)
    await tenants.resume(tenant.name, root)
    assert "is suspended" not in await tower.get(page)
