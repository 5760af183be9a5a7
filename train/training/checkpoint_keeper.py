"""Which checkpoints of a run are kept, and what they say of its machine."""

import hashlib
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.markup import escape

from seds_core.console import warn
from seds_core.store.layout import software_versions
from train.checkpoints.run_checkpoint import (
    Position,
    RunCheckpoint,
    RunCheckpointError,
    link_checkpoint,
    load_weights,
    read_checkpoint,
    write_checkpoint,
)
from train.checkpoints.run_folder import RunFolder, RunIdentity
from train.model.batch_norm import average_running_statistics
from train.precision import changed_arithmetic
from train.processes import Processes
from train.random_states import random_states, restore_random_states
from train.training.step import TrainingStep

RECORDED_PACKAGES = (
    "seds", "torch", "numpy", "zarr", "einops", "open-clip-torch", "transformers", "safetensors",
)  # fmt: skip
"""What results depend on."""


def environment(
    device: torch.device, num_processes: int, weight_files: Sequence[Path]
) -> dict[str, Any]:
    """Software, hardware, source code and command of this start; nothing that names the machine.

    ``weight_files`` are what the run begins with, told apart by their SHA-256.
    """
    on_gpu = device.type == "cuda"
    return {
        "command": sys.argv,
        "versions": software_versions(RECORDED_PACKAGES),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.machine(),
        "cuda": torch.version.cuda if on_gpu else None,
        "processes": num_processes,
        "threads": torch.get_num_threads(),
        "source": git_state(Path(__file__).parent),
        "weights": {str(path): _sha256(path) for path in weight_files},
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit, and whether files differ from it; ``None`` outside a checkout or without git."""
    commit, changes = (_git(folder, *words) for words in _QUESTIONS)
    if commit is None or changes is None:
        return None
    return {"commit": commit.strip(), "is_changed": bool(changes.strip())}


_QUESTIONS = (("rev-parse", "HEAD"), ("status", "--porcelain"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


SAVE_EVERY_MINUTES = 10.0
"""Also within an epoch: what a killed run loses at most."""


class CheckpointKeeper:
    """Between a run's parts and its files ``last.pt`` and ``best.pt``."""

    def __init__(
        self, folder: RunFolder, identity: RunIdentity, step: TrainingStep, processes: Processes
    ) -> None:
        """Saves and restores what the step trains."""
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
        model = self._step.gradient_pass.model
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
            write_checkpoint(self._folder.last, checkpoint)
            if is_best:
                self._write_best(checkpoint)
        self._saved_at = time.monotonic()

    def restore(self) -> tuple[Position, float | None]:
        """Puts back ``last.pt``; gives the position and the best score so far.

        Raises ``UsageError`` when the file cannot be read or belongs to another run.
        """
        checkpoint = read_checkpoint(self._folder.last)
        self._identity.refuse_changes(checkpoint, self._folder.last)
        if not checkpoint.can_be_resumed:
            raise RunCheckpointError(
                f"{self._folder.last} holds weights without the optimiser's state, as best.pt "
                "does: begin another run with them, with --init"
            )
        settings, device = self._identity.settings, self._processes.device
        if otherwise := changed_arithmetic(checkpoint.settings, settings, device):
            warn(escape(f"before, {self._folder.path} {otherwise}"))
        load_weights(self._step.gradient_pass.model, checkpoint, self._folder.last)
        self._step.optimiser.load_state_dict(checkpoint.optimiser)
        self._step.scaler.load_state_dict(checkpoint.scaler)
        self._restore_random_states(checkpoint)
        return Position(**checkpoint.position), checkpoint.best_score

    def _write_best(self, checkpoint: RunCheckpoint) -> None:
        """Of the first process, once ``last.pt`` is written."""
        best, has_score = self._folder.best, checkpoint.best_score is not None
        if has_score or not link_checkpoint(best, self._folder.last):
            write_checkpoint(best, checkpoint.weights_only())

    def _restore_random_states(self, checkpoint: RunCheckpoint) -> None:
        saved, processes = checkpoint.random_states, self._processes
        if len(saved) == processes.size:
            restore_random_states(saved[processes.rank], processes.device)
        elif processes.is_first:
            warn(
                f"{self._folder.last} was written by {len(saved)} processes and {processes.size} "
                "go on: dropout and the order of sums are not what they would have been"
            )
