"""Which frames of a video the published timeline keeps: those in which a pose store shows a hand.

Every k-th frame of a long video, then only frames with a usable hand; clips are windows over what
is left. SEDS (arXiv 2407.16394), as its published code has it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from seds_core.clip_plan import (
    clip_frames,
    clip_starts,
    places_of,
    timeline_frames,
    timeline_length,
    timeline_step,
)
from seds_core.hands import HandRules, usable_hands
from seds_core.store.layout import Provenance, StoreMismatchError
from seds_core.store.reader import StoreReader, VideoNotInStoreError

FrameChunk = UInt8[np.ndarray, "_ height width channel=3"]


@dataclass(frozen=True)
class KeptTimeline:
    """The frames of one video that its clips are made of."""

    num_frames: int
    """Of the video, those beside the timeline included."""
    frame_step: int
    """Frames of the video of which one is looked at."""
    frames: Int32[np.ndarray, " frame"]
    """Numbers, in the video, of the frames that are kept; there may be none."""

    def clips(self, clip_length: int, max_clips: int | None) -> Int32[np.ndarray, "clip frame"]:
        """Each clip's frames; a timeline shorter than a clip repeats its last one.

        No kept frames make no clips.
        """
        if not len(self.frames):
            return np.empty((0, clip_length), np.int32)
        starts = clip_starts(len(self.frames), clip_length, max_clips)
        return clip_frames(self.frames, starts, clip_length)

    def select(self, chunks: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
        """The kept ones among the pictures of every ``frame_step``-th frame, in chunks too."""
        is_kept = np.zeros(timeline_length(self.num_frames, self.frame_step), bool)
        is_kept[self.frames // self.frame_step] = True
        first = 0
        for chunk in chunks:
            # A video longer than it was said to be has frames that nobody has looked at.
            kept = np.compress(is_kept[first : first + len(chunk)], chunk, axis=0)
            if len(kept):
                yield kept
            first += len(chunk)


@dataclass(frozen=True)
class KeptFrames:
    """An opened pose store and the rules by which a hand counts as usable."""

    pose: StoreReader
    rules: HandRules

    @classmethod
    def open(cls, pose_store: Path, rules: HandRules) -> "KeptFrames":
        """Opens a store; raises ``StoreMismatchError`` for one that does not hold keypoints."""
        store = StoreReader(pose_store)
        if store.provenance.kind != "pose":
            raise StoreMismatchError(
                f"{pose_store} is a store of kind {store.provenance.kind}: the frames to keep are "
                "found in a store of kind pose (seds-extract pose, or import)"
            )
        return cls(store, rules)

    def of(self, video_id: str, max_frames: int | None) -> KeptTimeline:
        """The frames of a video that are kept when its timeline has at most ``max_frames``.

        Raises ``VideoNotInStoreError`` for a video that the pose store lacks, or of which it lacks
        a frame that has to be looked at.
        """
        if video_id not in self.pose.videos:
            reason = self.pose.failures.get(video_id, {}).get("reason", "it was never extracted")
            raise VideoNotInStoreError(f"{self.pose.path} has no video '{video_id}': {reason}")
        entry = self.pose.videos[video_id]
        step = timeline_step(entry.num_frames, max_frames)
        frames = timeline_frames(entry.num_frames, step)
        run = slice(entry.first_row, entry.first_row + entry.num_rows)
        rows = places_of(frames, self._row_frames[run])
        if rows is None:
            made_with = self.pose.provenance.settings["frames"]["max_frames"]
            raise VideoNotInStoreError(
                f"{self.pose.path} lacks frames of the video '{video_id}': it was made with "
                f"frames.max_frames {made_with}, and {max_frames} is asked; use the same for both"
            )
        keypoints = self.pose.arrays.read_rows("keypoints", run.start, run.stop)[rows]
        hands = usable_hands(keypoints, (entry.width, entry.height), self.rules)
        return KeptTimeline(entry.num_frames, step, frames[hands.has_hand])

    @cached_property
    def identity(self) -> str:
        """SHA-256 of everything that decides the store's keypoints, but for the device."""
        nothing = Provenance(kind="pose", settings={}, weights={}).decided()
        decided = "\n".join(
            f"{name}: {value} / {nothing.get(name, 'not set')}"
            for name, value in sorted(self.pose.provenance.decided().items())
            if name != "device" and value != nothing.get(name)
        )
        return hashlib.sha256(decided.encode()).hexdigest()

    @cached_property
    def _row_frames(self) -> Int32[np.ndarray, " row"]:
        """Frame numbers of all rows: read whole, as every small read costs milliseconds."""
        return self.pose.arrays.read_rows("frame", 0, self.pose.num_rows)
