"""When a run saves its state to ``last.pt`` and ``best.pt``, and how it is put back."""

import time
from dataclasses import asdict

from rich.markup import escape

from seds_core.console import warn
from seds_core.store.provenance import software_versions
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
from train.model.normalisation import average_running_statistics
from train.precision import changed_arithmetic
from train.processes import Processes
from train.random_states import random_states, restore_random_states
from train.training.step import TrainingStep

SAVE_EVERY_MINUTES = 10.0
"""Also within an epoch: what a killed run loses at most."""


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
