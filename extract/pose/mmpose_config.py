"""What MMPose's config files say of a model: read, checked, and told apart by their content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.pose.provenance import (
    RANDOM,
    PoseModelSource,
    model_weights,
)
from seds_core.errors import UsageError
from seds_core.files import file_sha256
from seds_core.store.provenance import WeightsRecord


@dataclass(frozen=True)
class TopdownConfig:
    """A config with all that it inherits, as far as it decides keypoints."""

    path: Path
    config: Any
    """mmengine's ``Config``."""
    model: Mapping[str, Any]
    """What the network is built of, without what is only for training."""
    pipeline: list[dict[str, Any]]
    """The transforms from an image and a box to the network's input."""

    @property
    def scope(self) -> str:
        """The registry in which types are looked up first."""
        return str(self.config.get("default_scope") or "mmpose")

    @property
    def sha256(self) -> str:
        """Of everything in it that decides keypoints, wherever the file lies."""
        # The digest stands in stores: what goes into it, and how, cannot change.
        content = {
            "scope": self.scope,
            "custom_imports": self.config.get("custom_imports"),
            "model": self.model,
            "pipeline": self.pipeline,
            "keypoints": _keypoints_described(self.config),
        }
        text = json.dumps(_plain(content), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read_config(source: PoseModelSource, *, flip_test: bool) -> TopdownConfig:
    """Reads the config of a model; ``UsageError`` says what is wrong with a user's own."""
    from mmengine.config import Config  # noqa: PLC0415 - takes a second

    try:
        config: Any = Config.fromfile(source.config)
    except Exception as error:  # a config is a program: it may fail in any way whatever
        raise UsageError(
            f"{source.config} cannot be read as an MMPose config ({type(error).__name__}: {error})"
        ) from error
    model: Any = config.get("model")
    if not isinstance(model, dict) or model.get("type") != "TopdownPoseEstimator":
        raise UsageError(f"{source.config} is not the config of a top-down pose estimator")
    for part in ("backbone", "head"):
        if not isinstance(model.get(part), dict):
            raise UsageError(f"{source.config}: its model has no {part}")
    # What is only for training, or would be downloaded, does not belong to the model that is run.
    model["train_cfg"] = None
    model["backbone"].pop("init_cfg", None)  # Weights of the backbone alone, from the internet.
    model["backbone"].pop("_scope_", None)  # Would look for mmdet.
    # What the settings ask for replaces the config's own choice.
    asked = {"flip_test": flip_test, "output_heatmaps": False}
    model["test_cfg"] = (model.get("test_cfg") or {}) | asked
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    if not dataset.get("pipeline"):
        raise UsageError(
            f"{source.config} has no test_dataloader.dataset.pipeline, which says how an image "
            "becomes the network's input"
        )
    return TopdownConfig(source.config, config, model, dataset["pipeline"])


def describe_model(source: PoseModelSource, config: TopdownConfig) -> WeightsRecord:
    """Describes a model for a store; fetches its weights, but builds no network."""
    is_random = source.checkpoint == RANDOM
    # Configs of MMPose's own are named by a path that does not depend on where it is installed.
    parts = source.config.parts
    is_mmposes = ".mim" in parts
    path = "/".join(parts[parts.index(".mim") + 1 :]) if is_mmposes else str(source.config)
    return WeightsRecord(
        name=source.name,
        config=path,
        source=source.checkpoint,
        sha256="" if is_random else file_sha256(model_weights(source)),
        is_random=is_random,
        config_sha256=config.sha256,
        model_sha256="",
    )


def _keypoints_described(config: Any) -> Any:  # noqa: ANN401 - any JSON value
    """What MMPose takes from the training data: the description of the keypoints.

    A file counts by its content instead of its name.
    """
    dataset = (config.get("train_dataloader") or {}).get("dataset") or {}
    metainfo = dataset.get("metainfo", dataset.get("type"))
    # MMPose's own description is named by a path inside its package, a user's by a real one.
    file = metainfo.get("from_file") if isinstance(metainfo, dict) else None
    if file is not None and Path(file).is_file():
        return file_sha256(Path(file))
    return metainfo


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same for the same content: texts, numbers, lists and dictionaries."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if value is None or isinstance(value, str | int | float | bool):
        return value
    # Classes and functions of a config are known by their names.
    return getattr(value, "__qualname__", None) or repr(value)
