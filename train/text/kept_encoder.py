"""A run's own copy of its text encoder's sizes and tokenizer, so that no other folder is needed.

``RUN/text_encoder/`` holds what Transformers saves of a config and a tokenizer, and in
``source.json`` where the encoder came from. Weights are in the checkpoints. The sizes of OpenAI's
CLIP are in the settings and its tokenizer is in a library: only its source is written.
"""

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from seds_core.console import warn
from seds_core.files import file_sha256
from train.settings import TextSettings

FOLDER_NAME = "text_encoder"
_SOURCE = "source.json"


@dataclass(frozen=True)
class EncoderSource:
    """Where a text encoder came from."""

    encoder: str
    """``text.encoder`` of the settings."""
    weights: str | None
    """``text.weights`` of the settings, for OpenAI's CLIP."""
    revision: str | None
    """Commit of a hub name."""
    sha256: str | None
    """Of the weights of OpenAI's CLIP."""


def keep_text_encoder(settings: TextSettings, folder: Path) -> None:
    """Makes or replaces the copy, which is complete or absent however the process ends."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    encoder = settings.encoder
    if encoder == "clip":
        source = _openai_clip_source(settings)
    else:
        # Transformers' libraries take seconds to import, so that only their users do.
        from train.text.huggingface import (  # noqa: PLC0415
            are_same_without_weights,
            save_without_weights,
        )

        source = EncoderSource(encoder, None, save_without_weights(encoder, partial), None)
        # Some tokenizers become others when they are saved and loaded.
        if not are_same_without_weights(encoder, str(partial)):
            warn(
                f"text encoder '{encoder}' is another one after saving and reading it: the run "
                "keeps no copy and will look for it under its name"
            )
            shutil.rmtree(partial)
            partial.mkdir()
    (partial / _SOURCE).write_text(json.dumps(asdict(source), indent=2) + "\n", encoding="utf-8")
    # A kill between these two leaves no copy, and the encoder is looked for under its name.
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def as_kept(settings: TextSettings, folder: Path) -> TextSettings:
    """Returns the settings with the copy as their encoder; unchanged where there is no copy.

    Runs of earlier versions have none: their encoder is looked for under its name.
    """
    has_copy = settings.encoder != "clip" and (folder / "config.json").exists()
    return settings.model_copy(update={"encoder": str(folder)}) if has_copy else settings


def moved_settings(before: TextSettings, now: TextSettings, folder: Path) -> set[str]:
    """Returns which of ``encoder`` and ``weights`` changed their value but not their content.

    ``before`` are the settings that ``folder`` keeps a copy of; without one, their encoder is
    looked for under its name.
    """
    moved = set()
    if before.encoder != now.encoder and "clip" not in (before.encoder, now.encoder):
        from train.text.huggingface import are_same_without_weights  # noqa: PLC0415

        if are_same_without_weights(as_kept(before, folder).encoder, now.encoder):
            moved.add("encoder")
    # Of OpenAI's CLIP only the checksum of the weights is kept.
    if before.weights != now.weights and now.encoder == "clip" and (folder / _SOURCE).exists():
        kept = EncoderSource(**json.loads((folder / _SOURCE).read_text(encoding="utf-8")))
        if kept.sha256 is not None and kept.sha256 == _openai_clip_source(now).sha256:
            moved.add("weights")
    return moved


def _openai_clip_source(settings: TextSettings) -> EncoderSource:
    from train.text.openai_clip import openai_clip_file  # noqa: PLC0415

    path = openai_clip_file(settings.weights)
    if path is None:
        return EncoderSource("clip", settings.weights, None, None)
    # The hub's cache names folders by the commit that they hold.
    commit = re.search(r"/snapshots/([0-9a-f]{40})/", path.as_posix())
    return EncoderSource("clip", settings.weights, commit and commit[1], file_sha256(path))
