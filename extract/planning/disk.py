"""How much room the two stores take, before compression."""

from dataclasses import dataclass

import numpy as np

from extract.planning.counts import Counts
from extract.rgb.backbones import find_architecture
from extract.settings import ExtractSettings
from seds_core.store.layout import ArraySpec, row_arrays


@dataclass(frozen=True)
class Disk:
    """Bytes."""

    raw: int | None
    """Of the videos; ``None`` where that is not known."""
    pose_store: int
    rgb_store: int


def disk(counts: Counts, raw_bytes: int | None, settings: ExtractSettings) -> Disk:
    """What the stores of an extraction take; features hardly shrink, keypoints by a tenth."""
    rgb = settings.rgb
    features = find_architecture(rgb.backbone).feature_dim
    rgb_rows = row_arrays(
        "rgb",
        feature_dim=features,
        feature_dtype=rgb.store_dtype,
        clip_frames=rgb.clip_length if rgb.frames == "hands" else 0,
    )
    pose_rows = row_arrays("pose", feature_dim=0, feature_dtype="float32", clip_frames=0)
    return Disk(
        raw=raw_bytes,
        pose_store=counts.timeline_frames * row_bytes(pose_rows),
        rgb_store=counts.clips * row_bytes(rgb_rows),
    )


def row_bytes(arrays: tuple[ArraySpec, ...]) -> int:
    """Bytes of one row of all arrays."""
    return sum(np.dtype(array.dtype).itemsize * int(np.prod(array.sizes)) for array in arrays)
