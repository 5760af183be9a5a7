"""Writes many videos that cost little each: buffered in memory, appended in whole shards."""

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from seds_core.store.commit import read_commit
from seds_core.store.packed_store import PackedStore, pack_staged
from seds_core.store.provenance import Provenance
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.staging import Staging
from seds_core.store.video_table import VideoEntry

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
