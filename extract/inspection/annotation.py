"""What stores know of one video, drawn onto its frames."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32

from extract.decoding.frame import Frame
from extract.inspection.drawing import Picture, draw_clip_bar, draw_keypoints, write_label
from seds_core.store.reader import StoreReader


@dataclass(frozen=True)
class Clips:
    """The clips of a video in an RGB store."""

    first_frames: Int32[np.ndarray, " clip"]
    num_frames: int
    """Frames of the video that a clip spans."""


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
            picture, frame_index, self.num_frames, clips.first_frames, clips.num_frames
        )


def read_annotation(stores: list[StoreReader], video_id: str) -> Annotation:
    """Collects what the stores hold of a video; raises ``UsageError`` when one has not got it."""
    clips: Clips | None = None
    keypoints: Keypoints | None = None
    for store in stores:
        rows = store.rows(video_id)
        if store.provenance.kind == "rgb":
            length = int(store.provenance.settings["rgb"]["clip_length"])
            clips = Clips(rows["first_frame"], length * int(rows["frame_step"][0]))
        else:
            keypoints = Keypoints(rows["frame"], rows["keypoints"], rows["person_found"])
    entry = stores[0].videos[video_id]
    return Annotation(Path(entry.path), entry.num_frames, entry.fps, clips, keypoints)
