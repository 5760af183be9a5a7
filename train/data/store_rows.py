"""Reads rows of one store, or of several mixed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from seds_core.store.arrays import StoreArrays
from seds_core.store.reader import StoreReader, VideoRows, VideoTable


class LocatedVideo(NamedTuple):
    """All that a process has to be told to read a video: it needs no tables of videos."""

    video_id: str
    rows: Mapping[Path, VideoRows]
    """Store -> where in it the video's rows lie."""


@dataclass(frozen=True)
class StoreRows:
    """The rows of a store as they were when it was opened.

    It may be sent to another process: the table of videos stays behind, and arrays in memory are
    shared. Each process opens the store for itself, at its first read; rows that were committed
    once never change.
    """

    path: Path
    videos: VideoTable | None
    """``None`` in another process."""
    in_memory: dict[str, Tensor]
    """Small arrays that were read whole: a read of the store has its cost however small."""

    @classmethod
    def of(cls, store: StoreReader, *in_memory: str) -> "StoreRows":
        """All videos of an opened store; the arrays named are read at once."""
        arrays = {
            name: torch.from_numpy(store.arrays.read_rows(name, 0, store.num_rows))
            for name in in_memory
        }
        return cls(store.path, store.videos, arrays)

    @property
    def stores(self) -> tuple["StoreRows", ...]:
        """Only this one."""
        return (self,)

    def entry(self, video: LocatedVideo) -> VideoRows:
        """What is known of a video's rows."""
        return video.rows[self.path]

    def read(self, video: LocatedVideo, array: str) -> np.ndarray:
        """The video's rows of one array."""
        entry = self.entry(video)
        first, stop = entry.first_row, entry.first_row + entry.num_rows
        if array in self.in_memory:
            return self.in_memory[array][first:stop].numpy()
        return self._arrays.read_rows(array, first, stop)

    @cached_property
    def _arrays(self) -> StoreArrays:
        return StoreArrays(self.path)

    def __reduce__(self) -> tuple[type["StoreRows"], tuple[object, ...]]:
        """Leaves the opened store and its table behind; torch shares the tensors."""
        return StoreRows, (self.path, None, self.in_memory)


def locate(video_id: str, stores: Iterable[StoreRows]) -> LocatedVideo:
    """Where a video's rows lie; only the process that opened the stores knows."""
    rows = {store.path: store.videos.rows(video_id) for store in stores if store.videos is not None}
    return LocatedVideo(video_id, rows)


@dataclass(frozen=True)
class MixedRows:
    """Features are a weighted sum; everything else is as the first store says.

    It may be sent to another process, like :class:`StoreRows`.
    """

    parts: tuple[StoreRows, ...]
    mix: tuple[float, ...]
    """A weight for each of them."""

    @property
    def stores(self) -> tuple[StoreRows, ...]:
        """All of them; the first one decides the clips."""
        return self.parts

    def entry(self, video: LocatedVideo) -> VideoRows:
        """What is known of a video's clips."""
        return self.parts[0].entry(video)

    def read(self, video: LocatedVideo, array: str) -> np.ndarray:
        """The video's rows of one array."""
        if array != "features":
            return self.parts[0].read(video, array)
        return mixed_features([part.read(video, array) for part in self.parts], self.mix)


def mixed_features(
    features: list[np.ndarray], mix: tuple[float, ...]
) -> Float32[np.ndarray, "clip rgb"]:
    """The sum of weight times features, in float32. CiCo (arXiv 2303.12793), section 3.2."""
    weighted = (
        np.float32(weight) * part.astype(np.float32)
        for weight, part in zip(mix, features, strict=True)
    )
    return reduce(np.add, weighted)
