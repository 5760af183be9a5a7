"""From the settings to a ready pose estimator, and to the boxes that it will look at."""

import torch

from extract.pose.estimate import LoadedPoseModel, PoseEstimator
from extract.pose.person_box import PersonBoxes, PersonBoxSource, WholeFrameBoxes
from extract.pose.settings import PoseSettings


def load_estimator(
    settings: PoseSettings, device: torch.device
) -> tuple[PoseEstimator, LoadedPoseModel]:
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
    from extract.pose.model_aliases import find_model  # noqa: PLC0415

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
