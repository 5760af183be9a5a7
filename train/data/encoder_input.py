"""From a store's keypoints to the input of the pose encoder, along the timeline of the clips."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int32, Int64

from seds_core.clip_plan import clip_frames, places_of, timeline_frames
from seds_core.hands import HandBoxes, hands_of, signing_points
from seds_core.store.provenance import HandRules, StoreMismatchError
from train.data.store_rows import LocatedVideo, StoreRows
from train.settings import KeypointSettings

# FROM train/data/encoder_input.py
# Turns the stored keypoints of a video into what the pose encoder sees: two hands and a body.
#
# Every frame at once, in float64. The published rules: SEDS (arXiv 2407.16394).


ENCODER_SIZE = 256.0
"""Side of the square that a hand's box, or the whole image, is stretched to."""

SHOWN_POINT_CONFIDENCE = 0.4
"""A hand's point with more than this is shown to the encoder; another one is (0, 0)."""


@dataclass(frozen=True)
class PoseInput:
    """Some frames of one video; what cannot be seen is zeros."""

    right: Float32[np.ndarray, "frame joint=21 coordinate=2"]
    """The right hand in its own 256-pixel box."""
    left: Float32[np.ndarray, "frame joint=21 coordinate=2"]
    """The left hand, mirrored to look like a right one."""
    body: Float32[np.ndarray, "frame joint=7 coordinate=2"]
    """Nose and arms, 256 the size of the image; zeros in frames without hands."""
    right_is_usable: Bool[np.ndarray, " frame"]
    left_is_usable: Bool[np.ndarray, " frame"]

    @property
    def num_frames(self) -> int:
        """Frames that are held."""
        return len(self.body)

    @property
    def has_hand(self) -> Bool[np.ndarray, " frame"]:
        """Frames in which at least one hand can be used."""
        return self.right_is_usable | self.left_is_usable


def encoder_input(
    keypoints: Float[np.ndarray, "frame keypoint=133 coordinate=3"],
    image_size: tuple[int, int],
    rules: HandRules,
) -> PoseInput:
    """All frames of a video's timeline.

    ``keypoints`` are pixels of an image of ``image_size`` (width, height); points that are not
    finite count as not seen.
    """
    points = signing_points(keypoints)
    hands = hands_of(points, image_size, rules)
    inside = hand_in_box(points.hands, hands.both)
    body = points.body[..., :2] / np.array(image_size) * ENCODER_SIZE
    return PoseInput(
        right=_as_held(inside[: len(keypoints)]),
        left=_as_held(mirrored(inside[len(keypoints) :])),
        body=_as_held(np.where(hands.has_hand[:, None, None], body, 0)),
        right_is_usable=hands.right.is_usable,
        left_is_usable=hands.left.is_usable,
    )


def hand_in_box(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"], boxes: HandBoxes
) -> Float64[np.ndarray, "frame joint=21 coordinate=2"]:
    """A hand's points in units of a 256th of its box, from the box's top left.

    Points that are not seen well are (0, 0), and so are all points of a hand without a box.
    """
    # Published: an unseen point is moved to the image's corner, left and above of every box, and
    # whatever lies left of a box or above it is then set to its edge.
    is_shown = (hand[..., 2:] > SHOWN_POINT_CONFIDENCE) & boxes.is_usable[:, None, None]
    points = np.where(is_shown, hand[..., :2], 0)
    inside = (points - boxes.origin[:, None]) / boxes.side[:, None, None] * ENCODER_SIZE
    return np.maximum(inside, 0)


def mirrored(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=2"],
) -> Float64[np.ndarray, "frame joint=21 coordinate=2"]:
    """A left hand that looks like a right one; points that are not seen stay (0, 0).

    As published, the far edges of the box, from 255 on, count as not seen too.
    """
    flipped = hand.copy(order="K")
    flipped[..., 0] = ENCODER_SIZE - hand[..., 0]
    return np.where(flipped >= ENCODER_SIZE - 1, 0, flipped)


def at_least(pose: PoseInput, num_frames: int) -> PoseInput:
    """The frames, the last one repeated until there are ``num_frames``; of none, zeros."""
    if pose.num_frames >= num_frames:
        return pose
    if not pose.num_frames:
        return _zeros(num_frames)
    return at_frames(pose, np.minimum(np.arange(num_frames), pose.num_frames - 1))


def at_frames(pose: PoseInput, frames: Int[np.ndarray, " _frame"]) -> PoseInput:
    """The named frames, in their order."""
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
    """Frame by frame in memory too, as batches are."""
    return points.astype(np.float32, order="C")


def _zeros(num_frames: int) -> PoseInput:
    hand = np.zeros((num_frames, 21, 2), np.float32)
    body = np.zeros((num_frames, 7, 2), np.float32)
    unusable = np.zeros(num_frames, bool)
    return PoseInput(hand, hand, body, unusable, unusable)


@dataclass(frozen=True)
class PoseTimeline:
    """Every k-th frame of one video, or those of them that show a usable hand."""

    frames: PoseInput
    numbers: Int32[np.ndarray, " frame"]
    """Which frame of the video each of them is."""

    def starts_of(
        self, first_frames: Int32[np.ndarray, " clip"], clip_length: int
    ) -> Int64[np.ndarray, " clip"] | None:
        """Place of each clip's first frame; ``None`` when a clip does not lie within the timeline.

        A timeline shorter than a clip repeats its last frame.
        """
        starts = places_of(first_frames, self.numbers)
        last_start = max(0, len(self.numbers) - clip_length)
        return None if starts is None or starts.max() > last_start else starts

    def has_clips(
        self, frames: Int32[np.ndarray, "clip frame"], starts: Int64[np.ndarray, " clip"]
    ) -> bool:
        """Whether the clips that begin at ``starts`` are made of these frames of the video."""
        expected = clip_frames(self.numbers, starts.astype(np.int32), frames.shape[1])
        return np.array_equal(frames, expected)


def read_timeline(
    pose: StoreRows, video: LocatedVideo, step: int, settings: KeypointSettings
) -> PoseTimeline:
    """Every ``step``-th frame of a video; as published, only those with a hand.

    Raises :class:`StoreMismatchError` when the store lacks one of them.
    """
    entry = pose.entry(video)
    numbers = timeline_frames(entry.num_frames, step)
    rows = places_of(numbers, pose.read(video, "frame"))
    if rows is None:
        raise StoreMismatchError(
            f"{pose.path} lacks keypoints of the video '{video.video_id}': every {step}. of its "
            f"{entry.num_frames} frames is needed; extract its poses again"
        )
    keypoints = pose.read(video, "keypoints")
    if len(rows) < len(keypoints):
        keypoints = keypoints[rows]
    frames = encoder_input(keypoints, (entry.width, entry.height), settings.rules)
    if settings.frames == "all":
        return PoseTimeline(frames, numbers)
    kept = np.flatnonzero(frames.has_hand)
    return PoseTimeline(at_frames(frames, kept), numbers[kept])
