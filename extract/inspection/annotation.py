"""What stores know of one video, drawn onto its frames."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32

from extract.inspection.drawing import Picture, draw_clip_bar, draw_keypoints, write_label
from extract.videos.frame import Frame
from extract.videos.part import VideoPart, read_part_name
from seds_core.store.reader import StoreReader


@dataclass(frozen=True)
class Clips:
    """The clips of a video in an RGB store."""

    first_frames: Int32[np.ndarray, " clip"]
    end_frames: Int32[np.ndarray, " clip"]
    """The frame after the last one of each clip."""


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of a video in a pose store."""

    frames: Int32[np.ndarray, " row"]
    keypoints: Float32[np.ndarray, "row keypoint=133 coordinate=3"]
    person_found: Bool[np.ndarray, " row"]

    def at(self, frame_index: int) -> int:
        """The row that holds for a frame: its own, or the last one before it."""
        return max(0, int(np.searchsorted(self.frames, frame_index, side="right")) - 1)


@dataclass(frozen=True)
class Annotation:
    """All that is to be drawn for one video."""

    path: Path
    part: VideoPart
    num_frames: int
    fps: float
    clips: Clips | None
    keypoints: Keypoints | None

    def draw(self, frame: Frame, frame_index: int, width: int) -> Picture:
        """The frame, scaled to ``width`` pixels, with skeleton, frame number and clip bar."""
        scale = width / frame.shape[1]
        size = width, round(frame.shape[0] * scale)
        picture: Picture = cv2.resize(
            frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        label = f"frame {frame_index}"
        if self.keypoints is not None:
            row = self.keypoints.at(frame_index)
            points = self.keypoints.keypoints[row].copy()
            points[:, :2] = (points[:, :2] + 0.5) * scale - 0.5  # pixel centres lie at half pixels
            picture = draw_keypoints(picture, points)
            if not self.keypoints.person_found[row]:
                label += " nobody found"
        write_label(picture, label)
        if self.clips is None:
            return picture
        clips = self.clips
        return draw_clip_bar(
            picture, frame_index, self.num_frames, clips.first_frames, clips.end_frames
        )


def read_annotation(stores: list[StoreReader], video_id: str) -> Annotation:
    """Collects what the stores hold of a video; raises ``UsageError`` when one has not got it."""
    clips: Clips | None = None
    keypoints: Keypoints | None = None
    for store in stores:
        rows = store.rows(video_id)
        if store.provenance.kind == "rgb":
            clips = _clips(rows, int(store.provenance.settings["rgb"]["clip_length"]))
        else:
            keypoints = Keypoints(rows["frame"], rows["keypoints"], rows["person_found"])
    entry = stores[0].videos[video_id]
    return Annotation(*read_part_name(entry.path), entry.num_frames, entry.fps, clips, keypoints)


def _clips(rows: dict[str, np.ndarray], clip_length: int) -> Clips | None:
    """``None`` for imported features whose frames nobody knows."""
    first_frames = rows["first_frame"]
    if (first_frames < 0).any():
        return None
    if "frames" in rows:
        return Clips(first_frames, rows["frames"][:, -1] + np.int32(1))
    return Clips(first_frames, first_frames + np.int32(clip_length) * rows["frame_step"])
