"""Compares videos with the takes of each sentence that were learned, motion by motion.

No model takes part. Where a sign has a few takes only, this finds as much as a model that had no
more to learn from, and across sources both together find most (docs/real-signs.md).

A motion is told by the frames that show a hand: where the arms are, and in which direction each
bone of the hands points. Signers rest before and after a sign, for a time that says nothing of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float64, Int64

from seds_core.console import track
from seds_core.errors import UsageError
from seds_core.hands import only_finite, shows_hand
from seds_core.keypoints import HAND_LINES, LEFT_HAND, RIGHT_HAND
from train.data.retrieval_data import RetrievalData
from train.evaluation.metrics import SplitScores

MOTION_FRAMES = 48
"""A motion of more frames is thinned out to so many."""

NOSE_AND_ARMS = (0, 5, 6, 7, 8, 9, 10)
"""Keypoints: nose, shoulders, elbows, wrists, of each pair the left one first."""

_MIRRORED_ARMS = (0, 2, 1, 4, 3, 6, 5)
"""For each of them, the one that a mirror shows there."""

BONE_WEIGHT = 0.5
"""What a bone's direction, of length 1, counts beside a distance of the shoulders' width."""

WIDEST_WARP = 0.25
"""A frame is compared with frames at most this part of the longer motion away (Sakoe-Chiba)."""

POSE_STREAMS = ("fusion", "pose")
"""The streams of a model that know the motions, as takes do; RGB features of few takes tell
the recording (docs/real-signs.md)."""

WITH_TAKES = "model and takes"
"""The stream of :func:`with_takes`."""

_COSTS_AT_ONCE = 1 << 24

Motion: TypeAlias = Float64[np.ndarray, "_frame dim"]


def motion_of(keypoints: Float[np.ndarray, "frame keypoint=133 coordinate=3"]) -> Motion:
    """Describes the frames that show a hand; all frames where none does.

    Nose and arms, from the middle of the shoulders and in units of their width, then the directions
    of the bones of the left and the right hand, of length :data:`BONE_WEIGHT`. Zeros for what a
    frame does not show.
    """
    points = only_finite(keypoints)
    left, right = points[:, 5, :2], points[:, 6, :2]
    # The median: a single frame's shoulders may be lost or wrong.
    width = max(float(np.median(np.linalg.norm(left - right, axis=1))), 1.0)
    middle = np.median((left + right) / 2, axis=0)
    arms = points[:, NOSE_AND_ARMS]
    placed = np.where(arms[..., 2:] > 0, (arms[..., :2] - middle) / width, 0)
    hands = [points[:, hand] for hand in (LEFT_HAND, RIGHT_HAND)]
    are_seen = [shows_hand(hand) for hand in hands]
    parts = [placed] + [
        np.where(seen[:, None, None], BONE_WEIGHT * bones(hand), 0)
        for hand, seen in zip(hands, are_seen, strict=True)
    ]
    frames = np.concatenate([part.reshape(len(points), -1) for part in parts], axis=1)
    has_hand = np.logical_or(*are_seen)
    frames = frames[has_hand] if has_hand.any() else frames
    thinned = np.linspace(0, len(frames) - 1, min(len(frames), MOTION_FRAMES))
    return frames[thinned.round().astype(int)]


def mirrored(motion: Motion) -> Motion:
    """The same motion signed with the other hand."""
    points = motion.reshape(len(motion), -1, 2) * (-1, 1)
    arms, hands = points[:, _MIRRORED_ARMS], points[:, len(_MIRRORED_ARMS) :]
    left, right = np.split(hands, 2, axis=1)
    return np.concatenate([arms, right, left], axis=1).reshape(motion.shape)


def bones(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"],
) -> Float64[np.ndarray, "frame _ coordinate=2"]:
    """The direction of each bone, away from the wrist, of length 1; 0 for one without a length."""
    begins, ends = np.array(HAND_LINES).T
    along = hand[:, ends, :2] - hand[:, begins, :2]
    lengths = np.linalg.norm(along, axis=-1, keepdims=True)
    return along / np.where(lengths > 0, lengths, 1)


def warped_distances(motion: Motion, others: Sequence[Motion]) -> Float64[np.ndarray, " take"]:
    """Dynamic time warping (Sakoe and Chiba, 1978) to each of several motions: the least mean
    distance of matched frames.

    Divided by the sum of the lengths, so that long motions are no farther away than short ones.
    """
    longest = max(map(len, others))
    at_once = max(1, _COSTS_AT_ONCE // (len(motion) * longest))
    parts = [others[first : first + at_once] for first in range(0, len(others), at_once)]
    return np.concatenate([_warped_together(motion, part) for part in parts])


def _warped_together(motion: Motion, others: Sequence[Motion]) -> Float64[np.ndarray, " take"]:
    rows, lengths = len(motion), np.array([len(other) for other in others])
    columns = int(lengths.max())
    costs = np.full((len(others), rows, columns), np.inf)
    for cost, other in zip(costs, others, strict=True):
        squares = (motion**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * motion @ other.T
        times = np.abs(np.arange(rows)[:, None] / rows - np.arange(len(other)) / len(other))
        distances = np.sqrt(np.maximum(squares, 0))
        cost[:, : len(other)] = np.where(times > WIDEST_WARP, np.inf, distances)
    # Along an anti-diagonal no cell needs another one: cell (r, c) has the position r + c.
    reached = np.full((len(others), rows + 1, columns + 1), np.inf)
    reached[:, 0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        row = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        column = diagonal - row
        # A diagonal step stands for a step along each motion, and counts twice.
        step = costs[:, row, column]
        aside = np.minimum(reached[:, row, column + 1], reached[:, row + 1, column])
        reached[:, row + 1, column + 1] = np.minimum(
            reached[:, row, column] + 2 * step, aside + step
        )
    return reached[np.arange(len(others)), rows, lengths] / (rows + lengths)


def take_scores(
    asked: Sequence[Motion],
    learned: Sequence[Motion],
    sentence_of_learned: Int64[np.ndarray, " take"],
    num_sentences: int,
) -> Float64[np.ndarray, "video text"]:
    """How near each video is to the nearest learned take of each sentence: distances below zero.

    A take counts as it is and in the mirror. ``sentence_of_learned`` is -1 for one of another
    sentence; a sentence without any take comes last.
    """
    is_asked = sentence_of_learned >= 0
    takes = [take for take, is_used in zip(learned, is_asked, strict=True) if is_used]
    scores = np.full((num_sentences, len(asked)), -np.inf)
    if takes:
        for number, motion in enumerate(track(asked, "takes")):
            # Many sign with either hand, from one take to the next.
            far = np.minimum(*(warped_distances(one, takes) for one in (motion, mirrored(motion))))
            np.maximum.at(scores[:, number], sentence_of_learned[is_asked], -far)
    has_take = np.isfinite(scores)
    lowest = scores[has_take].min() if has_take.any() else 0.0
    return np.where(has_take, scores, lowest - 1).T


def with_takes(
    scores: SplitScores, takes: Float64[np.ndarray, "video text"]
) -> Float64[np.ndarray, "video text"]:
    """The mean similarity of a model's :data:`POSE_STREAMS` and the takes' scores, added up.

    Each is divided by its spread over all pairs, so that both count the same. After Tip-Adapter
    (Zhang et al., ECCV 2022, arXiv 2111.03930), which adds what few examples say to what a model
    says; here the examples need no model.
    """
    streams = [scores.scores[name] for name in POSE_STREAMS if name in scores.scores]
    parts = np.mean(streams, axis=0, dtype=np.float64), takes
    # Where all pairs are alike, a part says nothing.
    return np.sum([part / (part.std() or 1.0) for part in parts], axis=0)


def beside_takes(scores: SplitScores, data: RetrievalData, train_split: str) -> SplitScores:
    """Adds the streams ``takes``, which asks no model, and :data:`WITH_TAKES`.

    Raises ``UsageError`` without keypoints, and ``SplitError`` without training videos.
    """
    reader, gallery = data.reader, scores.gallery
    if reader.pose is None:
        raise UsageError("--takes compares keypoints: it is for runs of the stages fusion and pose")
    learned = data.split(train_split)

    def motions(video_ids: Iterable[str]) -> list[Motion]:
        located = map(reader.locate, video_ids)
        return [motion_of(reader.read_stored_keypoints(video)) for video in located]

    number_of = {sentence: number for number, sentence in enumerate(gallery.sentences)}
    takes = take_scores(
        motions(gallery.video_ids),
        motions(video.video_id for video in learned),
        np.array([number_of.get(video.text, -1) for video in learned]),
        len(gallery.sentences),
    )
    added = {"takes": takes, WITH_TAKES: with_takes(scores, takes)}
    return replace(scores, scores=scores.scores | added)
