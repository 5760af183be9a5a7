"""The training loop: steps, validations, checkpoints, and requests to stop."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from types import FrameType

from rich.markup import escape

from seds_core.console import warn
from seds_core.store.provenance import software_versions
from train.batches import TrainingBatch
from train.checkpoints.run_checkpoint import (
    Position,
    RunCheckpoint,
    RunCheckpointError,
    link_checkpoint,
    load_weights,
    read_checkpoint,
    write_checkpoint,
)
from train.checkpoints.run_folder import RECORDED_PACKAGES, RunFolder, RunIdentity
from train.data.loading import TrainingBatches
from train.model.normalisation import average_running_statistics
from train.precision import changed_arithmetic
from train.processes import Processes
from train.random_states import random_states, restore_random_states
from train.settings import Stage
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


SAVE_EVERY_MINUTES = 10.0
"""Also within an epoch: what a killed run loses at most."""

EPOCH_SAVED_EVERY_SECONDS = 30.0
"""Epochs of small sets last a second or two: not all of their ends are kept."""


class CheckpointKeeper:
    """Saves and restores what a step trains; it remembers when it last saved."""

    def __init__(
        self, folder: RunFolder, identity: RunIdentity, step: TrainingStep, processes: Processes
    ) -> None:
        self._folder = folder
        self._identity = identity
        self._step = step
        self._processes = processes
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the newest checkpoint is too old."""
        return time.monotonic() > self._saved_at + 60 * SAVE_EVERY_MINUTES

    @property
    def is_due_after_epoch(self) -> bool:
        """Whether the newest checkpoint is so old that an epoch's end is kept."""
        return time.monotonic() > self._saved_at + EPOCH_SAVED_EVERY_SECONDS

    def save(self, position: Position, best_score: float | None, *, is_best: bool = False) -> None:
        """Writes ``last.pt``, and its weights as ``best.pt``; all processes call it together.

        Where no score tells epochs apart, ``best.pt`` is a second name of ``last.pt``.
        """
        model, folder = self._step.gradient_pass.model, self._folder
        # Parameters are the same in all processes, running statistics are not; each process has
        # random generators of its own.
        average_running_statistics(model, self._processes)
        states = self._processes.gather_values(random_states(self._processes.device))
        if self._processes.is_first:
            checkpoint = RunCheckpoint(
                **self._identity.as_values(),
                versions=software_versions(RECORDED_PACKAGES),
                position=asdict(position),
                best_score=best_score,
                model=model.state_dict(),
                optimiser=self._step.optimiser.state_dict(),
                scaler=self._step.scaler.state_dict(),
                random_states=states,
            )
            # best.pt comes second: it may be a link to what was just written, and a run killed in
            # between resumes from a whole last.pt.
            write_checkpoint(folder.last, checkpoint)
            if is_best and (
                best_score is not None or not link_checkpoint(folder.best, folder.last)
            ):
                write_checkpoint(folder.best, checkpoint.weights_only())
        self._saved_at = time.monotonic()

    def restore(self) -> tuple[Position, float | None]:
        """Puts back ``last.pt``; returns the position and the best score so far.

        Raises ``UsageError`` when the file cannot be read or belongs to another run.
        """
        last, processes = self._folder.last, self._processes
        checkpoint = read_checkpoint(last)
        self._identity.refuse_changes(checkpoint, last)
        if not checkpoint.can_be_resumed:
            raise RunCheckpointError(
                f"{last} holds weights without the optimiser's state, as best.pt does: begin "
                "another run with them, with --init"
            )
        settings = self._identity.settings
        if changed := changed_arithmetic(checkpoint.settings, settings, processes.device):
            warn(escape(f"before, {self._folder.path} {changed}"))
        load_weights(self._step.gradient_pass.model, checkpoint, last)
        self._step.optimiser.load_state_dict(checkpoint.optimiser)
        self._step.scaler.load_state_dict(checkpoint.scaler)
        # Generators come last: nothing may draw from them before the next step does.
        saved = checkpoint.random_states
        if len(saved) == processes.size:
            restore_random_states(saved[processes.rank], processes.device)
        elif processes.is_first:
            warn(
                f"{last} was written by {len(saved)} processes and {processes.size} go on: "
                "dropout and the order of sums are not what they would have been"
            )
        return Position(**checkpoint.position), checkpoint.best_score


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
            if self._keeps_epoch(is_best=is_best):
                self.keeper.save(self.position, self.best_score, is_best=is_best)
        return GO_ON

    def _take_step(self, batches: Iterator[TrainingBatch]) -> StepRecord:
        # Only waiting for data is measured apart: a slow store shows as a large fraction.
        began = time.monotonic()
        batch = next(batches)
        arrived = time.monotonic()
        position = self.position
        report = self.step(batch, position.step)
        # Never zero, which rates are divided by: a coarse clock may not have moved.
        seconds = max(time.monotonic() - began, 1e-9)

        unusable: tuple[str, ...] = ()
        if report.is_skipped:  # in all processes or in none
            ids = self.batches.video_ids(position.epoch, position.step_in_epoch)
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

    def _keeps_epoch(self, *, is_best: bool) -> bool:
        """Whether the end of the epoch is saved: the last one's, a best score's, some others'."""
        if self.position.epoch == self.length.epochs or (is_best and self.validate is not None):
            return True
        # Only the first process looks at the clock.
        is_due = self.processes.is_first and self.keeper.is_due_after_epoch
        return self.processes.largest(SAVE_NOW if is_due else GO_ON) == SAVE_NOW

    def _find_whether_best(self, epoch: int) -> bool:
        """Validates where it is due; returns whether the model is the best so far."""
        if self.validate is None:
            return True
        if epoch % self.every_epochs and epoch < self.length.epochs:
            return False
        for observer in self.observers:
            observer.pause()
        mean_r1 = self.validate()
        # An equal score is no improvement: the earlier epoch stays the best.
        score, best = mean_r1[self.stage], self.best_score
        is_best = best is None or score > best
        self.best_score = score if best is None else max(score, best)
        record = ValidationRecord(self.position.step, epoch, mean_r1, score, self.best_score)
        for observer in self.observers:
            observer.validation(record)
        return is_best
