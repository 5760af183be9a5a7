"""What a person asked of ``seds-eval``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TieRule = Literal["expected", "optimistic", "pessimistic", "published"]
"""How candidates of equal scores are ordered: by the mean over all orders, in favour of the correct
answer, against it, or as the release of SEDS counts them."""

Which = Literal["best", "last"]
"""Which checkpoint of a run: that of the best validation score, or the newest."""


@dataclass(frozen=True)
class EvaluationRequest:
    """The options of one command; nothing has been looked up yet."""

    runs: tuple[Path, ...]
    """Folders of runs; several are compared."""
    checkpoint: Path | None
    """One file instead of runs."""
    split: str
    pipelines: Path
    """The file that holds the pipeline."""
    pipeline: str | None = None
    """For published checkpoints, which hold no settings."""
    index: Path | None = None
    """``None``, here and below: as the run was trained, or as the pipeline says."""
    rgb: tuple[Path, ...] = ()
    """Several are mixed; empty: as for ``None``."""
    mix: tuple[float, ...] = ()
    """Weights of several RGB stores, in their order."""
    pose: Path | None = None
    workers: int | None = None
    which: Which = "best"
    ties: TieRule = "expected"
    device: str = "auto"
    as_json: bool = False
    ranks: Path | None = None
    """File for the ranks of all queries."""
    compare: Literal["published"] | None = None
    """``published`` shows the scores of papers on the same data set beside these."""
