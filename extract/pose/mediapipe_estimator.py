"""Keypoints from MediaPipe Holistic, an optional install that needs no downloaded weights."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from extract.pose.estimate import LoadedPoseModel, nobody
from extract.pose.mediapipe_points import whole_body_keypoints
from seds_core.errors import UnavailableError

MISSING_MEDIAPIPE = (
    "The detector 'mediapipe' needs the extra 'mediapipe'. Install it with: "
    'pip install -e ".[mediapipe]" && pip install --no-deps mediapipe==0.10.21'
)


_COMPLEXITY = 1
"""The body model that the package itself carries; it would download the others."""


class MediaPipeEstimator:
    """Follows the signer from frame to frame with MediaPipe's legacy Holistic solution.

    Every video starts with an empty memory, so its keypoints do not depend on what was seen
    before.
    """

    def __init__(self) -> None:
        """Raise ``UnavailableError`` with the install command when MediaPipe is missing."""
        try:
            from mediapipe.python.solutions.holistic import Holistic  # noqa: PLC0415
        except ImportError as error:
            raise UnavailableError(f"{MISSING_MEDIAPIPE} ({error})") from error
        with _native_messages_dropped():
            self._holistic = Holistic(static_image_mode=False, model_complexity=_COMPLEXITY)
            self._holistic.process(np.zeros((64, 64, 3), np.uint8))  # Waits for its start.
        self._is_fresh = False
        config = f"mediapipe {version('mediapipe')} holistic, complexity {_COMPLEXITY}"
        self.provenance = LoadedPoseModel("mediapipe", config, "mediapipe", "", is_random=False)

    def start_video(self) -> None:
        """Forget the person followed so far."""
        self._is_fresh = True

    def estimate(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Keypoints of the most prominent person; MediaPipe does without the boxes."""
        return self.keypoints(self.prepared(frames, boxes))

    def prepared(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[Float32[np.ndarray, "keypoint=133 coordinate=3"]]:
        """The keypoints of every frame: MediaPipe's work cannot be parted, it follows the video."""
        del boxes
        return [self._keypoints(np.ascontiguousarray(frame)) for frame in frames]

    def keypoints(
        self, prepared: Sequence[Float32[np.ndarray, "keypoint=133 coordinate=3"]]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """What :meth:`prepared` found, as one array."""
        return np.stack(list(prepared)) if prepared else nobody(0)

    def _keypoints(
        self, frame: UInt8[np.ndarray, "height width channel=3"]
    ) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:
        if self._is_fresh:
            self._is_fresh = False
            with _native_messages_dropped():
                self._holistic.reset()
                found = self._holistic.process(frame)
        else:
            found = self._holistic.process(frame)
        height, width, _ = frame.shape
        parts = (
            found.pose_landmarks,
            found.left_hand_landmarks,
            found.right_hand_landmarks,
            found.face_landmarks,
        )
        return whole_body_keypoints(*(_pixels(part, width, height) for part in parts))


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
    """Send to nowhere what MediaPipe's C++ code writes to standard error at every start.

    It has no setting for that, and its eight lines per video would drown the progress display.
    """
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
