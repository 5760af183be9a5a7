"""Keypoints by MediaPipe Holistic.

Body and hands have the same points as COCO-WholeBody. Two choices are approximations: MediaPipe's
foot has one point at the toes, which serves as the big and as the small toe; its face is a mesh of
468 points without names, of which the 68 nearest to the classical facial points are taken (within
a few pixels of them on a face of 100 pixels; the jaw line follows the mesh's border).

Sources: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker (33 body points),
https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker (21 hand points),
https://ibug.doc.ic.ac.uk/resources/300-W/ (the 68 facial points and their order).
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from seds_core.errors import UnavailableError
from seds_core.files import file_sha256
from seds_core.keypoints import (
    BODY,
    BODY_NAMES,
    FACE,
    FEET,
    FOOT_NAMES,
    LEFT_HAND,
    RIGHT_HAND,
    missing_keypoints,
)
from seds_core.store.provenance import WeightsRecord, software_versions

POSE_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
    "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky",
    "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
    "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
"""MediaPipe's names of its body points, in its order."""

NAMES_IN_MEDIAPIPE = {
    "left_big_toe": "left_foot_index",
    "left_small_toe": "left_foot_index",
    "right_big_toe": "right_foot_index",
    "right_small_toe": "right_foot_index",
}
"""Body and foot keypoints that have another name there."""

BODY_POINTS = tuple(
    POSE_NAMES.index(NAMES_IN_MEDIAPIPE.get(name, name)) for name in (*BODY_NAMES, *FOOT_NAMES)
)
"""MediaPipe's body point for each of the 17 body and 6 foot keypoints."""

FACE_MESH_POINTS = (
    # jaw, from the signer's right ear to the left one
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    # brows: right, left
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    # nose: ridge, nostrils
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    # eyes: right, left
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    # lips: outer, inner
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Points of the face mesh in the order of the 68 facial keypoints."""


def whole_body_keypoints(
    body: Float32[np.ndarray, "joint=33 coordinate=3"] | None,
    left_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    right_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    face: Float32[np.ndarray, "joint=468 coordinate=3"] | None,
) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:
    """The 133 keypoints from the parts that were found; NaN, NaN, 0 for those that were not.

    The last coordinate is the body's visibility. MediaPipe says of a hand or a face only that it
    was found: their keypoints have confidence 1.
    """
    keypoints = missing_keypoints(1)[0]
    # A part that was not found stays missing, whatever the others are.
    if body is not None:
        keypoints[BODY.start : FEET.stop] = body[list(BODY_POINTS)]
    for part, points in ((LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if points is not None:
            keypoints[part, :2], keypoints[part, 2] = points[:, :2], 1.0
    if face is not None:
        keypoints[FACE, :2], keypoints[FACE, 2] = face[list(FACE_MESH_POINTS), :2], 1.0
    return keypoints


INSTALL_MEDIAPIPE = 'pip install -e ".[mediapipe]" && pip install --no-deps mediapipe==0.10.21'
MISSING_MEDIAPIPE = (
    f"The detector 'mediapipe' needs the extra 'mediapipe'. Install it with: {INSTALL_MEDIAPIPE}"
)

_BOUND = ("mediapipe", "protobuf", "numpy")
"""Packages whose versions must match."""

_COMPLEXITY = 1
"""The body model that the package itself carries; it would download the others."""


class MediaPipeEstimator:
    """Follows the signer from frame to frame with MediaPipe's legacy Holistic solution.

    Every video starts with an empty memory, so its keypoints do not depend on what was seen
    before.
    """

    crop = None

    def __init__(self) -> None:
        """Raises ``UnavailableError`` with the install command when MediaPipe is missing."""
        try:
            from mediapipe.python.solutions.holistic import Holistic  # noqa: PLC0415

            with _native_messages_dropped():
                holistic = Holistic(static_image_mode=False, model_complexity=_COMPLEXITY)
                holistic.process(np.zeros((64, 64, 3), np.uint8))  # Waits for its start.
        except ImportError as error:
            raise UnavailableError(f"{MISSING_MEDIAPIPE} ({error})") from error
        except Exception as error:  # protobuf's, of another version than MediaPipe was built with
            found = ", ".join(
                f"{name} {value}" for name, value in software_versions(_BOUND).items()
            )
            raise UnavailableError(
                f"MediaPipe does not start with the packages installed here ({found}): "
                f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]} "
                f"Install what it needs: {INSTALL_MEDIAPIPE}"
            ) from error
        self._holistic = holistic
        self._is_fresh = False  # whether a video has started of which no frame was seen

    def start_video(self) -> None:
        """Forgets the person followed so far."""
        self._is_fresh = True

    def prepared(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[Float32[np.ndarray, "keypoint=133 coordinate=3"]]:
        """The keypoints of every frame: MediaPipe follows the video and does all its work here."""
        # The settings allow no boxes with MediaPipe, which finds the signer itself.
        del boxes
        keypoints = []
        # Only the first frame of a video forgets the person of the video before: its C++ code then
        # writes messages, which are dropped.
        for frame in frames:
            image = np.ascontiguousarray(frame)
            if self._is_fresh:
                self._is_fresh = False
                with _native_messages_dropped():
                    self._holistic.reset()
                    found = self._holistic.process(image)
            else:
                found = self._holistic.process(image)
            height, width, _ = frame.shape
            parts = (
                found.pose_landmarks,
                found.left_hand_landmarks,
                found.right_hand_landmarks,
                found.face_landmarks,
            )
            keypoints.append(whole_body_keypoints(*(_pixels(p, width, height) for p in parts)))
        return keypoints

    def keypoints(
        self, prepared: Sequence[Float32[np.ndarray, "keypoint=133 coordinate=3"]]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Returns what :meth:`prepared` found, as one array."""
        return np.stack(list(prepared)) if prepared else missing_keypoints(0)


def describe_mediapipe() -> WeightsRecord:
    """Describes MediaPipe for a store; raises ``UnavailableError`` when it is missing."""
    try:
        package = distribution("mediapipe")
    except PackageNotFoundError as error:
        raise UnavailableError(MISSING_MEDIAPIPE) from error
    config = f"mediapipe {package.version} holistic, complexity {_COMPLEXITY}"
    folder = Path(str(package.locate_file("mediapipe/modules")))
    # Of the models that the package carries; it may add those of other complexities later.
    of_others = ("_lite.tflite", "_heavy.tflite")
    paths = [p for p in sorted(folder.rglob("*.tflite")) if not p.name.endswith(of_others)]
    content = "".join(f"{path.name} {file_sha256(path)}\n" for path in paths)
    return WeightsRecord(
        name="mediapipe",
        config=config,
        source="mediapipe",
        sha256="",
        is_random=False,
        config_sha256="",
        model_sha256=hashlib.sha256(content.encode()).hexdigest(),
    )


def _pixels(
    landmarks: Any | None,  # noqa: ANN401 - MediaPipe's NormalizedLandmarkList
    width: int,
    height: int,
) -> Float32[np.ndarray, "joint coordinate=3"] | None:
    """x and y in pixels, and the visibility."""
    if landmarks is None:
        return None
    return np.array(
        [(p.x * width, p.y * height, p.visibility) for p in landmarks.landmark], np.float32
    )


@contextmanager
def _native_messages_dropped() -> Iterator[None]:
    """Drops what MediaPipe's C++ code writes to standard error at every start.

    It has no setting for that, and its eight lines per video would drown the progress display.
    """
    # By the file descriptor, as C++ does not write through ``sys.stderr``; what Python still
    # holds goes out first, or it would be dropped too.
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)
