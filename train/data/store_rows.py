"""Reads runs of rows of a store from any process."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.reader import StoreReader
from seds_core.store.video_table import VideoEntry


@dataclass(frozen=True)
class StoreRows:
    """The videos of a store as they were when it was opened.

    It may be sent to another process. Each process opens the store for itself, at its first read;
    rows that were committed once never change.
    """

    path: Path
    videos: Mapping[str, VideoEntry]
    in_memory: dict[str, np.ndarray]
    """Small arrays that were read whole: a read of the store has its cost however small."""

    @classmethod
    def of(cls, store: StoreReader, *in_memory: str) -> "StoreRows":
        """All videos of an opened store; the arrays named are read at once."""
        arrays = {name: store.arrays.read_rows(name, 0, store.num_rows) for name in in_memory}
        return cls(store.path, store.videos, arrays)

    def read(self, video_id: str, array: str) -> np.ndarray:
        """The video's rows of one array."""
        entry = self.videos[video_id]
        first, stop = entry.first_row, entry.first_row + entry.num_rows
        if array in self.in_memory:
            return self.in_memory[array][first:stop]
        return self._arrays.read_rows(array, first, stop)

    @cached_property
    def _arrays(self) -> StoreArrays:
        return StoreArrays(self.path)

    def __reduce__(self) -> tuple[type["StoreRows"], tuple[object, ...]]:
        """Leaves the opened store behind."""
        return StoreRows, (self.path, self.videos, self.in_memory)
