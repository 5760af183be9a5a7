"""Everything that an extraction does to a store: claim, finish, fail, pack."""

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.provenance import Provenance, StoreMismatchError
from seds_core.store.reader import VideoEntry, latest_entries
from seds_core.store.records import SOURCE_COLUMNS, FailedVideo, FinishedVideo
from seds_core.store.staging import Staging, video_key

PACK_ROWS = 16_384
"""Rows that wait before they are packed: one shard of the widest array."""


class StoreWriter:
    """One process's way into a store; several may write into one store at once.

    Use as a context manager: leaving it packs what is finished and withdraws the claims.
    """

    def __init__(self, path: Path, provenance: Provenance, *, pack_rows: int = PACK_ROWS) -> None:
        """Opens the store, or creates it when it is not there.

        Raises :class:`StoreMismatchError` when it was made with other settings or weights.
        """
        self._pack_rows = pack_rows
        path.parent.mkdir(parents=True, exist_ok=True)
        self._staging = Staging(path)
        self._unpacked_rows = 0
        self._waiting: deque[str] = deque()
        with self._staging.lock():
            self._arrays = _open_or_create(path, provenance)
            self._num_entries = -1
            self._entries_at_start: dict[str, VideoEntry] = {}
            self.pack()  # what a process that died had finished
            self._entries_at_start = self._current_entries()
            self._packed_since_start: set[str] = set()
            self._known_failures = {failure.attempt for failure in self._failures()}

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
            done = self._done_since_start()
            elsewhere = self._staging.claimed_by_others()
            for _ in range(len(self._waiting)):
                video_id = self._waiting.popleft()
                if video_key(video_id) in done:
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
            self._staging.add_finished(video)
            self._staging.release(video.source.video_id)
        self._unpacked_rows += video.num_rows
        if self._unpacked_rows >= self._pack_rows:
            self.pack()

    def fail(self, failure: FailedVideo) -> None:
        """Records why a claimed video has no rows."""
        with self._staging.lock():
            self._staging.add_failed(failure)
            self._staging.release(failure.video_id)

    def pack(self) -> None:
        """Moves all finished and failed videos, of any process, from the staging folder."""
        with self._staging.lock():
            entries = self._current_entries()
            # A process may have died between packing and clearing: those are in already.
            videos = [v for v in self._staging.read_finished() if not _is_packed(v, entries)]
            failures = {failure.video_id: failure for failure in self._failures()}
            for video in videos:
                failures.pop(video.source.video_id, None)
            recorded = {name: asdict(failure) for name, failure in sorted(failures.items())}
            if videos or recorded != self._arrays.failures:
                self._arrays.append(
                    self._row_columns(videos), self._video_columns(videos), recorded
                )
            self._staging.clear()
            self._unpacked_rows = 0

    def _failures(self) -> list[FailedVideo]:
        committed = [FailedVideo(**failure) for failure in self._arrays.failures.values()]
        return committed + self._staging.read_failed()

    def _current_entries(self) -> dict[str, VideoEntry]:
        """The committed table, read again only when somebody has added to it."""
        if self._arrays.committed[0] != self._num_entries:
            self._entries = latest_entries(self._arrays)
            self._num_entries = self._arrays.committed[0]
            self._packed_since_start = {
                video_key(video_id)
                for video_id, entry in self._entries.items()
                if entry != self._entries_at_start.get(video_id)
            }
        return self._entries

    def _done_since_start(self) -> set[str]:
        """Keys of videos that anybody has finished or failed since this writer was opened."""
        self._current_entries()
        failed = {
            video_key(failure.video_id)
            for failure in self._failures()
            if failure.attempt not in self._known_failures
        }
        return self._packed_since_start | failed | self._staging.finished_keys()

    def _row_columns(self, videos: list[FinishedVideo]) -> dict[str, np.ndarray]:
        return {
            spec.name: np.concatenate(
                [np.empty((0, *spec.sizes), spec.dtype), *(v.rows[spec.name] for v in videos)]
            )
            for spec in self._arrays.row_specs
        }

    def _video_columns(self, videos: list[FinishedVideo]) -> dict[str, np.ndarray]:
        num_rows = np.array([video.num_rows for video in videos], np.int64)
        first_row = self._arrays.committed[1] + np.cumsum(num_rows) - num_rows
        columns = {
            name: [getattr(video.source, name) for video in videos] for name in SOURCE_COLUMNS
        }
        columns |= {
            "first_row": first_row.tolist(),
            "num_rows": num_rows.tolist(),
            "rows_checksum": [video.checksum for video in videos],
        }
        return {
            spec.name: np.array(columns[spec.name], object if spec.dtype == "str" else spec.dtype)
            for spec in VIDEO_ARRAYS
        }


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


def _is_packed(video: FinishedVideo, entries: dict[str, VideoEntry]) -> bool:
    entry = entries.get(video.source.video_id)
    return (
        entry is not None
        and entry.content_hash == video.source.content_hash
        and entry.mtime_ns == video.source.mtime_ns
        and entry.rows_checksum == video.checksum
    )
