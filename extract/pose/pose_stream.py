"""Decoded videos become keypoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from extract.pose.estimate import (
    NoBoxError,
    PersonBoxes,
    PersonBoxSource,
    PoseEstimator,
    PosePiece,
    WholeFrameBoxes,
    pose_pieces,
    pose_rows,
)
from extract.pose.provenance import pose_provenance
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Rows
from extract.videos.decoding import DecodedVideo, confirmed_frames, expected_frames
from extract.videos.part import VideoError
from seds_core.clip_plan import timeline_length, timeline_step
from seds_core.store.provenance import Provenance, WeightsRecord, device_kind


def load_estimator(
    settings: PoseSettings, device: torch.device
) -> tuple[PoseEstimator, WeightsRecord]:
    """The estimator, and what a store has to remember of it.

    Raises ``UsageError`` for an unknown model or weights that do not fit, ``UnavailableError``
    for weights or a package that cannot be had here.
    """
    if settings.detector == "mediapipe":
        from extract.pose.mediapipe_estimator import (  # noqa: PLC0415 - optional
            MediaPipeEstimator,
            describe_mediapipe,
        )

        return MediaPipeEstimator(), describe_mediapipe()
    from extract.pose.mmpose_estimator import MMPoseEstimator  # noqa: PLC0415 - takes seconds
    from extract.pose.mmpose_model import load_mmpose_model  # noqa: PLC0415
    from extract.pose.provenance import find_model  # noqa: PLC0415

    source = find_model(settings.model, settings.checkpoint)
    model = load_mmpose_model(source, device, flip_test=settings.flip_test)
    estimator = MMPoseEstimator(model, device, settings.precision, batch_size=settings.batch_size)
    return estimator, model.provenance


def load_person_boxes(settings: PoseSettings, device: torch.device) -> PersonBoxSource:
    """Gives every video its boxes: call the result with the video's id and its frame step."""
    if settings.person_box == "detector":
        return _detected_boxes(settings, device)
    if settings.person_box_file is not None:
        from extract.pose.box_table import BoxTable  # noqa: PLC0415

        return BoxTable(settings.person_box_file).for_video
    return lambda _video_id, _frame_step: WholeFrameBoxes(settings.person_threshold)


def _detected_boxes(settings: PoseSettings, device: torch.device) -> PersonBoxSource:
    from extract.pose.person_detector import (  # noqa: PLC0415 - torchvision takes seconds
        DetectedBoxes,
        load_person_detector,
    )

    detect = load_person_detector(settings.person_detector, device)

    def boxes(_video_id: str, _frame_step: int) -> PersonBoxes:
        return DetectedBoxes(detect, settings.person_detector)

    return boxes


@dataclass(frozen=True)
class PoseStream:
    """A frozen keypoint detector and where it looks: an ``extract.stream.Stream``."""

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
    def batch_size(self) -> int:
        """A piece is a frame."""
        return self.settings.pose.batch_size

    def pieces(self, video: DecodedVideo) -> Iterator[PosePiece]:
        """The timeline's frames, cropped to the person."""
        return pose_pieces(
            self.estimator,
            self._boxes(video),
            confirmed_frames(video),
            batch_size=self.batch_size,
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
