"""A run's folder, and what makes two runs the same run."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError, first_names
from seds_core.store.layout import LATER_KEYS
from train.batches import ClipLayout
from train.checkpoints.run_checkpoint import RunCheckpoint
from train.settings import Stage, TextSettings, TrainSettings
from train.text import kept_encoder

FILE_NAME = "training_videos.json"
"""In the folder of a run; the file's SHA-256 is the digest."""

_SHOWN = 3


@dataclass(frozen=True)
class TrainingVideos:
    """Ids and sentences in their order, which the batches depend on."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, videos: Iterable[IndexedVideo]) -> "TrainingVideos":
        """Of the videos of a split."""
        return cls(tuple((video.video_id, video.text) for video in videos))

    @classmethod
    def read(cls, path: Path) -> "TrainingVideos | None":
        """What :meth:`write` wrote; ``None`` where it is missing or damaged."""
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple((video_id, text) for video_id, text in pairs))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Writes or replaces the list."""
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(self._text, encoding="utf-8")
        os.replace(partial, path)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the list."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def changes_since(self, before: "TrainingVideos") -> list[str]:
        """What a person has to know to find the difference, a phrase each."""
        then, now = dict(before.pairs), dict(self.pairs)
        changed = [i for i in now if i in then and now[i] != then[i]]
        texts = [f"the sentence of {i} changed ({then[i]} -> {now[i]})" for i in changed[:_SHOWN]]
        if len(changed) > _SHOWN:
            texts.append(f"{len(changed) - _SHOWN:,} sentences more changed")
        texts += _counted([i for i in now if i not in then], "more")
        texts += _counted([i for i in then if i not in now], "fewer")
        if [i for i in now if i in then] != [i for i in then if i in now]:
            texts.append("the videos are in another order")
        return texts

    @property
    def _text(self) -> str:
        return json.dumps(self.pairs)


def _counted(video_ids: Collection[str], word: str) -> list[str]:
    if not video_ids:
        return []
    plural = "s" * (len(video_ids) > 1)
    return [f"{len(video_ids):,} video{plural} {word} ({first_names(video_ids)})"]


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


class RunFolderError(UsageError):
    """A run that is there already, or is not there."""


class RunFolder:
    """Names of the files of ``runs/NAME``; several programs read them."""

    def __init__(self, path: Path) -> None:
        """Touches nothing."""
        self.path = path
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.settings = path / "settings.yaml"
        self.provenance = path / "provenance.json"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.text_encoder = path / kept_encoder.FOLDER_NAME
        self.training_videos = path / FILE_NAME
        self.tensorboard = path / "tensorboard"
        self.lock = path / "lock"

    def check(self, *, resume: bool) -> None:
        """Raises :class:`RunFolderError` unless a new run can begin, or this one can go on."""
        if resume and not self.last.exists():
            raise RunFolderError(
                f"{self.path} has no {self.last.name} to resume; start the run without --resume"
            )
        if not resume and self.last.exists():
            raise RunFolderError(
                f"the run {self.path} exists; resume with --resume or name another with --name"
            )

    @contextmanager
    def held(self, *, resume: bool) -> Iterator[None]:
        """Keeps every other start away from the run until this process ends, however it does.

        Raises :class:`RunFolderError` like :meth:`check`, and for a run that is going on.
        """
        self.check(resume=resume)
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise RunFolderError(
                f"the run {self.path} is going on in another process; wait for its end, stop it, "
                "or name another with --name"
            ) from None
        try:
            self.check(resume=resume)  # another process may have had it in the meantime
            yield
        finally:
            if not self.last.exists():  # nothing was begun, and nothing is left behind
                self.lock.unlink(missing_ok=True)
                with suppress(OSError):
                    self.path.rmdir()
            lock.release()

    def begin(self, identity: RunIdentity, environment: dict[str, Any]) -> None:
        """Writes everything that is known before the first step.

        ``environment.json`` lists every start of the run: it may go on elsewhere.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        values = identity.as_values()
        head = {"stage": identity.stage, "seed": identity.seed}
        text = yaml.safe_dump(head | {"train": values["settings"]}, sort_keys=False)
        _replace(self.settings, text)
        identity.training_videos.write(self.training_videos)
        _replace(self.provenance, _json({name: values[name] for name in _OF_DATA}))
        starts = json.loads(self.environment.read_text()) if self.environment.exists() else []
        _replace(self.environment, _json([*starts, environment]))


_OF_DATA = ("provenance", "layout", "training_videos")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
