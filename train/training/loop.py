"""The loop over epochs and steps: what is done when, and where it can end."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import chain

from train.batches import TrainingBatch
from train.data.loading import TrainingBatches
from train.settings import Stage
from train.training.checkpoint_keeper import CheckpointKeeper
from train.training.observer import RunLength, RunObserver, StepRecord, ValidationRecord
from train.training.processes import Processes
from train.training.run_checkpoint import Position
from train.training.step import StepReport, TrainingStep
from train.training.stopping import StopRequest
from train.training.validation import Validation

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
