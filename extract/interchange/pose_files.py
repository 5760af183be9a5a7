"""Keypoints as .pose files of pose-format: COCO-WholeBody, OpenPose or MediaPipe Holistic.

Format: https://github.com/sign-language-processing/pose/blob/master/docs/specs.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from pose_format import Pose
from pose_format.pose_header import PoseHeaderComponent
from pose_format.utils.cocowholebody133_header import cocowholebody_components

from extract.interchange.imported import (
    ImportedFiles,
    ImportedVideo,
    ImportItem,
    VideoFacts,
    videos_in_files,
)
from extract.interchange.keypoint_video import (
    MAX_FRAMES,
    keypoint_provenance,
    keypoint_video,
    no_person_found,
)
from extract.interchange.openpose import OPENPOSE_POINTS
from extract.interchange.signer import Sighting, count_people, find_signer
from extract.pose.mediapipe_estimator import BODY_POINTS, FACE_MESH_POINTS, POSE_NAMES
from seds_core.errors import ImportedFileError, first_names

MAX_BYTES = 2**30
MAX_PEOPLE = 20
# Version 0.0 has another structure, a record for every person, and is not in use any more.
VERSIONS = (0.1, 0.2)


def open_pose_files(source: Path, *, folder_fps: float) -> ImportedFiles:
    """Opens ``<source>/**/<video>.pose``, or one such file; size and frame rate stand in them.

    Keypoints are as they were written, also those with confidence 0; points that the file lacks
    are NaN, NaN, 0. Of several people the signer is taken.
    """
    return ImportedFiles(
        keypoint_provenance(source, folder_fps, file_format="pose", confidence="as in the file"),
        videos_in_files(source, ".pose"),
        _read_video,
    )


def _read_video(item: ImportItem) -> ImportedVideo:
    path = item.path
    pose = _read_pose(path)
    size, fps = pose.header.dimensions, float(pose.body.fps)
    if not (size.width and size.height and math.isfinite(fps) and fps > 0):
        raise ImportedFileError(
            path, f"says {size.width}x{size.height} pixels and {fps:g} frames a second"
        )
    indices = keypoint_indices(path, pose.header.components)
    num_frames, num_people = pose.body.data.shape[:2]
    if not (0 < num_frames <= MAX_FRAMES and 0 < num_people <= MAX_PEOPLE):
        raise ImportedFileError(
            path,
            f"has {num_frames:,} frames of {num_people} people, where 1 to {MAX_FRAMES:,} frames "
            f"of 1 to {MAX_PEOPLE} are needed",
        )
    is_in_file = indices >= 0
    # The library masks what has no confidence; below the mask is what the file holds.
    points = np.ma.getdata(pose.body.data)[:, :, indices[is_in_file], :2]
    confidence = np.ma.getdata(pose.body.confidence)[:, :, indices[is_in_file]]
    people = np.concatenate([points, confidence[..., None]], axis=-1, dtype=np.float32)
    keypoints = no_person_found(num_frames)
    keypoints[:, is_in_file] = people[:, 0]
    if num_people > 1:
        # A frame in which no person can be the signer keeps the first one's points.
        seen = {n: [Sighting.of(person) for person in people[n]] for n in range(num_frames)}
        for frame, index in find_signer(seen).items():
            keypoints[frame, is_in_file] = people[frame, index]
        num_people = max(map(count_people, seen.values()))
    facts = VideoFacts(size.width, size.height, fps)
    return keypoint_video(path, keypoints, facts, num_people=num_people)


def _read_pose(path: Path) -> Pose:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise ImportedFileError(path, f"cannot be read: {error.strerror}") from None
    if size > MAX_BYTES:
        raise ImportedFileError(
            path, f"has {size:,} bytes, and .pose files are read up to {MAX_BYTES:,}: split it"
        )
    # The version decides how the rest is read, and the library trusts it.
    version = round(struct.unpack("<f", content[:4])[0], 3) if len(content) >= 4 else None
    if version not in VERSIONS:
        raise ImportedFileError(
            path, f"is no .pose file of version 0.1 or 0.2 (its version is {version})"
        )
    try:
        # Body arrays larger than the rest of the file are refused before they take memory.
        return Pose.read(content)
    # What the library raises for files that end early or whose header does not fit their body.
    except (ValueError, TypeError, struct.error, ArithmeticError, MemoryError) as error:
        raise ImportedFileError(path, f"is damaged or cut off: {error}") from None


# Points are found by the names that the file gives its components and points.

# MediaPipe's names of its hand points, in its order, which is that of the hand keypoints.
HAND_POINTS = (
    "WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP",
    *(
        f"{finger}_{point}"
        for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for point in ("MCP", "PIP", "DIP", "TIP")
    ),
)  # fmt: skip

# Which points of MediaPipe stand for the 133 keypoints, exactly and approximately, is chosen in
# extract.pose.mediapipe_estimator; their names are those of the format's own documentation.
# Component and point of a ``.pose`` file for each of the 133 keypoints.
HOLISTIC_POINTS = (
    *(("POSE_LANDMARKS", POSE_NAMES[point].upper()) for point in BODY_POINTS),
    *(("FACE_LANDMARKS", str(point)) for point in FACE_MESH_POINTS),
    *(("LEFT_HAND_LANDMARKS", point) for point in HAND_POINTS),
    *(("RIGHT_HAND_LANDMARKS", point) for point in HAND_POINTS),
)

# The body in metres instead of pixels, which no keypoint is taken from.
WORLD_COMPONENT = "POSE_WORLD_LANDMARKS"


@dataclass(frozen=True)
class NamedPoints:
    """How one detector's points are named in ``.pose`` files."""

    detector: str
    points: tuple[tuple[str, str], ...]
    """Component and point for each of the 133 keypoints."""
    left_out: frozenset[str] = frozenset()
    """Components that no keypoint is taken from."""

    @property
    def components(self) -> tuple[str, ...]:
        """The components that keypoints are taken from, in order."""
        return tuple(dict.fromkeys(component for component, _ in self.points))


