"""Opens a store, lists its videos, reads a video's rows."""

from pathlib import Path

import numpy as np

from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.provenance import Provenance
from seds_core.store.records import rows_checksum
from seds_core.store.video_table import VideoEntry, VideoTable


class VideoNotInStoreError(UsageError):
    """A video whose rows were asked for and that has none; the message says why."""


class StoreReader:
    """The committed contents of a store, as they were when it was opened."""

    def __init__(self, path: Path, *, even_damaged: bool = False) -> None:
        """Opens the store at ``path``.

        Raises :class:`~seds_core.store.provenance.StoreMismatchError` for anything else, and
        :class:`DamagedStoreError` where a file is missing or cut off, unless the store is opened
        ``even_damaged``. What else may be wrong with a file is noticed when it is read: always for
        the table of videos, as far as it cannot be decoded for rows.
        """
        self.path = path
        self.arrays = StoreArrays(path)
        if not even_damaged:
            self._refuse_lost_files()
        self.num_rows = self.arrays.committed[1]
        self.failures = self.arrays.failures
        self.videos = VideoTable(self.arrays)
        if not even_damaged:
            self._refuse_lost_zeros()

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
        try:
            return self._rows(self.videos[video_id])
        except DamagedStoreError as error:
            what = f"the rows of '{video_id}' cannot be read: {error.what}"
            raise DamagedStoreError(self.path, what) from error

    def _rows(self, entry: VideoEntry) -> dict[str, np.ndarray]:
        stop = entry.first_row + entry.num_rows
        return {
            spec.name: self.arrays.read_rows(spec.name, entry.first_row, stop)
            for spec in self.arrays.row_specs
        }

    def _refuse_lost_files(self) -> None:
        found = (
            self.arrays.files.damage(path, thorough=False) for path in self.arrays.files.needed()
        )
        if damage := [problem for problem in found if problem]:
            others = f" and {len(damage) - 1} more files" if damage[1:] else ""
            raise DamagedStoreError(self.path, f"{damage[0]}{others}")

    def _refuse_lost_zeros(self) -> None:
        """Earlier versions wrote no file for a shard of zeros: whether these hold nothing else."""
        for rows in self.arrays.files.shards_of_zeros():
            for video_id, entry in self.videos.items():
                is_in = (
                    entry.first_row < rows.stop and rows.start < entry.first_row + entry.num_rows
                )
                if is_in and rows_checksum(self._rows(entry)) != entry.rows_checksum:
                    raise DamagedStoreError(self.path, f"rows of '{video_id}' are missing")
