"""A run's folder, what makes two starts the same run, and what is recorded of each start."""

import hashlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from filelock import FileLock, Timeout

from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError, first_names
from seds_core.files import file_sha256, write_whole
from seds_core.store.provenance import LATER_KEYS, software_versions
from train.batches import ClipLayout
from train.checkpoints.run_checkpoint import RunCheckpoint
from train.settings import DECIDES_NOTHING, Stage, TextSettings, TrainSettings
from train.text import kept_encoder

TRAINING_VIDEOS = "training_videos.json"
"""In the folder of a run; the file's SHA-256 is the digest."""

_SHOWN = 3
"""Videos whose names a message lists."""


@dataclass(frozen=True)
class TrainingVideos:
    """Ids and sentences in their order, which the batches depend on."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, videos: Iterable[IndexedVideo]) -> "TrainingVideos":
        """Takes ids and sentences of the videos of a split."""
        return cls(tuple((video.video_id, video.text) for video in videos))

    @classmethod
    def read(cls, path: Path) -> "TrainingVideos | None":
        """Reads what :meth:`write` wrote; ``None`` where it is missing or damaged."""
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple((video_id, text) for video_id, text in pairs))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Writes or replaces the list."""
        write_whole(path, self._text.encode())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file that :meth:`write` writes."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def changes_since(self, before: "TrainingVideos") -> list[str]:
        """Returns a phrase for each difference, with the names that help to find it."""
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
        # Checkpoints hold this text's digest: another form would make every run look changed.
        return json.dumps(self.pairs)


def _counted(video_ids: Collection[str], word: str) -> list[str]:
    if not video_ids:
        return []
    plural = "s" * (len(video_ids) > 1)
    return [f"{len(video_ids):,} video{plural} {word} ({first_names(video_ids)})"]


class ChangedRunError(UsageError):
    """Raised for a run that is resumed with other settings or data; the message names them."""


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
        """Returns the fields as plain containers, named as in :class:`RunCheckpoint`."""
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

        ``path`` is the checkpoint's, beside which its run keeps the list of videos and the text
        encoder.
        """
        differing = []
        if self.training_videos.digest != checkpoint.training_videos:
            before = TrainingVideos.read(path.with_name(TRAINING_VIDEOS))
            if before is not None and before.digest == checkpoint.training_videos:
                differing = self.training_videos.changes_since(before)
            else:
                differing = [
                    "ids, sentences or order of the training videos (which of them cannot be told: "
                    f"there is no {TRAINING_VIDEOS} of this run)"
                ]

        # The same text encoder may lie in another folder by now.
        text_before = TextSettings.model_validate(checkpoint.settings["text"])
        kept = path.with_name(kept_encoder.FOLDER_NAME)
        moved = kept_encoder.moved_settings(text_before, self.settings.text, kept)
        free = [*DECIDES_NOTHING.items(), ("text", moved)]
        ignored = {f"settings.{part}.{name}" for part, names in free for name in names}
        ignored.add("training_videos")
        ours = _leaves(self.as_values())
        theirs = _leaves({name: getattr(checkpoint, name) for name in self.as_values()})
        differing += [
            f"{name}: {theirs.get(name, 'not set')} there, {ours.get(name, 'not set')} now"
            for name in sorted((ours.keys() | theirs.keys()) - ignored)
            if ours.get(name) != theirs.get(name) and not _may_differ(name, theirs)
        ]
        if differing:
            raise ChangedRunError(
                f"{path} cannot be resumed, because the run has changed: {'; '.join(differing)}. "
                "Resume it as it was started, or start another run with --name"
            )


def _may_differ(name: str, theirs: dict[str, Any]) -> bool:
    """Whether a value is a store's path, or is one that the program did not know or record yet
    when the run began; a setting that was not known then is taken as it is now."""
    if name.startswith("settings."):
        return name not in theirs
    of_store = re.fullmatch(r"provenance\.\w+\.(.+)", name)
    if of_store is None:
        return False
    return of_store[1] == "path" or (of_store[1] in LATER_KEYS and not theirs.get(name))


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns values by dotted names; tuples, which become lists in files, as lists."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return found


RECORDED_PACKAGES = (
    "seds", "torch", "numpy", "zarr", "einops", "open-clip-torch", "transformers", "safetensors",
)  # fmt: skip
"""What results depend on."""


def environment(
    device: torch.device, num_processes: int, weight_files: Sequence[Path]
) -> dict[str, Any]:
    """Describes software, hardware, source code and command of a start, but not the machine's name.

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
        "weights": {str(path): file_sha256(path) for path in weight_files},
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Returns the commit, and whether files differ from it; ``None`` outside a checkout."""
    found = []
    for question in (("rev-parse", "HEAD"), ("status", "--porcelain")):
        command = ["git", "-C", str(folder), *question]
        try:
            # A fixed command without a shell.
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # nosec B603
        except (OSError, subprocess.CalledProcessError):
            return None  # no checkout, or no git
        found.append(done.stdout.strip())
    commit, changes = found
    return {"commit": commit, "is_changed": bool(changes)}


class RunFolderError(UsageError):
    """Raised for a run that exists already, does not exist, or is going on elsewhere."""


class RunFolder:
    """Names the files of ``runs/NAME``, which several programs read, and writes most of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.settings = path / "settings.yaml"
        self.provenance = path / "provenance.json"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.text_encoder = path / kept_encoder.FOLDER_NAME
        self.training_videos = path / TRAINING_VIDEOS
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

    def checkpoint(self, which: Literal["best", "last"]) -> Path:
        """Returns the file of the best validation score, or the newest."""
        return self.best if which == "best" else self.last

    @contextmanager
    def held(self, *, resume: bool) -> Iterator[None]:
        """Keeps every other start away from the run until this process ends, however it ends.

        The operating system takes the lock back from a process that is killed. Raises
        :class:`RunFolderError` like :meth:`check`, and for a run that is going on.
        """
        # Once before a folder is made for what is refused, and once more under the lock.
        self.check(resume=resume)
        self.path.mkdir(parents=True, exist_ok=True)
        # Without a time limit to wait for, and held by the process, whichever thread lets it go.
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
            if not self.last.exists():  # a run that never began leaves nothing behind
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
        write_whole(self.settings, text.encode())
        identity.training_videos.write(self.training_videos)
        of_data = {name: values[name] for name in ("provenance", "layout", "training_videos")}
        write_whole(self.provenance, _json(of_data))
        # This file grows with every start; the others are written anew.
        starts = json.loads(self.environment.read_text()) if self.environment.exists() else []
        write_whole(self.environment, _json([*starts, environment]))


def _json(value: object) -> bytes:
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode()
