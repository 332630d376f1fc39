"""What partners are told while a tenant is suspended: not now, and not why."""

from __future__ import annotations

import asyncio

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.tenants import Tenants

DELIVERED = b'{"what": "delivered", "shipment": "S-1", "at": "2026-03-02T10:00:00Z"}'


async def status_is(doors, wanted: int, body: bytes) -> dict:
    """Send until that is the answer: processes hear of it within about a second."""
    for _ in range(100):
        status, answer = await doors.send(body)
        if status == wanted:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(status)


async def test_a_partner_is_asked_to_send_again_and_nothing_is_kept(doors, database, tenant):
    operator = await database.create_tenant("operator")
    tenants = Tenants(database, Audit(database))
    root = Principal(tenant=operator.id, id="root", kind="human")
    await tenants.suspend(tenant.name, root, why="unpaid")
    assert await status_is(doors, 503, b"{") == {"error": "not kept; send it again"}
    kept = await doors.rows("select count(*) as n from crossdock.delivery")
    assert await doors.send(DELIVERED) == (503, {"error": "not kept; send it again"})
    assert await doors.send(b"not to be read") == (503, {"error": "not kept; send it again"})
    assert await doors.send(DELIVERED, secret="guess") == (
        401,
        {"error": "not verified, or there is no such door"},
    )
    assert await doors.rows("select count(*) as n from crossdock.delivery") == kept
    await tenants.resume(tenant.name, root)
    assert await status_is(doors, 200, DELIVERED) == {"outcome": "taken", "events": 1}
