"""DBOS: a workflow of 8 steps, each one POST, on the same PostgreSQL.

As its documentation recommends for I/O: async workflow and steps, one aiohttp session. The workflow is
awaited directly, which spares DBOS the polling of a handle. Its pool is raised as far as that helps.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from dbos import DBOS

from benchmarks.engine.contest import CALLS, CONNECTIONS, TIMEOUT, Result, drive, order, path


async def run(orders: int, in_flight: int, stub_url: str, database_url: str) -> Result:
    """Carry the orders through DBOS, in this process."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(stub_url, connector=connector, timeout=timeout) as session:
        DBOS(
            config={
                "name": "orders",
                "system_database_url": database_url,
                "sys_db_pool_size": min(in_flight, 64),
                "log_level": "ERROR",
            }
        )

        @DBOS.step()
        async def call(step: int, document: dict[str, Any]) -> dict[str, Any]:
            headers = {"Idempotency-Key": f"{document['number']}:{step}"}
            async with session.post(path(step), json=document, headers=headers) as answer:
                answer.raise_for_status()
                output: dict[str, Any] = await answer.json()
                return output

        @DBOS.workflow()
        async def process(document: dict[str, Any]) -> None:
            for step in range(CALLS):
                await call(step, document)

        DBOS.launch()
        try:
            return await drive(orders, in_flight, lambda number: process(order(number)))
        finally:
            DBOS.destroy()
