"""What decides the keypoints of a run, told from its settings and files; no network is loaded."""

from dataclasses import asdict
from typing import Any

from extract.pose.estimate import LoadedPoseModel
from extract.pose.model_aliases import detector_weights, find_model
from extract.pose.settings import PoseSettings
from extract.settings import ExtractSettings
from extract.videos.frame import DECODING_RULES
from extract.weights_cache import file_sha256
from seds_core.store.layout import DeviceKind, Provenance


def pose_provenance(
    settings: ExtractSettings, model: LoadedPoseModel, device: DeviceKind
) -> Provenance:
    """What a store remembers of keypoints that ``model`` finds; fetches the detector's weights."""
    return Provenance(
        kind="pose",
        settings=settings.model_dump(
            mode="json",
            include={"frames": True, "pose": True},
            exclude={"pose": {"batch_size"}},
        ),
        weights=asdict(model) | _files_of_boxes(settings.pose),
        device=device,
        decoding=DECODING_RULES,
    )


def describe_pose_model(settings: PoseSettings) -> LoadedPoseModel:
    """What a store remembers of the model; fetches its weights, but builds no network.

    Raises what :func:`extract.pose.loading.load_estimator` raises.
    """
    if settings.detector == "mediapipe":
        from extract.pose.mediapipe_estimator import describe_mediapipe  # noqa: PLC0415 - optional

        return describe_mediapipe()
    from extract.pose.mmpose_config import describe_model, read_config  # noqa: PLC0415 - mmengine

    source = find_model(settings.model, settings.checkpoint)
    return describe_model(source, read_config(source, flip_test=settings.flip_test))


def _files_of_boxes(settings: PoseSettings) -> dict[str, Any]:
    if settings.person_box == "detector":
        weights = detector_weights(settings.person_detector.network)
        return {"person_detector_sha256": file_sha256(weights)}
    table = settings.person_box_file
    return {"person_box_file_sha256": file_sha256(table)} if table else {}
