"""Writes videos into a store, in one way with two buffers.

:class:`PackedStore` appends finished videos to the committed ones. A video of an extraction costs
minutes and waits on the disk until a shard is full, made by whichever of several processes
(:class:`StoreWriter`); one of an import costs a millisecond and waits in memory
(:class:`BulkWriter`).
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path

import numpy as np

from seds_core.console import warn
from seds_core.store.arrays import StoreArrays
from seds_core.store.commit import read_commit
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader, VideoEntry, VideoTable, entry_checksums
from seds_core.store.records import FailedVideo, FinishedVideo, StagedVideo, video_key
from seds_core.store.staging import Staging
from seds_core.store.writer_state import WriterState

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
        if path.exists():
            self.arrays = StoreReader(path).arrays  # which refuses a damaged store
            self.arrays.provenance.refuse_others(str(path), provenance)
            if provenance.device == "any" != self.arrays.provenance.device:
                self.arrays.allow_any_device()
        else:
            self.arrays = StoreArrays.create(place_of(path), provenance)
        self._provenance = provenance
        # The table as it was when it had so many entries: another process may add to it.
        self._num_entries = -1
        self._entries: dict[str, VideoEntry] = {}

    @property
    def num_entries(self) -> int:
        """Committed entries of the table; it grows with every change of :meth:`entries`."""
        return self.arrays.commit.num_videos

    @property
    def failures(self) -> list[FailedVideo]:
        """Why videos are not in the store."""
        return [FailedVideo(**failure) for failure in self.arrays.commit.failures.values()]

    def failure_of(self, video_id: str) -> FailedVideo | None:
        """Why a video is not in the store."""
        failure = self.arrays.commit.failures.get(video_id)
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
        """Adds videos and replaces all failures; a video that succeeds has failed no longer."""
        # Of several failures of one video the last one is kept.
        succeeded = {video.source.video_id for video in videos}
        latest = {failure.video_id: asdict(failure) for failure in failures}
        recorded = {name: latest[name] for name in sorted(latest.keys() - succeeded)}
        if not videos and recorded == self.arrays.commit.failures:
            return
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            checksums = list(pool.map(attrgetter("checksum"), videos))
        added, first_row = [], self.arrays.commit.num_rows
        for video, checksum in zip(videos, checksums, strict=True):
            added.append(_entry_of(video, first_row=first_row, checksum=checksum))
            first_row += video.num_rows
        # The table as it was before: reading it again would cost more than remembering it.
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
        # A process may have died between packing and clearing: then its videos are in already.
        source, entry = staged.video.source, entries.get(staged.video.source.video_id)
        if entry and (entry.content_hash, entry.mtime_ns, entry.rows_checksum) == (
            source.content_hash, source.mtime_ns, staged.video.checksum,
        ):  # fmt: skip
            continue
        videos.append(staged.video)
    for refusal, count in refusals.items():
        warn(f"{count} finished videos that waited for the store are dropped: {refusal}")
    store.append(videos, [*store.failures, *staging.read_failed()])
    staging.clear()


def _entry_of(video: FinishedVideo, *, first_row: int, checksum: int) -> VideoEntry:
    entry = VideoEntry(
        **vars(video.source), first_row=first_row, num_rows=video.num_rows, rows_checksum=checksum
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


def _staging_of(path: Path) -> Staging:
    """The staging folder of a store that may not exist yet; raises for anything that is no store,
    before a folder is made beside it."""
    if path.exists():
        read_commit(place_of(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return Staging(path)


class RecordWriter:
    """Writes the records of videos that a :class:`StoreWriter` has claimed, in another process.

    It needs no lock and may be pickled; the writer is told of each record by
    :meth:`StoreWriter.recorded`.
    """

    def __init__(self, path: Path, provenance: Provenance) -> None:
        self._path, self._provenance = path, provenance

    def finish(self, video: FinishedVideo) -> None:
        """Makes a video's rows durable."""
        staging = Staging(self._path)
        with staging.lock():
            staging.add_finished(video, self._provenance)

    def fail(self, failure: FailedVideo) -> None:
        """Records why a video has no rows."""
        staging = Staging(self._path)
        with staging.lock():
            staging.add_failed(failure)


