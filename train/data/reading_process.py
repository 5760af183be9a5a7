"""A process that reads ahead: both its side and the main process's.

It owns nothing that could be left half done, so it is ended by killing it. Signals to a whole job
(Ctrl-C, a cluster's SIGTERM) are left to the main process, which still saves its state.
"""

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any

import torch

from seds_core.errors import UnavailableError

PRELOADED = ["train.data.loading", "train.cli", "search.eval_cli"]
"""What reading needs, and what a new process imports anyway because the program began with it."""

_JOIN_SECONDS = 5.0
_SIGNALS_OF_A_JOB = {signal.SIGINT, signal.SIGTERM}
_CONTEXT = multiprocessing.get_context("forkserver")


class LostReaderError(UnavailableError):
    """A reading process ended, but this process did not end it."""


@dataclass(frozen=True)
class _Failure:
    error: Exception


class ReadingProcess:
    """Answers requests in their order; several may wait. One thread at a time may talk to it."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        """Starts the process and sends it ``read``, which must be small and picklable."""
        _start_fork_server()
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=_serve, args=(theirs, read, dict(os.environ)), daemon=True
        )
        self._process.start()
        # Only the process holds its end now, so that its death closes the connection.
        theirs.close()
        # Without a close, the interpreter would wait for the process for ever when it exits.
        self._finalizer = Finalize(self, self._process.kill, exitpriority=1)

    @property
    def pid(self) -> int | None:
        """Id of the process."""
        return self._process.pid

    def ask(self, request: Any) -> None:  # noqa: ANN401 - whatever pickle takes
        """Sends a request, which must be small. Raises :class:`LostReaderError`."""
        try:
            self._connection.send(request)
        except ConnectionError:
            raise self._lost() from None

    def answer(self) -> Any:  # noqa: ANN401 - what the process has read
        """Waits for the answer to the oldest request.

        Raises what reading raised there, and :class:`LostReaderError`.
        """
        try:
            found = self._connection.recv()
        except (EOFError, OSError):  # also when tensors are fetched from a process that has ended
            raise self._lost() from None
        if isinstance(found, _Failure):
            raise found.error
        return found

    def kill(self) -> None:
        """Ends the process at once; in a thread that waits for its answer, it counts as lost."""
        self._finalizer()
        self._process.join(_JOIN_SECONDS)

    def close(self) -> None:
        """Closes the connection to a killed process."""
        self._connection.close()

    def _lost(self) -> LostReaderError:
        # The connection may break a moment before the process has ended.
        self._process.join(_JOIN_SECONDS)
        code = self._process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        cause = ": out of memory? Try fewer --workers" if how == "SIGKILL" else ""
        return LostReaderError(f"a process that reads data ended unexpectedly ({how}{cause})")


def _start_fork_server() -> None:
    """Makes workers forks of a fresh process that has loaded the libraries and has no threads.

    A fork of the training process would inherit locks that its threads hold; an entirely new
    process would take seconds to load torch. All of them inherit blocked signals.
    """
    _CONTEXT.set_forkserver_preload(PRELOADED)
    resource_tracker.ensure_running()  # starting it unblocks the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS_OF_A_JOB)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    connection: "Connection[Any, Any]", read: Callable[[Any], Any], environment: dict[str, str]
) -> None:
    """Runs in the reading process: answers requests until the connection is closed."""
    # The fork server's are the variables of the time when it was started.
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with_the_main_process, daemon=True).start()
    # Locks that libraries create here then have no names, which would outlive a killed process.
    multiprocessing.set_start_method("fork", force=True)
    # The processes share the machine's cores among themselves, and with the training.
    torch.set_num_threads(1)
    try:
        while True:
            connection.send(_answer_to(connection.recv(), read))
    except (EOFError, ConnectionError):
        return


def _answer_to(request: Any, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    try:
        return read(request)
    except Exception as error:
        error.add_note(f"This happened in a process that reads data:\n{traceback.format_exc()}")
        try:
            # There and back: some errors can be written, but not made again from what was written.
            pickle.loads(pickle.dumps(error))  # nosec B301
        except Exception:
            # Errors that cannot be sent are described by one that can.
            other = RuntimeError(f"{type(error).__name__}: {error}")
            for note in error.__notes__:
                other.add_note(note)
            return _Failure(other)
        return _Failure(error)


def _end_with_the_main_process() -> None:
    """Ends this process with the main one: its parent, the fork server, would end only later."""
    main = multiprocessing.parent_process()
    assert main is not None
    main.join()
    # sys.exit would end this thread alone, while the main one may wait in a read.
    os._exit(1)
