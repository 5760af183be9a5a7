"""A video's timeline as the pose encoder sees it, and where clips begin in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from seds_core.clip_plan import clip_frames, places_of, timeline_frames
from seds_core.store.layout import StoreMismatchError
from train.data.encoder_input import PoseInput, at_frames, encoder_input
from train.data.store_rows import LocatedVideo, StoreRows
from train.settings import KeypointSettings


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
