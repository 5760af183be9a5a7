"""Which frames a video's clips are made of, where the files of features do not say it."""

from dataclasses import dataclass

import numpy as np

from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from seds_core.clip_plan import plan_clips
from seds_core.store.reader import VideoEntry, VideoNotInStoreError


@dataclass(frozen=True)
class VideoClips:
    """The clips of one video; 0 stands for what is not known of it."""

    rows: dict[str, np.ndarray]
    """The row arrays of an RGB store, but for the features."""
    num_frames: int = 0
    frame_step: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0

    @property
    def num_clips(self) -> int:
        """Rows of the video."""
        return len(self.rows["first_frame"])


def unknown_clips(num_clips: int) -> VideoClips:
    """Clips of frames that nobody knows: they begin with frame -1, with a step of 0."""
    return VideoClips(
        {
            "first_frame": np.full(num_clips, -1, np.int32),
            "frame_step": np.zeros(num_clips, np.int32),
        }
    )


@dataclass(frozen=True)
class PlannedClips:
    """The clips that a video's features are made of, by its keypoints and the settings.

    As published, frames in which no hand can be used are left out first, unless ``rgb.frames`` is
    ``all``.
    """

    kept_frames: KeptFrames
    settings: ExtractSettings

    @property
    def clip_frames(self) -> int:
        """Frames that every clip's row names; 0 where its first one and the step say it."""
        return self.settings.rgb.clip_length if self.settings.rgb.frames == "hands" else 0

    def of(self, video_id: str) -> VideoClips:
        """The clips of a video. Raises ``VideoNotInStoreError`` for one without keypoints."""
        if self.settings.rgb.frames == "hands":
            return self._of_kept(video_id)
        return self._of_all(video_id)

    def _of_kept(self, video_id: str) -> VideoClips:
        timeline = self.kept_frames.of(video_id, self.settings.frames.max_frames)
        rgb = self.settings.rgb
        clips = timeline.clips(rgb.clip_length, rgb.clip_limit)
        rows = {
            "first_frame": clips[:, 0],
            "frame_step": np.zeros(len(clips), np.int32),
            "frames": clips,
        }
        return _of_video(self.kept_frames.pose.videos[video_id], rows, timeline.frame_step)

    def _of_all(self, video_id: str) -> VideoClips:
        store = self.kept_frames.pose
        if video_id not in store.videos:
            raise VideoNotInStoreError(f"{store.path} has no video '{video_id}'")
        plan = plan_clips(
            store.videos[video_id].num_frames,
            max_frames=self.settings.frames.max_frames,
            clip_length=self.settings.rgb.clip_length,
            max_clips=self.settings.rgb.clip_limit,
        )
        rows = {
            "first_frame": plan.first_frames,
            "frame_step": np.full(len(plan.starts), plan.frame_step, np.int32),
        }
        return _of_video(store.videos[video_id], rows, plan.frame_step)


def _of_video(entry: VideoEntry, rows: dict[str, np.ndarray], frame_step: int) -> VideoClips:
    return VideoClips(
        rows, entry.num_frames, frame_step, entry.fps, entry.width, entry.height
    )  # fmt: skip
