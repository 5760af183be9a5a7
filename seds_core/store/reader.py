"""Opens a store, lists its videos, reads a video's rows."""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import google_crc32c
import numpy as np

from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.failures import FailureTable
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.free_rows import RowsInUse
from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.provenance import Provenance
from seds_core.store.records import FailedVideo, VideoSource, rows_checksum
from seds_core.video_id import video_id_of


@dataclass(frozen=True)
class VideoEntry(VideoSource):
    """A video in the store: its source and the run of rows that it owns."""

    first_row: int
    num_rows: int
    rows_checksum: int

    @property
    def rows(self) -> slice:
        """Where they lie."""
        return slice(self.first_row, self.first_row + self.num_rows)


def entry_checksums(columns: Mapping[str, Sequence[Any]]) -> list[int]:
    """CRC-32C of each entry of a table that is given as columns of plain values."""
    entries = zip(*(columns[spec.name] for spec in VIDEO_ARRAYS), strict=True)
    return [google_crc32c.value(repr(entry).encode(errors="surrogatepass")) for entry in entries]


class VideoRows(NamedTuple):
    """What reading a video's rows needs: a small part of its entry."""

    first_row: int
    num_rows: int
    num_frames: int
    frame_step: int
    width: int
    height: int
    rows_checksum: int

    @property
    def rows(self) -> slice:
        """Where they lie."""
        return slice(self.first_row, self.first_row + self.num_rows)


class VideoTable(Mapping[str, VideoEntry]):
    """Video -> its entry, in the order of the table; of several entries the last one counts.

    Columns are read when they are asked for, and entries put together when they are looked up, so
    that opening a store of a million videos makes no million Python objects. May be sent to another
    process.
    """

    def __init__(self, arrays: StoreArrays) -> None:
        """Reads which videos are committed now; later ones stay unknown."""
        self._arrays: StoreArrays | None = arrays
        self._indexes: dict[str, int] = {}
        # What was read at once, and the index of the first entry of each.
        self._blocks: list[_Block] = []
        self._starts: list[int] = []
        self.num_entries = 0
        """Entries of the table, with those that are superseded or dropped."""
        self.look_again()

    def look_again(self) -> list[str]:
        """Adds what has been committed since; gives the videos that are new or anew."""
        assert self._arrays is not None, "a table in another process is as it was"
        commit = self._arrays.commit
        if commit.num_videos == self.num_entries:
            return []
        block = _Block(self._arrays, self.num_entries, commit.num_videos)
        dropped = frozenset(commit.dropped)
        names = enumerate(block.column("video_id"), self.num_entries)
        added = {name: index for index, name in names if index not in dropped}
        self._indexes |= added
        self._blocks.append(block)
        self._starts.append(self.num_entries)
        self.num_entries = commit.num_videos
        return list(added)

    def __getitem__(self, video_id: str) -> VideoEntry:
        """The entry; raises ``KeyError`` for a video that is not in the store."""
        return VideoEntry(*self.values_of(video_id, _ENTRY_COLUMNS))

    def rows(self, video_id: str) -> VideoRows:
        """Where a video's rows lie; reads numbers only. Raises ``KeyError`` like the above."""
        return VideoRows(*self.values_of(video_id, VideoRows._fields))

    def values_of(self, video_id: str, columns: Sequence[str]) -> list[Any]:
        """What some columns say of a video, as plain Python values."""
        index = self._indexes[video_id]
        block = self._blocks[bisect(self._starts, index) - 1]
        return [block.column(name).item(index - block.start) for name in columns]

    def place_of(self, video_id: str) -> int:
        """The place of a video's entry in the table; -1 where it has none."""
        return self._indexes.get(video_id, -1)

    def __contains__(self, video_id: object) -> bool:
        return video_id in self._indexes

    def __iter__(self) -> Iterator[str]:
        return iter(self._indexes)

    def __len__(self) -> int:
        return len(self._indexes)

    def current(self, name: str) -> np.ndarray:
        """What a column says of the videos, in the order of the table."""
        columns = [block.column(name) for block in self._blocks] or [np.empty(0)]
        indexes = np.fromiter(self._indexes.values(), np.intp, len(self._indexes))
        return np.concatenate(columns)[indexes]

    def __getstate__(self) -> dict[str, Any]:
        # Another process gets all columns and not the opened store.
        for block in self._blocks:
            for name in _ENTRY_COLUMNS:
                block.column(name)
        return vars(self) | {"_arrays": None}


