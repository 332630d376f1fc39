"""Talks that are led against a contract server over HTTP; what it answered is an example for the suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from talking import KEY, connector

from crossdock.connect.conformance import Example
from crossdock.connect.contract import Access, Context, Request, Response, Session
from crossdock.connect.fit import plain
from crossdock.connect.secret import Secret

_encode = msgspec.json.Encoder(decimal_format="number").encode
Talking = Generator[Request, Response, Any]


class Played:
    """A connector and a contract server."""

    def __init__(
        self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str], key: str = KEY
    ) -> None:
        self.connector = connector(name)
        defaults = {n: one.default for n, one in self.connector.settings.items() if one.default is not None}
        self.context = Context(settings={**defaults, **settings}, key=key, tenant=1, connection="it")
        self.secrets = secrets

    def lead(self, app: web.Application, talk: Talking) -> tuple[Any, list[Response]]:
        """What the talk gives, and what it was answered."""
        return asyncio.run(self._lead(app, talk))

    def example(self, app: Callable[[], web.Application], operation: str, data: Any) -> Example:
        """The operation done once; looked up before, when nothing is there, and after."""
        it = next(one for one in self.connector.operations if one.name == operation)
        not_found: list[Response] = []
        found: list[Response] = []
        if it.find is not None:
            nothing, not_found = self.lead(app(), it.find(data, self.context))
            assert nothing is None
        output, answers = self.lead(app(), it.do(data, self.context))
        if it.find is not None:
            _, found = self.lead(app(), it.find(data, self.context))
        return Example(
            operation=operation,
            data=data,
            answers=answers,
            output=plain(output),
            found=found,
            not_found=not_found,
        )

    def page(self, app: web.Application, feed: str) -> list[Response]:
        """What a feed is answered from its beginning."""
        poll = next(one for one in self.connector.polls if one.name == feed)
        return self.lead(app, poll.read("", self.context))[1]

    async def _lead(self, app: web.Application, talk: Talking) -> tuple[Any, list[Response]]:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with aiohttp.ClientSession() as http:
                session = Session()
                if self.connector.sign_in is not None:
                    secrets = {name: Secret(text) for name, text in self.secrets.items()}
                    access = Access(settings=self.context.settings, secrets=secrets, now=datetime.now(UTC))
                    session, _ = await self._to_its_end(http, url, self.connector.sign_in(access), session)
                return await self._to_its_end(http, url, talk, session)
        finally:
            await runner.cleanup()

    async def _to_its_end(
        self, http: aiohttp.ClientSession, url: str, talk: Talking, session: Session
    ) -> tuple[Any, list[Response]]:
        answers: list[Response] = []
        try:
            request = next(talk)
            while True:
                signed = session.sign(request) if session.sign is not None else request
                headers = {"Content-Type": "application/json", **session.headers, **signed.headers}
                body = None if signed.json is None else _encode(signed.json)
                async with http.request(
                    signed.method, url + signed.path, params=signed.query, data=body, headers=headers
                ) as reply:
                    assert reply.status < 300 or reply.status in signed.accept, await reply.text()
                    answers.append(Response(reply.status, {}, await reply.read()))
                request = talk.send(answers[-1])
        except StopIteration as stop:
            return stop.value, answers
