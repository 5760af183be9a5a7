"""What a person asked of ``seds-extract import``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FormatName = Literal[
    "published-features", "published-keypoints", "npy", "pose", "openpose", "coco-wholebody"
]


@dataclass(frozen=True)
class ImportRequest:
    """The options of one command; nothing has been looked up yet."""

    format: FormatName
    source: Path
    """A folder, or a file for ``coco-wholebody``."""
    store: Path
    pipeline_file: Path
    pipeline: str
    index: Path | None = None
    """Gives names, sizes and frame rates of the videos; without it, the pipeline and the files."""
    pose: Path | None = None
    """Pose store that says which frames published features belong to."""
    frame_map: Path | None = None
    """CSV that says which frames ``npy`` features belong to."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels; ``None``, here and below: as the pipeline says."""
    fps: float | None = None
    as_json: bool = False
    dry_run: bool = False
