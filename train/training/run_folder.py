"""The folder of a run: what an appendix of a paper needs to say how its numbers came about."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

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
