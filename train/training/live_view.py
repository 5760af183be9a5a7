"""What a person sees while a model trains: bars and figures, or plain lines where no terminal is.

Everything goes to standard error.
"""

import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from seds_core.console import messages
from train.training.observer import RunLength, RunObserver, StepRecord, ValidationRecord

SECONDS_BETWEEN_LINES = 10.0


class _View(RunObserver):
    """What both views remember."""

    def __init__(self, length: RunLength, console: Console) -> None:
        self._length = length
        self._console = console
        self._num_skipped = 0
        self._validation: ValidationRecord | None = None

    def validation(self, record: ValidationRecord) -> None:
        """Is shown with the steps that follow, too."""
        self._validation = record
        self._console.print(
            f"epoch {record.epoch}: validation {_validation_text(record)}", markup=False
        )

    def _figures(self, record: StepRecord) -> list[tuple[str, str]]:
        """Names and texts of everything that is told about a step."""
        report = record.report
        self._num_skipped += report.is_skipped
        parts = ", ".join(f"{name} {value:.4f}" for name, value in report.parts.items())
        rates = ", ".join(f"{name} {rate:.2e}" for name, rate in report.rates.items())
        speed = f"{record.samples_per_second:.1f} samples/s, {record.waiting:.0%} waiting for data"
        rows = [("loss", f"{report.loss:.4f} ({parts})"), ("rates", rates), ("speed", speed)]
        if self._validation is not None:
            rows.append(("validation", _validation_text(self._validation)))
        if self._num_skipped:
            rows.append(("skipped", f"{self._num_skipped} steps without a finite result"))
        return rows


class PlainLines(_View):
    """A line every few seconds, for files and pipes."""

    def __init__(self, length: RunLength, console: Console = messages) -> None:
        """The first step is told at once."""
        super().__init__(length, console)
        self._due = 0.0

    def step(self, record: StepRecord) -> None:
        """Prints, when it is time to or the run is done."""
        figures = self._figures(record)
        if time.monotonic() < self._due and record.step < self._length.steps:
            return
        self._due = time.monotonic() + SECONDS_BETWEEN_LINES
        place = (
            f"epoch {record.epoch}/{self._length.epochs} step {record.step}/{self._length.steps}"
        )
        texts = (f"{name} {text}" for name, text in figures)
        self._console.print(" | ".join((place, *texts)), markup=False)

    def pause(self) -> None:
        """Lines stand in nobody's way."""


class LivePanel(_View):
    """Bars with an estimate of the time left, and the figures of the newest step below them."""

    def __init__(self, length: RunLength, console: Console = messages) -> None:
        """Shows itself with the first step."""
        super().__init__(length, console)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(),
        )  # fmt: skip
        self._run = self._bars.add_task("run", total=length.steps)
        self._epoch = self._bars.add_task("epoch", total=length.steps_per_epoch)
        self._live: Live | None = None

    def step(self, record: StepRecord) -> None:
        """Brings everything up to date."""
        done = record.step - (record.epoch - 1) * self._length.steps_per_epoch
        self._bars.update(self._run, completed=record.step)
        title = f"epoch {record.epoch}/{self._length.epochs}"
        self._bars.update(self._epoch, completed=done, description=title)
        table = Table.grid(padding=(0, 2))
        for row in self._figures(record):
            table.add_row(*row)
        shown = Group(self._bars, table)
        if self._live is None:
            self._live = Live(shown, console=self._console, transient=True)
            self._live.start()
        self._live.update(shown)

    def pause(self) -> None:
        """Takes the panel away; the next step brings it back."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def training_view(length: RunLength) -> RunObserver:
    """The view that fits standard error."""
    return LivePanel(length) if messages.is_terminal else PlainLines(length)


def _validation_text(record: ValidationRecord) -> str:
    streams = ", ".join(f"{name} {score:.1f}" for name, score in record.mean_r1.items())
    return f"R@1 {streams} % (best {record.best_score:.1f})"
