"""Opens a store, lists its videos, reads a video's rows."""

from pathlib import Path

import numpy as np

from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.provenance import Provenance
from seds_core.store.video_table import VideoTable


class VideoNotInStoreError(UsageError):
    """A video whose rows were asked for and that has none; the message says why."""


class StoreReader:
    """The committed contents of a store, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        """Opens the store at ``path``.

        Raises :class:`~seds_core.store.provenance.StoreMismatchError` for anything else.
        """
        self.path = path
        self.arrays = StoreArrays.open(path)
        self.num_rows = self.arrays.committed[1]
        self.failures = self.arrays.failures
        self.videos = VideoTable(self.arrays)

    @property
    def provenance(self) -> Provenance:
        """What made the store."""
        return self.arrays.provenance

    @property
    def num_superseded_rows(self) -> int:
        """Rows of earlier versions of videos whose source has changed since."""
        return self.num_rows - sum(entry.num_rows for entry in self.videos.values())

    def rows(self, video_id: str) -> dict[str, np.ndarray]:
        """All rows of a video: array name -> values, first axis ``row``.

        Raises :class:`VideoNotInStoreError` with the reason when the video is not in the store.
        """
        if video_id not in self.videos:
            reason = self.failures.get(video_id, {}).get("reason", "it was never extracted")
            raise VideoNotInStoreError(f"{self.path} has no video '{video_id}': {reason}")
        entry = self.videos[video_id]
        stop = entry.first_row + entry.num_rows
        return {
            spec.name: self.arrays.read_rows(spec.name, entry.first_row, stop)
            for spec in self.arrays.row_specs
        }
