"""The checkpoint file of a training run: all that a run needs to go on as if it had never stopped.

It holds plain containers, numbers and tensors only, so that reading it runs no code.
"""

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seds_core.errors import UsageError
from seds_core.files import sync, unfinished_path, whole_file
from seds_core.torch_files import damage_of, seal

FORMAT_VERSION = 1


class RunCheckpointError(UsageError):
    """Raised for a checkpoint file that cannot be used; the message names the file."""


@dataclass(frozen=True)
class Position:
    """How far a run is; by default, at its beginning."""

    epoch: int = 0
    """Epochs that are done, with their validation."""
    step_in_epoch: int = 0
    """Steps that are done of the epoch after them."""
    step: int = 0
    """Steps that are done in all."""


@dataclass(frozen=True)
class RunCheckpoint:
    """The contents of ``last.pt``; ``best.pt`` lacks what only training needs."""

    stage: str
    seed: int
    settings: dict[str, Any]
    """The resolved settings, as ``TrainSettings.model_dump(mode="json")`` gives them."""
    layout: dict[str, Any]
    """The fields of the ``ClipLayout`` that the model is built for."""
    provenance: dict[str, Any]
    """Of the stores, by kind."""
    training_videos: str
    """SHA-256 of the ids and sentences that are trained on, in their order."""
    versions: dict[str, str]
    """Of this program and the packages that it ran with."""
    position: dict[str, int]
    """The fields of :class:`Position`."""
    best_score: float | None
    """Highest validation score so far, in percent."""
    model: dict[str, Tensor]
    """State dict of the ``RetrievalModel``."""
    optimiser: dict[str, Any]
    scaler: dict[str, Any]
    random_states: list[dict[str, Any]]
    """Of every process."""
    format_version: int = FORMAT_VERSION

    @property
    def can_be_resumed(self) -> bool:
        """Whether the optimiser's state is there, without which there are the weights alone."""
        return bool(self.optimiser)

    def weights_only(self) -> "RunCheckpoint":
        """Returns what evaluation needs: a third of the size."""
        return replace(self, optimiser={}, scaler={}, random_states=[])


def write_checkpoint(path: Path, checkpoint: RunCheckpoint) -> None:
    """Writes or replaces a file; however the process ends, the old or the new one is whole."""
    with whole_file(path) as file:
        torch.save({f.name: getattr(checkpoint, f.name) for f in fields(checkpoint)}, file)
        seal(file)


def link_checkpoint(path: Path, same: Path) -> bool:
    """Makes ``path`` a second name of the file ``same``; ``False`` where the file system cannot."""
    # A new link cannot replace a file, but renaming one can.
    partial = unfinished_path(path)
    partial.unlink(missing_ok=True)
    try:
        os.link(same, partial)
    except OSError:
        return False
    os.replace(partial, path)
    partial.unlink(missing_ok=True)  # a rename does nothing where both are names of one file
    sync(path.parent)
    return True


def read_checkpoint(path: Path) -> RunCheckpoint:
    """Reads a file onto the CPU, once its checksum agrees; older files have sums of their parts.

    Raises :class:`RunCheckpointError` for a file that is missing, damaged, no checkpoint of a run,
    or of another version of the format.
    """
    if not path.exists():
        raise RunCheckpointError(f"there is no checkpoint {path}")
    # First, because torch's reader takes a flipped bit for a weight.
    if damage := damage_of(path):
        raise RunCheckpointError(_damaged(path, damage))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged bytes end PyTorch's reader in every way there is.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RunCheckpointError(_damaged(path, reason)) from None
    names = {f.name for f in fields(RunCheckpoint)}
    if not isinstance(content, dict) or "format_version" not in content:
        raise RunCheckpointError(f"{path} is no checkpoint of a seds-train run")
    if content["format_version"] != FORMAT_VERSION or content.keys() != names:
        raise RunCheckpointError(
            f"{path} has checkpoint format {content['format_version']}, this program reads "
            f"{FORMAT_VERSION}: use the version of the program that wrote it"
        )
    return RunCheckpoint(**content)


def load_weights(model: nn.Module, checkpoint: RunCheckpoint, path: Path) -> None:
    """Copies the weights of the checkpoint that was read from ``path`` into a model.

    Raises :class:`RunCheckpointError` where they are another model's: a text encoder may have
    changed under its name.
    """
    try:
        model.load_state_dict(checkpoint.model)
    except RuntimeError as error:
        problems = [line.strip() for line in str(error).splitlines()[1:3]]
        raise RunCheckpointError(
            f"the weights of {path} do not fit the model that its settings and its text encoder "
            f"describe: {' '.join(problems)[:300]}"
        ) from None


_OTHER_CHECKPOINT = {
    "last.pt": ("best.pt", "begin another run with the weights of {} (--init)"),
    "best.pt": ("last.pt", "evaluate {} (--which last)"),
}
"""Name -> the other checkpoint of its run, and what that one still serves for."""


def _damaged(path: Path, reason: str) -> str:
    text = f"{path} is damaged or no checkpoint: {reason}. Put a copy of it in its place"
    name, advice = _OTHER_CHECKPOINT.get(path.name, (path.name, ""))
    other = path.with_name(name)
    return f"{text}, or {advice.format(other)}" if advice and other.exists() else text
