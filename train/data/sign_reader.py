"""Reads one video from the stores, as the model's streams see it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from seds_core.clip_plan import clip_starts
from seds_core.store.provenance import StoreMismatchError
from train.batches import ClipLayout
from train.data.encoder_input import PoseInput, at_least, encoder_input, hand_frames
from train.data.store_rows import StoreRows
from train.settings import KeypointSettings


@dataclass(frozen=True)
class PoseExample:
    """The keypoints of a video, and where its clips begin in them."""

    frames: PoseInput
    clip_starts: Int64[np.ndarray, " clip"]


@dataclass(frozen=True)
class SignExample:
    """One video with the streams that are used; both have the same clips."""

    pose: PoseExample | None
    rgb: Float32[np.ndarray, "clip rgb"] | None

    @property
    def num_clips(self) -> int:
        """Clips of the video."""
        if self.pose is not None:
            return len(self.pose.clip_starts)
        assert self.rgb is not None, "a video has at least one stream"
        return len(self.rgb)


@dataclass(frozen=True)
class SignReader:
    """Where videos are read from; it may be sent to another process."""

    rgb: StoreRows | None
    """Decides the clips where it is there."""
    pose: StoreRows | None
    layout: ClipLayout
    keypoints: KeypointSettings

    def read(self, video_id: str) -> SignExample:
        """A video that the stores hold.

        Raises ``StoreMismatchError`` when its clips do not lie within its keypoints.
        """
        pose = None if self.pose is None else self._read_pose(self.pose, video_id)
        return SignExample(pose, self._read_features(video_id))

    def read_frames(self, pose: StoreRows, video_id: str) -> PoseInput:
        """The video's timeline before any frame is repeated."""
        entry = pose.videos[video_id]
        keypoints = pose.read(video_id, "keypoints")
        frames = encoder_input(keypoints, (entry.width, entry.height), self.keypoints.rules)
        return hand_frames(frames) if self.keypoints.frames == "hands" else frames

    def _read_pose(self, pose: StoreRows, video_id: str) -> PoseExample:
        frames = at_least(self.read_frames(pose, video_id), self.layout.clip_length)
        starts = self._clip_starts(video_id, frames.num_frames)
        if starts[-1] + self.layout.clip_length > frames.num_frames:
            raise StoreMismatchError(
                f"the last clip of video '{video_id}' begins at timeline frame {starts[-1]}, but "
                f"{pose.path} holds {frames.num_frames} frames of it: extract one of the stores "
                "again from the same videos"
            )
        return PoseExample(frames, starts)

    def _clip_starts(self, video_id: str, num_frames: int) -> Int64[np.ndarray, " clip"]:
        if self.rgb is None:
            starts = clip_starts(num_frames, self.layout.clip_length, self.layout.num_slots)
        else:
            first_frames = self.rgb.read(video_id, "first_frame")
            starts = first_frames // self.rgb.videos[video_id].frame_step
        return starts.astype(np.int64)

    def _read_features(self, video_id: str) -> Float32[np.ndarray, "clip rgb"] | None:
        if self.rgb is None or self.layout.rgb_dim is None:
            return None
        return self.rgb.read(video_id, "features").astype(np.float32, copy=False)