class StoreWriter:
    """One process's way into a store; several may write into one store at once.

    Use as a context manager: leaving it packs what is finished and withdraws the claims.
    """

    def __init__(
        self, location: StoreLocation, provenance: Provenance, *, pack_rows: int = PACK_ROWS
    ) -> None:
        """Opens the store, or creates it when it is not there.

        Raises :class:`~seds_core.store.provenance.StoreMismatchError` when it was made with other
        settings or weights, and :class:`~seds_core.store.staging.StoreInUseError` while an import
        writes to it.
        """
        path = Path(location)
        self._pack_rows = pack_rows
        self._provenance = provenance
        self._staging = _staging_of(path)
        self._records = RecordWriter(path, provenance)
        self.state = WriterState.of_this_process()
        """What this process is at, as others will see it; the run assigns it."""
        # Rows that this process has finished since it last packed, and wanted videos that it has
        # neither claimed nor found to be done, in order.
        self._unpacked_rows = 0
        self._waiting: deque[str] = deque()
        with self._staging.lock():
            self._store = PackedStore(path, provenance)
            # What a process that died had finished.
            self.pack()
            # Against these a claim sees what has been done since, by any process.
            self._entries_at_start = self._store.entries()
            self._num_entries = self._store.num_entries
            self._packed_since_start: set[str] = set()
            # Failures of earlier runs are no reason to pass over a video; newer ones are.
            self._known_attempts = {failure.attempt for failure in self._store.failures}

    def __enter__(self) -> "StoreWriter":
        self._staging.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Packs what is finished and withdraws."""
        try:
            self.pack()
        finally:
            self._staging.__exit__(*error)

    @property
    def videos(self) -> dict[str, VideoEntry]:
        """What was in the store when it was opened."""
        return self._entries_at_start

    def want(self, video_ids: Iterable[str]) -> None:
        """Names the videos to extract, in order."""
        self._waiting = deque(video_ids)

    def claim(self) -> str | None:
        """The next wanted video that no process has done since or works on; now this one does.

        ``None`` when there is none: every wanted video is done, failed, or in another living
        process's hands.
        """
        with self._staging.lock():
            done = self._packed_keys() | self._staging.finished_keys()
            elsewhere = self._staging.claimed_by_others()
            # One look at each, however many of them go back to the end of the line.
            for _ in range(len(self._waiting)):
                video_id = self._waiting.popleft()
                if video_key(video_id) in done or self._has_failed(video_id):
                    continue
                if video_key(video_id) in elsewhere:
                    self._waiting.append(video_id)  # looked at again: the other process may die
                    continue
                self._staging.claim(video_id)
                return video_id
            return None

    @property
    def in_other_hands(self) -> int:
        """Wanted videos that other processes were working on at the last claim."""
        return len(self._waiting)

    def finish(self, video: FinishedVideo) -> None:
        """Makes a claimed video's rows durable, and packs when a whole shard is waiting."""
        self._records.finish(video)
        self.recorded(video.source.video_id, video.num_rows)

    def records(self) -> RecordWriter:
        """For another process, which writes records of videos that this one has claimed."""
        return self._records

    def recorded(self, video_id: str, num_rows: int) -> None:
        """Gives up the claim of a video whose record another process has written; no rows mean
        that it has failed. Packs when a whole shard is waiting."""
        self.release(video_id)
        self._unpacked_rows += num_rows
        if self._unpacked_rows >= self._pack_rows:
            self.pack()

    def fail(self, failure: FailedVideo) -> None:
        """Records why a claimed video has no rows."""
        self._records.fail(failure)
        self.recorded(failure.video_id, num_rows=0)

    def release(self, video_id: str) -> None:
        """Takes a claim back: the video stays to be done, by another process or a later run."""
        with self._staging.lock():
            self._staging.release(video_id)

    def pack(self) -> None:
        """Moves all finished and failed videos, of any process, from the staging folder."""
        with self._staging.lock():
            pack_staged(self._store, self._staging)
            self._unpacked_rows = 0

    def forget_failures(self, video_ids: Collection[str]) -> None:
        """Says that videos are in the store as they are now, whatever failed at them before."""
        with self._staging.lock():
            self._store.forget_failures(video_ids)

    def _has_failed(self, video_id: str) -> bool:
        """Whether any process has failed at a video since this writer was opened."""
        failure = self._staging.failure_of(video_id) or self._store.failure_of(video_id)
        return failure is not None and failure.attempt not in self._known_attempts

    def _packed_keys(self) -> set[str]:
        """Keys of the videos among them that are packed, found again when there are more."""
        if self._store.num_entries != self._num_entries:
            entries = self._store.entries()
            self._num_entries = self._store.num_entries
            self._packed_since_start = {
                video_key(video_id)
                for video_id, entry in entries.items()
                if entry != self._entries_at_start.get(video_id)
            }
        return self._packed_since_start


