"""What people who run a server do there besides: repairs of many, connections, processes, mappings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from crossdock.client.asking import named
from crossdock.client.house import House
from crossdock.client.shapes import (
    Code,
    CodesFetched,
    CodesSet,
    Connection,
    Connector,
    Item,
    Mended,
    OtherCode,
    Outcome,
    Page,
    PartnerMapping,
    Process,
    Proposal,
    Proven,
    Reconciled,
    Repair,
    Replayed,
    SecretDropped,
    SecretKnown,
    SecretSet,
    Shape,
    SystemsDiffer,
    Tested,
    Version,
    WaitingCode,
)

_PART = 200  # runs that are proved in one request


class _Counted(Shape, frozen=True, kw_only=True):
    runs: int


class _Published(Shape, frozen=True, kw_only=True):
    items: list[Process]


class _Mappings(Shape, frozen=True, kw_only=True):
    items: list[PartnerMapping]


class _Gone(Shape, frozen=True, kw_only=True):
    items: list[OtherCode]


class _Secrets(Shape, frozen=True, kw_only=True):
    items: list[SecretKnown]


class Operator(House):
    """A server, asked by those who run it. A cause and an action are as `POST /repairs` has them."""

    async def close_all(
        self, run: str, *, step: str | None = None, note: str = "", once: str | None = None
    ) -> Outcome:
        """Close what is open of a run, at one step or all. Raises `Conflict` where nothing is."""
        told = {"note": note} | ({"step": step} if step is not None else {})
        return await self._act(f"runs/{named(run)}/close", told, once, 0)

    async def release(self, run: str, *, again: bool = True, once: str | None = None) -> Outcome:
        """Let a run go on that a broken decision has stopped, with the event that stopped it or without."""
        return await self._act(f"runs/{named(run)}/release", {"again": again}, once)

    async def move(
        self,
        run: str,
        *,
        version: str | None = None,
        note: str = "",
        once: str | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Let a run go on under another version, the newest without one. Raises `Conflict` if it stays."""
        told = {"note": note} | ({"version": version} if version is not None else {})
        return await self._act(f"runs/{named(run)}/move", told, once, wait)

    async def replay(self, run: str) -> Replayed:
        """Decide the events of a run again, and compare with what is stored."""
        return await self.get(f"runs/{named(run)}/replay", Replayed)

    async def preview(self, cause: Mapping[str, Any], action: Mapping[str, Any] | None = None) -> int:
        """How many runs a repair would touch now. Nothing is changed."""
        told = {"cause": cause} | ({"action": action} if action is not None else {})
        return (await self.post("repairs/preview", told, _Counted)).runs

    async def begin(
        self,
        cause: Mapping[str, Any],
        action: Mapping[str, Any],
        *,
        trial: int = 3,
        rate: float = 10.0,
        seen: int | None = None,
        once: str | None = None,
    ) -> Repair:
        """Repair the first `trial` of all runs with a cause; the rest, `rate` a second, when it proceeds.

        `seen` is the count that was shown before. Raises `Conflict` where it is another by now.
        """
        told: dict[str, Any] = {"cause": cause, "action": action, "trial": trial, "rate": rate}
        told |= {"seen": seen} if seen is not None else {}
        return await self.post("repairs", told, Repair, once=once)

    async def proceed(self, repair: str, *, once: str | None = None) -> Repair:
        """Send the rest of a repair."""
        return await self.post(f"repairs/{named(repair)}/proceed", None, Repair, once=once)

    async def stop_repair(self, repair: str, *, once: str | None = None) -> Repair:
        """Send no more of a repair; what was sent stays sent."""
        return await self.post(f"repairs/{named(repair)}/stop", None, Repair, once=once)

    def repairs(self, *, most: int | None = None) -> AsyncIterator[Repair]:
        """Repairs of many runs, newest first."""
        return self.each("repairs", Page[Repair], most, {})

    async def repair(self, repair: str) -> Repair:
        """How a repair stands. Raises `NotFound`."""
        return await self.get(f"repairs/{named(repair)}", Repair)

    def repaired(self, repair: str, *, most: int | None = None) -> AsyncIterator[Item]:
        """The runs of a repair, with what came of each."""
        return self.each(f"repairs/{named(repair)}/items", Page[Item], most, {})

    async def reconciled(self) -> Reconciled:
        """How the last comparison of the systems with what stands here went."""
        return await self.get("reconciliation", Reconciled)

    async def reconcile(self, whats: Sequence[str] = (), *, once: str | None = None) -> Reconciled:
        """Compare these now, or all. Raises `Conflict` while it is being compared."""
        return await self.post("reconciliation", {"what": list(whats)}, Reconciled, once=once)

    def differences(
        self,
        *,
        what: str | None = None,
        kind: str | None = None,
        system: str | None = None,
        state: str = "open",
        most: int | None = None,
    ) -> AsyncIterator[SystemsDiffer]:
        """What stands otherwise there than here, newest first: open, waiting, gone or any."""
        asked = {"what": what, "kind": kind, "system": system, "state": state}
        return self.each("reconciliation/differences", Page[SystemsDiffer], most, asked)

    async def mend(self, difference: str, *, once: str | None = None) -> int:
        """Take in what was lost on its way; gives how many events that were."""
        given = {"difference": difference}
        return (await self.post("reconciliation/mend", given, Mended, once=once)).events

    def connections(self, *, most: int | None = None) -> AsyncIterator[Connection]:
        """Connections by name, and how their calls stand."""
        return self.each("connections", Page[Connection], most, {})

    async def connection(self, connection: str) -> Connection:
        """One connection. Raises `NotFound`."""
        return await self.get(f"connections/{named(connection)}", Connection)

    async def put_connection(
        self, connection: str, given: Mapping[str, Any], *, new: bool = False
    ) -> Connection:
        """Set a connection, as `connections.yaml` has it; a `new` one only where there is none."""
        path = f"connections/{named(connection)}"
        if not new:
            return await self.change("PUT", path, Connection, body=given)
        headers = {"if-none-match": "*", "content-type": "application/json"}
        return await self._ask("PUT", path, Connection, headers=headers, data=msgspec.json.encode(given))

    async def remove_connection(self, connection: str) -> Connection:
        """Remove a connection with its secrets. Raises `Conflict` while calls wait for it or are out."""
        return await self.change("DELETE", f"connections/{named(connection)}", Connection)

    async def test_connection(self, connection: str) -> Tested:
        """See whether a connection works, and what is wrong where not."""
        return await self.post(f"connections/{named(connection)}/test", None, Tested)

    async def record(self, connection: str, *, seconds: float = 600, once: str | None = None) -> Connection:
        """Record its traffic for so long, without secrets and personal data; 0 ends it."""
        told = {"seconds": seconds}
        return await self.post(f"connections/{named(connection)}/record", told, Connection, once=once)

    async def recording(self, connection: str) -> dict[str, Any]:
        """What was recorded of it, as a HAR 1.2 file."""
        return await self.get(f"connections/{named(connection)}/recording", dict[str, Any])

    async def secrets(self, connection: str) -> list[SecretKnown]:
        """The secrets of a connection, without their texts."""
        return (await self.get(f"connections/{named(connection)}/secrets", _Secrets)).items

    async def set_secret(
        self,
        connection: str,
        name: str,
        text: str,
        *,
        keep_old: bool = False,
        old_until: datetime | None = None,
        expires: datetime | None = None,
    ) -> SecretSet:
        """Set a secret; with `keep_old`, what comes in is believed with the one before too, for a while."""
        told: dict[str, Any] = {"text": text, "keep_old": keep_old}
        told |= {"old_until": old_until} if old_until is not None else {}
        told |= {"expires": expires} if expires is not None else {}
        path = f"connections/{named(connection)}/secrets/{named(name)}"
        return await self.change("PUT", path, SecretSet, body=told)

    async def drop_secret(self, connection: str, name: str, *, only_old: bool = False) -> SecretDropped:
        """Forget a secret, or those texts of it alone that hold on."""
        path = f"connections/{named(connection)}/secrets/{named(name)}"
        return await self.change("DELETE", path, SecretDropped, only_old=only_old)

    def connectors(self, *, system: str | None = None, most: int | None = None) -> AsyncIterator[Connector]:
        """Connectors that are installed, by name, with what a connection of each needs."""
        return self.each("connectors", Page[Connector], most, {"system": system})

    async def connector(self, connector: str) -> Connector:
        """One connector. Raises `NotFound`."""
        return await self.get(f"connectors/{named(connector)}", Connector)

    def proposals(
        self, *, status: str = "open", run: str | None = None, most: int | None = None
    ) -> AsyncIterator[Proposal]:
        """What is proposed, newest first; of every state with `status="any"`."""
        return self.each("proposals", Page[Proposal], most, {"status": status, "run": run})

    async def proposal(self, proposal: str) -> Proposal:
        """One proposal. Raises `NotFound`."""
        return await self.get(f"proposals/{named(proposal)}", Proposal)

    async def propose(
        self,
        deed: str,
        on: str,
        given: Mapping[str, Any],
        *,
        why: str,
        model: str = "",
        seen: str | None = None,
        once: str | None = None,
    ) -> Proposal:
        """Propose a deed on a run, a task or an exception, by name. Raises `Conflict` if it changed."""
        told: dict[str, Any] = {"deed": deed, "on": on, "given": dict(given), "why": why, "model": model}
        told |= {"seen": seen} if seen is not None else {}
        return await self.post("proposals", told, Proposal, once=once)

    async def accept(
        self, proposal: str, *, note: str = "", once: str | None = None, wait: float | None = None
    ) -> Outcome:
        """Accept a proposal: it is done, by the rights of whose key this is. Raises `Conflict` if it fell."""
        return await self._act(f"proposals/{named(proposal)}/accept", {"note": note}, once, wait)

    async def decline(self, proposal: str, *, note: str = "", once: str | None = None) -> Proposal:
        """Turn a proposal down."""
        return await self.post(f"proposals/{named(proposal)}/decline", {"note": note}, Proposal, once=once)

    async def stop(
        self, connection: str, *, stand_still: bool = False, once: str | None = None
    ) -> Connection:
        """Let no call of a connection leave; they wait. `stand_still`: deadlines that wait for it do too."""
        told = {"stand_still": stand_still}
        return await self.post(f"connections/{named(connection)}/stop", told, Connection, once=once)

    async def go_on(
        self, connection: str, *, drain_rate: float | None = None, once: str | None = None
    ) -> Connection:
        """Let its calls leave again, so many a second until all that waited have left."""
        told = {"drain_rate": drain_rate} if drain_rate is not None else {}
        return await self.post(f"connections/{named(connection)}/start", told, Connection, once=once)

    def processes(self, *, most: int | None = None) -> AsyncIterator[Process]:
        """Processes that new runs take, by name."""
        return self.each("processes", Page[Process], most, {})

    async def process(self, process: str) -> Process:
        """One process. Raises `NotFound`."""
        return await self.get(f"processes/{named(process)}", Process)

    def versions(self, process: str, *, most: int | None = None) -> AsyncIterator[Version]:
        """The versions of a process, newest first."""
        return self.each(f"processes/{named(process)}/versions", Page[Version], most, {})

    async def version(self, process: str, version: str) -> Version:
        """One version of a process, with its text. Raises `NotFound`."""
        return await self.get(f"processes/{named(process)}/versions/{named(version)}", Version)

    async def publish(
        self, sources: Sequence[str], *, share: float = 1.0, note: str = "", once: str | None = None
    ) -> list[Process]:
        """Publish processes, texts in YAML, all or none; for a `share` of new runs. Raises `Refused`."""
        told = {"sources": list(sources), "share": share, "note": note}
        return (await self.post("processes", told, _Published, once=once)).items

    async def backtest(
        self,
        process: str,
        source: str,
        *,
        within: str | None = None,
        most: int | None = None,
        assume: bool = False,
    ) -> AsyncIterator[Proven]:
        """What past runs of a process would have come to under the version in `source`; nothing is changed.

        Part after part, the newest runs first: all, or those that began `within` so long (30d). Raises
        `Refused` where the text may not be published.
        """
        told: dict[str, Any] = {"source": source, "assume": assume}
        told |= {"within": within} if within is not None else {}
        while most is None or most > 0:
            limit = _PART if most is None else min(most, _PART)
            part = await self.post(f"processes/{named(process)}/backtest", told | {"limit": limit}, Proven)
            yield part
            if part.next is None:
                return
            told["before"] = part.next
            most = most - part.cases if most is not None else None

    async def roll_back(
        self, process: str, version: str, *, note: str = "", once: str | None = None
    ) -> Process:
        """Let new runs take an older version again, all of them."""
        told = {"version": version, "note": note}
        return await self.post(f"processes/{named(process)}/roll-back", told, Process, once=once)

    def mappings(self, *, most: int | None = None) -> AsyncIterator[PartnerMapping]:
        """Mappings by name, and the version in use."""
        return self.each("mappings", Page[PartnerMapping], most, {})

    async def mapping(self, mapping: str) -> PartnerMapping:
        """One mapping, with its text. Raises `NotFound`."""
        return await self.get(f"mappings/{named(mapping)}", PartnerMapping)

    def mapping_versions(self, mapping: str, *, most: int | None = None) -> AsyncIterator[Version]:
        """The versions of a mapping, the one in use first."""
        return self.each(f"mappings/{named(mapping)}/versions", Page[Version], most, {})

    async def mapping_version(self, mapping: str, version: str) -> Version:
        """One version of a mapping, with its text. Raises `NotFound`."""
        return await self.get(f"mappings/{named(mapping)}/versions/{named(version)}", Version)

    async def publish_mappings(
        self, sources: Sequence[str], *, note: str = "", once: str | None = None
    ) -> list[PartnerMapping]:
        """Publish mappings, texts in YAML, all or none. Raises `Refused`."""
        told = {"sources": list(sources), "note": note}
        return (await self.post("mappings", told, _Mappings, once=once)).items

    def codes(
        self,
        *,
        scope: str | None = None,
        kind: str | None = None,
        ours: str | None = None,
        theirs: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Code]:
        """Cross references by scope, kind and their code."""
        query = {"scope": scope, "kind": kind, "ours": ours, "theirs": theirs}
        return self.each("codes", Page[Code], most, query)

    async def set_codes(
        self,
        scope: str,
        lines: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        only_look: bool = False,
        note: str = "",
        once: str | None = None,
    ) -> CodesSet:
        """Set cross references, all or none; lines have kind, ours, theirs, direction and line."""
        told = {"scope": scope, "lines": list(lines), "replace": replace, "only_look": only_look}
        return await self.post("codes", {**told, "note": note}, CodesSet, once=once)

    async def fetch_codes(
        self,
        connection: str,
        kinds: Sequence[str] = (),
        *,
        numbers: Mapping[str, str] | None = None,
        anew: bool = False,
        only_look: bool = False,
        note: str = "",
        once: str | None = None,
    ) -> CodesFetched:
        """Read the master data that a system keeps, and set what is new.

        `numbers` says by kind which of their numbers is our code; `anew` reads all from the beginning. Raises
        `Refused` where the system cannot list it, `Conflict` where somebody else read it meanwhile.
        """
        what = {"connection": connection, "kinds": list(kinds), "numbers": dict(numbers or {})}
        told = {**what, "anew": anew, "only_look": only_look, "note": note}
        return await self.post("codes/fetch", told, CodesFetched, once=once)

    def waiting_codes(
        self,
        *,
        connection: str | None = None,
        kind: str | None = None,
        finding: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[WaitingCode]:
        """Master data that a person has to decide about, as the last reading found it."""
        query = {"connection": connection, "kind": kind, "finding": finding}
        return self.each("codes/waiting", Page[WaitingCode], most, query)

    async def drop_codes(
        self,
        scope: str,
        kind: str,
        *,
        ours: str | None = None,
        theirs: str | None = None,
        note: str = "",
        once: str | None = None,
    ) -> list[OtherCode]:
        """Forget cross references: of theirs, of ours, or that pair. Raises `NotFound`."""
        told = {"scope": scope, "kind": kind, "note": note}
        told |= {name: code for name, code in (("ours", ours), ("theirs", theirs)) if code is not None}
        return (await self.post("codes/drop", told, _Gone, once=once)).items
