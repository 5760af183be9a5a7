"""The folder of a run: what an appendix of a paper needs to say how its numbers came about."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from seds_core.errors import UsageError
from train.text import kept_encoder
from train.training.run_identity import RunIdentity
from train.training.training_videos import FILE_NAME


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
