"""Builds an MMPose network and loads its checkpoint."""

import collections
import importlib
import pickle
import sys
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import torch

from extract.pose.mmpose_config import TopdownConfig, describe_model, read_config
from extract.pose.provenance import RANDOM, PoseModelSource, model_weights
from seds_core.errors import UsageError, first_names
from seds_core.keypoints import NUM_KEYPOINTS
from seds_core.store.provenance import WeightsRecord

# FROM extract/pose/mmpose_checkpoint.py
# Reads the weights out of an MMPose checkpoint without running anything that the file says.
#
# A checkpoint is a pickle, and unpickling calls whatever functions the file names. First torch's own
# ``weights_only`` reader is tried. Official MMPose files also carry their training's log and
# optimiser objects, which that reader refuses; for those a second reader puts an inert object in
# the place of everything that is not a tensor, a number, a string or a container.


class CheckpointError(UsageError):
    """A file that holds no weights that can be read safely; the message names it."""


@dataclass(frozen=True)
class PoseCheckpoint:
    """What is kept of a checkpoint file."""

    state_dict: dict[str, torch.Tensor]
    dataset_meta: dict[str, Any] | None
    """MMPose's description of the keypoints, if the file has it in plain values."""


def read_checkpoint(path: Path) -> PoseCheckpoint:
    """The weights in the file at ``path``, on the CPU; raises :class:`CheckpointError`."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # Whatever stops this reader: the next one gets further, or says why not.
        content = _read_with_inert_objects(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return PoseCheckpoint(_state_dict(content, path), _dataset_meta_of_checkpoint(content))


def _read_with_inert_objects(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    # These two older formats make torch.load unpack archives and load programs.
    if _is_torchscript(path) or tarfile.is_tarfile(path):
        raise CheckpointError(f"{path} is a TorchScript or tar archive, not a checkpoint")
    inert_pickle = SimpleNamespace(
        __name__="inert_pickle", Unpickler=InertUnpickler, load=_load_inert
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of weights_only=False, numpy of old names
            return torch.load(
                path, map_location="cpu", weights_only=False, pickle_module=inert_pickle
            )
    except Exception as error:  # A hostile or broken file may fail in any way whatever.
        raise CheckpointError(f"{path} is not a readable checkpoint ({error})") from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


class Inert:
    """Stands where a file asks for a type that is not known: takes all values, does nothing."""

    def __new__(cls, *_arguments: object, **_named: object) -> "Inert":
        """Ignore the arguments."""
        return super().__new__(cls)

    def __init__(self, *_arguments: object, **_named: object) -> None:
        """Ignore the arguments."""

    def __setstate__(self, _state: object) -> None:
        """Ignore the state."""

    def __setitem__(self, _key: object, _value: object) -> None:
        """Ignore the entry, where the file thinks of a mapping."""

    def append(self, _value: object) -> None:
        """Ignore the element, where the file thinks of a list."""

    def extend(self, _values: object) -> None:
        """Ignore the elements."""


class InertUnpickler(pickle.Unpickler):
    """An unpickler in which only harmless constructors exist."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in pickle
        """The harmless object of that name, :class:`Inert` for every other name."""
        return _HARMLESS_GLOBALS.get((module, name), Inert)


def _load_inert(file: BinaryIO, **options: Any) -> Any:  # noqa: ANN401 - as in pickle
    return InertUnpickler(file, **options).load()


def _encoded(text: str, encoding: str) -> bytes:
    """How older pickles write bytes."""
    return text.encode(encoding)