KNOWN_POINTS = (
    NamedPoints(
        "COCO-WholeBody",
        tuple((part.name, point) for part in cocowholebody_components() for point in part.points),
    ),
    NamedPoints("OpenPose", OPENPOSE_POINTS),
    NamedPoints("MediaPipe Holistic", HOLISTIC_POINTS, frozenset({WORLD_COMPONENT})),
)


def keypoint_indices(
    path: Path, components: list[PoseHeaderComponent]
) -> Int64[np.ndarray, " keypoint=133"]:
    """The index of each keypoint among all points of the file, -1 where the file lacks it.

    Raises :class:`ImportedFileError` for components of no known detector, and for known ones of
    which no point is known or whose points are not x, y, ..., confidence.
    """
    names = {component.name for component in components}
    known = (n for n in KNOWN_POINTS if names and names <= {*n.components, *n.left_out})
    named = next(known, None)
    if named is None:
        found = first_names([component.name for component in components], 10) or "none"
        known_names = "; ".join(f"{n.detector} ({', '.join(n.components)})" for n in KNOWN_POINTS)
        raise ImportedFileError(
            path, f"has the components {found}; known are those of {known_names}"
        )
    # Points are counted through all components, those that are left out too.
    indices: dict[tuple[str, str], int] = {}
    num_points = 0
    for component in components:
        if component.name not in named.left_out:
            if not (component.format.startswith("XY") and component.format.endswith("C")):
                raise ImportedFileError(
                    path,
                    f"has the coordinates {component.format[:10]!r} in {component.name}, where x, "
                    "y and, last, the confidence are needed (XYC or XYZC)",
                )
            for index, point in enumerate(component.points, num_points):
                indices.setdefault((component.name, point), index)
        num_points += len(component.points)
    found_indices = np.array([indices.get(point, -1) for point in named.points], np.int64)
    if (found_indices < 0).all():
        raise ImportedFileError(
            path, f"has the components of {named.detector}, but none of its points' names"
        )
    return found_indices
