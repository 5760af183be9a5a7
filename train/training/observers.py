"""What a run reports while it trains: a live view or plain lines, ``metrics.jsonl``, warnings."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
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

from seds_core.console import activity, duration, messages, told, warn
from seds_core.store.block_cache import BlockCache
from train.checkpoints.run_folder import RunFolder
from train.data.collation import ADVICE, NOT_FINITE, named
from train.training.step import StepReport


@dataclass(frozen=True)
class RunLength:
    """Epochs and steps of a run."""

    epochs: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
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
    """Fraction of the step's time that went by until the data was there."""
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


class RunObserver:
    """Receives the events of a run, and ignores those that it does not override."""

    def step(self, record: StepRecord) -> None:
        """A step is done."""

    def validation(self, record: ValidationRecord) -> None:
        """A validation is done."""

    def pause(self) -> None:
        """Other output is about to appear on the screen."""

    def close(self) -> None:
        """This start of the run ends."""


SECONDS_BETWEEN_LINES = 10.0


class _View(RunObserver):
    """What both views remember; they write to standard error."""

    def __init__(self, length: RunLength, console: Console) -> None:
        self._length = length
        self._console = console
        # Both are shown with every step that follows.
        self._num_skipped = 0
        self._validation: ValidationRecord | None = None

    def validation(self, record: ValidationRecord) -> None:
        """Shows the scores now, and beside the figures of the steps that follow."""
        self._validation = record
        text = _validation_text(record)
        self._console.print(f"epoch {record.epoch}: validation {text}", markup=False)

    def _figures(self, record: StepRecord) -> list[tuple[str, str]]:
        """Returns names and texts of all figures of a step."""
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


def _validation_text(record: ValidationRecord) -> str:
    streams = ", ".join(f"{name} {score:.1f}" for name, score in record.mean_r1.items())
    return f"R@1 {streams} % (best {record.best_score:.1f})"


class PlainLines(_View):
    """Prints a line every few seconds, for files and pipes, between long steps too."""

    def __init__(self, length: RunLength, console: Console = messages) -> None:
        super().__init__(length, console)
        self._due = 0.0
        # What goes on since the last event, and when that was.
        self._at_work = ("the first step", time.monotonic())
        self._open = ExitStack()
        self._open.enter_context(activity(self._waiting))

    def step(self, record: StepRecord) -> None:
        """Prints the first step, the last one, and others when a line is due."""
        self._at_work = (f"step {record.step + 1} of {self._length.steps}", time.monotonic())
        # Before it is known whether a line is due: skipped steps are counted on the way.
        figures = self._figures(record)
        if time.monotonic() < self._due and record.step < self._length.steps:
            return
        self._due = time.monotonic() + SECONDS_BETWEEN_LINES
        length = self._length
        position = f"epoch {record.epoch}/{length.epochs} step {record.step}/{length.steps}"
        texts = (f"{name} {text}" for name, text in figures)
        self._console.print(" | ".join((position, *texts)), markup=False)
        told()

    def pause(self) -> None:
        """Notes that a validation begins."""
        self._at_work = ("the validation", time.monotonic())

    def close(self) -> None:
        """Prints nothing any more."""
        self._open.close()

    def _waiting(self) -> str:
        task, began = self._at_work
        return f"{task}: at work for {duration(time.monotonic() - began)}"


class LivePanel(_View):
    """Shows bars with the time left, and the figures of the newest step below them."""

    def __init__(self, length: RunLength, console: Console = messages) -> None:
        super().__init__(length, console)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(),
        )  # fmt: skip
        self._run = self._bars.add_task("run", total=length.steps)
        self._epoch = self._bars.add_task("epoch", total=length.steps_per_epoch)
        # There only while the panel is on the screen: from a step to the next pause.
        self._live: Live | None = None

    def step(self, record: StepRecord) -> None:
        """Updates the panel, and brings it back after a pause."""
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
        """Takes the panel off the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    close = pause


class RunLog(RunObserver):
    """Writes ``metrics.jsonl`` and ``tensorboard/``.

    Lines of ``metrics.jsonl`` are of the kinds ``step`` and ``validation``; ``step`` counts the
    steps that are done. Numbers that are not finite are ``null``.
    """

    def __init__(self, folder: RunFolder, first_step: int) -> None:
        """Continues after ``first_step``.

        What a run wrote about later steps, before it was killed and resumed from its last
        checkpoint, is removed, and so is a line that was cut off.
        """
        path = folder.metrics
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            kept = [line for line in whole if json.loads(line)["step"] <= first_step]
            path.write_text("".join(kept), encoding="utf-8")
        self._lines = path.open("a", encoding="utf-8")
        # TensorBoard then hides what earlier starts have written of this step and later ones.
        self._events = SummaryWriter(str(folder.tensorboard), purge_step=first_step + 1)

    def step(self, record: StepRecord) -> None:
        """Writes one line and its events."""
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
        """Writes one line and its events."""
        values = {"mean_r1": record.mean_r1, "best": record.best_score}
        self._write("validation", record.step, record.epoch, values)

    def pause(self) -> None:
        """Writes the events that are still in memory: a validation takes long."""
        self._events.flush()

    def close(self) -> None:
        """Closes both files."""
        self._lines.close()
        self._events.close()

    def _write(self, kind: str, step: int, epoch: int, values: dict[str, Any]) -> None:
        finite = _without_infinities(values)
        line = {"kind": kind, "step": step, "epoch": epoch, **finite}
        # Flushed line by line: other programs follow the file, and a killed run loses no line.
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        for name, value in _numbers(finite):
            self._events.add_scalar(f"{kind}/{name}", value, step)


def _without_infinities(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _without_infinities(inner) for name, inner in value.items()}
    # JSON has neither infinity nor NaN: ``json`` writes them as words that others cannot read.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}/")
        # ``skipped`` is one too: a bool is a number, 0 or 1 in TensorBoard.
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", float(value)


class UnusableVideos(RunObserver):
    """Warns of every video whose features are not finite once, and counts the steps they cost."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._num_steps = 0

    def step(self, record: StepRecord) -> None:
        """Warns of the videos that were not known yet."""
        self._num_steps += bool(record.unusable_videos)
        new = [video for video in record.unusable_videos if video not in self._known]
        self._known.update(new)
        if new:
            self._warn(f"step {record.step:,} is skipped", new)

    def close(self) -> None:
        """Sums up what they have cost this start of the run, if anything."""
        if self._num_steps:
            self._warn(f"{self._num_steps:,} steps were skipped", sorted(self._known))

    def _warn(self, event: str, videos: list[str]) -> None:
        warn(escape(f"{event}: the features of {named(videos)} {NOT_FINITE}; {ADVICE}"))


class CacheUse(RunObserver):
    """Says after each validation, and at the end, how much came from the cache of buckets."""

    def __init__(self, cache: BlockCache) -> None:
        self._cache = cache

    def validation(self, record: ValidationRecord) -> None:
        """Says it of what was read since the last time."""
        self._tell(f"epoch {record.epoch}: ")

    def close(self) -> None:
        """Says it of what was read since, and ends counting."""
        self._tell("")
        self._cache.close()

    def _tell(self, when: str) -> None:
        counts = self._cache.counts()
        if counts.num_found + counts.num_fetched:
            messages.print(f"{when}{counts}", markup=False)
