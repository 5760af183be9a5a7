"""Lets a running step end before a request to stop is followed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNAL_OFFSET = 128
"""A shell's exit code of a program that a signal ended, less the signal's number."""


class StopRequest:
    """Whether somebody wants the run to stop, and how."""

    signal_number = 0
    """SIGINT, SIGTERM, or 0: nobody does."""
    is_urgent = False
    """Whether it has interrupted whatever was being done."""

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Handles a signal. A second Ctrl-C ends the program at once; a second SIGTERM, which
        clusters send when both they and ``torchrun`` pass it on, does nothing more."""
        self.signal_number = number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, self.interrupt)

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Handles a second Ctrl-C."""
        self.is_urgent = True
        raise KeyboardInterrupt


@contextmanager
def noted_stop_requests() -> Iterator[StopRequest]:
    """Inside, Ctrl-C and SIGTERM (a cluster that ends a job) are noted and nothing else.

    What the program was started to ignore, as a shell does with Ctrl-C for ``command &`` in a
    script, stays ignored.
    """
    request = StopRequest()
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    before = [signal.signal(number, request.note) for number in numbers]
    try:
        yield request
    except Exception as error:
        if request.is_urgent:  # libraries turn it into errors of their own
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def exit_code(signal_number: int) -> int:
    """130 after Ctrl-C, 143 after SIGTERM."""
    return SIGNAL_OFFSET + signal_number
