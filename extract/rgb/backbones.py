"""A frozen video network with its weights, ready to turn frames into features."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from extract.rgb.architectures import Architecture, NamedWeights, find_architecture, nearest
from extract.rgb.checkpoint_file import read_checkpoint
from extract.rgb.frame_preparation import FramePreparation
from extract.rgb.video_network import VideoNetwork, freeze
from extract.rgb.weights import WeightsFile, fill, random_network
from extract.rgb.weights_files import LoadedWeights
from extract.videos.frame import FrameFit
from seds_core.errors import UsageError

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
    weights: LoadedWeights
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
) -> tuple[VideoNetwork, LoadedWeights]:
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
