"""The training loop: steps, epochs, validation, and requests to stop."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from types import FrameType

from train.batches import TrainingBatch
from train.checkpoints.run_checkpoint import Position
from train.data.loading import TrainingBatches
from train.processes import Processes
from train.settings import Stage
from train.training.checkpoint_keeper import CheckpointKeeper
from train.training.observers import RunLength, RunObserver, StepRecord, ValidationRecord
from train.training.step import TrainingStep


class StopRequest:
    """Remembers whether a signal has asked the run to stop."""

    signal_number = 0
    """SIGINT or SIGTERM; 0 while there was none."""
    is_urgent = False
    """Whether a second Ctrl-C has interrupted the step."""

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


GO_ON, SAVE_NOW = 0, 1
"""What processes agree on after a step; any other number is that of a signal to stop."""


@dataclass
class TrainingLoop:
    """Trains epoch by epoch. Between steps its state is ``position`` and ``best_score``.

    Both are in every checkpoint, beside the states of model, optimiser, scaler and generators: a
    resumed loop begins at the position and takes the same steps. All processes run the same loop
    and meet in the collective operations of each step, of each agreement, save and validation, so
    every branch depends on what all of them know.
    """

    stage: Stage
    length: RunLength
    step: TrainingStep
    batches: TrainingBatches
    video_ids: Callable[[int, int], Sequence[str]]
    """Returns the videos of this process's batch in an epoch's step."""
    keeper: CheckpointKeeper
    validate: Callable[[], dict[str, float]] | None
    """Returns stream -> mean R@1 in percent; all processes call it together. ``None`` without
    validation videos: the newest epoch is the best, then."""
    every_epochs: int
    """Epochs from one validation to the next; the last epoch always has one."""
    processes: Processes
    observers: Sequence[RunObserver]
    """Empty in all processes but the first."""
    stop: StopRequest
    position: Position
    best_score: float | None
    """Highest validation score so far, in percent."""

    def run(self) -> int:
        """Trains to the end, or until a signal asks to stop; returns the signal's number, or 0."""
        while self.position.epoch < self.length.epochs:
            first = self.position.step_in_epoch
            batches = self.batches.epoch(self.position.epoch, first_step=first)
            for _ in range(first, self.length.steps_per_epoch):
                record = self._take_step(batches)
                for observer in self.observers:
                    observer.step(record)

                # A signal may reach one process only, and only the first looks at the clock: the
                # largest number that one of them has is what all of them do.
                wanted = self.stop.signal_number
                if self.processes.is_first and self.keeper.is_due:
                    wanted = max(wanted, SAVE_NOW)
                agreed = self.processes.largest(wanted)
                if agreed != GO_ON:
                    self.keeper.save(self.position, self.best_score)
                if agreed > SAVE_NOW:
                    return agreed

            # The epoch counts as done only once it is validated: a run that was stopped after its
            # last step resumes here, and validates first.
            epoch = self.position.epoch + 1
            is_best = self._find_whether_best(epoch)
            self.position = Position(epoch, 0, self.position.step)
            self.keeper.save(self.position, self.best_score, is_best=is_best)
        return GO_ON

    def _take_step(self, batches: Iterator[TrainingBatch]) -> StepRecord:
        began = time.monotonic()
        batch = next(batches)
        arrived = time.monotonic()
        position = self.position
        report = self.step(batch, position.step)
        seconds = max(time.monotonic() - began, 1e-9)

        unusable: tuple[str, ...] = ()
        if report.is_skipped:  # in all processes or in none
            ids = self.video_ids(position.epoch, position.step_in_epoch)
            own = [ids[row] for row in report.unusable_rows]
            unusable = tuple(chain.from_iterable(self.processes.gather_values(own)))

        self.position = Position(position.epoch, position.step_in_epoch + 1, position.step + 1)
        return StepRecord(
            step=position.step + 1,
            epoch=position.epoch + 1,
            report=report,
            samples_per_second=batch.signs.num_videos * self.processes.size / seconds,
            waiting=(arrived - began) / seconds,
            unusable_videos=unusable,
        )

    def _find_whether_best(self, epoch: int) -> bool:
        """Validates where it is due; returns whether the model is the best so far."""
        if self.validate is None:
            return True
        if epoch % self.every_epochs and epoch < self.length.epochs:
            return False
        for observer in self.observers:
            observer.pause()
        mean_r1 = self.validate()
        score, best = mean_r1[self.stage], self.best_score
        is_best = best is None or score > best
        self.best_score = score if best is None else max(score, best)
        record = ValidationRecord(self.position.step, epoch, mean_r1, score, self.best_score)
        for observer in self.observers:
            observer.validation(record)
        return is_best
