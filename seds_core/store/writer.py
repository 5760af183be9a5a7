"""Writes videos into a store, alone or beside other processes; a whole import at once."""

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
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader, VideoEntry, VideoTable, entry_checksums
from seds_core.store.staging import FailedVideo, FinishedVideo, StagedVideo, Staging, video_key

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


class StoreWriter:
    """One process's way into a store; several may write into one store at once.

    Use as a context manager: leaving it packs what is finished and withdraws the claims.
    """

    def __init__(self, path: Path, provenance: Provenance, *, pack_rows: int = PACK_ROWS) -> None:
        """Opens the store, or creates it when it is not there.

        Raises :class:`~seds_core.store.provenance.StoreMismatchError` when it was made with other
        settings or weights, and :class:`~seds_core.store.staging.StoreInUseError` while an import
        writes to it.
        """
        self._pack_rows = pack_rows
        self._provenance = provenance
        if path.exists():
            read_commit(path)  # before a folder is made beside what is no store
        path.parent.mkdir(parents=True, exist_ok=True)
        self._staging = Staging(path)
        self._unpacked_rows = 0
        self._waiting: deque[str] = deque()
        with self._staging.lock():
            self._store = PackedStore(path, provenance)
            self.pack()  # what a process that died had finished
            self._entries_at_start = self._store.entries()
            self._num_entries = self._store.num_entries
            self._packed_since_start: set[str] = set()
            self._known_attempts = {failure.attempt for failure in self._store.failures}

    def __enter__(self) -> "StoreWriter":
        """Announces this process as a writer of the store."""
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
        """The next wanted video that nobody has done since and nobody works on, now ours.

        ``None`` when there is none: every wanted video is done, failed, or in another living
        process's hands.
        """
        with self._staging.lock():
            done = self._packed_keys() | self._staging.finished_keys()
            elsewhere = self._staging.claimed_by_others()
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
        with self._staging.lock():
            self._staging.add_finished(video, self._provenance)
            self._staging.release(video.source.video_id)
        self._unpacked_rows += video.num_rows
        if self._unpacked_rows >= self._pack_rows:
            self.pack()

    def fail(self, failure: FailedVideo) -> None:
        """Records why a claimed video has no rows."""
        with self._staging.lock():
            self._staging.add_failed(failure)
            self._staging.release(failure.video_id)

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
        """Whether anybody has failed at a video since this writer was opened."""
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
"""Rows that wait in memory: two shards of RGB features, 128 MiB. The small
arrays and the table are written again with every pack, so that one shard costs a third more."""


class BulkWriter:
    """The only way into a store while it is open, for imports.

    A video of an extraction is made durable at once, because making it again costs minutes; one
    that is read from a file in a millisecond waits in memory until a shard is full, and a process
    that is killed leaves the store as it was after the last full shard. Meanwhile the next videos
    can be read: packing is another thread's work. Use as a context manager: leaving it packs what
    waits.
    """

    def __init__(self, path: Path, provenance: Provenance, *, pack_rows: int = BULK_ROWS) -> None:
        """Opens the store, or creates it when it is not there; packs what an extraction has left.

        Raises :class:`~seds_core.store.staging.StoreInUseError` while anybody else writes to the
        store, and :class:`~seds_core.store.provenance.StoreMismatchError` when it was made with
        other settings or weights.
        """
        self._pack_rows = pack_rows
        self._finished: list[FinishedVideo] = []
        self._failed: list[FailedVideo] = []
        if path.exists():
            read_commit(path)  # before a folder is made beside what is no store
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Staging(path)
        with ExitStack() as opening:
            opening.enter_context(staging.alone())
            self._store = PackedStore(path, provenance)
            pack_staged(self._store, staging)
            self.videos: dict[str, VideoEntry] = self._store.entries()
            """What was in the store when it was opened."""
            self._rows_in_shard = self._store.num_rows % pack_rows
            self._packer = opening.enter_context(ThreadPoolExecutor(max_workers=1))
            self._packing: Future[None] | None = None
            self._open = opening.pop_all()

    def __enter__(self) -> "BulkWriter":
        """The writer itself; it is open already."""
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
        self._wait_for_packing()  # no more than one pack waits, however slow the disk is
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
