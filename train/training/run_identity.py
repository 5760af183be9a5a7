"""What a run is: its stage, seed, settings and data, which must not change while it goes on."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seds_core.errors import UsageError
from seds_core.store.layout import LATER_KEYS
from train.batches import ClipLayout
from train.model_settings import TextSettings
from train.settings import Stage, TrainSettings
from train.text import kept_encoder
from train.training.run_checkpoint import RunCheckpoint
from train.training.training_videos import FILE_NAME, TrainingVideos

DECIDES_NOTHING = frozenset(
    {
        "settings.data.index",
        "settings.data.rgb",
        "settings.data.pose",
        "settings.data.workers",
        "settings.evaluation.batch_size",
    }
)
"""Where files lie and how fast they are read: may differ when a run goes on."""

PLACE_OF_STORE = re.compile(r"provenance\.\w+\.path")
"""Decides nothing either, whatever the store's name."""

RECORDED_OF_STORE = re.compile(r"provenance\.\w+\.(.+)")


class ChangedRunError(UsageError):
    """A run that is to go on with other settings or data; the message names what differs."""


@dataclass(frozen=True)
class RunIdentity:
    """Everything that, with the initial weights, decides the result."""

    stage: Stage
    seed: int
    settings: TrainSettings
    layout: ClipLayout
    provenance: dict[str, Any]
    """Of the stores, by kind; only what JSON can hold."""
    training_videos: TrainingVideos

    def as_values(self) -> dict[str, Any]:
        """The fields as plain containers, named as in :class:`RunCheckpoint`."""
        return {
            "stage": self.stage,
            "seed": self.seed,
            "settings": self.settings.model_dump(mode="json"),
            "layout": asdict(self.layout),
            "provenance": self.provenance,
            "training_videos": self.training_videos.digest,
        }

    def refuse_changes(self, checkpoint: RunCheckpoint, path: Path) -> None:
        """Raises :class:`ChangedRunError` when a checkpoint belongs to another run than this.

        A setting that the program did not have when the run began is taken as it is now. ``path``
        is the checkpoint's, beside which its run keeps the list of videos and the text encoder.
        """
        moved = self._moved_text(checkpoint, path.with_name(kept_encoder.FOLDER_NAME))
        ours = _leaves(self.as_values())
        theirs = _leaves({name: getattr(checkpoint, name) for name in self.as_values()})
        if ours.pop("training_videos") != theirs.pop("training_videos"):
            differing = self._changed_videos(checkpoint, path.with_name(FILE_NAME))
        else:
            differing = []
        differing += [
            f"{name}: {theirs.get(name, 'not set')} there, {ours.get(name, 'not set')} now"
            for name in sorted((ours.keys() | theirs.keys()) - DECIDES_NOTHING - moved)
            if ours.get(name) != theirs.get(name)
            and not PLACE_OF_STORE.fullmatch(name)
            and not _is_recorded_since(name, theirs)
        ]
        if differing:
            raise ChangedRunError(
                f"{path} cannot be resumed, because the run has changed: {'; '.join(differing)}. "
                "Resume it as it was started, or start another run with --name"
            )

    def _moved_text(self, checkpoint: RunCheckpoint, kept: Path) -> set[str]:
        """Settings that name the same text encoder at another place."""
        before = TextSettings.model_validate(checkpoint.settings["text"])
        moved = kept_encoder.moved_settings(before, self.settings.text, kept)
        return {f"settings.text.{name}" for name in moved}

    def _changed_videos(self, checkpoint: RunCheckpoint, path: Path) -> list[str]:
        before = TrainingVideos.read(path)
        if before is None or before.digest != checkpoint.training_videos:
            return [
                "ids, sentences or order of the training videos (which of them cannot be told: "
                f"there is no {path.name} of this run)"
            ]
        return self.training_videos.changes_since(before)


def _is_recorded_since(name: str, theirs: dict[str, Any]) -> bool:
    """Whether a run is without a value because the program did not record it when it began."""
    if name.startswith("settings."):
        return name not in theirs
    later = RECORDED_OF_STORE.fullmatch(name)
    return bool(later and later[1] in LATER_KEYS and not theirs.get(name))


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted names; tuples, which become lists in files, as lists."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return found
