"""Writes weights as a small file that torch reads without running code (``weights_only``)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch


def write_light_checkpoint(
    state_dict: Mapping[str, torch.Tensor], dataset_meta: Mapping[str, Any], path: Path
) -> None:
    """Stores matrices and kernels as float16, everything else as it is, in MMPose's layout.

    Loading into a float32 model makes them float32 again. The file appears whole or not at all.
    """
    content = {
        "state_dict": {name: _stored(tensor) for name, tensor in state_dict.items()},
        "meta": {"dataset_meta": plain(dict(dataset_meta))},
    }
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    torch.save(content, unfinished)
    unfinished.replace(path)


def plain(value: Any) -> Any:  # noqa: ANN401 - any nesting of containers
    """The value with lists and numbers in the place of numpy arrays and numpy numbers."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    """One-dimensional tensors keep float32: running variances may be tiny, and they are small."""
    tensor = tensor.detach().cpu()
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor.clone()
