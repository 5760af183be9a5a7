"""Everything that an extraction does to a store: claim, finish, fail, pack."""

from collections import deque
from collections.abc import Collection, Iterable
from pathlib import Path

from seds_core.store.commit import read_commit
from seds_core.store.packed_store import PACK_ROWS, PackedStore, pack_staged
from seds_core.store.provenance import Provenance
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.staging import Staging, video_key
from seds_core.store.video_table import VideoEntry


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
