"""What a person asked of ``seds-extract rgb`` or ``pose``, as it stands on the command line."""

from dataclasses import dataclass, field
from pathlib import Path

from seds_core.store.layout import StoreKind


@dataclass(frozen=True)
class ExtractionRequest:
    """The options of one command; nothing has been looked up yet."""

    kind: StoreKind
    store: Path
    places: tuple[str, ...]
    """Folders, files and patterns; empty when there is an index."""
    index: Path | None
    pipeline_file: Path
    pipeline: str
    changes: dict[str, str | Path | None] = field(default_factory=dict)
    """Settings of the stream that differ from the pipeline's; ``None`` leaves one as it is."""
    device: str = "auto"
    as_json: bool = False
    profile: bool = False
    """Whether to say where the time went."""
    pose_store: Path | None = None
    """Which frames show a hand, for RGB features with ``frames: hands``."""
    mix_devices: bool = False
    """Whether rows of another kind of device may be in the store."""
    wait: bool = False
    """Whether to wait for other processes that hold some of the videos."""
