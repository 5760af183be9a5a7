"""Imports ``.pose`` files of COCO-WholeBody, OpenPose or MediaPipe Holistic keypoints.

Format: https://github.com/sign-language-processing/pose/blob/master/docs/specs.
"""

import math
import struct
from pathlib import Path

import numpy as np
from pose_format import Pose

from extract.imports.imported import ImportedVideo, ImportItem
from extract.imports.keypoints.header_points import keypoint_places
from extract.imports.keypoints.keypoint_rows import nobody_found
from extract.imports.keypoints.keypoint_video import MAX_FRAMES, keypoint_provenance, keypoint_video
from extract.imports.keypoints.numbered_frames import SignerFrames
from extract.imports.keypoints.signer import Sighting, count_people, find_signer
from extract.imports.source_files import videos_in_files
from extract.imports.video_facts import VideoFacts
from seds_core.errors import ImportedFileError
from seds_core.store.layout import Provenance

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
