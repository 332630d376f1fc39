"""The processes of a contest: the stub, and each contestant."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from benchmarks.engine.contest import Result

LONGEST = 300.0  # seconds for one contestant


class StubProcess:
    """The stub as a process: `async with StubProcess() as stub`, then `stub.url`."""

    url: str

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.engine.stub",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout
        self.url = f"http://127.0.0.1:{int(await self._process.stdout.readline())}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def calls(self) -> int:
        """How many calls it has answered."""
        async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
            return int((await answer.json())["calls"])


async def hold(name: str, orders: int, in_flight: int, stub_url: str, database_url: str) -> Result | None:
    """Run a contestant as a process of its own; None when it fails, which is told on standard error."""
    arguments = [name, str(orders), str(in_flight), stub_url, database_url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.engine.contestant", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LONGEST):
            out, _ = await process.communicate()
    except TimeoutError:
        print(f"{name}, {in_flight} in flight: not done in {LONGEST:.0f} s", file=sys.stderr)
        return None
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        print(f"{name}, {in_flight} in flight: failed with status {process.returncode}", file=sys.stderr)
        return None
    return msgspec.json.decode(out.splitlines()[-1], type=Result)
