"""Turns the stored keypoints of a video into the pose encoder's input: two hands and a body.

All frames at once, in float64. The published rules: SEDS (arXiv 2407.16394).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from seds_core.hands import HandBoxes, hands_of, signing_points
from seds_core.store.provenance import HandRules
from train.settings import BodyMeasure

ENCODER_SIZE = 256.0
"""Side of the square that a hand's box, or the whole image, is stretched to."""

SHOWN_POINT_CONFIDENCE = 0.4
"""A hand's point with more than this is shown to the encoder; others are (0, 0)."""

SHOULDERS = (1, 4)
"""Of the body's points, which are the nose and both arms."""

SHOULDERS_WIDTH = 64.0
"""Of a body that is measured by them: arms at full length stay within the box."""


@dataclass(frozen=True)
class PoseInput:
    """Some frames of one video; zeros where nothing can be seen."""

    right: Float32[np.ndarray, "frame joint=21 coordinate=2"]
    """The right hand in its own 256-pixel box."""
    left: Float32[np.ndarray, "frame joint=21 coordinate=2"]
    """The left hand, mirrored to look like a right one."""
    body: Float32[np.ndarray, "frame joint=7 coordinate=2"]
    """Nose and arms, in 256ths of the image or by the shoulders; zeros in frames without hands."""
    right_is_usable: Bool[np.ndarray, " frame"]
    left_is_usable: Bool[np.ndarray, " frame"]

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.body)

    @property
    def has_hand(self) -> Bool[np.ndarray, " frame"]:
        """Frames in which at least one hand can be used."""
        return self.right_is_usable | self.left_is_usable


def encoder_input(
    keypoints: Float[np.ndarray, "frame keypoint=133 coordinate=3"],
    image_size: tuple[int, int],
    rules: HandRules,
    measure: BodyMeasure = "image",
) -> PoseInput:
    """Prepares all frames of a video's timeline.

    ``keypoints`` are pixels of an image of ``image_size`` (width, height); points that are not
    finite count as not seen. ``measure`` says what nose and arms are measured by.
    """
    # Both hands are put into their boxes at once: first all right ones, then all left ones.
    points = signing_points(keypoints)
    hands = hands_of(points, image_size, rules)
    inside = hand_in_box(points.hands, hands.both)
    if measure == "signer":
        body = body_by_shoulders(points.body)
    else:
        body = points.body[..., :2] / np.array(image_size) * ENCODER_SIZE
    return PoseInput(
        right=_as_held(inside[: len(keypoints)]),
        left=_as_held(mirrored(inside[len(keypoints) :])),
        body=_as_held(np.where(hands.has_hand[:, None, None], body, 0)),
        right_is_usable=hands.right.is_usable,
        left_is_usable=hands.left.is_usable,
    )


def body_by_shoulders(
    body: Float64[np.ndarray, "frame joint=7 coordinate=3"],
) -> Float64[np.ndarray, "frame joint=7 coordinate=2"]:
    """Nose and arms from the middle of the shoulders, which is put in the middle of the box.

    One measure for the whole video, so that leaning still shows; the median, as a single frame's
    shoulders may be lost or wrong. Points that are not seen are (0, 0).
    """
    is_seen = body[..., 2:] > 0
    shows_shoulders = is_seen[:, SHOULDERS].all(axis=(1, 2))
    if not shows_shoulders.any():
        return np.zeros_like(body[..., :2])
    left, right = np.moveaxis(body[shows_shoulders][:, SHOULDERS, :2], 1, 0)
    width = max(float(np.median(np.linalg.norm(left - right, axis=-1))), 1.0)
    middle = np.median((left + right) / 2, axis=0)
    placed = (body[..., :2] - middle) / width * SHOULDERS_WIDTH + ENCODER_SIZE / 2
    return np.where(is_seen, placed, 0)


def hand_in_box(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"], boxes: HandBoxes
) -> Float64[np.ndarray, "frame joint=21 coordinate=2"]:
    """Returns a hand's points in units of a 256th of its box, from the box's top left.

    Points that are not seen well are (0, 0), and so are all points of a hand without a box.
    """
    # As published, an unseen point moves to the image's corner, left of and above every box, and
    # points left of a box or above it are then set to its edge.
    is_shown = (hand[..., 2:] > SHOWN_POINT_CONFIDENCE) & boxes.is_usable[:, None, None]
    points = np.where(is_shown, hand[..., :2], 0)
    inside = (points - boxes.origin[:, None]) / boxes.side[:, None, None] * ENCODER_SIZE
    return np.maximum(inside, 0)


def mirrored(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=2"],
) -> Float64[np.ndarray, "frame joint=21 coordinate=2"]:
    """Mirrors a left hand into a right one; points that are not seen stay (0, 0).

    As published, the far edges of the box, from 255 on, count as not seen too.
    """
    # Points that are not seen have x = 0, which the flip moves onto the far edge.
    # Order K keeps the layout in memory that ``only_finite`` has chosen for speed.
    flipped = hand.copy(order="K")
    flipped[..., 0] = ENCODER_SIZE - hand[..., 0]
    return np.where(flipped >= ENCODER_SIZE - 1, 0, flipped)


def at_least(pose: PoseInput, num_frames: int) -> PoseInput:
    """Repeats the last frame until there are ``num_frames``; without any frame, returns zeros."""
    if pose.num_frames >= num_frames:
        return pose
    if not pose.num_frames:
        hand = np.zeros((num_frames, 21, 2), np.float32)
        body = np.zeros((num_frames, 7, 2), np.float32)
        unusable = np.zeros(num_frames, bool)
        return PoseInput(hand, hand, body, unusable, unusable)
    return at_frames(pose, np.minimum(np.arange(num_frames), pose.num_frames - 1))


def at_frames(pose: PoseInput, frames: Int[np.ndarray, " _frame"]) -> PoseInput:
    """Takes the frames of these indices, in their order."""
    return PoseInput(
        right=pose.right[frames],
        left=pose.left[frames],
        body=pose.body[frames],
        right_is_usable=pose.right_is_usable[frames],
        left_is_usable=pose.left_is_usable[frames],
    )


def _as_held(
    points: Float64[np.ndarray, "frame joint coordinate=2"],
) -> Float32[np.ndarray, "frame joint coordinate=2"]:
    """In float32, and with the frames one after another in memory, as batches are."""
    return points.astype(np.float32, order="C")
