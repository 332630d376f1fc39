"""The sandbox as the demo uses it: a process of its own, driven over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from crossdock.demo.orders import DemoOrder, Outage, customers
from crossdock.demo.tally import Tally
from crossdock.errors import Broken, Unreachable

CARRIERS = ("quayline", "farrow", "oldbridge")
CONNECTORS = {
    "erp": "northway_erp",
    "wms": "stackyard_wms",
    "tms": "waypost_tms",
    "quayline": "quayline",
    "farrow": "farrow",
    "oldbridge": "oldbridge",
    "postbox": "postbox",
}
_START_SECONDS = 30


@dataclass(slots=True)
class Partners:
    """Seven partner systems that run, on one clock that the demo moves."""

    services: Mapping[str, Mapping[str, Any]]
    session: aiohttp.ClientSession

    def connections(self) -> dict[str, Any]:
        """What `connections.yaml` would say of them."""
        found: dict[str, Any] = {}
        for name, service in self.services.items():
            secrets = dict(service.get("credentials", {}))
            if service.get("webhook_secret"):
                secrets["webhook_secret"] = service["webhook_secret"]
            found[name] = {
                "connector": CONNECTORS[name],
                "settings": {"url": service["url"]},
                "secrets": secrets,
            }
        return found

    def addresses(self) -> dict[str, str]:
        """Where each answers."""
        return {name: str(service["url"]) for name, service in self.services.items()}

    def releases(self, orders: list[DemoOrder]) -> list[tuple[datetime, str]]:  # noqa: ARG002
        """The orders that somebody has to release, and when; the sandbox's ERP does it by itself."""
        return []

    async def release(self, numbers: list[str]) -> None:
        """Release orders."""

    async def invoices(self) -> Mapping[str, int]:
        """How many invoices stand for each order, by the ERP's own books."""
        found: Mapping[str, int] = (await self.ledger("erp"))["standing"].get("invoice", {})
        return found

    async def wrong(self, tally: Tally) -> list[str]:  # noqa: ARG002
        """What in the ERP is not as it should be, beyond its invoices."""
        return []

    async def prepare(self, orders: list[DemoOrder], webhooks: str) -> None:
        """Tell every service where its webhooks go, and what will happen to the orders."""
        for name in self.services:
            if name != "postbox":
                await self.post(name, "/configure", {"webhook_url": f"{webhooks}/{name}"})
        await self.post("wms", "/script", {"scripts": [order.wms_script for order in orders]})
        carriage = [script for order in orders for script in order.carrier_scripts]
        for carrier in CARRIERS:
            await self.post(carrier, "/script", {"scripts": carriage})
        await self._prepare_erp(orders)

    async def _prepare_erp(self, orders: list[DemoOrder]) -> None:
        documents = {"customers": customers(orders), "orders": [order.erp for order in orders]}
        await self.post("erp", "/import", documents)
        if scripts := [order.erp_script for order in orders if order.erp_script]:
            await self.post("erp", "/script", {"scripts": scripts})

    async def step_to(self, at: datetime) -> int:
        """Move their clock; answers when all webhooks that fell due have been acknowledged or put off.

        Gives how many things happened.
        """
        return int((await self.post("erp", "/clock", {"now": at.isoformat()}))["ran"])

    async def next_due(self) -> datetime | None:
        """The earliest thing that will happen there by itself."""
        found = (await self.get("erp", "/clock"))["next"]
        return datetime.fromisoformat(found) if found else None

    async def fail(self, outage: Outage) -> None:
        """Let a partner be away from now until the outage ends."""
        at = datetime.fromisoformat((await self.get(outage.system, "/clock"))["now"])
        seconds = (outage.ends - at).total_seconds()
        if seconds > 0:
            await self.post(outage.system, "/faults", {"fault": "outage", "seconds": seconds})

    async def ledger(self, service: str) -> dict[str, Any]:
        """What a service was asked to do that had effect."""
        found: dict[str, Any] = await self.get(service, "/ledger")
        return found

    async def get(self, service: str, path: str) -> Any:
        """Ask a service. Raises `Unreachable`."""
        return await self._ask("GET", service, path, None)

    async def post(self, service: str, path: str, body: Any) -> Any:
        """Tell a service. Raises `Unreachable`, and `Broken` for what it does not take."""
        return await self._ask("POST", service, path, body)

    async def _ask(self, method: str, service: str, path: str, body: Any) -> Any:
        url = f"{self.services[service]['url']}{path}"
        try:
            async with self.session.request(method, url, json=body) as answer:
                text = await answer.text()
                if answer.status >= 400:
                    raise Broken(f"{service} does not take this: {text[:300]}", where=f"{method} {path}")
                return json.loads(text)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"the sandbox's {service} does not answer: {error}", where=path) from error


@contextlib.asynccontextmanager
async def partners(start: datetime, *, seed: int = 7) -> AsyncIterator[Partners]:
    """Start the sandbox with its clock at `start`; it ends with this, or with this process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossdock.sandbox", "--port-base", "0", "--calm", "--seed", str(seed)),
        *("--start", start.isoformat().replace("+00:00", "Z"), "--stop-with-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018, S101 - both are pipes
    try:
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            raise Broken("the sandbox has not started in time", mend="see `crossdock sandbox`") from None
        if not line:
            raise Broken("the sandbox has not started", mend="see `crossdock sandbox`")
        timeout = aiohttp.ClientTimeout(total=300)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Partners(json.loads(line)["services"], session)
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
