"""The pose stream: a decoded video becomes one row of keypoints a frame."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from extract.pose.person_boxes import (
    BoxTable,
    KnownBoxes,
    NoBoxError,
    PersonBoxes,
    PersonBoxSource,
    WholeFrameBoxes,
)
from extract.pose.person_crop import PersonCut, PlainCrop
from extract.pose.provenance import find_model, pose_provenance
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Rows
from extract.videos.decoding import DecodedVideo, confirmed_frames, expected_frames
from extract.videos.part import VideoError
from seds_core.clip_plan import timeline_length, timeline_step
from seds_core.keypoints import missing_keypoints
from seds_core.store.provenance import Provenance, WeightsRecord, device_kind

UPPER_BODY = [0, 5, 6, 7, 8, 9, 10]
"""Nose, shoulders, elbows and wrists: what every signer shows."""


@runtime_checkable  # beartype asks isinstance
class PoseEstimator(Protocol):
    """Finds the keypoints of one person in every frame."""

    @property
    def crop(self) -> PlainCrop | None:
        """The region of a frame that it needs; ``None`` where it looks at frames by itself."""

    def start_video(self) -> None:
        """Forgets everything about the frames prepared so far."""

    def prepared(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[Any]:
        """Returns for each frame what the network needs of the person in its box.

        ``frames`` are RGB and follow the frames of the previous call in the same video. May run in
        another thread than :meth:`keypoints`, at the same time.
        """

    def keypoints(
        self, prepared: Sequence[Any]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Returns x, y in pixels of the frame, and confidence, of prepared frames of any videos.

        A point that was looked for in vain is NaN, NaN, 0. What is found in a frame does not depend
        on the others, to the bit.
        """


@dataclass(frozen=True)
class PosePiece:
    """One frame on its way through the keypoint model."""

    frame: int
    """Its number in the video."""
    prepared: Any
    """The estimator's; ``None`` where there is no box."""
    box: Float32[np.ndarray, " box=4"]
    """The region that the estimator is given, in pixels; NaN where there is none."""
    required_confidence: float
    """Mean confidence of the upper body from which the box truly holds a person."""


@dataclass(frozen=True)
class PoseStream:
    """A frozen keypoint detector and where it looks: an ``extract.stream.Stream``."""

    estimator: PoseEstimator
    person_boxes: PersonBoxSource
    provenance: Provenance
    settings: ExtractSettings

    @classmethod
    def load(cls, settings: ExtractSettings, device: str) -> "PoseStream":
        """Loads the detector; raises ``UnavailableError`` when its weights cannot be had."""
        estimator, model = load_estimator(settings.pose, torch.device(device))
        boxes = load_person_boxes(settings.pose, torch.device(device))
        provenance = pose_provenance(settings, model, device_kind(device))
        return cls(estimator, boxes, provenance, settings)

    @property
    def batch_size(self) -> int:
        """A piece is a frame."""
        return self.settings.pose.batch_size

    def cut(self, video_id: str) -> PersonCut | None:
        """The signer's regions, where they are known beforehand; else the video's own pixels."""
        try:
            boxes = self.person_boxes(video_id)
        except NoBoxError:
            return None  # said when the video is opened
        crop = self.estimator.crop
        return PersonCut(crop, boxes) if crop and isinstance(boxes, KnownBoxes) else None

    def num_rows(self, video: DecodedVideo) -> int:
        """Frames of the video's timeline."""
        # A video without a box in the table fails here, before a frame is read.
        self._boxes(video)
        num_frames = expected_frames(video)
        step = timeline_step(num_frames, self.settings.frames.max_frames)
        return timeline_length(num_frames, step)

    def pieces(self, video: DecodedVideo) -> Iterator[PosePiece]:
        """The timeline's frames, cropped to the person."""
        cut = video.job.cut
        return pose_pieces(
            self.estimator,
            self._boxes(video),
            confirmed_frames(video),
            (video.properties.width, video.properties.height),
            frame_step=video.frame_step,
            cut=cut if isinstance(cut, PersonCut) else None,
        )

    def rows(self, pieces: Sequence[PosePiece]) -> list[Rows]:
        """One row a frame: keypoints, whether a person was found, the box, the frame."""
        return pose_rows(self.estimator, pieces)

    def _boxes(self, video: DecodedVideo) -> PersonBoxes:
        try:
            return self.person_boxes(video.job.video_id)
        except NoBoxError as error:
            raise VideoError(video.job.path, str(error)) from None


