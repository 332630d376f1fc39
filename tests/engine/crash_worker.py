"""A worker as a process of its own, to be killed: `python crash_worker.py DATABASE_URL LEDGER_URL LEASE`."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from played import read

from crossdock.engine import LeasedCall, Library, Pace, Worker
from crossdock.process.messages import CallEnded
from crossdock.store import Database


class Caller:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def call(self, leased: LeasedCall) -> CallEnded:
        if leased.find_first or leased.only_find:
            async with self._session.get(f"{self._url}/find", params={"key": leased.key}) as answer:
                if answer.status == 200:
                    return CallEnded(command=leased.command, outcome="done", output=await answer.json())
            if leased.only_find:
                return CallEnded(command=leased.command, outcome="withdrawn")
        try:
            async with self._session.post(f"{self._url}/do", params={"key": leased.key}) as answer:
                if answer.status == 503:
                    return CallEnded(command=leased.command, outcome="unreachable", reason="503")
                return CallEnded(command=leased.command, outcome="done", output=await answer.json())
        except aiohttp.ClientError as error:
            return CallEnded(command=leased.command, outcome="unknown", reason=repr(error))


async def main(url: str, ledger: str, lease: float) -> None:
    database = await Database.open(url)
    async with aiohttp.ClientSession() as session:
        pace = Pace(lease=lease, look=0.05, tidy=0.1)
        worker = Worker(database, Library(database, read), Caller(session, ledger), pace)
        print("at work", flush=True)  # noqa: T201
        await worker.run()


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
