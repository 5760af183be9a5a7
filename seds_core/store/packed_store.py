"""The committed store and its table in memory: what both writers append finished videos to."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path

import numpy as np

from seds_core.console import warn
from seds_core.store.arrays import StoreArrays
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo, FinishedVideo, StagedVideo
from seds_core.store.staging import Staging
from seds_core.store.video_table import VideoEntry, VideoTable, entry_checksums

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
        self._provenance = provenance
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

    def failure_of(self, video_id: str) -> FailedVideo | None:
        """Why a video is not in the store."""
        failure = self.arrays.failures.get(video_id)
        return FailedVideo(**failure) if failure else None

    def forget_failures(self, video_ids: Collection[str]) -> None:
        """Drops the failures of videos that are in the store as they are."""
        over = set(video_ids)
        self.append([], [f for f in self.failures if f.video_id not in over])

    def entries(self) -> dict[str, VideoEntry]:
        """The committed table, read again only when another process has added to it."""
        committed = self.num_entries
        if committed != self._num_entries:
            self._entries = dict(VideoTable(self.arrays))
            self._num_entries = committed
        return self._entries

    def check(self, video: FinishedVideo) -> None:
        """Raises ``ValueError`` for a video without rows, or with others than the layout's."""
        video_id = video.source.video_id
        specs = self.arrays.row_specs
        if video.rows.keys() != (names := {spec.name for spec in specs}):
            raise ValueError(f"'{video_id}': has {sorted(video.rows)}, not {sorted(names)}")
        for spec in specs:
            found, shape = video.rows[spec.name], (video.num_rows, *spec.sizes)
            if found.dtype != spec.dtype or found.shape != shape:
                raise ValueError(
                    f"'{video_id}': {spec.name} must be {spec.dtype} {shape}, "
                    f"not {found.dtype} {found.shape}"
                )
        if not video.num_rows:
            raise ValueError(f"'{video_id}' has no rows")
        video_id.encode()
        _video_columns([_entry_of(video, first_row=0, checksum=0)])  # whether the table can hold it

    def refusal(self, staged: StagedVideo) -> str | None:
        """Why a waiting video's rows are not such as are asked for; ``None`` when they are."""
        if not staged.made:
            return "an earlier version made them and did not say how"
        if not self._provenance.accepts(staged.made):
            return "they were made with other settings or weights, for a store that is gone"
        return None

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
    """Moves all finished and failed videos, of any process, from the staging folder.

    Those that were made with other settings or weights than the store are dropped: the store has
    been deleted since, and another one begun under its name.
    """
    entries = store.entries()
    videos: list[FinishedVideo] = []
    refusals: Counter[str] = Counter()
    for path, staged in staging.read_finished():
        if refusal := store.refusal(staged):
            refusals[refusal] += 1
            continue
        try:
            store.check(staged.video)
        except (ValueError, TypeError, OverflowError) as error:
            staging.set_aside(path, str(error))
            continue
        # A process may have died between packing and clearing: those are in already.
        if not _is_packed(staged.video, entries):
            videos.append(staged.video)
    for refusal, count in refusals.items():
        warn(f"{count} finished videos that waited for the store are dropped: {refusal}")
    store.append(videos, [*store.failures, *staging.read_failed()])
    staging.clear()


def _open_or_create(path: Path, provenance: Provenance) -> StoreArrays:
    if not path.exists():
        return StoreArrays.create(path, provenance)
    arrays = StoreReader(path).arrays  # which refuses a damaged store
    arrays.provenance.refuse_others(path, provenance)
    if provenance.device == "any" != arrays.provenance.device:
        arrays.allow_any_device()
    return arrays


def _entries_of(videos: Sequence[FinishedVideo], *, first_row: int) -> list[VideoEntry]:
    """Table entries of videos whose rows follow each other from ``first_row`` on."""
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        checksums = pool.map(attrgetter("checksum"), videos)
    entries = []
    for video, checksum in zip(videos, checksums, strict=True):
        entries.append(_entry_of(video, first_row=first_row, checksum=checksum))
        first_row += video.num_rows
    return entries


def _entry_of(video: FinishedVideo, *, first_row: int, checksum: int) -> VideoEntry:
    entry = VideoEntry(
        **vars(video.source),
        first_row=first_row,
        num_rows=video.num_rows,
        rows_checksum=checksum,
    )
    # Texts of a store are UTF-8; a path need not be.
    path = entry.path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return replace(entry, path=path)


def _video_columns(entries: Sequence[VideoEntry]) -> dict[str, list[np.ndarray]]:
    columns = {
        spec.name: np.array(
            [getattr(entry, spec.name) for entry in entries],
            object if spec.dtype == "str" else spec.dtype,
        )
        for spec in VIDEO_ARRAYS
    }
    checksums = entry_checksums({name: values.tolist() for name, values in columns.items()})
    columns[ENTRY_CHECKSUM.name] = np.array(checksums, ENTRY_CHECKSUM.dtype)
    return {name: [values] for name, values in columns.items()}


def _is_packed(video: FinishedVideo, entries: dict[str, VideoEntry]) -> bool:
    entry = entries.get(video.source.video_id)
    return (
        entry is not None
        and entry.content_hash == video.source.content_hash
        and entry.mtime_ns == video.source.mtime_ns
        and entry.rows_checksum == video.checksum
    )
