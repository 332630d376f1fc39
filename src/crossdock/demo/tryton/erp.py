"""Talking to Tryton as one who works in it: JSON-RPC, with the values that JSON lacks."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import aiohttp

from crossdock.errors import Broken, Unreachable

_BUSY_TRIES = 40


class TrytonSaysNo(Broken):
    """It does not take what it was told: the `kind` of its error, and the `details` of it."""

    def __init__(self, message: str, *, where: str = "", kind: str = "", details: Sequence[Any] = ()) -> None:
        """Take what it said."""
        super().__init__(message, where=where)
        self.kind = kind
        self.details = details


class Erp:
    """A session of one user with one database. `busy` counts how often it was put off."""

    def __init__(self, http: aiohttp.ClientSession, url: str, database: str) -> None:
        """Nothing is asked yet: `login` first."""
        self._http = http
        self._url = f"{url}/{database}/rpc/"
        self._headers: dict[str, str] = {}
        self._context: dict[str, Any] = {}
        self.busy = 0

    async def login(self, user: str, password: str) -> None:
        """Begin. Raises `Unreachable` while it does not answer."""
        number, token, *_ = await self._rpc("common.db.login", user, {"password": password}, "en")
        word = base64.b64encode(f"{user}:{number}:{token}".encode()).decode()
        self._headers = {"Authorization": f"Session {word}"}
        await self.refresh()

    async def refresh(self) -> None:
        """Work in the company that the user has now."""
        self._context = {}
        self._context = await self.call("model.res.user.get_preferences", True)

    async def call(self, method: str, *arguments: Any, **context: Any) -> Any:
        """Call a method of a model; what another's lock puts off is tried again."""
        return await self._rpc(method, *arguments, {**self._context, **context})

    async def find(self, model: str, domain: list[Any], *fields: str) -> list[Any]:
        """Records of a model, with these fields, oldest first."""
        found: list[Any] = await self.call(
            f"model.{model}.search_read", domain, 0, None, [["id", "ASC"]], list(fields)
        )
        return found

    async def one(self, model: str, domain: list[Any], *fields: str) -> Any:
        """The one record that fits. Raises `TrytonSaysNo` where it is none, or several."""
        found = await self.find(model, domain, *fields)
        if len(found) != 1:
            raise TrytonSaysNo(f"{len(found)} records of {model} fit {domain}")
        return found[0]

    async def make(self, model: str, *values: Mapping[str, Any]) -> list[int]:
        """Create records; gives their ids."""
        ids: list[int] = await self.call(f"model.{model}.create", list(values))
        return ids

    async def write(self, model: str, ids: list[int], values: Mapping[str, Any]) -> None:
        """Change records."""
        await self.call(f"model.{model}.write", ids, values)

    async def press(self, model: str, ids: list[int], *buttons: str) -> None:
        """Press buttons on records, one after the other."""
        for button in buttons:
            await self.call(f"model.{model}.{button}", ids)

    async def wizard(self, name: str, *steps: tuple[str, dict[str, Any]]) -> None:
        """Go through a wizard: states in their order, with what is filled in at each."""
        session, _, _ = await self.call(f"wizard.{name}.create")
        for state, values in steps:
            await self.call(f"wizard.{name}.execute", session, values, state)
        await self.call(f"wizard.{name}.delete", session)

    async def _rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"id": 0, "method": method, "params": params}, default=_encoded)
        headers = {"Content-Type": "application/json", **self._headers}
        for _ in range(_BUSY_TRIES):
            try:
                async with self._http.post(self._url, data=body, headers=headers) as answer:
                    status, text = answer.status, await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Unreachable(f"Tryton does not answer: {error}", where=method) from error
            if status != 503:
                break
            self.busy += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))
        if status != 200:
            raise TrytonSaysNo(f"Tryton answered {status}: {text[:300]}", where=method)
        found = json.loads(text, object_hook=_decoded)
        if found.get("error"):
            kind, *more = found["error"]
            details = more[0] if more and isinstance(more[0], list) else more
            raise TrytonSaysNo(f"{kind}: {details}", where=method, kind=kind, details=details)
        return found["result"]


def _encoded(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{part: getattr(value, part) for part in parts}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    raise TypeError(type(value).__name__)


def _decoded(value: dict[str, Any]) -> Any:
    parts = {name: part for name, part in value.items() if name != "__class__"}
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "datetime":
            return datetime(**parts, tzinfo=UTC)
        case "date":
            return date(**parts)
        case _:
            return value
