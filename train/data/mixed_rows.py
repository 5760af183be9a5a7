"""Reads the rows of several RGB stores of the same clips as if they were one store's."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float32

from seds_core.store.reader import VideoRows
from train.data.store_rows import LocatedVideo, StoreRows


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
