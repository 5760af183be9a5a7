"""Ways into a store: that of an extraction, that of an import.

A video of an extraction costs minutes and waits on the disk until a shard is full, made by
whichever of several processes (:class:`StoreWriter`); one of an import costs a millisecond and
waits in memory (:class:`BulkWriter`).
"""

from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from seds_core.store.arrays import StoreArrays
from seds_core.store.commit import read_commit
from seds_core.store.packed_store import PACK_ROWS, PackedStore, pack_staged
from seds_core.store.place import Seen, StoreLocation, place_of
from seds_core.store.provenance import Provenance
from seds_core.store.reader import VideoTable
from seds_core.store.records import FailedVideo, FinishedVideo, video_key
from seds_core.store.staging import Records, Staging, staging_of
from seds_core.store.wanted import DoneVideos, WantedVideos
from seds_core.store.writer_state import WriterState


def _refuse_what_is_no_store(location: StoreLocation) -> None:
    """Raises for anything that is there and no store, before a folder is made beside it."""
    place = place_of(location)
    if place.exists():
        read_commit(place)


class RecordWriter:
    """Writes the records of videos that a :class:`StoreWriter` has claimed, in another process.

    It needs no lock and may be pickled; the writer is told of each record by
    :meth:`StoreWriter.recorded`.
    """

    def __init__(self, location: StoreLocation, provenance: Provenance) -> None:
        self._records = Records(staging_of(location))
        self._made = provenance.digest()

    def finish(self, video: FinishedVideo) -> None:
        """Makes a video's rows durable."""
        self._records.finish(video, self._made)

    def fail(self, failure: FailedVideo) -> None:
        """Records why a video has no rows."""
        self._records.fail(failure)


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
        _refuse_what_is_no_store(location)
        self._pack_rows = pack_rows
        self._records = RecordWriter(location, provenance)
        self.state = WriterState.of_this_process()
        """What this process is at, as others will see it; the run assigns it."""
        # Rows that this process has finished since it last packed, and of which videos, in order.
        self._unpacked_rows = 0
        self._order: dict[str, int] = {}
        self._wanted = WantedVideos()
        # Wanted videos that other writers were working on when this one had come to the end.
        self._held: list[str] = []
        self._claims: dict[str, Seen] = {}
        with ExitStack() as opening:
            self._staging = opening.enter_context(
                Staging(location, lambda: self.state.to_json())  # as it will be then
            )
            with self._staging.lock():
                self._store = PackedStore(location, provenance)
                # What a process that died had finished.
                pack_staged(self._store, self._staging.records)
                self._done = DoneVideos(StoreArrays(place_of(location)))
            self._open = opening.pop_all()

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *_: object) -> None:
        """Packs what is finished and withdraws."""
        with self._open:
            self.pack()

    @property
    def videos(self) -> VideoTable:
        """What is in the store, as of the last pack of this process."""
        return self._store.videos

    def want(self, video_ids: Iterable[str]) -> None:
        """Names the videos to extract, in order."""
        self._wanted = WantedVideos(video_ids)
        self._held = []

    def claim(self) -> str | None:
        """The next wanted video that no process has done since or works on; now this one does.

        ``None`` when there is none: every wanted video is done, failed, or in another living
        process's hands.
        """
        while True:
            while (video_id := self._wanted.candidate) is not None:
                if self._staging.claim(video_id) and self._keeps(video_id):
                    self._wanted.is_free()
                    return video_id
                self._wanted.is_taken()
            rest = self._look_again([*self._wanted.rest(), *self._held])
            self._wanted = WantedVideos(rest)
            if not rest:
                return self._take_over()

    @property
    def in_other_hands(self) -> int:
        """Wanted videos that other processes were working on at the last claim."""
        return len(self._held)

    def finish(self, video: FinishedVideo) -> None:
        """Makes a claimed video's rows durable, and packs when a whole shard is waiting."""
        self._records.finish(video)
        self.recorded(video.source.video_id, video.num_rows)

    def fail(self, failure: FailedVideo) -> None:
        """Records why a claimed video has no rows."""
        self._records.fail(failure)
        self.recorded(failure.video_id, num_rows=0)

    def records(self) -> RecordWriter:
        """For another process, which writes records of videos that this one has claimed."""
        return self._records

    def recorded(self, video_id: str, num_rows: int) -> None:
        """Gives up the claim of a video whose record another process has written; no rows mean
        that it has failed. Packs when a whole shard is waiting."""
        self.release(video_id)
        self._unpacked_rows += num_rows
        self._order[video_key(video_id)] = len(self._order)
        if self._unpacked_rows < self._pack_rows:
            return
        # Where another process packs already, or has just packed these, this one goes on.
        self._unpacked_rows = 0
        with self._staging.lock(wait=False) as is_inside:
            if is_inside:
                self._pack(min_rows=self._pack_rows // 2)
        self._order.clear()

    def release(self, video_id: str) -> None:
        """Takes a claim back: the video stays to be done, by another process or a later run."""
        self._staging.release(video_id)

    def pack(self) -> None:
        """Moves all finished and failed videos, of any process, from the staging folder."""
        with self._staging.lock():
            self._pack()
            self._unpacked_rows = 0
            self._order.clear()

    def _pack(self, min_rows: int = 0) -> None:
        records = self._staging.records
        pack_staged(self._store, records, order=self._order, min_rows=min_rows)

    def forget_failures(self, video_ids: Collection[str]) -> None:
        """Says that videos are in the store as they are now, whatever failed at them before."""
        with self._staging.lock():
            self._store.forget_failures(video_ids)

    def _keeps(self, video_id: str) -> bool:
        """Whether a video that has just been claimed is to be done still; else it is let go."""
        records = self._staging.records
        # A record first, then the store, into which it may have been moved in between.
        is_done = records.is_known(video_id) or video_id in self._done.look()
        if is_done:
            self._staging.release(video_id)
        return not is_done

    def _look_again(self, video_ids: list[str]) -> list[str]:
        """Which of the videos are neither done nor claimed; others' are kept in mind."""
        records = self._staging.records
        known, self._claims = records.known_keys(), self._staging.claims()
        done = self._done.look()
        keys = {video_id: video_key(video_id) for video_id in video_ids if video_id not in done}
        left = [video_id for video_id, key in keys.items() if key not in known]
        self._held = [video_id for video_id in left if keys[video_id] in self._claims]
        return [video_id for video_id in left if keys[video_id] not in self._claims]

    def _take_over(self) -> str | None:
        """Claims the first video of a dead writer."""
        for video_id in self._held:
            claim = self._claims[video_key(video_id)]
            if self._staging.take_over(video_id, claim) and self._keeps(video_id):
                self._held.remove(video_id)
                return video_id
        return None


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
        self._pack_rows = pack_rows
        self.state = WriterState.of_this_process()
        """What this process is at, as others will see it; the import assigns it."""
        # What waits for the next pack.
        self._finished: list[FinishedVideo] = []
        self._failed: list[FailedVideo] = []
        _refuse_what_is_no_store(location)
        with ExitStack() as opening:
            staging = opening.enter_context(
                Staging(location, lambda: self.state.to_json(), alone=True)
            )
            self._store = PackedStore(location, provenance)
            pack_staged(self._store, staging.records)
            self.videos = self._store.videos
            """What is in the store, as of the last pack."""
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
        self._packing = self._packer.submit(self._store.append, self._finished, self._failed)
        self._finished, self._failed = [], []
        self._rows_in_shard %= self._pack_rows

    def _wait_for_packing(self) -> None:
        """Raises what went wrong in the last pack."""
        packing, self._packing = self._packing, None
        if packing:
            packing.result()
