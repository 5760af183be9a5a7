"""Weights once read: where they came from, and how they get into a network."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from extract.rgb.weights_files import LoadedWeights, describe_file
from extract.weights_cache import WeightsUnavailable

_RANDOM_SEED = 0
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class WeightsFile:
    """A file's tensors, by the names that the architecture's published weights use."""

    path: Path
    tensors: Mapping[str, Tensor]

    def describe(self, name: str) -> LoadedWeights:
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
            + "; ".join(f"{what}: {_first(names)}" for what, names in differences.items() if names)
        )
    network.load_state_dict(dict(weights.tensors), strict=False)


def random_network(build: Callable[[], nn.Module]) -> tuple[nn.Module, LoadedWeights]:
    """A network with reproducible random weights, for trying things out without a file."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(_RANDOM_SEED)
        network = build()
        for parameter in network.parameters():
            if parameter.dim() > 1:  # PyTorch's own choice lets a signal die out in deep networks.
                nn.init.kaiming_normal_(parameter)
    source = f"random numbers, seed {_RANDOM_SEED}"
    return network, LoadedWeights("random", source, _tensors_sha256(network), is_random=True)


def _named_tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.state_dict().items() if not _is_counter(name)}


def _is_counter(name: str) -> bool:
    """Batch norm's count of training steps, which plays no part here and is often left out."""
    return name.endswith("num_batches_tracked")


def _first(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _tensors_sha256(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(_named_tensors(network).items()):
        digest.update(name.encode())
        digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()
