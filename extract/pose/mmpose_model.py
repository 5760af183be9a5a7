"""Imports mmpose, builds its networks, fills them, and makes them ready for inference.

mmpose 1.3.2 imports ``mmcv.ops.MultiScaleDeformableAttention`` and
``mmdet.utils.{ConfigType, reduce_mean}`` whatever model is used, though only its ED-Pose and RTMO
models call them, and mmcv-lite has neither. Placeholders answer those imports and are taken out
again afterwards, so that a later look for mmcv's operators or for mmdet finds what is installed.
"""

import copy
import importlib
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from extract.fast_paths import pays_on
from extract.pose.provenance import (
    RANDOM,
    PoseModelSource,
    TopdownConfig,
    describe_model,
    model_weights,
    read_config,
)
from seds_core.errors import UsageError
from seds_core.keypoints import NUM_KEYPOINTS
from seds_core.store.provenance import WeightsRecord
from seds_core.torch_files import fill_network, read_content, tensors_in

_PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "mmcv.ops": ("MultiScaleDeformableAttention",),
    "mmdet": (),
    "mmdet.utils": ("ConfigType", "reduce_mean"),
}
"""Module -> the names that mmpose imports from it at module level."""

_MMPOSE_MODULES = ("mmpose.models", "mmpose.apis", "mmpose.datasets", "mmpose.engine")

# Placeholders in ``sys.modules`` are seen by all threads, so that one imports at a time.
_lock = threading.Lock()


def import_mmpose() -> None:
    """Imports mmpose once and registers its models; further calls do nothing.

    Call it before any ``import mmpose`` elsewhere. Raises ImportError with what to install when
    mmpose, mmengine or mmcv is missing.
    """
    with _lock:
        # mmpose registers its models while it is imported, so one import is enough for a process.
        if all(name in sys.modules for name in _MMPOSE_MODULES):
            return
        with warnings.catch_warnings(), _placeholders_for_what_is_missing():
            warnings.simplefilter("ignore")  # Old syntax, old calls of torch and numpy.
            for name in _MMPOSE_MODULES:
                _import_or_explain(name)


