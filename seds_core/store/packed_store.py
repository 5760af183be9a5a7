"""The committed store and its table in memory: what both writers append finished videos to."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.provenance import Provenance, StoreMismatchError
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.staging import Staging
from seds_core.store.video_table import VideoEntry, VideoTable

PACK_ROWS = 16_384
"""Rows that wait before they are packed: one shard of RGB features."""

HASHING_THREADS = 3
"""Hashing a video's rows lets other threads run."""


class PackedStore:
    """A store that is being extended. Call it under the lock of its staging folder only."""

    def __init__(self, path: Path, provenance: Provenance) -> None:
        """Opens the store, or creates it when it is not there.

        Raises :class:`StoreMismatchError` when it was made with other settings or weights.
        """
        self.arrays = _open_or_create(path, provenance)
        self._num_entries = -1
        self._entries: dict[str, VideoEntry] = {}

    @property
    def num_rows(self) -> int:
        """Committed rows, those of superseded videos among them."""
        return self.arrays.committed[1]

    @property
    def num_entries(self) -> int:
        """Committed entries of the table; it grows with every change of :meth:`entries`."""
        return self.arrays.committed[0]

    @property
    def failures(self) -> list[FailedVideo]:
        """Why videos are not in the store."""
        return [FailedVideo(**failure) for failure in self.arrays.failures.values()]

    def entries(self) -> dict[str, VideoEntry]:
        """The committed table, read again only when another process has added to it."""
        committed = self.num_entries
        if committed != self._num_entries:
            self._entries = dict(VideoTable(self.arrays))
            self._num_entries = committed
        return self._entries

    def check(self, video: FinishedVideo) -> None:
        """Raises ``ValueError`` for a video without rows, or with others than the layout's."""
        for spec in self.arrays.row_specs:
            found, shape = video.rows[spec.name], (video.num_rows, *spec.sizes)
            if found.dtype != spec.dtype or found.shape != shape:
                raise ValueError(
                    f"'{video.source.video_id}': {spec.name} must be {spec.dtype} {shape}, "
                    f"not {found.dtype} {found.shape}"
                )
        if not video.num_rows:
            raise ValueError(f"'{video.source.video_id}' has no rows")

    def append(self, videos: Sequence[FinishedVideo], failures: Iterable[FailedVideo]) -> None:
        """Adds videos and replaces all failures; a video that succeeds has failed no longer."""
        succeeded = {video.source.video_id for video in videos}
        latest = {failure.video_id: asdict(failure) for failure in failures}
        recorded = {name: latest[name] for name in sorted(latest.keys() - succeeded)}
        if not videos and recorded == self.arrays.failures:
            return
        added = _entries_of(videos, first_row=self.num_rows)
        known = self.entries()
        runs = {s.name: [v.rows[s.name] for v in videos] for s in self.arrays.row_specs}
        self.arrays.append(runs, _video_columns(added), recorded)
        self._entries = known | {entry.video_id: entry for entry in added}
        self._num_entries += len(added)


def pack_staged(store: PackedStore, staging: Staging) -> None:
    """Moves all finished and failed videos, of any process, from the staging folder."""
    entries = store.entries()
    # A process may have died between packing and clearing: those are in already.
    videos = [video for video in staging.read_finished() if not _is_packed(video, entries)]
    store.append(videos, [*store.failures, *staging.read_failed()])
    staging.clear()


def _open_or_create(path: Path, provenance: Provenance) -> StoreArrays:
    if not path.exists():
        return StoreArrays.create(path, provenance)
    arrays = StoreArrays.open(path, writable=True)
    if differences := arrays.provenance.differences(provenance):
        listed = "\n".join(f"  {difference}" for difference in differences)
        raise StoreMismatchError(
            f"{path} was made with other settings (store / asked):\n{listed}\n"
            "Give another --out for a new store, or the settings of this one."
        )
    return arrays


def _entries_of(videos: Sequence[FinishedVideo], *, first_row: int) -> list[VideoEntry]:
    """Table entries of videos whose rows follow each other from ``first_row`` on."""
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        checksums = pool.map(attrgetter("checksum"), videos)
    entries = []
    for video, checksum in zip(videos, checksums, strict=True):
        entries.append(
            VideoEntry(
                **vars(video.source),
                first_row=first_row,
                num_rows=video.num_rows,
                rows_checksum=checksum,
            )
        )
        first_row += video.num_rows
    return entries


def _video_columns(entries: Sequence[VideoEntry]) -> dict[str, list[np.ndarray]]:
    return {
        spec.name: [
            np.array(
                [getattr(entry, spec.name) for entry in entries],
                object if spec.dtype == "str" else spec.dtype,
            )
        ]
        for spec in VIDEO_ARRAYS
    }


def _is_packed(video: FinishedVideo, entries: dict[str, VideoEntry]) -> bool:
    entry = entries.get(video.source.video_id)
    return (
        entry is not None
        and entry.content_hash == video.source.content_hash
        and entry.mtime_ns == video.source.mtime_ns
        and entry.rows_checksum == video.checksum
    )
