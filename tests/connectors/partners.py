"""The partner systems in a process of their own, and the real runtime connected to all of them."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from crossdock.connect import Calls, Lines, Registry, Wire
from crossdock.connect.secret import Secret
from crossdock.engine import Connections, LeasedCall
from crossdock.process.messages import Call, CallEnded
from crossdock.store import Database
from erp_orders import ZONE, erp_order

CONNECTORS = {
    "erp": "northway_erp",
    "wms": "stackyard_wms",
    "tms": "waypost_tms",
    "quayline": "quayline",
    "farrow": "farrow",
    "oldbridge": "oldbridge",
    "postbox": "postbox",
}
CARRIERS = ("quayline", "farrow", "oldbridge")
SETTINGS: dict[str, dict[str, Any]] = {
    "tms": {"zone": ZONE},
    "quayline": {"zone": ZONE},
    "farrow": {"zone": ZONE},
    "oldbridge": {"zone": ZONE},
}
CUSTOMER = {"code": "C1001", "name": "Harbour Clinic", "currency": "USD", "credit_limit": "5000.00"}
_numbers = itertools.count(1)


class Keeps:
    """Secrets as the sandbox prints them."""

    def __init__(self, services: dict[str, Any]) -> None:
        self._services = services

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        service = self._services[connection]
        texts = {**service["credentials"], "webhook_secret": service["webhook_secret"]}
        return {name: (Secret(text),) for name, text in texts.items()}


@dataclass
class Partners:
    """What a test asks of the partners: through our runtime (`call`), or behind its back."""

    services: dict[str, Any]
    http: aiohttp.ClientSession
    database: Database
    registry: Registry
    wire: Wire

    async def begin(self) -> None:
        """A tenant of its own and a runtime that has not talked to anybody: ids begin anew with a reset."""
        self.tenant = await self.database.create_tenant(f"acme-{next(_numbers)}", title="Acme Goods")
        connections = Connections(self.database)
        for name, connector in CONNECTORS.items():
            if connector in self.registry.connectors:
                await connections.put(
                    self.tenant,
                    name,
                    system=self.registry.connectors[connector].serves[0],
                    connector=connector,
                    settings={"url": self.services[name]["url"], **SETTINGS.get(name, {})},
                )
        self.lines = Lines(self.database, self.registry, Keeps(self.services))
        self.calls = Calls(self.lines, self.wire)

    async def call(
        self, connection: str, operation: str, data: Any, *, key: str = "", again: str = "", **more: Any
    ) -> CallEnded:
        """Call as the engine does; `again` with find_first, as after an unknown outcome."""
        system = (
            "carrier" if connection in CARRIERS else "customer" if connection == "postbox" else connection
        )
        leased = LeasedCall(
            **{
                "tenant": self.tenant.id,
                "run": 1,
                "command": operation,
                "connection": connection,
                "key": key or again or f"key-{next(_numbers)}",
                "attempt": 2 if again else 1,
                "find_first": bool(again),
                "only_find": False,
                "seconds": 10.0,
                "token": 1,
                "call": Call(id="c", step="s", system=system, operation=operation, input=data),
                **more,
            }
        )
        return await self.calls.call(leased)

    async def done(self, connection: str, operation: str, data: Any, **more: Any) -> Any:
        """The output of a call that works."""
        ended = await self.call(connection, operation, data, **more)
        assert ended.outcome == "done", ended
        return ended.output

    async def control(self, service: str, path: str, body: Any = None) -> Any:
        url = self.services[service]["url"] + path
        async with self.http.request("GET" if body is None else "POST", url, json=body) as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def fault(self, service: str, kind: str, operation: str, **more: Any) -> None:
        await self.control(service, "/faults", {"fault": kind, "operation": operation, "count": 1, **more})

    async def standing(self, service: str, operation: str, key: str) -> int:
        """How often an operation had effect for a business key."""
        ledger = await self.control(service, "/ledger")
        return int(ledger["counts"].get(operation, {}).get(key, 0))

    async def advance(self, **delta: float) -> None:
        now = datetime.fromisoformat((await self.control("erp", "/clock"))["now"])
        await self.control("erp", "/clock", {"now": (now + timedelta(**delta)).isoformat()})

    async def import_order(self, number: str) -> None:
        """An order in the ERP, released."""
        now = (await self.control("erp", "/clock"))["now"]
        orders = [{**erp_order(number), "release_at": now}]
        await self.control("erp", "/import", {"customers": [CUSTOMER], "orders": orders})
        await self.control("erp", "/clock", {"now": now})

    async def by_hand(self, path: str, body: Any) -> Any:
        """Somebody works in the ERP."""
        url = self.services["erp"]["url"]
        async with self.http.post(f"{url}/login", json=self.services["erp"]["credentials"]) as reply:
            headers = {"Authorization": f"Session {(await reply.json())['result']['session']}"}
        async with self.http.post(url + path, json=body, headers=headers) as reply:
            answer = await reply.json()
            assert "result" in answer, answer
            return answer["result"]
