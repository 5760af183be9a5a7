"""What decides the keypoints of a run: which model a name means, config, files, settings.

MMPose's config files are read, checked, and told apart by their content. Loads without torch and
MMPose, so that a finished run is recognised at once.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import yaml

from extract.settings import ExtractSettings, PoseSettings
from extract.videos.frame import DECODING_RULES
from extract.weights_cache import WeightsUnavailable, cached_download, sha256_prefix_in_name
from seds_core.errors import UnavailableError, UsageError
from seds_core.files import file_sha256
from seds_core.store.provenance import DeviceKind, Provenance, WeightsRecord

DEMO = "demo"
"""Our own small model, trained on drawn signers: works offline, serves demonstrations."""

DRAWN_CORPUS_FILE = "corpus.json"
"""Lies in the folder above drawn signers' videos, the only ones that the demo model is for."""

NO_DOWNLOAD = "Without a download, --detector mediapipe finds keypoints with models of its package"

RANDOM = "random"
"""Instead of a checkpoint: untrained weights."""

ALIASES = {
    "rtmpose-m": "rtmpose-m_8xb64-270e_coco-wholebody-256x192",
    "rtmpose-l": "rtmpose-l_8xb64-270e_coco-wholebody-256x192",
    "rtmpose-l-384": "rtmpose-l_8xb32-270e_coco-wholebody-384x288",
    "rtmw-m": "rtmw-m_8xb1024-270e_cocktail14-256x192",
    "rtmw-l": "rtmw-l_8xb1024-270e_cocktail14-256x192",
    "rtmw-l-384": "rtmw-l_8xb320-270e_cocktail14-384x288",
    "rtmw-x": "rtmw-x_8xb704-270e_cocktail14-256x192",
    "rtmw-x-384": "rtmw-x_8xb320-270e_cocktail14-384x288",
    "hrnet-w32": "td-hm_hrnet-w32_8xb64-210e_coco-wholebody-256x192",
    "hrnet-w32-384": "td-hm_hrnet-w32_8xb64-210e_coco-wholebody-384x288",
    "hrnet-w48": "td-hm_hrnet-w48_8xb32-210e_coco-wholebody-256x192",
    "hrnet-w48-384": "td-hm_hrnet-w48_8xb32-210e_coco-wholebody-384x288",
    "hrnet-w48-dark-384": "td-hm_hrnet-w48_dark-8xb32-210e_coco-wholebody-384x288",
}
"""Short name -> the model's name in MMPose's lists. Numbers after the size are input heights; the
others take 256x192."""


@dataclass(frozen=True)
class PoseModelSource:
    """Where a model comes from."""

    name: str
    config: Path
    """MMPose config file."""
    checkpoint: str
    """Path or address of the weights, or ``random``."""


def find_model(name: str, checkpoint: str | None = None) -> PoseModelSource:
    """Finds a model: by an alias, a name in MMPose's lists, ``demo`` or a config's path.

    ``checkpoint`` replaces the published weights; a config's path cannot do without. Raises
    ``UsageError`` for an unknown name, with the nearest known one.
    """
    if name == DEMO:
        # By its path: the demo stands beside the pipeline, which never imports it.
        folder = Path(__file__).parents[1] / "demo"
        published = folder / "demo_wholebody.pth"
        return PoseModelSource(name, folder / "pose_config.py", checkpoint or str(published))
    if name.endswith(".py"):
        config = Path(name)
        if not config.is_file():
            raise UsageError(f"there is no config file {config}")
        if checkpoint is None:
            raise UsageError(
                f"the config {config} needs a checkpoint: the path or address of its weights, or "
                f"'{RANDOM}' for untrained ones"
            )
        return PoseModelSource(config.stem, config, checkpoint)
    # Any other name must be an alias or stand in MMPose's own lists.
    listed = published_models()
    full_name = ALIASES.get(name, name)
    if full_name not in listed:
        close = get_close_matches(name, [DEMO, *ALIASES, *listed], n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise UsageError(
            f"there is no pose model '{name}'. {hint}Known are {', '.join([DEMO, *ALIASES])}, "
            "every whole-body model in MMPose's own lists, and the path of a config file (.py)"
        )
    source = listed[full_name]
    return PoseModelSource(name, source.config, checkpoint or source.checkpoint)


def model_weights(source: PoseModelSource) -> Path:
    """Finds the file of a model's weights, downloaded if need be.

    Raises ``WeightsUnavailable``, which names the way that needs no download.
    """
    try:
        return local_checkpoint(source.checkpoint)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(f"{error}. {NO_DOWNLOAD}") from error


@cache
def published_models() -> dict[str, PoseModelSource]:
    """All whole-body models in the lists of the installed MMPose, by their full names."""
    root = mmpose_files()
    models = {}
    for path in sorted(root.glob("configs/wholebody_2d_keypoint/**/*.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["Models"]:
            source = PoseModelSource(entry["Name"], root / entry["Config"], entry["Weights"])
            models[source.name] = source
    return models


def mmpose_files() -> Path:
    """The folder of configs and model lists inside the installed mmpose, found without its import.

    Raises ``UnavailableError`` when mmpose is not installed.
    """
    spec = find_spec("mmpose")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("mmpose is not installed; install this project again")
    return Path(spec.submodule_search_locations[0]) / ".mim"


DETECTOR_ADDRESSES = {
    "fasterrcnn_resnet50_fpn_v2": "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
    "ssdlite320_mobilenet_v3_large": "ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
}
"""torchvision's person detector -> its published weights, told without importing torchvision."""


def detector_weights(network: str) -> Path:
    """The file of a person detector's weights, downloaded into the cache if need be."""
    return local_checkpoint(f"https://download.pytorch.org/models/{DETECTOR_ADDRESSES[network]}")


def local_checkpoint(checkpoint: str) -> Path:
    """The file of a checkpoint given by path or address, downloaded into the cache if need be."""
    # Addresses carry their checksum in the file name, where the publisher has put one.
    if urlparse(checkpoint).scheme in ("http", "https", "file"):
        file_name = PurePosixPath(urlparse(checkpoint).path).name
        return cached_download(
            checkpoint, file_name, sha256_prefix=sha256_prefix_in_name(file_name)
        )
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        raise UsageError(f"there is no checkpoint {path}")
    return path


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


def pose_provenance(
    settings: ExtractSettings, model: WeightsRecord, device: DeviceKind
) -> Provenance:
    """What a store remembers of keypoints that ``model`` finds; fetches the detector's weights."""
    # The files that give the boxes decide keypoints too, if boxes are asked for.
    table = settings.pose.person_box_file
    if settings.pose.person_box == "detector":
        weights = detector_weights(settings.pose.person_detector.network)
        model = replace(model, person_detector_sha256=file_sha256(weights))
    elif table is not None:
        model = replace(model, person_box_file_sha256=file_sha256(table))
    return Provenance.extracted(
        settings.model_dump(
            mode="json", include={"frames", "pose"}, exclude={"pose": {"batch_size"}}
        ),
        model,
        device=device,
        decoding=DECODING_RULES,
    )


def describe_pose_model(settings: PoseSettings) -> WeightsRecord:
    """What a store remembers of the model; fetches its weights, but builds no network.

    Raises what :func:`extract.pose.pose_stream.load_estimator` raises.
    """
    if settings.detector == "mediapipe":
        from extract.pose.mediapipe_estimator import describe_mediapipe  # noqa: PLC0415 - optional

        return describe_mediapipe()

    source = find_model(settings.model, settings.checkpoint)
    return describe_model(source, read_config(source, flip_test=settings.flip_test))
