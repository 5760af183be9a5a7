"""Builds a top-down whole-body model of MMPose and puts checked weights into it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from extract.pose.estimate import LoadedPoseModel
from extract.pose.mmpose_checkpoint import CheckpointError, read_checkpoint
from extract.pose.mmpose_config import TopdownConfig, describe_model, read_config
from extract.pose.mmpose_imports import import_mmpose
from extract.pose.mmpose_warnings import known_warnings_silenced
from extract.pose.model_aliases import RANDOM, PoseModelSource, model_weights
from seds_core.errors import UsageError
from seds_core.keypoints import NUM_KEYPOINTS

_RANDOM_SEED = 0
_LISTED_NAMES = 8


@dataclass(frozen=True)
class MMPoseModel:
    """A model ready for evaluation, and what belongs to it."""

    network: Any
    """mmpose's ``TopdownPoseEstimator``."""
    pipeline: list[dict[str, Any]]
    """Config of the transforms from an image and a box to the network's input."""
    dataset_meta: dict[str, Any]
    """MMPose's description of the keypoints."""
    provenance: LoadedPoseModel


def load_mmpose_model(
    source: PoseModelSource, device: torch.device, *, flip_test: bool
) -> MMPoseModel:
    """The model of ``source`` on ``device``.

    Raises ``UsageError`` for a config that is no 133-keypoint top-down model, and
    ``CheckpointError`` for weights that do not fit it, listing what is missing or too much.
    """
    config = read_config(source, flip_test=flip_test)
    import_mmpose()
    with known_warnings_silenced():
        network = _build(config)
        dataset_meta = _dataset_meta_of_config(config.config)
    if source.checkpoint != RANDOM:
        dataset_meta = _load_weights(network, model_weights(source)) or dataset_meta
    provenance = describe_model(source, config)
    return MMPoseModel(network.to(device).eval(), config.pipeline, dataset_meta, provenance)


def _build(config: TopdownConfig) -> Any:  # noqa: ANN401 - mmpose's estimator
    """The network with reproducible starting weights; nothing is downloaded."""
    from mmengine.registry import init_default_scope  # noqa: PLC0415
    from mmpose.models.builder import build_pose_estimator  # noqa: PLC0415

    init_default_scope(config.scope)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_RANDOM_SEED)
        try:
            network = build_pose_estimator(config.model)
        except Exception as error:  # MMPose's and mmcv's own, for whatever the config says
            raise UsageError(
                f"MMPose cannot build the model of {config.path} ({type(error).__name__}: {error})"
            ) from error
    num_keypoints = getattr(network.head, "out_channels", None)
    if num_keypoints != NUM_KEYPOINTS:
        raise UsageError(
            f"{config.path} finds {num_keypoints} keypoints; expected the {NUM_KEYPOINTS} of "
            "COCO-WholeBody"
        )
    return network


def _load_weights(network: torch.nn.Module, path: Path) -> dict[str, Any] | None:
    """Fill the network from the file; gives the file's own description of its keypoints."""
    checkpoint = read_checkpoint(path)
    try:
        missing, unexpected = network.load_state_dict(checkpoint.state_dict, strict=False)
    except RuntimeError as error:  # Tensors of another shape; torch lists them.
        raise CheckpointError(f"{path} does not fit the model: {error}") from error
    if missing or unexpected:
        raise CheckpointError(
            f"{path} does not fit the model. Missing: {_listed(missing)}. "
            f"Unexpected: {_listed(unexpected)}"
        )
    return checkpoint.dataset_meta


def _dataset_meta_of_config(config: Any) -> dict[str, Any]:  # noqa: ANN401 - mmengine's Config
    from mmpose.apis.inference import dataset_meta_from_config  # noqa: PLC0415
    from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: PLC0415

    whole_body = {"from_file": "configs/_base_/datasets/coco_wholebody.py"}
    return dataset_meta_from_config(config) or parse_pose_metainfo(whole_body)


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing"
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return f"{', '.join(names[:_LISTED_NAMES])}{more}"
