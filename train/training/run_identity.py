"""What a run is: its stage, seed, settings and data, which must not change while it goes on."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError
from seds_core.store.provenance import LATER_KEYS
from train.batches import ClipLayout
from train.settings import Stage, TrainSettings
from train.training.run_checkpoint import RunCheckpoint

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
    training_videos: str
    """Digest of the ids and sentences that are trained on (:func:`digest_of_videos`)."""

    def as_values(self) -> dict[str, Any]:
        """The fields as plain containers, named as in :class:`RunCheckpoint`."""
        return {
            "stage": self.stage,
            "seed": self.seed,
            "settings": self.settings.model_dump(mode="json"),
            "layout": asdict(self.layout),
            "provenance": self.provenance,
            "training_videos": self.training_videos,
        }

    def refuse_changes(self, checkpoint: RunCheckpoint, path: Path) -> None:
        """Raises :class:`ChangedRunError` when a checkpoint belongs to another run than this.

        A setting that the program did not have when the run began is taken as it is now.
        """
        ours = _leaves(self.as_values())
        theirs = _leaves({name: getattr(checkpoint, name) for name in self.as_values()})
        differing = [
            f"{name}: {theirs.get(name, 'not set')} there, {ours.get(name, 'not set')} now"
            for name in sorted((ours.keys() | theirs.keys()) - DECIDES_NOTHING)
            if ours.get(name) != theirs.get(name)
            and not PLACE_OF_STORE.fullmatch(name)
            and not _is_recorded_since(name, theirs)
        ]
        if differing:
            raise ChangedRunError(
                f"{path} cannot be resumed, because the run has changed: {'; '.join(differing)}. "
                "Resume it as it was started, or start another run with --name"
            )


def digest_of_videos(videos: Sequence[IndexedVideo]) -> str:
    """SHA-256 of ids and sentences in their order, which the batches depend on."""
    text = json.dumps([(video.video_id, video.text) for video in videos])
    return hashlib.sha256(text.encode()).hexdigest()


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
