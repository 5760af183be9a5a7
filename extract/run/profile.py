"""Where the time of a run went."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.table import Table

from seds_core.console import results


@dataclass
class RunProfile:
    """Seconds of a run, which reads, computes and writes at the same time.

    One thread alone adds to each figure.
    """

    decode_workers: int
    workers: int = 1
    """Processes with a network, whose seconds are summed."""
    loading: float = 0.0
    """Before the run, until the network was ready."""
    frames: float = 0.0
    """The reading thread waited for decoders."""
    prepare: float = 0.0
    """The reading thread made the network's input of frames."""
    model: float = 0.0
    """The main thread had the network compute."""
    model_waited_for_frames: float = 0.0
    """The main thread had nothing to compute."""
    model_waited_for_store: float = 0.0
    """The main thread could not hand over what it had computed."""
    write: float = 0.0
    """The writing thread wrote to the store."""
    wall: float = 0.0
    """The whole run."""
    decode_cpu: float = 0.0
    """Processor time of the decoding processes, or of this thread where there are none."""
    _began: float = field(default_factory=time.monotonic)
    # Other child processes may have ended before the run.
    _children_before: float = field(default_factory=lambda: _seconds_of_children())

    @contextmanager
    def spent(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a figure."""
        began = time.monotonic()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + time.monotonic() - began)

    @classmethod
    def summed(cls, profiles: Sequence["RunProfile"]) -> "RunProfile":
        """The profiles of a run's workers, added up; the longest of those that ran side by side."""
        total = cls(sum(profile.decode_workers for profile in profiles), workers=len(profiles))
        for name in _SUMMED:
            setattr(total, name, sum(getattr(profile, name) for profile in profiles))
        total.loading = max((profile.loading for profile in profiles), default=0.0)
        total.wall = max((profile.wall for profile in profiles), default=0.0)
        return total

    def end(self) -> None:
        """Notes the run's length; the decoding processes must have ended."""
        self.wall = time.monotonic() - self._began
        self.decode_cpu = _seconds_of_children() - self._children_before
        # Without processes decoding runs in the reading thread, which waits for it.
        if not self.decode_workers:
            self.decode_cpu = self.frames

    @property
    def figures(self) -> dict[str, float | int]:
        """All figures by name, in seconds rounded to milliseconds."""
        return {
            name: round(value, 3) for name, value in vars(self).items() if not name.startswith("_")
        }

    def advice(self) -> str:
        """What held the run up, and what would help."""
        if self.model_waited_for_frames < 0.1 * self.wall * self.workers:
            return "The network was at work almost all the time: only a faster device helps."
        if self.prepare > self.frames:
            return (
                "The network waited for frames to be prepared: run a second process, by naming the "
                "device twice as in --devices cuda:0,cuda:0."
            )
        return (
            f"The network waited for decoded frames: raise run.decode_workers, now "
            f"{self.decode_workers}, if there are processors left."
        )

    def print_table(self) -> None:
        """Prints the figures, and the advice."""
        table = Table(title="Where the time went", title_justify="left")
        for title in ("", "seconds", "of the run"):
            table.add_column(title, justify="left" if not title else "right")
        wall = max(self.wall * self.workers, 1e-9)
        lines = (
            ("model: the network computed", self.model),
            ("waiting: the network had no frames", self.model_waited_for_frames),
            ("waiting: the network had to wait for the store", self.model_waited_for_store),
            (f"decode: processor time, {self.decode_workers} processes", self.decode_cpu),
            ("prepare: frames became network input", self.prepare),
            ("waiting: preparing had no decoded frames", self.frames),
            ("write: rows were stored", self.write),
            ("the whole run" + (f", {self.workers} workers" * (self.workers > 1)), wall),
            ("loading the network, before it", self.loading),
        )
        for text, seconds in lines:
            table.add_row(text, f"{seconds:,.1f}", f"{seconds / wall:.0%}")
        results.print(table)
        results.print(self.advice())


_SUMMED = (
    "frames",
    "prepare",
    "model",
    "model_waited_for_frames",
    "model_waited_for_store",
    "write",
    "decode_cpu",
)


def _seconds_of_children() -> float:
    """Processor seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
