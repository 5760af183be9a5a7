"""What a person asked of ``seds-extract plan``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PlanRequest:
    """The options of one command; nothing has been looked up yet."""

    pipeline_file: Path
    pipeline: str
    index: Path | None = None
    places: tuple[str, ...] = ()
    """Folders, files and patterns. Without these and an index, the published size of the
    pipeline's data set is planned for, or an hour of video."""
    device: str = "auto"
    sample: int = 200
    """Videos, evenly chosen, whose containers are looked into."""
    as_json: bool = False
