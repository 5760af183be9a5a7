"""Keypoints as .pose files of pose-format."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from pose_format import Pose
from pose_format.pose_header import PoseHeaderComponent
from pose_format.utils.cocowholebody133_header import cocowholebody_components

from extract.interchange.imported import ImportedVideo, ImportItem, VideoFacts, videos_in_files
from extract.interchange.keypoint_video import (
    MAX_FRAMES,
    SignerFrames,
    keypoint_provenance,
    keypoint_video,
    nobody_found,
)
from extract.interchange.openpose import OPENPOSE_POINTS
from extract.interchange.signer import Sighting, count_people, find_signer
from extract.pose.mediapipe_estimator import BODY_POINTS, FACE_MESH_POINTS, POSE_NAMES
from seds_core.errors import ImportedFileError
from seds_core.store.provenance import Provenance

# FROM extract/imports/keypoints/holistic_points.py
# Which points of MediaPipe Holistic, by their names in ``.pose`` files, are the 133 keypoints.
#
# The choice of points, exact and approximate ones, is that of :mod:`extract.pose.mediapipe_estimator`.
# Source of the names: https://github.com/sign-language-processing/pose.


_FINGER_POINTS = ("MCP", "PIP", "DIP", "TIP")
HAND_POINTS = (
    "WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP",
    *(
        f"{finger}_{point}"
        for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for point in _FINGER_POINTS
    ),
)  # fmt: skip
"""MediaPipe's names of its hand points, in its order, which is that of the hand keypoints."""

HOLISTIC_POINTS = (
    *(("POSE_LANDMARKS", POSE_NAMES[point].upper()) for point in BODY_POINTS),
    *(("FACE_LANDMARKS", str(point)) for point in FACE_MESH_POINTS),
    *(("LEFT_HAND_LANDMARKS", point) for point in HAND_POINTS),
    *(("RIGHT_HAND_LANDMARKS", point) for point in HAND_POINTS),
)
"""Component and point of a ``.pose`` file for each of the 133 keypoints."""

WORLD_COMPONENT = "POSE_WORLD_LANDMARKS"
"""The body in metres instead of pixels, which no keypoint is taken from."""


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


def keypoint_places(
    path: Path, components: list[PoseHeaderComponent]
) -> Int64[np.ndarray, " keypoint=133"]:
    """For each keypoint its place among all points of the file, -1 where the file lacks it.

    Raises :class:`ImportedFileError` for components of no known detector, and for known ones of
    which no point is known or whose points are not x, y, ..., confidence.
    """
    named = _detector(path, [component.name for component in components])
    places: dict[tuple[str, str], int] = {}
    num_points = 0
    for component in components:
        if component.name not in named.left_out:
            _check_coordinates(path, component)
            for place, point in enumerate(component.points, num_points):
                places.setdefault((component.name, point), place)
        num_points += len(component.points)
    found = np.array([places.get(point, -1) for point in named.points], np.int64)
    if (found < 0).all():
        raise ImportedFileError(
            path, f"has the components of {named.detector}, but none of its points' names"
        )
    return found


def _detector(path: Path, components: list[str]) -> NamedPoints:
    for named in KNOWN_POINTS:
        if components and set(components) <= {*named.components, *named.left_out}:
            return named
    known = "; ".join(f"{n.detector} ({', '.join(n.components)})" for n in KNOWN_POINTS)
    found = ", ".join(components[:10]) or "none"
    raise ImportedFileError(path, f"has the components {found}; known are those of {known}")


def _check_coordinates(path: Path, component: PoseHeaderComponent) -> None:
    if not (component.format.startswith("XY") and component.format.endswith("C")):
        raise ImportedFileError(
            path,
            f"has the coordinates {component.format[:10]!r} in {component.name}, where x, y and, "
            "last, the confidence are needed (XYC or XYZC)",
        )


