"""What a person asked of ``seds-extract captions``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Release = Literal["published", "phoenix-2014t", "csl-daily", "how2sign", "table"]
"""Whose caption files they are: the publication's, a data set's own, or somebody's table."""


@dataclass(frozen=True)
class CaptionsRequest:
    """The options of one command; nothing has been looked up yet."""

    release: Release
    source: Path
    """File or folder of the captions; for ``phoenix-2014t`` and ``csl-daily`` also the whole
    release, with its videos."""
    out: Path
    """Index to write."""
    videos: Path | None = None
    """Folder below which the videos lie; ``None`` takes the release's own ones, if it has any."""
    boxes: tuple[Path, ...] = ()
    """Person boxes of How2Sign's sentences."""
    dev_share: float = 0.05
    """Share of the training sentences that validates where a set has no validation split."""
    max_tokens: int = 32
    """Tokens of a sentence that a model reads, start and end included."""
    language: str | None = None
    """Language code of the sentences of a ``table``."""
    report: Path | None = None
    """JSON file for what does not fit."""
    as_json: bool = False