_NUMPY_GLOBALS: dict[tuple[str, str], Any] = {
    (module, name): getattr(np._core.multiarray, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
}
"""Under the module names of numpy 1 and 2."""


class _Sealed:
    """A function whose attributes a pickle cannot change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401 - the function's result
        return self._function(*arguments)

    def __setstate__(self, _state: object) -> None:
        raise pickle.UnpicklingError("the file changes a function of torch")


_HARMLESS_GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _Sealed(_encoded),
    ("torch._utils", "_rebuild_tensor"): _Sealed(torch._utils._rebuild_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Sealed(torch._utils._rebuild_tensor_v2),
    ("torch._utils", "_rebuild_parameter"): _Sealed(torch._utils._rebuild_parameter),
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **_NUMPY_GLOBALS,
}


def _state_dict(content: Mapping[str, Any], path: Path) -> dict[str, torch.Tensor]:
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(f"{path} has no 'state_dict' with weights")
    strange = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise CheckpointError(f"{path}: these are not tensors: {', '.join(map(str, strange[:8]))}")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def _dataset_meta_of_checkpoint(content: Mapping[str, Any]) -> dict[str, Any] | None:
    meta = content.get("meta")
    dataset_meta = meta.get("dataset_meta") if isinstance(meta, Mapping) else None
    return (
        dict(dataset_meta) if isinstance(dataset_meta, dict) and _is_plain(dataset_meta) else None
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.keys())) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return value is None or isinstance(value, str | int | float | bool | np.generic)


# FROM extract/pose/mmpose_imports.py
# Imports mmpose beside mmcv-lite, which lacks two modules that mmpose asks for by name.
#
# mmpose 1.3.2 imports ``mmcv.ops.MultiScaleDeformableAttention`` and
# ``mmdet.utils.{ConfigType, reduce_mean}`` whatever model is used, though only its ED-Pose and RTMO
# models call them. Placeholders answer those imports and are taken out again afterwards, so that a
# later look for mmcv's operators or for mmdet finds what is truly installed.


_PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "mmcv.ops": ("MultiScaleDeformableAttention",),
    "mmdet": (),
    "mmdet.utils": ("ConfigType", "reduce_mean"),
}
"""Module -> the names that mmpose imports from it at module level."""

_MMPOSE_MODULES = ("mmpose.models", "mmpose.apis", "mmpose.datasets", "mmpose.engine")

_lock = threading.Lock()


def import_mmpose() -> None:
    """Imports mmpose once and registers its models; further calls do nothing.

    Call it before any ``import mmpose`` elsewhere. Raises ImportError with what to install when
    mmpose, mmengine or mmcv is missing.
    """
    with _lock:
        if all(name in sys.modules for name in _MMPOSE_MODULES):
            return
        with _without_import_warnings(), _placeholders_for_what_is_missing():
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
    missing = [name for name in _PLACEHOLDERS if not _is_importable(name)]
    placed = {name: _placeholder(name, _PLACEHOLDERS[name]) for name in missing}
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _is_importable(name: str) -> bool:
    """Whether the real module works here.

    Only importing tells: mmcv-lite ships the source of ``mmcv.ops`` without its compiled part, and
    mmdet stops with an AssertionError beside an mmcv that is too new for it.
    """
    try:
        importlib.import_module(name)
    except (ImportError, AssertionError):
        return False
    return True


def _placeholder(name: str, attributes: tuple[str, ...]) -> ModuleType:
    module = ModuleType(name, "Stands in while mmpose is imported.")
    for attribute in attributes:
        setattr(module, attribute, _refusal(f"{name}.{attribute}"))
    return module


def _refusal(full_name: str) -> Callable[..., object]:
    """A stand-in that says what is missing if a model that needs it is built after all."""

    def refuse(*_arguments: object, **_named: object) -> object:
        package = "mmcv" if full_name.startswith("mmcv") else "mmdet"
        message = f"{full_name} is needed by this model: install the full {package} package."
        raise ImportError(message)

    return refuse


@contextmanager
def _without_import_warnings() -> Iterator[None]:
    """Silences what mmpose's own imports warn of: old syntax, old torch and numpy calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`torch\.cuda\.amp\.autocast", FutureWarning),  # The old name, in CSPNeXt's forward.
    (r"The metainfo config file .* does not exist", UserWarning),  # It finds its own copy.
    (r"Passing more than 2 positional arguments to np\.maximum", DeprecationWarning),  # DARK.
)


@contextmanager
def known_warnings_silenced() -> Iterator[None]:
    """Within this block MMPose's harmless warnings are not shown, all others are."""
    with warnings.catch_warnings():
        for message, category in _HARMLESS:
            warnings.filterwarnings("ignore", message, category)
        yield


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
    provenance: WeightsRecord


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
            f"{path} does not fit the model. "
            f"Missing: {first_names(missing, _LISTED_NAMES) or 'nothing'}. "
            f"Unexpected: {first_names(unexpected, _LISTED_NAMES) or 'nothing'}"
        )
    return checkpoint.dataset_meta


def _dataset_meta_of_config(config: Any) -> dict[str, Any]:  # noqa: ANN401 - mmengine's Config
    from mmpose.apis.inference import dataset_meta_from_config  # noqa: PLC0415
    from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: PLC0415

    whole_body = {"from_file": "configs/_base_/datasets/coco_wholebody.py"}
    return dataset_meta_from_config(config) or parse_pose_metainfo(whole_body)
