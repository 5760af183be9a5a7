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

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Handles a signal. A second Ctrl-C ends the program at once; a second SIGTERM, which
        clusters send when both they and ``torchrun`` pass it on, does nothing more."""
        self.signal_number = number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def noted_stop_requests() -> Iterator[StopRequest]:
    """Inside, Ctrl-C and SIGTERM (a cluster that ends a job) are noted and nothing else."""
    request = StopRequest()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, request.note) for number in numbers]
    try:
        yield request
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def exit_code(signal_number: int) -> int:
    """130 after Ctrl-C, 143 after SIGTERM."""
    return SIGNAL_OFFSET + signal_number
