"""The arrays of a store: their axes, units and meaning.

A store is a Zarr v3 group. ``rows/`` holds flat arrays with one entry a clip (RGB) or a frame
(pose); ``videos/`` holds one entry a video, with the run of rows that it owns. Both grow at their
end only. The group's attribute ``committed`` says how many entries count: whatever lies beyond
was being written when a process died, and is overwritten by the next one. What made the rows is
told by :mod:`seds_core.store.provenance`.
"""

import math
from dataclasses import dataclass
from typing import Literal

LAYOUT_VERSION = 1

StoreKind = Literal["rgb", "pose"]


@dataclass(frozen=True)
class ArraySpec:
    """One array of a store."""

    name: str
    dtype: str
    axes: tuple[str, ...]
    """Axis names; the first one grows."""
    sizes: tuple[int, ...]
    """Sizes of the axes after the first."""
    unit: str
    description: str
    chunk: int
    """Entries read at once."""
    shard: int
    """Entries in one file; a whole number of chunks."""


def row_arrays(
    kind: StoreKind, *, feature_dim: int, feature_dtype: str, clip_frames: int
) -> tuple[ArraySpec, ...]:
    """The arrays below ``rows/`` of a store; a pose store has no use for the other arguments.

    ``clip_frames`` other than 0 adds ``frames``, for clips whose frames are not evenly spaced.
    """
    return _rgb_rows(feature_dim, feature_dtype, clip_frames) if kind == "rgb" else _POSE_ROWS


# The command lines read this file, and must not load NumPy.
ELEMENT_BYTES = {"bool": 1, "float16": 2, "float32": 4, "int32": 4}
"""Bytes of the types that row arrays have."""

CHUNK_BYTES = 256 * 1024
"""At most; a video's rows lie in two or three chunks."""

CHUNK_ROWS = 4_096
"""At most, for arrays with small rows."""

CHUNKS_PER_SHARD = 256
"""With the above a file of features has 64 MiB, and a store of 30,000 videos hundreds of files."""


def _row(
    name: str, dtype: str, axes: tuple[str, ...], sizes: tuple[int, ...], unit: str, text: str
) -> ArraySpec:
    # Chunks are powers of two, so that the shards of two arrays end together.
    fitting = CHUNK_BYTES // (ELEMENT_BYTES[dtype] * math.prod(sizes))
    chunk = min(CHUNK_ROWS, 2 ** (max(fitting, 1).bit_length() - 1))
    return ArraySpec(
        name, dtype, ("row", *axes), sizes, unit, text, chunk, chunk * CHUNKS_PER_SHARD
    )


def _rgb_rows(feature_dim: int, feature_dtype: str, clip_frames: int) -> tuple[ArraySpec, ...]:
    evenly_spaced = (
        _row("features", feature_dtype, ("rgb",), (feature_dim,), "1", "features of one clip"),
        _row("first_frame", "int32", (), (), "frame", "frame of the video that the clip begins with, from 0; -1 where that is not known"),
        _row("frame_step", "int32", (), (), "frame", "frames of the video from one frame of the clip to the next; 0 where they are not evenly spaced"),
    )  # fmt: skip
    if not clip_frames:
        return evenly_spaced
    frames = _row(
        "frames",
        "int32",
        ("frame",),
        (clip_frames,),
        "frame",
        "frames of the video that make the clip, from 0",
    )
    return (*evenly_spaced, frames)


_POSE_ROWS = (
    _row("keypoints", "float32", ("keypoint", "coordinate"), (133, 3), "pixel, pixel, 1",
         "COCO-WholeBody x, y in the upright video's pixels and confidence; NaN, NaN, 0 where nobody was found"),
    _row("person_found", "bool", (), (), "1", "whether a person was found in the frame"),
    _row("person_box", "float32", ("box",), (4,), "pixel",
         "left, top, right, bottom of the region given to the keypoint detector; NaN where there was none"),
    _row("frame", "int32", (), (), "frame", "frame of the video, from 0"),
)  # fmt: skip


def _column(name: str, dtype: str, unit: str, description: str, axis: str = "video") -> ArraySpec:
    return ArraySpec(name, dtype, (axis,), (), unit, description, 4_096, 65_536)


VIDEO_ARRAYS = (
    _column("video_id", "str", "", "name of the video in its data set"),
    _column("path", "str", "", "where the source was read"),
    _column("size_bytes", "int64", "byte", "size of the source; of all its images for a folder"),
    _column("mtime_ns", "int64", "ns", "time of the source's last change, since 1970"),
    _column("content_hash", "str", "", "BLAKE2b-128 of the source's bytes"),
    _column("num_frames", "int32", "frame", "frames that decoding gave, not what the container says"),
    _column("frame_step", "int32", "frame", "frames of the video from one timeline frame to the next"),
    _column("fps", "float64", "1/s", "average frame rate"),
    _column("duration", "float64", "s", "duration"),
    _column("width", "int32", "pixel", "width after rotation"),
    _column("height", "int32", "pixel", "height after rotation"),
    _column("first_row", "int64", "row", "first of the video's rows"),
    _column("num_rows", "int64", "row", "number of the video's rows"),
    _column("rows_checksum", "uint64", "", "first 8 bytes of BLAKE2b over the video's rows, array by array"),
)  # fmt: skip
"""The arrays below ``videos/``. Of several entries with one ``video_id`` the last one counts."""

ENTRY_CHECKSUM = _column("entry_checksum", "uint32", "", "CRC-32C of the video's other columns")
"""Also below ``videos/``, except in stores of earlier versions."""

FAILURE_ARRAYS = (
    _column("video_id", "str", "", "name of the video in its data set", "failure"),
    _column("path", "str", "", "where its source lay", "failure"),
    _column("reason", "str", "", "why it has no rows; empty: it is no failure any longer", "failure"),
    _column("attempt", "str", "", "tells this attempt from others at the video", "failure"),
    _column("num_videos", "int64", "", "length of the table of videos then; a later entry of the video there ends the failure", "failure"),
)  # fmt: skip
"""The arrays below ``failures/``, except in stores of earlier versions without any."""