# FROM extract/imports/keypoints/pose_files.py
# Imports ``.pose`` files of COCO-WholeBody, OpenPose or MediaPipe Holistic keypoints.
#
# Format: https://github.com/sign-language-processing/pose/blob/master/docs/specs.


MAX_BYTES = 2**30
MAX_PEOPLE = 20
VERSIONS = (0.1, 0.2)
"""Version 0.0 has another structure, a record for every person, and is not in use any more."""

_DAMAGED = (ValueError, TypeError, struct.error, ArithmeticError, MemoryError)
"""What the library raises for files that end early or whose header does not fit their body."""


class PoseFiles:
    """One ``.pose`` file a video: ``<source>/**/<video>.pose``; an ``ImportFormat``.

    Built from the folder (or one file) and the pipeline's ``frames.folder_fps``, which only the
    provenance repeats: size and frame rate stand in the files. Keypoints are as they were written,
    also those with confidence 0; points that the file lacks are NaN, NaN, 0.
    """

    def __init__(self, source: Path, *, folder_fps: float) -> None:
        """Looks at nothing yet."""
        self._source = source
        self._folder_fps = folder_fps

    @property
    def provenance(self) -> Provenance:
        """A pose store of every frame."""
        return keypoint_provenance(
            self._source, self._folder_fps, file_format="pose", confidence="as in the file"
        )

    def items(self) -> list[ImportItem]:
        """The ``.pose`` files, by name."""
        return videos_in_files(self._source, ".pose")

    def read(self, item: ImportItem) -> ImportedVideo:
        """The signer's keypoints."""
        pose = _read_pose(item.path)
        facts = _facts(item.path, pose)
        signer = _signer(item.path, pose)
        return keypoint_video(item.path, signer.keypoints, facts, num_people=signer.num_people)


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
    version = round(struct.unpack("<f", content[:4])[0], 3) if len(content) >= 4 else None
    if version not in VERSIONS:
        raise ImportedFileError(
            path, f"is no .pose file of version 0.1 or 0.2 (its version is {version})"
        )
    try:
        # Body arrays larger than the rest of the file are refused before they take memory.
        return Pose.read(content)
    except _DAMAGED as error:
        raise ImportedFileError(path, f"is damaged or cut off: {error}") from None


def _facts(path: Path, pose: Pose) -> VideoFacts:
    size, fps = pose.header.dimensions, float(pose.body.fps)
    if not (size.width and size.height and math.isfinite(fps) and fps > 0):
        raise ImportedFileError(
            path, f"says {size.width}x{size.height} pixels and {fps:g} frames a second"
        )
    return VideoFacts(size.width, size.height, fps)


def _signer(path: Path, pose: Pose) -> SignerFrames:
    places = keypoint_places(path, pose.header.components)
    num_frames, num_people = pose.body.data.shape[:2]
    if not (0 < num_frames <= MAX_FRAMES and 0 < num_people <= MAX_PEOPLE):
        raise ImportedFileError(
            path,
            f"has {num_frames:,} frames of {num_people} people, where 1 to {MAX_FRAMES:,} frames "
            f"of 1 to {MAX_PEOPLE} are needed",
        )
    is_in_file = places >= 0
    # The library masks what has no confidence; below the mask is what the file holds.
    points = np.ma.getdata(pose.body.data)[:, :, places[is_in_file], :2]
    confidence = np.ma.getdata(pose.body.confidence)[:, :, places[is_in_file]]
    people = np.concatenate([points, confidence[..., None]], axis=-1, dtype=np.float32)
    keypoints = nobody_found(num_frames)
    keypoints[:, is_in_file] = people[:, 0]
    if num_people == 1:
        return SignerFrames(keypoints, 1)
    seen = {frame: [Sighting.of(person) for person in people[frame]] for frame in range(num_frames)}
    for frame, place in find_signer(seen).items():
        keypoints[frame, is_in_file] = people[frame, place]
    return SignerFrames(keypoints, max(map(count_people, seen.values())))
