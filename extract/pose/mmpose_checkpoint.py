"""Reads the weights out of an MMPose checkpoint without running anything that the file says.

A checkpoint is a pickle, and unpickling calls whatever functions the file names. First torch's own
``weights_only`` reader is tried. Official MMPose files also carry their training's log and
optimiser objects, which that reader refuses; for those a second reader puts an inert object in
the place of everything that is not a tensor, a number, a string or a container.
"""

import collections
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import torch

from seds_core.errors import UsageError


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
    return PoseCheckpoint(_state_dict(content, path), _dataset_meta(content))


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


def _dataset_meta(content: Mapping[str, Any]) -> dict[str, Any] | None:
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
