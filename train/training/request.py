"""What a person asked of ``seds-train``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path

from train.settings import Stage


@dataclass(frozen=True)
class TrainRequest:
    """The options of one command; nothing has been looked up yet."""

    stage: Stage
    pipeline: str
    pipelines: Path
    """The file that holds the pipeline."""
    run_dir: Path
    """Folder of the run, such as ``runs/NAME``."""
    index: Path | None = None
    """``None``, here and below: as the pipeline says."""
    rgb: tuple[Path, ...] = ()
    """Several are mixed; empty: as the pipeline says."""
    pose: Path | None = None
    workers: int | None = None
    seed: int = 42
    device: str = "auto"
    resume: bool = False
    init: tuple[Path, ...] = ()
    """Files of weights to start from, in their order."""
    freeze_text: bool = False
    dry_run: bool = False
    mix: tuple[float, ...] = ()
    """Weights of several RGB stores, in their order."""
