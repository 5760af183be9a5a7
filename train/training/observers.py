"""What a run tells while it trains: a live view, a log of JSON lines, unusable videos."""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from torch.utils.tensorboard import SummaryWriter

from seds_core.console import messages, warn
from train.checkpoints.run_folder import RunFolder
from train.data.sign_reader import ADVICE, NOT_FINITE, named
from train.training.step import StepReport


@dataclass(frozen=True)
class RunLength:
    """Sizes of a run."""

    epochs: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True)
class StepRecord:
    """A training step that is done."""

    step: int
    """Counted from 1 over the whole run."""
    epoch: int
    """Counted from 1."""
    report: StepReport
    samples_per_second: float
    """Of all processes together."""
    waiting: float
    """Share of the step's time that went by until the data was there."""
    unusable_videos: tuple[str, ...] = ()
    """Videos of all processes whose numbers are not finite: why the step was skipped."""


@dataclass(frozen=True)
class ValidationRecord:
    """A validation that is done."""

    step: int
    epoch: int
    mean_r1: dict[str, float]
    """Stream -> mean of R@1 of both directions, in percent."""
    score: float
    """Of the stream that chooses the best epoch."""
    best_score: float
    """Of the run so far, this one included."""


class RunObserver(ABC):
    """Somebody who is told."""

    @abstractmethod
    def step(self, record: StepRecord) -> None:
        """A step is done."""

    @abstractmethod
    def validation(self, record: ValidationRecord) -> None:
        """A validation is done."""

    @abstractmethod
    def pause(self) -> None:
        """Something else is about to be shown, or the run to end."""


# FROM train/training/live_view.py
# What a person sees while a model trains: bars and figures, or plain lines where no terminal is.
#
# Everything goes to standard error.


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


class RunLog(RunObserver):
    """Writes ``metrics.jsonl`` and ``tensorboard/``.

    Lines of ``metrics.jsonl`` are of the kinds ``step`` and ``validation``; ``step`` counts the
    steps that are done. Numbers that are not finite are ``null``.
    """

    def __init__(self, folder: RunFolder, first_step: int) -> None:
        """Goes on after ``first_step``: what a run wrote about later steps, before it was killed
        and resumed from its last checkpoint, is taken out."""
        _keep_lines(folder.metrics, first_step)
        self._lines = folder.metrics.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(folder.tensorboard), purge_step=first_step + 1)

    def step(self, record: StepRecord) -> None:
        """One line and its events."""
        report = record.report
        values = {
            "loss": report.loss,
            "parts": report.parts,
            "gradient_norm": report.gradient_norm,
            "scale": report.scale,
            "rates": report.rates,
            "skipped": report.is_skipped,
            "samples_per_second": record.samples_per_second,
            "waiting": record.waiting,
        }
        if record.unusable_videos:
            values["unusable_videos"] = list(record.unusable_videos)
        self._write("step", record.step, record.epoch, values)

    def validation(self, record: ValidationRecord) -> None:
        """One line and its events."""
        values = {"mean_r1": record.mean_r1, "best": record.best_score}
        self._write("validation", record.step, record.epoch, values)

    def pause(self) -> None:
        """Events are written at once, too."""
        self._events.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._lines.close()
        self._events.close()

    def _write(self, kind: str, step: int, epoch: int, values: dict[str, Any]) -> None:
        finite = _without_infinities(values)
        line = {"kind": kind, "step": step, "epoch": epoch, **finite}
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        for name, value in _numbers(finite):
            self._events.add_scalar(f"{kind}/{name}", value, step)


def _keep_lines(path: Path, last_step: int) -> None:
    """Takes out the lines of later steps, and a last line that was cut off."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= last_step]
        path.write_text("".join(kept), encoding="utf-8")


def _without_infinities(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _without_infinities(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", float(value)


class UnusableVideos(RunObserver):
    """Warns of every such video once, and counts the steps that they cost."""

    def __init__(self) -> None:
        """None yet."""
        self._known: set[str] = set()
        self._num_steps = 0

    def step(self, record: StepRecord) -> None:
        """A step is done, or was skipped."""
        self._num_steps += bool(record.unusable_videos)
        new = [video for video in record.unusable_videos if video not in self._known]
        self._known.update(new)
        if new:
            told = f"step {record.step:,} is skipped: the features of {named(new)} {NOT_FINITE}"
            warn(escape(f"{told}; {ADVICE}"))

    def validation(self, record: ValidationRecord) -> None:
        """Refuses such videos itself."""

    def pause(self) -> None:
        """Shows nothing that would be in the way."""

    def tell_end(self) -> None:
        """What they have cost this start of the run, if anything."""
        if self._num_steps:
            names = named(sorted(self._known))
            told = f"{self._num_steps:,} steps were skipped: the features of {names} {NOT_FINITE}"
            warn(escape(f"{told}; {ADVICE}"))
