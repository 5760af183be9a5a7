"""What every import format gives: items to read, and a video's rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from seds_core.store.layout import Provenance


@dataclass(frozen=True)
class ImportItem:
    """A video that is to be imported; whether it can be read is not known yet."""

    video_id: str
    path: Path
    """The file or folder that holds it; a file may hold several."""


@dataclass(frozen=True)
class ImportedVideo:
    """A video's rows, as its store keeps them, and what the store's table says of it."""

    rows: dict[str, np.ndarray]
    """Array name -> values, first axis ``row``; all arrays of the store's layout."""
    num_frames: int
    frame_step: int
    """Frames of the video from one timeline frame to the next."""
    fps: float
    width: int
    height: int
    content_hash: str = ""
    """BLAKE2b-128 of the bytes that were read; empty where they are to be read again for it."""
    num_rounded: int = 0
    """Values that are others in the store, because its precision is lower than the file's."""
    num_people: int = 1
    """People in the frame that shows the most; the rows are those of one of them."""


@runtime_checkable
class ImportFormat(Protocol):
    """How files of one kind become rows of one store."""

    @property
    def provenance(self) -> Provenance:
        """What decides the rows; ``settings["imported"]["format"]`` names the format."""

    def items(self) -> list[ImportItem]:
        """The videos below the source, by name. Raises ``UsageError`` when there are none."""

    def read(self, item: ImportItem) -> ImportedVideo:
        """Reads one video; called from several threads at a time.

        Raises :class:`ImportedFileError` for one that cannot be used.
        """