class _Block:
    """A run of the table's entries; what was committed never changes, so it is read once."""

    def __init__(self, arrays: StoreArrays, start: int, stop: int) -> None:
        self.start, self._stop = start, stop
        self._arrays: StoreArrays | None = arrays
        self._columns: dict[str, np.ndarray] = {}

    def column(self, name: str) -> np.ndarray:
        """A column, read when it is asked for first."""
        if name not in self._columns:
            assert self._arrays is not None, "all columns are read before the store is left behind"
            values = self._arrays.read_column("videos", name, self.start, self._stop)
            # Stores of earlier versions may hold names as a Mac writes them.
            if name == "video_id":
                values[:] = list(map(video_id_of, values))
            self._columns[name] = values
        return self._columns[name]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_arrays": None}


_ENTRY_COLUMNS = tuple(part.name for part in fields(VideoEntry))


class VideoNotInStoreError(UsageError):
    """A video that is not in the store, or not with the rows asked for; the message says why."""


OTHER_ROWS = "'{}': its rows are not those that were written (checksum differs)"


class StoreReader:
    """The committed contents of a store, as they were when it was opened."""

    def __init__(self, location: StoreLocation, *, even_damaged: bool = False) -> None:
        """Opens the store that lies there.

        Raises :class:`~seds_core.store.provenance.StoreMismatchError` for anything else, and
        :class:`DamagedStoreError` where a file is missing or cut off, unless the store is opened
        ``even_damaged``. What else may be wrong with a file is noticed when it is read: always for
        the table of videos, as far as it cannot be decoded for rows.
        """
        self.place = place_of(location)
        self.arrays = StoreArrays(self.place)
        if not even_damaged:
            self._refuse_lost_files()
        self.videos = VideoTable(self.arrays)
        self.num_rows = self.arrays.root.known.num_rows
        if not even_damaged:
            self._refuse_lost_zeros()

    @property
    def url(self) -> str:
        """Where the store lies, as messages name it."""
        return self.place.url

    @property
    def changed(self) -> float:
        """When the store was last written to, in seconds since 1970."""
        return self.arrays.root.changed

    @property
    def provenance(self) -> Provenance:
        """What made the store."""
        return self.arrays.provenance

    @cached_property
    def failures(self) -> dict[str, FailedVideo]:
        """Why videos are not in the store, by their ids."""
        return FailureTable(self.arrays).current(self.videos.place_of)

    @property
    def num_superseded_rows(self) -> int:
        """Rows of earlier versions of videos whose source has changed since, and of dropped ones,
        as far as their room has not been given back."""
        superseded = self.num_rows - int(self.videos.current("num_rows").sum())
        compacted = self.arrays.root.known.compacted
        if not (superseded and compacted.is_complete):
            return superseded
        return superseded - RowsInUse.when(self.arrays, compacted).num_free

    def entry(self, video_id: str) -> VideoEntry:
        """What the table says of a video.

        Raises :class:`VideoNotInStoreError` with the reason when the video is not in the store.
        """
        if video_id not in self.videos:
            failure = self.failures.get(video_id)
            reason = failure.reason if failure else "it was never extracted"
            raise VideoNotInStoreError(f"{self.url} has no video '{video_id}': {reason}")
        return self.videos[video_id]

    def rows(self, video_id: str) -> dict[str, np.ndarray]:
        """All rows of a video: array name -> values, first axis ``row``.

        Raises like :meth:`entry`, and :class:`DamagedStoreError` for rows that are not those that
        were written.
        """
        entry = self.entry(video_id)
        try:
            rows = self.arrays.read_all_rows(entry.rows)
        except DamagedStoreError as error:
            what = f"the rows of '{video_id}' cannot be read: {error.what}"
            raise DamagedStoreError(self.url, what) from error
        # A flipped bit within a chunk decodes to other numbers, and nothing else notices.
        if rows_checksum(rows) != entry.rows_checksum:
            raise DamagedStoreError(self.url, OTHER_ROWS.format(video_id))
        return rows

    def _refuse_lost_files(self) -> None:
        if damage := self.arrays.files.lost():
            others = f" and {len(damage) - 1} more files" if damage[1:] else ""
            raise DamagedStoreError(self.url, f"{damage[0]}{others}")

    def _refuse_lost_zeros(self) -> None:
        # Earlier versions wrote no file for a shard of zeros, so one that was lost looks the same:
        # only the checksums of the rows in it tell.
        for zeros in self.arrays.files.shards_of_zeros():
            for video_id, entry in self.videos.items():
                if entry.first_row >= zeros.stop or entry.rows.stop <= zeros.start:
                    continue
                if rows_checksum(self.arrays.read_all_rows(entry.rows)) != entry.rows_checksum:
                    raise DamagedStoreError(self.url, f"rows of '{video_id}' are missing")
