"""Rows that no video of a store has: those of earlier versions of videos, and of dropped ones."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from seds_core.store.commit import Compacted
from seds_core.store.store_files import Part
from seds_core.video_id import video_id_of


@runtime_checkable
class Tables(Protocol):
    """A store whose tables can be read."""

    def read_column(self, part: Part, name: str, start: int, stop: int) -> np.ndarray:
        """Some entries of one column."""


class RowsInUse:
    """The runs of rows that the videos of a table had when it had so many entries."""

    def __init__(self, arrays: Tables, num_videos: int, dropped: Iterable[int]) -> None:
        """Reads the table; of several entries of a video the last one counts."""
        columns = {
            name: arrays.read_column("videos", name, 0, num_videos)
            for name in ("video_id", "first_row", "num_rows")
        }
        gone = frozenset(dropped)
        names = enumerate(map(video_id_of, columns["video_id"]))
        last = {name: index for index, name in names if index not in gone}
        current = np.fromiter(last.values(), np.intp, len(last))
        stops = columns["first_row"] + columns["num_rows"]
        self._starts = columns["first_row"][current]
        self._stops = stops[current]
        self.stop = int(stops.max(initial=0))
        """Behind the last row that any entry has."""

    @classmethod
    def when(cls, arrays: Tables, compacted: Compacted) -> "RowsInUse":
        """As of a compaction."""
        return cls(arrays, compacted.num_videos, compacted.dropped)

    @property
    def num_free(self) -> int:
        """Rows that no video had."""
        return self.stop - int((self._stops - self._starts).sum())

    def is_free(self, start: int, stop: int) -> Bool[np.ndarray, " row"]:
        """Which of the rows ``start`` to ``stop`` no video had."""
        # +1 where a run begins, -1 behind its end.
        changes = np.zeros(max(stop - start, 0) + 1, np.int64)
        overlaps = (self._starts < stop) & (self._stops > start)
        np.add.at(changes, np.maximum(self._starts[overlaps] - start, 0), 1)
        np.add.at(changes, np.minimum(self._stops[overlaps], stop) - start, -1)
        return np.cumsum(changes)[:-1] == 0
