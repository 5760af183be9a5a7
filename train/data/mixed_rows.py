"""Reads the rows of several RGB stores of the same clips as if they were one store's."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from seds_core.store.video_table import VideoEntry
from train.data.store_rows import StoreRows


@dataclass(frozen=True)
class MixedRows:
    """Features are a weighted sum; everything else is as the first store says.

    It may be sent to another process, like :class:`StoreRows`.
    """

    parts: tuple[StoreRows, ...]
    mix: tuple[float, ...]
    """A weight for each of them."""

    @property
    def path(self) -> Path:
        """Of the store that decides the clips."""
        return self.parts[0].path

    @property
    def videos(self) -> Mapping[str, VideoEntry]:
        """Videos of the store that decides the clips."""
        return self.parts[0].videos

    def read(self, video_id: str, array: str) -> np.ndarray:
        """The video's rows of one array."""
        if array != "features":
            return self.parts[0].read(video_id, array)
        features = [part.read(video_id, array) for part in self.parts]
        return mixed_features(features, self.mix)


def mixed_features(
    features: list[np.ndarray], mix: tuple[float, ...]
) -> Float32[np.ndarray, "clip rgb"]:
    """The sum of weight times features, in float32. CiCo (arXiv 2303.12793), section 3.2."""
    weighted = (
        np.float32(weight) * part.astype(np.float32)
        for weight, part in zip(mix, features, strict=True)
    )
    return reduce(np.add, weighted)
