"""Reads the tensors of a PyTorch checkpoint without running anything that the file says.

A checkpoint is a pickle, and a pickle may call any function it names. PyTorch's ``weights_only``
reader calls none but its own; the numbers that NumPy leaves in training checkpoints are allowed
in addition, because making a number does nothing else.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from extract.rgb.weights import WeightsFile
from extract.weights_cache import WeightsUnavailable


def read_checkpoint(path: Path) -> WeightsFile:
    """The tensors under ``state_dict`` (or at the top), names without a leading ``module.``.

    Raises ``WeightsUnavailable`` for a file that is no checkpoint or needs more than tensors.
    """
    checkpoint = _load(path)
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise WeightsUnavailable(
            f"{path} is no checkpoint of a network: expected tensors by name, at the top or under "
            f"'state_dict', found {type(checkpoint).__name__}"
        )
    return WeightsFile(path, {str(name).removeprefix("module."): t for name, t in state.items()})


def _load(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsUnavailable(
            f"{path} is damaged, or holds more than tensors and numbers and was not read because "
            f"such a file can run code. Expected a checkpoint saved with torch.save. "
            f"({_first_line(error)})"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsUnavailable(
            f"{path} cannot be read as a PyTorch checkpoint ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _numpy_numbers() -> list[Any]:
    """What pickled NumPy numbers and arrays name, under the module paths of NumPy 1 and 2."""
    scalar = np.float64(0).__reduce__()[0]
    reconstruct = np.empty(0).__reduce__()[0]
    by_path = [
        (function, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for function, name in ((scalar, "scalar"), (reconstruct, "_reconstruct"))
    ]
    kinds = ("bool", "int32", "int64", "float32", "float64")
    return [*by_path, np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in kinds)]


_NUMPY_NUMBERS = _numpy_numbers()
