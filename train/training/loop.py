"""The training loop: epochs, validation, and when it stops."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import chain
from types import FrameType

from seds_core.console import messages
from train.batches import TrainingBatch
from train.checkpoints.run_checkpoint import Position
from train.data.loading import TrainingBatches
from train.data.retrieval_data import RetrievalData
from train.evaluation.scoring import evaluate_split
from train.model.batch_norm import average_running_statistics
from train.model.retrieval_model import RetrievalModel
from train.processes import Processes
from train.settings import Stage, TrainSettings
from train.text.tokenizer import Tokenizer
from train.training.checkpoint_keeper import CheckpointKeeper
from train.training.observers import (
    RunLength,
    RunObserver,
    StepRecord,
    ValidationRecord,
)
from train.training.step import StepReport, TrainingStep


@dataclass(frozen=True)
class Validation:
    """Evaluates a model on the videos that choose the best epoch."""

    model: RetrievalModel
    data: RetrievalData
    tokenizer: Tokenizer
    settings: TrainSettings
    processes: Processes

    def __call__(self) -> dict[str, float]:
        """Stream -> mean of R@1 of both directions, in percent.

        The first process computes it; all of them call this at the same time and get it.
        """
        average_running_statistics(self.model, self.processes)
        with _without_bars_in_files():
            scores = self._scores() if self.processes.is_first else {}
        return self.processes.value_of_first(scores)

    def _scores(self) -> dict[str, float]:
        scores = evaluate_split(
            self.model,
            self.data,
            self.settings.data.validation_split,
            self.tokenizer,
            settings=self.settings,
            device=self.processes.device,
            workers=self.settings.data.workers,
        )
        return {stream: scores.mean_r1(stream) for stream in scores.streams}


@contextmanager
def _without_bars_in_files() -> Iterator[None]:
    """Keeps the progress of each validation out of a log that is no terminal."""
    before = messages.quiet
    messages.quiet = before or not messages.is_terminal
    try:
        yield
    finally:
        messages.quiet = before


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


GO_ON, SAVE_NOW = 0, 1
"""What processes agree on after a step; any other number is that of a signal to stop."""


@dataclass
class TrainingLoop:
    """The parts of a run, and how far it is."""

    stage: Stage
    length: RunLength
    step: TrainingStep
    batches: TrainingBatches
    video_ids: Callable[[int, int], Sequence[str]]
    """The videos of this process's batch in an epoch's step."""
    keeper: CheckpointKeeper
    validation: Validation | None
    """``None`` where there are no validation videos: the newest epoch is the best, then."""
    every_epochs: int
    """Epochs from one validation to the next; the last epoch always has one."""
    processes: Processes
    observers: Sequence[RunObserver]
    stop: StopRequest
    position: Position
    best_score: float | None
    """Highest validation score so far, in percent."""

    def run(self) -> int:
        """Trains to the end, or until a signal asks to stop; gives its number, or 0."""
        while self.position.epoch < self.length.epochs:
            if number := self._finish_epoch():
                return number
            epoch = self.position.epoch + 1
            is_best = self._validate(epoch)
            self.position = Position(epoch, 0, self.position.step)
            self.keeper.save(self.position, self.best_score, is_best=is_best)
        return GO_ON

    def _finish_epoch(self) -> int:
        """The steps that the epoch still has; a signal ends it early, and its number is given."""
        first = self.position.step_in_epoch
        batches = self.batches.epoch(self.position.epoch, first_step=first)
        for _ in range(first, self.length.steps_per_epoch):
            record = self._next_step(batches)
            for observer in self.observers:
                observer.step(record)
            if number := self._agree():
                return number
        return GO_ON

    def _next_step(self, batches: Iterator[TrainingBatch]) -> StepRecord:
        began = time.monotonic()
        batch = next(batches)
        arrived = time.monotonic()
        report = self.step(batch, self.position.step)
        seconds = max(time.monotonic() - began, 1e-9)
        epoch, step_in_epoch, step = astuple(self.position)
        unusable = self._unusable(report) if report.is_skipped else ()
        self.position = Position(epoch, step_in_epoch + 1, step + 1)
        return StepRecord(
            step=step + 1,
            epoch=epoch + 1,
            report=report,
            samples_per_second=batch.signs.num_videos * self.processes.size / seconds,
            waiting=(arrived - began) / seconds,
            unusable_videos=unusable,
        )

    def _unusable(self, report: StepReport) -> tuple[str, ...]:
        """Which videos of all processes' batches had no finite numbers; before the step counts."""
        ids = self.video_ids(self.position.epoch, self.position.step_in_epoch)
        found = self.processes.gather_values([ids[row] for row in report.unusable_rows])
        return tuple(chain.from_iterable(found))

    def _agree(self) -> int:
        """Saves if the processes agree to; gives the signal to stop that one of them has got."""
        own = self.stop.signal_number
        if self.processes.is_first and self.keeper.is_due:
            own = max(own, SAVE_NOW)
        agreed = self.processes.largest(own)
        if agreed == GO_ON:
            return GO_ON
        self.keeper.save(self.position, self.best_score)
        return GO_ON if agreed == SAVE_NOW else agreed

    def _validate(self, epoch: int) -> bool:
        """Whether the model is the best so far, as far as this epoch is to find out."""
        if self.validation is None:
            return True
        if epoch % self.every_epochs and epoch < self.length.epochs:
            return False
        for observer in self.observers:
            observer.pause()
        mean_r1 = self.validation()
        score, best = mean_r1[self.stage], self.best_score
        is_best = best is None or score > best
        self.best_score = score if best is None else max(score, best)
        record = ValidationRecord(self.position.step, epoch, mean_r1, score, self.best_score)
        for observer in self.observers:
            observer.validation(record)
        return is_best
