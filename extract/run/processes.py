"""The engine of one machine: a process for each device.

A worker ends when its connection to the driver does, so that a driver that is killed leaves none.
"""

import ctypes
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from extract.run.engine import Lost, Slot, Work, do_work

# From Linux' prctl.h.
_PR_SET_PDEATHSIG = 1

# How long a killed process is waited for; one that waits for a disk that is gone dies later.
_SECONDS_TO_DIE = 2.0


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    connection: "Connection[Any, Any]"


class ProcessEngine:
    """Workers that are processes of this machine: an :class:`~extract.run.engine.Engine`."""

    def __init__(self, work: Work, slots: Sequence[Slot]) -> None:
        """Each worker does ``work``."""
        self.slots = list(slots)
        self._work = work
        self._workers: dict[int, _Worker] = {}
        # Workers of which something had come when they were last looked at.
        self._heard: deque[int] = deque()

    def __enter__(self) -> "ProcessEngine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # All are killed at once, before any of them is waited for.
        for worker in self._workers.values():
            worker.process.kill()
        for number in list(self._workers):
            self.kill(number)

    def start(self, number: int, slot: Slot) -> None:
        """Starts a process. It does not hear Ctrl-C, which is for the driver to answer."""
        connection, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(self._work, slot, theirs), name=f"worker {slot.name}"
        )
        # The new process inherits the blocked signal; in this one it is only late by a moment.
        # Starting the resource tracker, which the first process needs, would unblock it again.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # Only the worker may hold its end: its death shall end the connection.
        theirs.close()
        self._workers[number] = _Worker(process, connection)

    def tell(self, number: int, message: Any) -> None:  # noqa: ANN401
        """Sends a message; a worker that is gone is noticed when it is listened to."""
        with suppress(OSError):
            self._workers[number].connection.send(message)

    def next_event(self, timeout_s: float) -> tuple[int, Any] | None:
        """The next event of any worker; each is heard in turn."""
        if not self._heard:
            numbers = {worker.connection: number for number, worker in self._workers.items()}
            self._heard.extend(numbers[heard] for heard in wait(list(numbers), timeout_s))  # type: ignore[index]
        while self._heard:
            number = self._heard.popleft()
            if number not in self._workers:
                continue  # killed since
            try:
                return number, self._workers[number].connection.recv()
            except (EOFError, ConnectionError):
                # The connection breaks a moment before the exit code is there, which tells why.
                self._workers[number].process.join(timeout=5.0)
                reason = _how_it_ended(self._workers[number].process.exitcode)
                self.kill(number)
                return number, Lost(reason)
        return None

    def kill(self, number: int) -> None:
        """Ends a process at once; its decoders end with it."""
        worker = self._workers.pop(number)
        worker.process.kill()
        worker.process.join(_SECONDS_TO_DIE)
        if worker.process.is_alive():
            # Python would wait for all of its children, without end, before it exits.
            multiprocessing.process._children.discard(worker.process)  # type: ignore[attr-defined]
        worker.connection.close()


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the process ended unexpectedly (exit code {code})"
    name = signal.Signals(-code).name
    # A SIGKILL that comes from outside is mostly the kernel's, when memory runs out.
    return f"the process was ended by {name}{', out of memory?' if name == 'SIGKILL' else ''}"


def _run(work: Work, slot: Slot, connection: "Connection[Any, Any]") -> None:
    # The connection tells of the driver's end too, but not to a thread that a library holds up.
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    do_work(work, slot, _PipeChannel(connection))


class _PipeChannel:
    """The worker's :class:`~extract.run.engine.Channel`."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._sending = threading.Lock()
        threading.Thread(target=self._listen, name="driver", daemon=True).start()

    def receive(self) -> Any:  # noqa: ANN401
        return self._inbox.get()

    def send(self, event: Any) -> None:  # noqa: ANN401
        with self._sending:
            self._connection.send(event)

    def _listen(self) -> None:
        with suppress(EOFError, ConnectionError):
            while True:
                self._inbox.put(self._connection.recv())
        # Not sys.exit, which would end this thread alone.
        os._exit(1)
