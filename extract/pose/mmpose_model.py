"""Builds a top-down whole-body model of MMPose and puts checked weights into it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from extract.pose.estimate import LoadedPoseModel
from extract.pose.mmpose_checkpoint import CheckpointError, read_checkpoint
from extract.pose.mmpose_imports import import_mmpose
from extract.pose.mmpose_warnings import known_warnings_silenced
from extract.pose.model_aliases import DEMO, RANDOM, PoseModelSource, local_checkpoint
from extract.weights_cache import file_sha256
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
    import_mmpose()
    with known_warnings_silenced():
        config = _config(source)
        network = _build(config, source, flip_test=flip_test)
        dataset_meta, sha256 = _dataset_meta(config), ""
    if source.checkpoint != RANDOM:
        path = local_checkpoint(source.checkpoint)
        dataset_meta, sha256 = _load_weights(network, path) or dataset_meta, file_sha256(path)
    return MMPoseModel(
        network.to(device).eval(),
        config.test_dataloader.dataset.pipeline,
        dataset_meta,
        LoadedPoseModel(
            source.name,
            _short_path(source.config),
            source.checkpoint,
            sha256,
            is_random=source.checkpoint == RANDOM,
        ),
    )


def _config(source: PoseModelSource) -> Any:  # noqa: ANN401 - mmengine's Config
    if source.name == DEMO:
        from extract.demo_pose.model_config import demo_pose_config  # noqa: PLC0415

        return demo_pose_config()
    from mmengine.config import Config  # noqa: PLC0415

    return Config.fromfile(source.config)


def _build(config: Any, source: PoseModelSource, *, flip_test: bool) -> Any:  # noqa: ANN401
    """The network with reproducible starting weights; nothing is downloaded."""
    from mmengine.registry import init_default_scope  # noqa: PLC0415
    from mmpose.models.builder import build_pose_estimator  # noqa: PLC0415

    if config.get("model", {}).get("type") != "TopdownPoseEstimator":
        raise UsageError(f"{source.config} is not the config of a top-down pose estimator")
    model = config.model
    model.train_cfg = None
    model.backbone.pop("init_cfg", None)  # Weights of the backbone alone, from the internet.
    model.backbone.pop("_scope_", None)  # Would look for mmdet.
    model.test_cfg = {**(model.get("test_cfg") or {}), "flip_test": flip_test}
    model.test_cfg["output_heatmaps"] = False
    init_default_scope(config.get("default_scope", "mmpose"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_RANDOM_SEED)
        network = build_pose_estimator(model)
    num_keypoints = getattr(network.head, "out_channels", None)
    if num_keypoints != NUM_KEYPOINTS:
        raise UsageError(
            f"{source.config} finds {num_keypoints} keypoints; expected the {NUM_KEYPOINTS} of "
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


def _dataset_meta(config: Any) -> dict[str, Any]:  # noqa: ANN401 - mmengine's Config
    from mmpose.apis.inference import dataset_meta_from_config  # noqa: PLC0415
    from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: PLC0415

    whole_body = {"from_file": "configs/_base_/datasets/coco_wholebody.py"}
    return dataset_meta_from_config(config) or parse_pose_metainfo(whole_body)


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing"
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return f"{', '.join(names[:_LISTED_NAMES])}{more}"


def _short_path(config: Path) -> str:
    """A path that does not depend on where MMPose is installed."""
    parts = config.parts
    return "/".join(parts[parts.index(".mim") + 1 :]) if ".mim" in parts else str(config)
