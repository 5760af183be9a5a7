"""What a person asked of ``seds-extract boxes``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BoxesRequest:
    """The options of one command; nothing has been looked up yet."""

    index: Path
    out: Path
    """Index to write; may be the one that is read."""
    pipeline_file: Path
    pipeline: str
    """Its ``pose.person_detector`` says how people are found, and who of them is the signer."""
    margin: float = 0.1
    """Share of the person's box that is added on each side."""
    samples: int = 8
    """Frames of a video that are looked at, at most."""
    size: int = 256
    """Side, in pixels, that crops are resized to."""
    device: str = "auto"
    as_json: bool = False
