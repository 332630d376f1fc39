"""`crossdock serve | worker`: an installation that runs, with pages, webhooks and workers."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import typer
import uvicorn

from crossdock.api.slow_clients import LARGEST_HEAD, patient_protocol
from crossdock.assemble import System, opened
from crossdock.cli.output import console, say_json, told
from crossdock.cli.place import HERE, Directory, Json, interrupted, run, settings_in
from crossdock.errors import Refused
from crossdock.settings import Settings
from crossdock.site import site

_PATIENCE = 5  # seconds for requests that are under way when the server is told to end
_MOST_CONNECTIONS = 8000
_BACKLOG = 2048  # connections that wait to be accepted


def serve(
    port: Annotated[int | None, typer.Option(help="Where pages and webhooks are served")] = None,
    worker: Annotated[bool, typer.Option(help="Work in this process as well")] = True,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Run an installation: pages, webhooks and a worker. An empty directory is enough to begin with."""

    async def go() -> None:
        settings = settings_in(directory, port=port)
        if not json:
            where = "the database server" if settings.database_url else str(settings.data)
            console.print(f"Opening {where} ...", highlight=False)
        async with contextlib.AsyncExitStack() as stack:
            system = await stack.enter_async_context(opened(settings, set_up=True))
            url = await stack.enter_async_context(pages(system, port=None))
            if worker:
                await stack.enter_async_context(system.worker())
            first = await system.first_link(url)
            if json:
                said = {"url": url, "tenant": system.tenant.name, "data": str(settings.data)}
                say_json(said if first is None else {**said, "first": first})
            else:
                await _welcome(system, url, first)
            await interrupted()

    with told(json=json):
        run(go())


def worker(directory: Directory = HERE, json: Json = False) -> None:
    """Run one more worker on the same database. Any number may run, here or elsewhere."""

    async def go() -> None:
        async with opened(settings_in(directory)) as system:
            await system.connect_those_named()  # on another machine, secrets stand in its own file
            async with system.worker():
                if json:
                    say_json({"worker": True, "tenant": system.tenant.name})
                else:
                    console.print("A worker runs. Ctrl-C ends it; what it has out is finished first.")
                await interrupted()

    with told(json=json):
        run(go())


async def _welcome(system: System, url: str, first: str | None) -> None:
    known = await system.history.counts(system.tenant)
    console.print(f"\nCrossdock runs: [bold]{url}[/bold]   (tenant {system.tenant.name}; Ctrl-C ends)\n")
    if first is not None:
        console.print("Nobody has an account yet. This link makes the first one, for a day:\n")
        console.print(f"  {first}\n", highlight=False, soft_wrap=True)
    if known:
        return
    console.print("Nothing has happened here yet. What to do next:")
    connected = await system.connections.of(system.tenant)
    steps = [
        ("crossdock demo", "see it play on real orders"),
        ("crossdock try order-to-cash", "play one order without any system"),
    ]
    if not connected:
        steps.append((system.settings.connections.name, "name the systems to connect, then start again"))
    steps.append(("crossdock check processes/", "say what is wrong with processes of your own"))
    if system.settings.packs:
        steps.append(
            ("crossdock run order-to-cash -d order.json", "start a run; crossdock schema Order says of what")
        )
    else:
        steps.append(("crossdock run PROCESS -d FILE", "start a run of one of your processes"))
    for what, why in steps:
        console.print(f"  {what:<43}{why}", highlight=False)


@contextlib.asynccontextmanager
async def pages(system: System, *, port: int | None, fallback: bool = False) -> AsyncIterator[str]:
    """Serve pages and webhooks meanwhile; gives their address.

    `fallback` takes a free port where the usual one is taken. Raises `Refused` where it may not.
    """
    settings = system.settings
    _refuse_certificate(settings)
    wanted = settings.port if port is None else port
    with _listening(settings.host, wanted, fallback=fallback and port is None) as listening:
        number = listening.getsockname()[1]
        made = site(system)
        config = uvicorn.Config(
            made,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            http=patient_protocol(most=_most_connections()),
            h11_max_incomplete_event_size=LARGEST_HEAD,
            timeout_graceful_shutdown=_PATIENCE,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            server_header=False,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            if running.done():
                await running  # raises what kept it from starting
            yield f"{'https' if settings.tls_certificate else 'http'}://{settings.host}:{number}"
        finally:
            await made.state.stream.close()  # open pages listen for ever; the server would wait for them
            server.should_exit = True
            await running


def _refuse_certificate(settings: Settings) -> None:
    """Raises `Refused` where https is wanted and its files do not do."""
    if settings.tls_certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_certificate, settings.tls_key
        )
    except OSError as error:  # an SSLError is one
        raise Refused(
            f"it cannot be served with this certificate: {error.strerror or 'it does not fit its key'}",
            where=f"{settings.tls_certificate}, {settings.tls_key}",
            mend="give a certificate with its chain, and its key, both PEM and readable",
        ) from None


def _most_connections() -> int:
    """As many as this process may hold open, besides what else it needs."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(_MOST_CONNECTIONS, soft - 200)) if soft > 0 else _MOST_CONNECTIONS


class _Server(uvicorn.Server):
    """Leaves signals to the command that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _listening(host: str, port: int, *, fallback: bool) -> Iterator[socket.socket]:
    with contextlib.ExitStack() as stack:
        try:
            listening = stack.enter_context(_bound(host, port))
        except OSError as error:
            if not fallback:
                raise Refused(
                    f"{host}:{port} cannot be served: {error.strerror}",
                    mend="another `crossdock serve` may run there; give another --port",
                ) from None
            listening = stack.enter_context(_bound(host, 0))
        yield listening


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens. It does so at once: until then another process could be given the same port."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening
