"""Writes keypoints and features as the publication has them: one pickle a video."""

import pickle
import pickletools
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int32

from extract.imports.keypoints.frame_names import PUBLISHED_NAMES, FrameNames
from extract.imports.keypoints.keypoint_rows import nobody_found
from seds_core.store.layout import Provenance

PROTOCOL = 4

_OF_NUMPY_2, _OF_ALL = "numpy._core.multiarray", "numpy.core.multiarray"


def published_keypoints(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    frames: Int32[np.ndarray, " frame"],
    provenance: Provenance,
) -> dict[str, object]:
    """``{'keypoints', 'img_list'}`` of a video; ``frames`` are the numbers of its rows, from 0.

    Of a store that was imported from such files, images have the names of then, and the rows that
    stand for frames left out are left out again. Of other stores, they are named as those of
    PHOENIX-2014T, and all rows are written.
    """
    imported = provenance.settings.get("imported", {})
    names = PUBLISHED_NAMES
    if "frame_names" in imported:
        names = FrameNames(imported["frame_names"], imported["first_number"])
        is_listed = _is_listed(keypoints)
        keypoints, frames = keypoints[is_listed], frames[is_listed]
    return {"keypoints": keypoints, "img_list": [names.name(frame) for frame in frames.tolist()]}


def published_features(
    video_id: str, features: Float32[np.ndarray, "clip rgb"] | Float16[np.ndarray, "clip rgb"]
) -> dict[str, object]:
    """``{'name', 'feature'}`` of a video."""
    return {"name": video_id, "feature": features}


def write_pickle(path: Path, value: dict[str, object]) -> None:
    """Writes a pickle; ``path`` exists afterwards with all of it, or not at all."""
    unfinished = path.with_name(f"{path.name}.partial")
    unfinished.write_bytes(portable(pickle.dumps(value, protocol=PROTOCOL)))
    unfinished.replace(path)


def portable(content: bytes) -> bytes:
    """The same pickle (of protocol 4) for NumPy 1 too, which knows the array module by another
    name.

    Frames, which only help reading and would have other lengths, are left out.
    """
    parts = []
    operations = [*pickletools.genops(content), (None, None, len(content))]
    for (operation, argument, start), (_, _, stop) in pairwise(operations):
        if argument == _OF_NUMPY_2:
            parts.append(pickle.SHORT_BINUNICODE + bytes([len(_OF_ALL)]) + _OF_ALL.encode())
        elif operation is not None and operation.name != "FRAME":
            parts.append(content[start:stop])
    return b"".join(parts)


def _is_listed(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
) -> Bool[np.ndarray, " frame"]:
    """Rows that do not stand for a frame left out; the last one always is listed."""
    nobody = nobody_found(1).view(np.uint32)
    is_listed = np.asarray((keypoints.view(np.uint32) != nobody).any(axis=(1, 2)))
    is_listed[-1] = True
    return is_listed
