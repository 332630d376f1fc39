"""The server's side of a connection, for clients that are slow on purpose.

    a head that does not come      within ten seconds of its first byte, or of the connection's beginning: 408
    a head that is too large       431
    a head that cannot be read     400
    an answer that is not taken    nothing of it for a minute: the connection ends
    connections without end        the one that has owed its head longest makes room for the new one

Bodies have their time from `limits`. TLS has its own time for the handshake.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from crossdock.api.framing import Strict
from crossdock.api.refusals import Refusal, ended

LARGEST_HEAD = 32 * 2**10
# By status: a head that two could read in two ways, that does not come, or that has no end.
_REFUSALS = {
    400: Refusal(400, "framing", "this is no request that only one reading fits"),
    408: Refusal(408, "too-slow", "the head of the request did not come in time"),
    431: Refusal(431, "headers-too-large", f"a head has at most {LARGEST_HEAD} bytes"),
}


def patient_protocol(
    *, head_within: float = 10.0, taken_within: float = 60.0, most: int = 4000
) -> type[H11Protocol]:
    """How a server speaks with at most `most` clients, to be given to uvicorn as `http`."""
    waiting: dict[Any, None] = {}  # connections that owe a head, the oldest first

    class Patient(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _taken: asyncio.TimerHandle | None = None

        def __init__(self, config: Config, *given: Any, **more: Any) -> None:
            super().__init__(config, *given, **more)
            self.conn = Strict(h11.SERVER, config.h11_max_incomplete_event_size or LARGEST_HEAD)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                (next(iter(waiting), self)).transport.abort()
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            self._was_taken()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self._wait_for_head()
            else:
                self._head_is_there()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.transport.is_closing():
                self._must_be_taken()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            self._must_be_taken()

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what is told is ours
            self._refuse(431 if len(self.conn.trailing_data[0]) >= LARGEST_HEAD else 400)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._must_be_taken()

        def resume_writing(self) -> None:
            super().resume_writing()
            if not self.transport.is_closing():
                self._was_taken()

        def _wait_for_head(self) -> None:
            if self._head is None:
                self._head = self.loop.call_later(head_within, self._refuse, 408)
                waiting[self] = None

        def _head_is_there(self) -> None:
            waiting.pop(self, None)
            if self._head is not None:
                self._head.cancel()
                self._head = None

        def _refuse(self, status: int) -> None:
            self._head_is_there()
            if not self.transport.is_closing():
                if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else it would stand in an answer
                    self.transport.write(ended(_REFUSALS[status]))
                self.transport.close()
            self._must_be_taken()

        def _must_be_taken(self) -> None:
            if self._taken is None:
                self._taken = self.loop.call_later(taken_within, self.transport.abort)

        def _was_taken(self) -> None:
            if self._taken is not None:
                self._taken.cancel()
                self._taken = None

    return Patient
