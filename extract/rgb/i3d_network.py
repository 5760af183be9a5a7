"""Inception I3D, the video network of the published RGB features.

Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017 (arXiv 1705.07750), Fig. 3.
Tensor names are those of the published PyTorch checkpoints.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch.nn.functional as F  # noqa: N812 - the name that PyTorch users know
from jaxtyping import Float
from torch import Tensor, nn

from extract.rgb.i3d_layers import ONE, THREE, ConvolutionUnit, InceptionBlock, MaxPool
from extract.rgb.receptive_fields import shared_part
from extract.rgb.shared_layers import SharedPositions
from extract.rgb.video_network import VideoNetwork

FEATURE_DIM = 1024

_SHARED_STAGES = (0, 3, 5)
"""Where the layers of a stage begin that clips share: a convolution in time, then layers that mix
no frames. The stages end at Mixed_3b: half of the arithmetic, and later clips share little."""
_SHARED_KERNELS = ((7, 2), (3, 1))
"""Kernel and stride in time of the stages' convolutions."""
_WORTH_SHARING = 0.95
"""Putting the inputs together costs a few per cent."""


def _trunk() -> dict[str, nn.Module]:
    """The layers up to Mixed_5c, in order, by their published names."""
    return {
        "Conv3d_1a_7x7": ConvolutionUnit(3, 64, (7, 7, 7), (2, 2, 2)),
        "MaxPool3d_2a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
        "Conv3d_2b_1x1": ConvolutionUnit(64, 64, ONE),
        "Conv3d_2c_3x3": ConvolutionUnit(64, 192, THREE),
        "MaxPool3d_3a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
        "Mixed_3b": InceptionBlock(192, (64, 96, 128, 16, 32, 32)),
        "Mixed_3c": InceptionBlock(256, (128, 128, 192, 32, 96, 64)),
        "MaxPool3d_4a_3x3": MaxPool(THREE, (2, 2, 2)),
        "Mixed_4b": InceptionBlock(480, (192, 96, 208, 16, 48, 64)),
        "Mixed_4c": InceptionBlock(512, (160, 112, 224, 24, 64, 64)),
        "Mixed_4d": InceptionBlock(512, (128, 128, 256, 24, 64, 64)),
        "Mixed_4e": InceptionBlock(512, (112, 144, 288, 32, 64, 64)),
        "Mixed_4f": InceptionBlock(528, (256, 160, 320, 32, 128, 128)),
        "MaxPool3d_5a_2x2": MaxPool((2, 2, 2), (2, 2, 2)),
        "Mixed_5b": InceptionBlock(832, (256, 160, 320, 32, 128, 128)),
        "Mixed_5c": InceptionBlock(832, (384, 192, 384, 48, 128, 128)),
    }


def sharing_pays(starts: Sequence[int], clip_length: int) -> bool:
    """Whether clips overlap enough to share the layers before Mixed_3b.

    By taps counted, the two convolutions in time weighing alike: for clips of 16 frames they take
    5.9 and 7.6 thousand million multiply-adds.
    """
    return shared_part(starts, clip_length, _SHARED_KERNELS) < _WORTH_SHARING


def _pooled_features(x: Tensor, layers: Iterable[nn.Module]) -> Tensor:
    for layer in layers:
        x = layer(x)
    return F.avg_pool3d(x, (2, 7, 7), stride=1).mean(dim=(2, 3, 4))


class InceptionI3D(VideoNetwork):
    """Inception I3D for clips of 224 x 224 pixels and at least 9 frames."""

    def __init__(self, num_classes: int) -> None:
        """Make the layers, for a classifier of ``num_classes``."""
        super().__init__()
        trunk = _trunk()
        self._layer_names = tuple(trunk)
        for name, layer in trunk.items():
            self.add_module(name, layer)
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(FEATURE_DIM, num_classes, ONE)})

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb=1024"]:
        """Average pool (2, 7, 7) of Mixed_5c, averaged over the positions that this leaves.

        A clip of 16 frames leaves one position.
        """
        return _pooled_features(clips, self._layers())

    def window_features(
        self,
        frames: Float[Tensor, "channel=3 frame height width"],
        starts: Sequence[int],
        clip_length: int,
    ) -> Float[Tensor, "clip rgb=1024"]:
        """``features`` of overlapping clips; what they share is computed once up to Mixed_3b.

        Memory grows with the clips as in ``features``, at a lower peak: the layers before Mixed_3b
        keep at most 24 MiB a clip in float32.
        """
        if not sharing_pays(starts, clip_length):
            return super().window_features(frames, starts, clip_length)
        layers = list(self._layers())
        positions = SharedPositions.of_frames(frames, starts, clip_length)
        for first, end in pairwise(_SHARED_STAGES):
            positions = positions.through(layers[first:end])
        return _pooled_features(positions.unshared(), layers[_SHARED_STAGES[-1] :])

    def _layers(self) -> Iterator[nn.Module]:
        return map(self.get_submodule, self._layer_names)

    def class_logits(self, features: Float[Tensor, "clip rgb=1024"]) -> Float[Tensor, "clip klass"]:
        """The published 1x1x1 convolution, which is a linear layer on averaged positions."""
        return self.logits["conv3d"](features[:, :, None, None, None]).flatten(1)

    def fold_batch_norms(self) -> None:
        """Moves every batch norm into its convolution: a twentieth less time, the same values."""
        for module in self.modules():
            if isinstance(module, ConvolutionUnit):
                module.fold_batch_norm()
