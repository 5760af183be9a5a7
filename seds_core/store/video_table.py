"""The table of a store's videos: who is in it is read at once, what is known of each when asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import google_crc32c
import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.records import VideoSource
from seds_core.video_id import video_id_of


@dataclass(frozen=True)
class VideoEntry(VideoSource):
    """A video in the store: its source and the run of rows that it owns."""

    first_row: int
    num_rows: int
    rows_checksum: int


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


class VideoTable(Mapping[str, VideoEntry]):
    """Video -> its entry, in the order of the table; of several entries the last one counts.

    Columns are read when they are asked for, and entries put together when they are looked up:
    whoever opens a store of a million videos does not hold as many Python objects. May be sent to
    another process.
    """

    def __init__(self, arrays: StoreArrays) -> None:
        """Reads which videos are committed now; later ones stay unknown."""
        self._arrays: StoreArrays | None = arrays
        commit = arrays.commit
        self._num_entries, dropped = commit.num_videos, frozenset(commit.dropped)
        self._columns: dict[str, np.ndarray] = {}
        names = enumerate(self._column("video_id"))
        self._places = {name: place for place, name in names if place not in dropped}

    def __getitem__(self, video_id: str) -> VideoEntry:
        """The entry; raises ``KeyError`` for a video that is not in the store."""
        return VideoEntry(*self.values_of(video_id, _ENTRY_COLUMNS))

    def rows(self, video_id: str) -> VideoRows:
        """Where a video's rows lie; reads numbers only. Raises ``KeyError`` like the above."""
        return VideoRows(*self.values_of(video_id, VideoRows._fields))

    def values_of(self, video_id: str, columns: Sequence[str]) -> list[Any]:
        """What some columns say of a video, as plain Python values."""
        place = self._places[video_id]
        return [self._column(name).item(place) for name in columns]

    def __contains__(self, video_id: object) -> bool:
        """Whether the store has the video."""
        return video_id in self._places

    def __iter__(self) -> Iterator[str]:
        """The videos' ids."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many videos there are."""
        return len(self._places)

    def _column(self, name: str) -> np.ndarray:
        """Read when it is asked for first: what was committed never changes."""
        if name not in self._columns:
            assert self._arrays is not None, "all columns are read before the store is left behind"
            values = self._arrays.read_video_column(name, self._num_entries)
            if name == "video_id":
                values[:] = list(map(video_id_of, values))
            self._columns[name] = values
        return self._columns[name]

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the opened store."""
        for name in _ENTRY_COLUMNS:
            self._column(name)
        return vars(self) | {"_arrays": None}


_ENTRY_COLUMNS = tuple(part.name for part in fields(VideoEntry))
