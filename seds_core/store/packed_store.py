"""A store that is being extended by finished videos, and how those that wait get into it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import prod
from operator import attrgetter
from types import MappingProxyType

import numpy as np

from seds_core.console import warn
from seds_core.store.arrays import StoreArrays
from seds_core.store.failures import FailureTable, failure_columns, over, storable
from seds_core.store.layout import ELEMENT_BYTES, ENTRY_CHECKSUM, VIDEO_ARRAYS
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader, VideoEntry, VideoTable, entry_checksums
from seds_core.store.records import FailedVideo, FinishedVideo, StagedVideo
from seds_core.store.staging import Records, WaitingRecord

PACK_ROWS = 16_384
"""Rows that wait before they are packed: one shard of RGB features."""

HASHING_THREADS = 3
"""Hashing a video's rows lets other threads run."""


class PackedStore:
    """A store that is being extended. Call it under the lock of its staging folder only."""

    def __init__(self, location: StoreLocation, provenance: Provenance) -> None:
        """Opens the store, or creates it when it is not there.

        Raises :class:`StoreMismatchError` when it was made with other settings or weights.
        """
        place = place_of(location)
        if place.exists():
            store = StoreReader(location)  # which refuses a damaged store
            self.arrays = store.arrays
            self.arrays.provenance.refuse_others(place.url, provenance)
            if provenance.device == "any" != self.arrays.provenance.device:
                self.arrays.allow_any_device()
            self.videos = store.videos
        else:
            self.arrays = StoreArrays.create(place, provenance)
            self.videos = VideoTable(self.arrays)
        self._provenance = provenance
        self._failures = FailureTable(self.arrays)
        if earlier := self.arrays.commit.failures:  # they move from the root to the table
            self.append([], [FailedVideo(**failure) for failure in earlier.values()])

    def forget_failures(self, video_ids: Collection[str]) -> None:
        """Says that videos are in the store as they are, whatever failed at them before."""
        self._failures.look_again()
        failed = self._failures.current(self.videos.place_of).keys()
        self.append([], map(over, sorted(failed & set(video_ids))))

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
        # Whether the table can hold the name and the numbers.
        video_id.encode()
        _video_columns([_entry_of(video, first_row=0, checksum=0)])

    def refusal(self, staged: StagedVideo) -> str | None:
        """Why a waiting video's rows are not such as are asked for; ``None`` when they are."""
        if not staged.made:
            return "an earlier version made them and did not say how"
        if not self._provenance.accepts(staged.made):
            return "they were made with other settings or weights, for a store that is gone"
        return None

    def append(self, videos: Sequence[FinishedVideo], failures: Iterable[FailedVideo]) -> None:
        """Adds videos and failures; a video that succeeds has failed no longer."""
        # Of several failures of one video the last one is kept.
        succeeded = {video.source.video_id for video in videos}
        latest = {failure.video_id: failure for failure in failures}
        recorded = [latest[name] for name in sorted(latest.keys() - succeeded)]
        if not (videos or recorded):
            return
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            checksums = list(pool.map(attrgetter("checksum"), videos))
        added, first_row = [], self.arrays.commit.num_rows
        for video, checksum in zip(videos, checksums, strict=True):
            added.append(_entry_of(video, first_row=first_row, checksum=checksum))
            first_row += video.num_rows
        runs = {s.name: [v.rows[s.name] for v in videos] for s in self.arrays.row_specs}
        num_videos = self.arrays.commit.num_videos + len(added)
        self.arrays.append(runs, _video_columns(added), failure_columns(recorded, num_videos))
        self.videos.look_again()

    def holds(self, video: FinishedVideo) -> bool:
        """Whether the store has exactly these rows of a video."""
        source = video.source
        if source.video_id not in self.videos:
            return False
        entry = self.videos[source.video_id]
        found = entry.content_hash, entry.mtime_ns, entry.rows_checksum
        return found == (source.content_hash, source.mtime_ns, video.checksum)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays."""
        specs = self.arrays.row_specs
        return sum(prod(spec.sizes) * ELEMENT_BYTES[spec.dtype] for spec in specs)


def pack_staged(
    store: PackedStore,
    records: Records,
    *,
    order: Mapping[str, int] = MappingProxyType({}),
    min_rows: int = 0,
) -> None:
    """Moves all finished and failed videos, of any process, from the staging folder, unless fewer
    than ``min_rows`` wait. ``order`` (key -> number) tells more exactly than the clock of a disk
    in which order some have finished.

    Those that were made with other settings or weights than the store are dropped: the store has
    been deleted since, and another one begun under its name.
    """
    waiting = records.finished()
    if sum(record.seen.num_bytes for record in waiting) < min_rows * store.row_bytes:
        return
    # In the order of finishing; earlier versions numbered them.
    waiting.sort(key=lambda r: ("-" not in r.name and r.seen.modified, order.get(r.key, -1)))
    store.videos.look_again()
    records.set_foreign_aside()
    refusals: Counter[str] = Counter()
    for read, videos in _batches(store, records, waiting, refusals):
        store.append(videos, [])
        records.drop(read)
    for refusal, count in refusals.items():
        warn(f"{count} finished videos that waited for the store are dropped: {refusal}")
    failed = [(r, failure) for r in records.failed() if (failure := records.read_failed(r.name))]
    store.append([], [failure for _, failure in failed])
    records.drop(record for record, _ in failed)


def _batches(
    store: PackedStore,
    records: Records,
    waiting: Sequence[WaitingRecord],
    refusals: Counter[str],
) -> Iterator[tuple[list[WaitingRecord], list[FinishedVideo]]]:
    """The videos to pack and the records to drop then, as many at once as memory is meant for."""
    read: list[WaitingRecord] = []
    videos: list[FinishedVideo] = []
    num_rows = 0
    for record, staged in records.read_all(waiting):
        if refusal := store.refusal(staged):
            refusals[refusal] += 1
            read.append(record)
            continue
        try:
            store.check(staged.video)
        except (ValueError, TypeError, OverflowError) as error:
            records.set_aside(record.name, str(error))
            continue
        read.append(record)
        # A process may have died between packing and clearing: then its videos are in already.
        if not store.holds(staged.video):
            videos.append(staged.video)
            num_rows += staged.video.num_rows
        if num_rows >= 2 * PACK_ROWS:
            yield read, videos
            read, videos, num_rows = [], [], 0
    if read:
        yield read, videos


def _entry_of(video: FinishedVideo, *, first_row: int, checksum: int) -> VideoEntry:
    entry = VideoEntry(
        **vars(video.source), first_row=first_row, num_rows=video.num_rows, rows_checksum=checksum
    )
    return replace(entry, path=storable(entry.path))


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
