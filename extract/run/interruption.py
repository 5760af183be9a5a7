"""Turns a request to stop into one clean way out, wherever it comes from."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130


@contextmanager
def stop_requests() -> Iterator[None]:
    """Lets SIGTERM (a cluster that ends a job) do what Ctrl-C does: raise ``KeyboardInterrupt``."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
