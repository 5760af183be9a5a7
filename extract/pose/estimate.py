"""The values that every pose estimator gives, and the loop from a video's frames to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from extract.pose.person_box import PersonBoxes

UPPER_BODY = (0, 5, 6, 7, 8, 9, 10)
"""Nose, shoulders, elbows and wrists: what every signer shows."""


@dataclass(frozen=True)
class PoseRows:
    """Pose of consecutive frames of one video.

    Where nobody was found, ``person_found`` is False, x and y are NaN and the confidence is 0.
    """

    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"]
    """x and y in the video's pixels, and the confidence."""
    person_found: Bool[np.ndarray, " frame"]
    boxes: Float32[np.ndarray, "frame box=4"]
    """The region that the estimator was given, in pixels; NaN where there was none."""


@dataclass(frozen=True)
class LoadedPoseModel:
    """What a store remembers of the model that made it."""

    name: str
    """The name it was asked for by."""
    config: str
    """The model's MMPose config, or MediaPipe's version and model."""
    source: str
    """Where the weights came from: a path, an address, a package, or ``random``."""
    sha256: str
    """Of the weights' file; empty where they are random or part of a package."""
    is_random: bool


@runtime_checkable  # beartype asks isinstance
class PoseEstimator(Protocol):
    """Finds the keypoints of one person in every frame."""

    def start_video(self) -> None:
        """Forget everything about the frames seen so far."""

    def estimate(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Keypoints of the person in each box: x, y in pixels of the frame, confidence.

        ``frames`` are RGB and follow the frames of the previous call in the same video. A point
        that was looked for in vain is NaN, NaN, 0.
        """


def estimate_video(
    estimator: PoseEstimator,
    boxes: PersonBoxes,
    chunks: Iterable[UInt8[np.ndarray, "_ height width channel=3"]],
    batch_size: int,
) -> Iterator[PoseRows]:
    """Pose of every frame of one video, at most ``batch_size`` frames at a time.

    ``boxes`` belongs to this video alone. The batches, and so the last bits of the result, do not
    depend on how the frames are cut into ``chunks``.
    """
    estimator.start_video()
    for frames in batches(chunks, batch_size):
        found = boxes.boxes(frames)
        keypoints = nobody(len(frames))
        if found.is_found.any():
            seen = found.is_found
            keypoints[seen] = estimator.estimate(frames[seen], found.boxes[seen])
        yield confirmed_rows(keypoints, found.boxes, found.is_found, boxes.required_confidence)


def confirmed_rows(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    boxes: Float32[np.ndarray, "frame box=4"],
    box_found: Bool[np.ndarray, " frame"],
    required_confidence: float,
) -> PoseRows:
    """Rows in which every person has a box, and an upper body of the required mean confidence."""
    confidence = keypoints[:, UPPER_BODY, 2].mean(axis=1)
    person_found = box_found & (confidence > 0) & (confidence >= required_confidence)
    confirmed = np.where(person_found[:, None, None], keypoints, nobody(len(keypoints)))
    return PoseRows(confirmed, person_found, boxes)


def nobody(num_frames: int) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Keypoints of frames in which nobody was found: NaN, NaN, confidence 0."""
    keypoints = np.full((num_frames, 133, 3), np.nan, np.float32)
    keypoints[..., 2] = 0.0
    return keypoints


def batches(
    chunks: Iterable[UInt8[np.ndarray, "_ height width channel=3"]], batch_size: int
) -> Iterator[UInt8[np.ndarray, "_ height width channel=3"]]:
    """The same frames in runs of exactly ``batch_size``, the last one shorter."""
    waiting: list[UInt8[np.ndarray, "_ _ _ channel=3"]] = []
    num_waiting = 0
    for chunk in chunks:
        waiting.append(chunk)
        num_waiting += len(chunk)
        if num_waiting < batch_size:
            continue
        joined = _joined(waiting)
        whole = num_waiting - num_waiting % batch_size
        for first in range(0, whole, batch_size):
            yield joined[first : first + batch_size]
        waiting = [joined[whole:]]
        num_waiting -= whole
    if num_waiting:
        yield _joined(waiting)


def _joined(
    chunks: list[UInt8[np.ndarray, "_ _ _ channel=3"]],
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