BULK_ROWS = 32_768
"""Rows that wait in memory: two shards of RGB features, 128 MiB. The small arrays and the table are
written again with every pack, so that one shard at a time would cost a third more."""


class BulkWriter:
    """The only way into a store while it is open, for imports.

    A process that is killed leaves the store as it was after the last full shard. While a thread
    packs, the next videos can be read. Use as a context manager: leaving it packs what waits.
    """

    def __init__(
        self, location: StoreLocation, provenance: Provenance, *, pack_rows: int = BULK_ROWS
    ) -> None:
        """Opens the store, or creates it when it is not there; packs what an extraction has left.

        Raises :class:`~seds_core.store.staging.StoreInUseError` while another process writes to the
        store, and :class:`~seds_core.store.provenance.StoreMismatchError` when it was made with
        other settings or weights.
        """
        path = Path(location)
        self._pack_rows = pack_rows
        # What waits for the next pack.
        self._finished: list[FinishedVideo] = []
        self._failed: list[FailedVideo] = []
        staging = _staging_of(path)
        with ExitStack() as opening:
            opening.enter_context(staging.alone())
            self._store = PackedStore(path, provenance)
            pack_staged(self._store, staging)
            self.videos: dict[str, VideoEntry] = self._store.entries()
            """What was in the store when it was opened."""
            self._rows_in_shard = self._store.arrays.commit.num_rows % pack_rows
            self._packer = opening.enter_context(ThreadPoolExecutor(max_workers=1))
            self._packing: Future[None] | None = None
            self._open = opening.pop_all()

    def __enter__(self) -> "BulkWriter":
        return self

    def __exit__(self, *_: object) -> None:
        """Packs what waits, and lets others in."""
        with self._open:
            self._pack()
            self._wait_for_packing()

    def add(self, video: FinishedVideo) -> None:
        """Takes a video, and packs all that wait when a shard is full.

        Raises ``ValueError`` for rows that are not those of the store's layout, and whatever has
        gone wrong with an earlier pack, as a full disk.
        """
        self._store.check(video)
        self._finished.append(video)
        self._rows_in_shard += video.num_rows
        # The last video reaches into the next shard: a file with little in it is written again by
        # the next pack, where one that lacks little would cost twice.
        if self._rows_in_shard >= self._pack_rows:
            self._pack()

    def fail(self, failure: FailedVideo) -> None:
        """Records, with the next pack, why a video has no rows."""
        self._failed.append(failure)

    def forget_failures(self, video_ids: Collection[str]) -> None:
        """Says that videos are in the store as they are now, whatever failed at them before."""
        self._wait_for_packing()
        self._store.forget_failures(video_ids)

    def _pack(self) -> None:
        # No more than one pack waits, however slow the disk is.
        self._wait_for_packing()
        self._packing = self._packer.submit(
            self._store.append, self._finished, [*self._store.failures, *self._failed]
        )
        self._finished, self._failed = [], []
        self._rows_in_shard %= self._pack_rows

    def _wait_for_packing(self) -> None:
        """Raises what went wrong in the last pack."""
        packing, self._packing = self._packing, None
        if packing:
            packing.result()
