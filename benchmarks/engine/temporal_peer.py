"""Temporal: a workflow of 8 activities, each one POST, on its development server in memory.

In memory it is not durable; on a file it is a good deal slower. Client and worker share this process; the
worker takes as many activities at a time as there are connections and keeps all workflows in its cache. More
pollers, or as many activities as orders in flight, made the server slower here, down to time-outs.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from temporalio import activity, workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker

from benchmarks.engine.contest import CALLS, CONNECTIONS, TIMEOUT, Result, drive, order, path

QUEUE = "orders"


class Calls:
    """The activities, with the session they share."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    @activity.defn
    async def call(self, step: int, document: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"{document['number']}:{step}"}
        async with self.session.post(path(step), json=document, headers=headers) as answer:
            answer.raise_for_status()
            output: dict[str, Any] = await answer.json()
            return output


@workflow.defn
class Process:
    """One order."""

    @workflow.run
    async def run(self, document: dict[str, Any]) -> None:
        for step in range(CALLS):
            await workflow.execute_activity_method(
                Calls.call, args=[step, document], start_to_close_timeout=timedelta(seconds=TIMEOUT)
            )


async def run(orders: int, in_flight: int, stub_url: str, database_url: str) -> Result:
    """Carry the orders through Temporal; its server is a process of its own, its store its memory."""
    del database_url
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    binary = Path(sys.executable).parent / "temporal"
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(binary), dev_server_log_level="never", ui=False
        ) as server,
        aiohttp.ClientSession(stub_url, connector=connector, timeout=timeout) as session,
        Worker(
            server.client,
            task_queue=QUEUE,
            workflows=[Process],
            activities=[Calls(session).call],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=2 * in_flight,
            max_concurrent_activities=CONNECTIONS,
            max_concurrent_workflow_tasks=CONNECTIONS // 2,
            workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(8),
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(8),
        ),
    ):

        async def carry(number: int) -> None:
            await server.client.execute_workflow(
                Process.run, order(number), id=f"order-{number}", task_queue=QUEUE
            )

        return await drive(orders, in_flight, carry)
