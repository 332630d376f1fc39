"""`python -m crossdock.sandbox`: starts the partner systems, prints one line of JSON when all listen."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from crossdock.sandbox.carriers.farrow import Farrow
from crossdock.sandbox.carriers.oldbridge import Oldbridge
from crossdock.sandbox.carriers.quayline import Quayline
from crossdock.sandbox.clock import Clock, stamp
from crossdock.sandbox.erp.orders import Erp
from crossdock.sandbox.postbox import Postbox
from crossdock.sandbox.service import Service
from crossdock.sandbox.tms import Tms
from crossdock.sandbox.wms.picks import Wms

SERVICES: tuple[type[Service], ...] = (Erp, Wms, Tms, Quayline, Farrow, Oldbridge, Postbox)
WEBHOOK_SECONDS = 10  # a receiver that takes longer has not acknowledged


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; status 1 when a port cannot be had."""
    arguments = _parser().parse_args(argv)
    run: Any = asyncio.run
    with contextlib.suppress(ImportError):  # not on every platform
        import uvloop

        run = uvloop.run
    try:
        run(_serve(arguments))
    except OSError as error:
        sys.stderr.write(f"crossdock.sandbox: {error.strerror or error}; choose another --port\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crossdock sandbox", description="Partner systems to play against, each on a port of its own."
    )
    names = [service.name for service in SERVICES]
    parser.add_argument(
        "--port",
        "--port-base",
        dest="port_base",
        type=int,
        default=9100,
        help="first port; 0 takes free ones (default 9100)",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help=",".join(names))
    parser.add_argument("--seed", type=int, default=0, help="decides what no script says")
    parser.add_argument("--calm", action="store_true", help="no shorts, delays or damages by themselves")
    parser.add_argument(
        "--start", type=_instant, help="virtual clock: begin at this RFC 3339 instant (default: now)"
    )
    parser.add_argument("--real-time", action="store_true", help="let time pass by itself")
    parser.add_argument("--speed", type=float, default=1.0, help="with --real-time: how many times as fast")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")
    return parser


def _instant(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant: write 2026-01-05T08:00:00Z") from None
    if when.tzinfo is None:
        raise argparse.ArgumentTypeError("an instant needs a zone, such as Z")
    return when.astimezone(UTC)


async def _serve(arguments: argparse.Namespace) -> None:
    start = arguments.start or datetime.now(UTC).replace(microsecond=0)
    clock = Clock(start, speed=arguments.speed if arguments.real_time else None)
    chosen = [kind for kind in SERVICES if kind.name in arguments.only]
    if len(chosen) != len(set(arguments.only)):
        raise SystemExit(f"crossdock.sandbox: --only takes {', '.join(kind.name for kind in SERVICES)}")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        timeout = aiohttp.ClientTimeout(total=WEBHOOK_SECONDS)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        ready: dict[str, Any] = {}
        for n, kind in enumerate(chosen):
            service = kind(clock, seed=arguments.seed, calm=arguments.calm)
            service.webhooks.session = session
            clock.settlers.append(service.webhooks.settle)
            clock.pending.append(lambda service=service: service.webhooks.pending)  # type: ignore[misc]
            port = await _listen(stack, service, arguments, n)
            ready[service.name] = {
                "title": service.title,
                "url": f"http://{arguments.host}:{port}",
                "credentials": dict(service.credentials),
                "webhook_secret": service.webhook_secret,
            }
        line = {
            "ready": True,
            "pid": os.getpid(),
            "clock": clock.mode,
            "now": stamp(start),
            "services": ready,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        others = [asyncio.create_task(clock.run())] if arguments.real_time else []
        if arguments.stop_with_stdin:
            others.append(asyncio.create_task(_stdin_closed(stop)))
        await stop.wait()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _listen(
    stack: contextlib.AsyncExitStack, service: Service, arguments: argparse.Namespace, n: int
) -> int:
    runner = web.AppRunner(service.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    wanted = arguments.port_base + n if arguments.port_base else 0
    site = web.TCPSite(runner, arguments.host, wanted)
    await site.start()
    port: int = runner.addresses[0][1]
    return port


async def _stdin_closed(stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.read(4096):
        pass
    stop.set()


if __name__ == "__main__":
    raise SystemExit(main())