def load_estimator(
    settings: PoseSettings, device: torch.device
) -> tuple[PoseEstimator, WeightsRecord]:
    """Loads the estimator, and describes it as a store has to remember it.

    Raises ``UsageError`` for an unknown model or weights that do not fit, ``UnavailableError``
    for weights or a package that cannot be had here.
    """
    # Only what the settings ask for is imported: each takes seconds, and MediaPipe is optional.
    if settings.detector == "mediapipe":
        from extract.pose.mediapipe_estimator import (  # noqa: PLC0415
            MediaPipeEstimator,
            describe_mediapipe,
        )

        return MediaPipeEstimator(), describe_mediapipe()
    from extract.pose.mmpose_estimator import MMPoseEstimator  # noqa: PLC0415
    from extract.pose.mmpose_model import load_mmpose_model  # noqa: PLC0415

    source = find_model(settings.model, settings.checkpoint)
    model = load_mmpose_model(source, device, flip_test=settings.flip_test)
    estimator = MMPoseEstimator(model, device, settings.precision, batch_size=settings.batch_size)
    return estimator, model.provenance


def load_person_boxes(settings: PoseSettings, device: torch.device) -> PersonBoxSource:
    """Loads what gives every video its boxes, called with the video's id."""
    if settings.person_box == "detector":
        from extract.pose.person_detector import (  # noqa: PLC0415 - torchvision takes seconds
            DetectedBoxes,
            load_person_detector,
        )

        detect = load_person_detector(settings.person_detector, device)
        return lambda _video_id: DetectedBoxes(detect, settings.person_detector)
    if settings.person_box_file is not None:
        return BoxTable(settings.person_box_file).for_video
    return lambda _video_id: WholeFrameBoxes(settings.person_threshold)


def pose_pieces(
    estimator: PoseEstimator,
    boxes: PersonBoxes,
    chunks: Iterable[UInt8[np.ndarray, "_ height width channel=3"]],
    size: tuple[int, int],
    *,
    frame_step: int = 1,
    cut: PersonCut | None = None,
) -> Iterator[PosePiece]:
    """Every frame of one video's timeline, which is every ``frame_step``-th frame of the video.

    ``boxes`` belongs to this video alone, ``size`` is the width and height of its frames, of which
    ``chunks`` hold what ``cut`` has left.
    """
    estimator.start_video()
    prepared = cut.prepared if cut and cut.crop.cuts(size) else estimator.prepared
    timeline = count(0, frame_step)
    for frames in chunks:
        numbers = list(islice(timeline, len(frames)))
        # Frames without a box are not prepared; their pieces go along empty, in order.
        found = boxes.boxes(frames, numbers, size)
        seen = found.is_found
        # Large frames are not copied for nothing.
        shown = frames if seen.all() else frames[seen]
        people = iter(prepared(shown, found.boxes[seen]) if seen.any() else [])
        for number, is_seen, box in zip(numbers, seen, found.boxes, strict=True):
            person = next(people) if is_seen else None
            yield PosePiece(number, person, box, boxes.required_confidence)


def pose_rows(estimator: PoseEstimator, pieces: Sequence[PosePiece]) -> list[Rows]:
    """One row a frame: keypoints, whether there is a person, the box, the frame's number.

    Where no person was found, ``person_found`` is False, x and y are NaN and the confidence is 0.
    """
    keypoints = missing_keypoints(len(pieces))
    # Only frames with a box go through the network, from whatever videos they come.
    seen = [index for index, piece in enumerate(pieces) if piece.prepared is not None]
    if seen:
        keypoints[seen] = estimator.keypoints([pieces[index].prepared for index in seen])
    # A box of the whole frame holds a person only if the keypoints say so.
    person_found = have_person(keypoints, [piece.required_confidence for piece in pieces])
    keypoints[~person_found] = missing_keypoints(1)
    rows = {
        "keypoints": keypoints,
        "person_found": person_found,
        "person_box": np.stack([piece.box for piece in pieces]),
        "frame": np.array([piece.frame for piece in pieces], np.int32),
    }
    return [
        {name: values[index : index + 1] for name, values in rows.items()}
        for index in range(len(pieces))
    ]


def have_person(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    required_confidence: Sequence[float],
) -> Bool[np.ndarray, " frame"]:
    """Whether each frame's upper body has any confidence, and the required one on average."""
    confidence = keypoints[:, UPPER_BODY, 2].mean(axis=1)
    return (confidence > 0) & (confidence >= np.asarray(required_confidence, np.float32))
