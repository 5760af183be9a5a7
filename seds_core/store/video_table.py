"""The table of a store's videos: who is in it is read at once, what is known of each when asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c

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


class VideoTable(Mapping[str, VideoEntry]):
    """Video -> its entry, in the order of the table; of several entries the last one counts.

    Entries are put together when they are looked up: whoever opens a store of 50,000 videos for a
    few of them does not wait for the others. May be sent to another process.
    """

    def __init__(self, arrays: StoreArrays) -> None:
        """Reads which videos are committed now; later ones stay unknown."""
        self._arrays: StoreArrays | None = arrays
        commit = arrays.commit
        self._num_entries, dropped = commit.num_videos, frozenset(commit.dropped)
        self._columns: dict[str, list[Any]] = {}
        names = arrays.read_video_column("video_id", self._num_entries).tolist()
        self._places = {
            video_id_of(name): place for place, name in enumerate(names) if place not in dropped
        }

    def __getitem__(self, video_id: str) -> VideoEntry:
        """The entry; raises ``KeyError`` for a video that is not in the store."""
        place = self._places[video_id]
        columns = self._read_columns()
        return VideoEntry(**{name: values[place] for name, values in columns.items()})

    def __contains__(self, video_id: object) -> bool:
        """Whether the store has the video."""
        return video_id in self._places

    def __iter__(self) -> Iterator[str]:
        """The videos' ids."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many videos there are."""
        return len(self._places)

    def _read_columns(self) -> dict[str, list[Any]]:
        """All columns, read when the first entry is asked for: what was committed never changes."""
        if self._arrays is not None:
            self._columns = {
                spec.name: self._arrays.read_video_column(spec.name, self._num_entries).tolist()
                for spec in VIDEO_ARRAYS
            }
            self._columns["video_id"] = list(map(video_id_of, self._columns["video_id"]))
            self._arrays = None
        return self._columns

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the opened store."""
        self._read_columns()
        return vars(self)