def _import_or_explain(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        message = (
            f"mmpose could not be imported ({error}). Expected mmpose 1.3, mmengine and mmcv-lite "
            "or mmcv as this project's pyproject.toml names them; install the project again."
        )
        raise ImportError(message) from error


@contextmanager
def _placeholders_for_what_is_missing() -> Iterator[None]:
    """Puts placeholder modules into ``sys.modules``, only where nothing real can be imported."""
    missing = []
    for name in _PLACEHOLDERS:
        # Only importing tells: mmcv-lite ships the source of mmcv.ops without its compiled part,
        # and mmdet stops with an AssertionError beside an mmcv that is too new for it.
        try:
            importlib.import_module(name)
        except (ImportError, AssertionError):
            missing.append(name)
    placed = {name: _placeholder(name, _PLACEHOLDERS[name]) for name in missing}
    sys.modules.update(placed)
    try:
        yield
    finally:
        # A module that was really imported meanwhile stays.
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _placeholder(name: str, attributes: tuple[str, ...]) -> ModuleType:
    module = ModuleType(name, "Stands in while mmpose is imported.")
    package = "mmcv" if name.startswith("mmcv") else "mmdet"

    # Says what is missing if a model that needs it is built after all.
    def refuse(*_arguments: object, full_name: str, **_named: object) -> object:
        raise ImportError(
            f"{full_name} is needed by this model: install the full {package} package."
        )

    for attribute in attributes:
        setattr(module, attribute, partial(refuse, full_name=f"{name}.{attribute}"))
    return module


_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`torch\.cuda\.amp\.autocast", FutureWarning),  # The old name, in CSPNeXt's forward.
    (r"The metainfo config file .* does not exist", UserWarning),  # It finds its own copy.
    (r"Passing more than 2 positional arguments to np\.maximum", DeprecationWarning),  # DARK.
)


@contextmanager
def known_warnings_silenced() -> Iterator[None]:
    """Hides MMPose's harmless warnings within the block, and no others."""
    with warnings.catch_warnings():
        for message, category in _HARMLESS:
            warnings.filterwarnings("ignore", message, category)
        yield


_RANDOM_SEED = 0


@dataclass(frozen=True)
class MMPoseModel:
    """A model ready for evaluation, and what belongs to it."""

    network: Any
    """mmpose's ``TopdownPoseEstimator``."""
    pipeline: list[dict[str, Any]]
    """Config of the transforms from an image and a box to the network's input."""
    dataset_meta: dict[str, Any]
    """MMPose's description of the keypoints."""
    provenance: WeightsRecord


def load_mmpose_model(
    source: PoseModelSource, device: torch.device, *, flip_test: bool
) -> MMPoseModel:
    """Builds the model of ``source`` on ``device``.

    Raises ``UsageError`` for a config that is no 133-keypoint top-down model, and for weights that
    do not fit it, listing what is missing or too much.
    """
    config = read_config(source, flip_test=flip_test)
    import_mmpose()
    from mmpose.apis.inference import dataset_meta_from_config  # noqa: PLC0415
    from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: PLC0415

    with known_warnings_silenced():
        network = _build(config)
        whole_body = {"from_file": "configs/_base_/datasets/coco_wholebody.py"}
        dataset_meta = dataset_meta_from_config(config.config) or parse_pose_metainfo(whole_body)
    if source.checkpoint != RANDOM:
        # The weights' file knows best which keypoints it finds.
        dataset_meta = _load_weights(network, model_weights(source)) or dataset_meta
    provenance = describe_model(source, config)
    return MMPoseModel(network.to(device).eval(), config.pipeline, dataset_meta, provenance)


def _build(config: TopdownConfig) -> Any:  # noqa: ANN401 - mmpose's estimator
    """Builds the network with reproducible starting weights; downloads nothing."""
    from mmengine.registry import init_default_scope  # noqa: PLC0415
    from mmpose.models.builder import build_pose_estimator  # noqa: PLC0415

    # Types are looked up in the config's own registry first.
    init_default_scope(config.scope)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_RANDOM_SEED)
        try:
            network = build_pose_estimator(config.model)
        except Exception as error:  # MMPose's and mmcv's own, for whatever the config says
            raise UsageError(
                f"MMPose cannot build the model of {config.path} ({type(error).__name__}: {error})"
            ) from error
    # What the head says counts, not what the config calls itself.
    num_keypoints = getattr(network.head, "out_channels", None)
    if num_keypoints != NUM_KEYPOINTS:
        raise UsageError(
            f"{config.path} finds {num_keypoints} keypoints; expected the {NUM_KEYPOINTS} of "
            "COCO-WholeBody"
        )
    return network


def _load_weights(network: torch.nn.Module, path: Path) -> dict[str, Any] | None:
    """Fills the network from the file; returns the file's own description of its keypoints.

    Files of MMPose's training also hold objects of its log and its optimiser, which are ignored.
    """
    content = read_content(path, ignore_objects=True)
    fill_network(network, tensors_in(content, path), path)
    meta = content.get("meta")
    description = meta.get("dataset_meta") if isinstance(meta, Mapping) else None
    # An ignored object may have left an inert one here, which MMPose could make nothing of.
    return description if isinstance(description, dict) and _is_plain(description) else None


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.keys())) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return value is None or isinstance(value, str | int | float | bool | np.generic)


# Ready for inference: a batch norm after a convolution is a scale and a shift, which the
# convolution's own weights take over. On a CPU the images' channels lie side by side, oneDNN keeps
# the weights in the order in which it reads them, and applies the activation before it writes a
# result. The last bits change.
_ACTIVATIONS = {torch.nn.SiLU: "swish", torch.nn.ReLU: "relu"}
"""torch's module -> oneDNN's name."""


def ready_for_inference(network: torch.nn.Module, device: torch.device) -> Any:  # noqa: ANN401
    """Copies mmpose's pose estimator ``network``, which lies on ``device``, for fast inference.

    The head keeps its memory layout: its features must be contiguous.
    """
    from mmcv.cnn import fuse_conv_bn  # noqa: PLC0415

    # A copy, because folding a batch norm twice would spoil the network.
    fast: Any = copy.deepcopy(network).eval()
    if pays_on("folded pose norms", device):
        fuse_conv_bn(fast)
    if device.type != "cpu":
        return fast
    # Backbone and neck alone: the head reads contiguous features.
    for part in [fast.backbone, *([fast.neck] if fast.with_neck else [])]:
        part.to(memory_format=torch.channels_last)
        if can_pack():
            _replace_blocks(part)
    return fast


def can_pack() -> bool:
    """Whether this torch has the private oneDNN operations of :class:`PackedConvolution`.

    Tried out, as another version of torch may have others.
    """
    from mmcv.cnn import ConvModule  # noqa: PLC0415

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        PackedConvolution(ConvModule(1, 1, 1))(torch.zeros(1, 1, 1, 1))
    except (AttributeError, TypeError, RuntimeError):
        return False
    return True


def _replace_blocks(parent: torch.nn.Module) -> None:
    """Replaces every block that allows it by a :class:`PackedConvolution`."""
    for name, child in parent.named_children():
        if PackedConvolution.can_replace(child):
            setattr(parent, name, PackedConvolution(child))
        else:
            _replace_blocks(child)


class PackedConvolution(torch.nn.Module):
    """A convolution and its activation as one oneDNN operation, for inference on a CPU."""

    @staticmethod
    def can_replace(block: torch.nn.Module) -> bool:
        """Whether it is mmcv's block of a plain convolution, no norm and a known activation."""
        from mmcv.cnn import ConvModule  # noqa: PLC0415

        if type(block) is not ConvModule or type(block.conv) is not torch.nn.Conv2d:
            return False
        # oneDNN's operation pads with zeros and computes in float32, and does nothing else.
        is_plain = (
            block.order == ("conv", "norm", "act")
            and not block.with_explicit_padding
            and not block.with_spectral_norm
            and block.conv.padding_mode == "zeros"
            and block.conv.weight.dtype == torch.float32
        )
        has_no_norm = block.norm is None or isinstance(block.norm, torch.nn.Identity)
        is_known = not block.with_activation or type(block.activate) in _ACTIVATIONS
        return is_plain and has_no_norm and is_known

    def __init__(self, block: Any) -> None:  # noqa: ANN401 - mmcv's ConvModule
        super().__init__()
        convolution = block.conv
        self._activation = _ACTIVATIONS[type(block.activate)] if block.with_activation else "none"
        self._geometry = (
            convolution.padding,
            convolution.stride,
            convolution.dilation,
            convolution.groups,
        )
        self._weight = convolution.weight.detach()
        self._bias = convolution.bias.detach() if convolution.bias is not None else None

    def forward(
        self, images: Float32[torch.Tensor, "frame _ _ _"]
    ) -> Float32[torch.Tensor, "frame _ _ _"]:
        """The block's result; the first images decide in which order the weights are kept."""
        # The best order of the weights depends on the size of the images.
        if not self._weight.is_mkldnn:
            self._weight = torch._C._nn.mkldnn_reorder_conv2d_weight(  # type: ignore[call-arg]
                self._weight.to_mkldnn(), *self._geometry, images.shape
            )
        # The last two arguments are for activations that have parameters, such as a slope.
        return torch.ops.mkldnn._convolution_pointwise(
            images, self._weight, self._bias, *self._geometry, self._activation, [], ""
        )
