"""Published RGB features: ``I3D_features/<split>/<video>.pkl`` = {'name', 'feature'}."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Num

from extract.interchange.imported import ImportedVideo, ImportItem, as_float32
from extract.interchange.published_files import PublishedFiles, entry
from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from seds_core.clip_plan import plan_clips
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.provenance import ClipRules, ImportedFrom, Provenance, TimelineRules
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


_LOOKED_AT = 100
"""Files among which one must be readable."""


@dataclass(frozen=True)
class PublishedFeatures:
    """One row a clip; an ``ImportFormat``.

    The files do not say which frames their clips are made of. A pose store does, by the rules that
    the publication chose them by; then a file must hold just as many clips. Without one, first
    frame -1 and frame step 0 stand in every row, and the table of videos has 0 for length, frame
    rate and size: such features can be trained with alone, but not beside keypoints.
    """

    files: PublishedFiles
    form: tuple[int, str]
    """Numbers of a clip and their type, the same in all files."""
    settings: ExtractSettings
    folder_fps: float
    """For the provenance."""
    planned: PlannedClips | None
    """``None``: the clips' frames are not known."""

    @classmethod
    def open(
        cls,
        files: PublishedFiles,
        settings: ExtractSettings,
        folder_fps: float,
        planned: PlannedClips | None,
    ) -> "PublishedFeatures":
        """Learns from the first readable file how wide and how precise features are.

        Raises ``UsageError`` when there is none.
        """
        return cls(files, _first_form(files), settings, folder_fps, planned)

    @property
    def provenance(self) -> Provenance:
        """An RGB store, and what its clips are made of."""
        dim, dtype = self.form
        rgb = self.settings.rgb
        return Provenance.imported(
            self.files.source,
            ImportedFrom(format="published-features", clip_frames_known=self.planned is not None),
            timeline=TimelineRules(
                max_frames=self.settings.frames.max_frames, folder_fps=self.folder_fps
            ),
            rgb=ClipRules(
                clip_length=rgb.clip_length,
                clips=rgb.clips,
                max_clips=rgb.max_clips,
                frames=rgb.frames,
                hand_rules=rgb.hand_rules,
            ),
            pose_store_sha256=self.planned.kept_frames.identity if self.planned else None,
            feature_dim=dim,
            feature_dtype=dtype,
            clip_frames=self.planned.clip_frames if self.planned else 0,
        )

    def items(self) -> list[ImportItem]:
        """The pickles, by path."""
        return self.files.items()

    def read(self, item: ImportItem) -> ImportedVideo:
        """The features of all clips."""
        values, content_hash = self.files.read(item)
        features, num_rounded = _features(item, values)
        if _form(features) != self.form:
            found, first = (f"{dim} {dtype} numbers" for dim, dtype in (_form(features), self.form))
            raise ImportedFileError(item.path, f"has {found} a clip, and the first file {first}")
        clips = self._clips(item, len(features))
        return ImportedVideo(
            rows={"features": features} | clips.rows,
            num_frames=clips.num_frames,
            frame_step=clips.frame_step,
            fps=clips.fps,
            width=clips.width,
            height=clips.height,
            content_hash=content_hash,
            num_rounded=num_rounded,
        )

    def _clips(self, item: ImportItem, num_found: int) -> VideoClips:
        if self.planned is None:
            return unknown_clips(num_found)
        try:
            clips = self.planned.of(item.video_id)
        except VideoNotInStoreError as error:
            raise ImportedFileError(
                item.path, f"which frames its clips are made of is not known: {error}"
            ) from None
        if clips.num_clips != num_found:
            raise ImportedFileError(
                item.path,
                f"has {num_found} clips, but by the keypoints of "
                f"{self.planned.kept_frames.pose.path} and the settings there are "
                f"{clips.num_clips}: look at rgb.frames, rgb.hand_rules and frames.max_frames",
            )
        return clips


def _first_form(files: PublishedFiles) -> tuple[int, str]:
    problem = ""
    for item in files.items()[:_LOOKED_AT]:
        try:
            return _form(_features(item, files.read(item)[0])[0])
        except ImportedFileError as error:
            problem = problem or str(error)
    raise UsageError(f"no features can be read below {files.source}: {problem}")


def _features(
    item: ImportItem, values: Mapping[str, Any]
) -> tuple[Float32[np.ndarray, "clip rgb"] | Float16[np.ndarray, "clip rgb"], int]:
    """The features, and how many numbers changed when they became float32."""
    features: Num[np.ndarray, "clip rgb"] = entry(item, values, "feature")
    if not isinstance(features, np.ndarray) or features.dtype.kind not in "fiu":
        raise ImportedFileError(item.path, "its 'feature' is no array of numbers")
    if features.ndim != 2 or not features.size:
        raise ImportedFileError(
            item.path, f"its 'feature' has shape {features.shape}, not (clips, numbers)"
        )
    return (features, 0) if features.dtype == np.float16 else as_float32(features)


def _form(features: Num[np.ndarray, "clip rgb"]) -> tuple[int, str]:
    """Numbers of a clip, and their type."""
    return features.shape[1], features.dtype.name
