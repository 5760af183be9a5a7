"""Work that takes long, a few at a time, with a bound on how many wait for it."""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.to_thread

Result = TypeVar("Result")


class BusyError(Exception):
    """There is no place left to wait; the client should come again after ``retry_after`` s."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the server is busy; try again in {retry_after} s")
        self.retry_after = retry_after


class WorkQueue:
    """Places for ``running`` pieces of work and ``waiting`` more; work is done in threads."""

    def __init__(self, *, running: int, waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(running)
        self._running, self._places = running, running + waiting
        self._num_taken = 0
        # A mean that forgets: what the last few pieces took, in seconds.
        self._seconds = 1.0

    def taken(self) -> int:
        """Returns how many pieces of work run or wait."""
        return self._num_taken

    def check(self) -> None:
        """Raises :class:`BusyError` where all places are taken."""
        if self._num_taken >= self._places:
            raise BusyError(self._retry_after())

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Holds a place. Raises :class:`BusyError` where all are taken."""
        self.check()
        self._num_taken += 1
        try:
            yield
        finally:
            self._num_taken -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """Does the work when its turn comes. Raises :class:`BusyError` where all wait already."""
        async with self.place():
            return await anyio.to_thread.run_sync(self._timed, work, limiter=self._limiter)

    def _timed(self, work: Callable[[], Result]) -> Result:
        began = time.monotonic()
        try:
            return work()
        finally:
            self._seconds += 0.3 * (time.monotonic() - began - self._seconds)

    def _retry_after(self) -> int:
        """Whole seconds after which those before will probably be done."""
        return max(1, math.ceil(self._seconds * self._num_taken / self._running))
