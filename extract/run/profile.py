"""Where the time of a run went."""

import resource
import time
from collections.abc import Iterator
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
        if self.model_waited_for_frames < 0.1 * self.wall:
            return "The network was at work almost all the time: only a faster device helps."
        if self.prepare > self.frames:
            return (
                "The network waited for frames to be prepared: run a second process on the same "
                "store."
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
        wall = max(self.wall, 1e-9)
        lines = (
            ("model: the network computed", self.model),
            ("waiting: the network had no frames", self.model_waited_for_frames),
            ("waiting: the network had to wait for the store", self.model_waited_for_store),
            (f"decode: processor time, {self.decode_workers} processes", self.decode_cpu),
            ("prepare: frames became network input", self.prepare),
            ("waiting: preparing had no decoded frames", self.frames),
            ("write: rows were stored", self.write),
            ("the whole run", self.wall),
            ("loading the network, before it", self.loading),
        )
        for text, seconds in lines:
            table.add_row(text, f"{seconds:,.1f}", f"{seconds / wall:.0%}")
        results.print(table)
        results.print(self.advice())


def _seconds_of_children() -> float:
    """Processor seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
