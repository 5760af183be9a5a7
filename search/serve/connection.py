"""A connection that does not wait for ever: deadlines beside those that uvicorn has."""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class _Deadline:
    """Calls once, after seconds, unless it is lifted before."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        """Starts; one that runs already is not put off, by bytes that trickle in."""
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, call)

    def lift(self) -> None:
        """Stops."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PatientProtocol(H11Protocol):
    """Closes a connection whose request's head does not come, or whose answer is not taken."""

    def __init__(self, *, header_seconds: float, stall_seconds: float, **uvicorns: Any) -> None:  # noqa: ANN401
        super().__init__(**uvicorns)
        self._head, self._stall = _Deadline(header_seconds), _Deadline(stall_seconds)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head."""
        super().connection_made(transport)
        self._head.start(self.loop, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Waits for the rest of a head that has begun; uvicorn waits for one to begin."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head.lift()
        elif self.conn.trailing_data[0]:
            self._head.start(self.loop, self.transport.abort)

    def pause_writing(self) -> None:
        """Waits for the reader, whose side is full."""
        super().pause_writing()
        self._stall.start(self.loop, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader goes on."""
        self._stall.lift()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing left to wait for."""
        self._head.lift()
        self._stall.lift()
        super().connection_lost(exc)
