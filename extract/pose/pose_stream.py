"""The pose stream: a decoded video becomes 133 keypoints a timeline frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from extract.pose.estimate import PoseEstimator, PosePiece, pose_pieces, pose_rows
from extract.pose.loading import load_estimator, load_person_boxes
from extract.pose.person_box import NoBoxError, PersonBoxes, PersonBoxSource
from extract.pose.pose_provenance import pose_provenance
from extract.run.stream import Rows
from extract.settings import ExtractSettings
from extract.videos.decoded_video import DecodedVideo, confirmed_frames, expected_frames
from extract.videos.part import VideoError
from seds_core.clip_plan import timeline_length, timeline_step
from seds_core.store.layout import Provenance, device_kind


@dataclass(frozen=True)
class PoseStream:
    """A frozen keypoint detector and where it looks: an ``extract.run.stream.Stream``."""

    estimator: PoseEstimator
    person_boxes: PersonBoxSource
    provenance: Provenance
    settings: ExtractSettings

    fit = None
    """Keypoints are found in the video's own pixels."""

    @classmethod
    def load(cls, settings: ExtractSettings, device: str) -> "PoseStream":
        """Loads the detector; raises ``UnavailableError`` when its weights cannot be had."""
        estimator, model = load_estimator(settings.pose, torch.device(device))
        boxes = load_person_boxes(settings.pose, torch.device(device))
        provenance = pose_provenance(settings, model, device_kind(device))
        return cls(estimator, boxes, provenance, settings)

    def num_rows(self, video: DecodedVideo) -> int:
        """Frames of the video's timeline."""
        self._boxes(video)
        num_frames = expected_frames(video)
        return timeline_length(num_frames, timeline_step(num_frames, self._max_frames))

    @property
    def pass_size(self) -> int:
        """A piece is a frame."""
        return self.settings.pose.batch_size

    def pieces(self, video: DecodedVideo) -> Iterator[PosePiece]:
        """The timeline's frames, cropped to the person."""
        return pose_pieces(
            self.estimator,
            self._boxes(video),
            confirmed_frames(video),
            batch_size=self.pass_size,
            frame_step=video.frame_step,
        )

    def rows(self, pieces: Sequence[PosePiece]) -> list[Rows]:
        """One row a frame: keypoints, whether somebody was found, the box, the frame."""
        return pose_rows(self.estimator, pieces)

    def _boxes(self, video: DecodedVideo) -> PersonBoxes:
        try:
            return self.person_boxes(video.job.video_id, video.frame_step)
        except NoBoxError as error:
            raise VideoError(video.job.path, str(error)) from None

    @property
    def _max_frames(self) -> int | None:
        return self.settings.frames.max_frames
