"""What programs do most, as methods. The whole of the API is in docs/reference/api.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from crossdock.client.asking import Asking, named
from crossdock.client.shapes import Case, Decision, Kept, Outcome, Page, Run, Sent, SentMany, Task, Unread
from crossdock.errors import Refused

T = TypeVar("T")

_PAGE = 200  # rows that are asked for together
_BATCH = 500  # events that a server takes together


class Client(Asking):
    """A Crossdock server. `async with Client(url, key=...) as crossdock: ...`.

    Each act takes `once`, which names it: give one of your own where your program may die and ask again.
    What is asked of a run, it decides itself: `wait` is for how many seconds an act waits for that.
    """

    async def runs(
        self,
        *,
        process: str | None = None,
        status: str | None = None,
        parent: str | None = None,
        number: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Run]:
        """Runs, newest first, page after page as they are taken."""
        query = {
            "process": process,
            "status": status,
            "parent": parent,
            "q": number,
            "created_from": created_from,
            "created_to": created_to,
        }
        async for one in self.each("runs", Page[Run], most, query):
            yield one

    def search(self, number: str, *, most: int | None = None) -> AsyncIterator[Run]:
        """Runs that a number names: a key, an alias, of now or before; ended ones too."""
        return self.runs(number=number, most=most)

    async def run(self, run: str) -> Run:
        """One run by its id, with its numbers and its document. Raises `NotFound`."""
        return await self.get(f"runs/{named(run)}", Run, expand="aliases,document")

    async def state(self, run: str) -> dict[str, Any]:
        """All that a run keeps between two decisions."""
        return await self.get(f"runs/{named(run)}/state", dict[str, Any])

    async def history(self, run: str, *, most: int | None = None) -> AsyncIterator[Decision]:
        """What was decided for a run, oldest first."""
        async for one in self.each(f"runs/{named(run)}/history", Page[Decision], most, {}):
            yield one

    async def start(
        self, process: str, document: Mapping[str, Any], *, test: bool = False, once: str | None = None
    ) -> Run:
        """Start a run of a process by hand; in `test`, it calls only connections of a sandbox.

        Raises `Refused` where the document does not start it.
        """
        told = {"process": process, "document": document} | ({"test": True} if test else {})
        return await self.post("runs", told, Run, once=once)

    async def retry(
        self,
        run: str,
        step: str,
        *,
        item: str = "",
        note: str = "",
        exception: str = "",
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Try again what failed at a step. `exception`: only while that one is open, which it answers."""
        told = {"step": step, "item": item, "note": note, "exception": exception}
        return await self._act(f"runs/{named(run)}/retry", told, once, wait)

    async def supply(
        self,
        run: str,
        step: str,
        output: Any,
        *,
        item: str = "",
        note: str = "",
        exception: str = "",
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Give the result of a step. `exception` as for `retry`."""
        told = {"step": step, "item": item, "note": note, "output": output, "exception": exception}
        return await self._act(f"runs/{named(run)}/supply", told, once, wait)

    async def skip(
        self,
        run: str,
        step: str,
        *,
        note: str,
        item: str = "",
        exception: str = "",
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Go on without a step. `exception` as for `retry`."""
        told = {"step": step, "item": item, "note": note, "exception": exception}
        return await self._act(f"runs/{named(run)}/skip", told, once, wait)

    async def redo(
        self,
        run: str,
        step: str,
        *,
        note: str = "",
        exception: str = "",
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Take a step back, and what depends on it, and do it again. `exception` as for `retry`."""
        told = {"step": step, "note": note, "exception": exception}
        return await self._act(f"runs/{named(run)}/redo", told, once, wait)

    async def cancel(
        self, run: str, *, reason: str, once: str | None = None, wait: float | None = None
    ) -> Outcome:
        """Take back what a run did, newest first, and end it."""
        return await self._act(f"runs/{named(run)}/cancel", {"reason": reason}, once, wait)

    async def send(self, event: Mapping[str, Any], *, once: str | None = None) -> Sent:
        """Send one CloudEvent. Raises `Refused` for one that is not taken."""
        found = await self.post("events", event, SentMany, once=once, media="application/cloudevents+json")
        return found.items[0]

    async def send_many(self, events: Sequence[Mapping[str, Any]], *, once: str | None = None) -> list[Sent]:
        """Send up to 500 CloudEvents; one refused stops none of the others, and is an error if alone."""
        if not 1 <= len(events) <= _BATCH:
            raise Refused(f"these are {len(events)} events", mend=f"send 1 to {_BATCH} together")
        media = "application/cloudevents-batch+json"
        found = await self.post("events", list(events), SentMany, once=once, media=media)
        return found.items

    async def parked(self, *, most: int | None = None) -> AsyncIterator[Kept]:
        """Events that no run has claimed yet, newest first."""
        async for one in self.each("events/parked", Page[Kept], most, {}):
            yield one

    async def quarantined(self, *, most: int | None = None) -> AsyncIterator[Kept]:
        """Events that were refused, newest first."""
        async for one in self.each("events/quarantined", Page[Kept], most, {}):
            yield one

    async def unread(self, *, most: int | None = None) -> AsyncIterator[Unread]:
        """What partners sent and nobody could read, newest first."""
        async for one in self.each("events/unread", Page[Unread], most, {}):
            yield one

    async def task(self, task: str) -> Task:
        """One task by its id. Raises `NotFound`."""
        return await self.get(f"tasks/{named(task)}", Task)

    async def exception(self, exception: str) -> Case:
        """One exception by its id. Raises `NotFound`."""
        return await self.get(f"exceptions/{named(exception)}", Case)

    async def tasks(
        self,
        *,
        status: str = "open",
        role: str | None = None,
        run: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Task]:
        """What people decide, due soonest first."""
        query = {"status": status, "role": role, "run": run}
        async for one in self.each("tasks", Page[Task], most, query):
            yield one

    async def decide(
        self,
        task: Task,
        decision: str,
        *,
        note: str = "",
        form: Mapping[str, Any] | None = None,
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Decide a task as it was read: `approved`, `refused` or `done`. Raises `Conflict` if it changed."""
        told: dict[str, Any] = {"decision": decision, "note": note}
        told |= {"seen": task.seen} if task.seen is not None else {}
        tag = "*" if task.seen is None else ""  # it shows nothing that could have changed
        told |= {"form": form} if form is not None else {}
        return await self._act(f"tasks/{named(task.id)}/decide", told, once, wait, tag)

    async def exceptions(
        self,
        *,
        status: str = "open",
        type_: str | None = None,
        connection: str | None = None,
        run: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Case]:
        """What went otherwise, oldest first."""
        query = {"status": status, "type": type_, "connection": connection, "run": run}
        async for one in self.each("exceptions", Page[Case], most, query):
            yield one

    async def close(
        self,
        exception: str,
        *,
        action: str = "close",
        note: str = "",
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Close an exception; `action` may be `retry`, `skip` or `cancel` besides."""
        told = {"action": action, "note": note}
        return await self._act(f"exceptions/{named(exception)}/close", told, once, wait)

    async def _act(
        self, path: str, told: Mapping[str, Any], once: str | None, wait: float | None = None, tag: str = ""
    ) -> Outcome:
        prefer = "" if wait is None else "respond-async" if wait < 1 else f"wait={wait:.0f}"
        return await self.post(path, told, Outcome, once=once, prefer=prefer, tag=tag)

    async def each(
        self, path: str, into: type[Page[T]], most: int | None, query: Mapping[str, Any]
    ) -> AsyncIterator[T]:
        """What a list holds, page after page as it is taken."""
        cursor: str | None = None
        left = most
        while left is None or left > 0:
            limit = _PAGE if left is None else min(left, _PAGE)
            page = await self.get(path, into, **query, limit=limit, cursor=cursor)
            for one in page.items:
                yield one
            if page.next is None:
                return
            cursor = page.next
            left = None if left is None else left - len(page.items)
