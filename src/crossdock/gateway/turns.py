"""Readers go on until they are cancelled: turn after turn, whatever one of them comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from crossdock.errors import Unreachable

log = structlog.get_logger(__name__)


async def turns(what: str, turn: Callable[[], Awaitable[object]], *, look: float) -> NoReturn:
    """Take a turn every `look` seconds, or at once where the last one gave True: there is more.

    `what` is how its lines in the log begin: `tracking`.
    """
    away, failed = f"{what}.database_away", f"{what}.turn_failed"
    while True:
        more: object = False
        try:
            more = await turn()
        except Unreachable as error:
            log.warning(away, error=error.message)
        except Exception:  # a fault of ours in one turn must not end all that follow
            log.exception(failed)
        await asyncio.sleep(0 if more is True else look)
