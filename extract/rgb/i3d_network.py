"""Inception I3D, the video network of the published RGB features.

Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017 (arXiv 1705.07750), Fig. 3.
Padding follows TensorFlow's ``SAME``: an axis of n positions read with stride s gives ceil(n / s),
and what has to be added is split evenly, the odd one at the end. Tensor names are those of the
published PyTorch checkpoints.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch users know
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from extract.rgb.video_network import VideoNetwork

FEATURE_DIM = 1024

Extent = tuple[int, int, int]
"""Positions along frame, height and width."""

_BATCH_NORM_EPS = 1e-3
_ONE: Extent = (1, 1, 1)
_THREE: Extent = (3, 3, 3)


def same_padding(size: Extent, kernel: Extent, stride: Extent) -> tuple[Extent, Extent]:
    """Positions to add before and after each axis under TensorFlow's ``SAME`` rule.

    >>> same_padding((16, 224, 224), (7, 7, 7), (2, 2, 2))
    ((2, 2, 2), (3, 3, 3))
    """
    missing = [
        max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=True)
    ]
    frame, height, width = (total // 2 for total in missing)
    before = (frame, height, width)
    after = (missing[0] - frame, missing[1] - height, missing[2] - width)
    return before, after


def _extent(x: Tensor) -> Extent:
    _clips, _channels, frames, height, width = x.shape
    return frames, height, width


class ConvolutionUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU; ``SAME`` padding."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Extent, stride: Extent = _ONE
    ) -> None:
        """Make the two layers."""
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn: nn.Module = nn.BatchNorm3d(out_channels, eps=_BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to (clip, channel, frame, height, width)."""
        before, after = same_padding(_extent(x), self.kernel, self.stride)
        if before != after:  # The convolution itself can only pad both ends alike.
            x = F.pad(x, (before[2], after[2], before[1], after[1], before[0], after[0]))
            before = (0, 0, 0)
        x = F.conv3d(x, self.conv3d.weight, self.conv3d.bias, self.stride, before)
        return F.relu(self.bn(x), inplace=True)

    def fold_batch_norm(self) -> None:
        """Moves the batch norm's running statistics into the convolution."""
        if isinstance(self.bn, nn.BatchNorm3d):
            self.conv3d = fuse_conv_bn_eval(self.conv3d, self.bn)
            self.bn = nn.Identity()


class MaxPool(nn.Module):
    """Max pooling with ``SAME`` padding."""

    def __init__(self, kernel: Extent, stride: Extent) -> None:
        """Remember the window."""
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Apply the pooling to (clip, channel, frame, height, width)."""
        before, _ = same_padding(_extent(x), self.kernel, self.stride)
        # ceil_mode adds the odd position at the end. Padding holds -inf here and zero in the
        # published network: after a ReLU that is the same.
        return F.max_pool3d(x, self.kernel, self.stride, before, ceil_mode=True)


class InceptionBlock(nn.Module):
    """Four parallel branches, joined along the channels."""

    def __init__(self, in_channels: int, widths: tuple[int, int, int, int, int, int]) -> None:
        """Make the branches; ``widths`` are the channels of b0, b1a, b1b, b2a, b2b, b3b."""
        super().__init__()
        self.b0 = ConvolutionUnit(in_channels, widths[0], _ONE)
        self.b1a = ConvolutionUnit(in_channels, widths[1], _ONE)
        self.b1b = ConvolutionUnit(widths[1], widths[2], _THREE)
        self.b2a = ConvolutionUnit(in_channels, widths[3], _ONE)
        self.b2b = ConvolutionUnit(widths[3], widths[4], _THREE)
        self.b3a = MaxPool(_THREE, _ONE)
        self.b3b = ConvolutionUnit(in_channels, widths[5], _ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to (clip, channel, frame, height, width)."""
        branches = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))
        # A single clip leaves the narrow convolutions with channels first, which is slow to pool.
        return torch.cat(branches, dim=1).contiguous(memory_format=torch.channels_last_3d)


def _trunk() -> dict[str, nn.Module]:
    """The layers up to Mixed_5c, in order, by their published names."""
    return {
        "Conv3d_1a_7x7": ConvolutionUnit(3, 64, (7, 7, 7), (2, 2, 2)),
        "MaxPool3d_2a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
        "Conv3d_2b_1x1": ConvolutionUnit(64, 64, _ONE),
        "Conv3d_2c_3x3": ConvolutionUnit(64, 192, _THREE),
        "MaxPool3d_3a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
        "Mixed_3b": InceptionBlock(192, (64, 96, 128, 16, 32, 32)),
        "Mixed_3c": InceptionBlock(256, (128, 128, 192, 32, 96, 64)),
        "MaxPool3d_4a_3x3": MaxPool(_THREE, (2, 2, 2)),
        "Mixed_4b": InceptionBlock(480, (192, 96, 208, 16, 48, 64)),
        "Mixed_4c": InceptionBlock(512, (160, 112, 224, 24, 64, 64)),
        "Mixed_4d": InceptionBlock(512, (128, 128, 256, 24, 64, 64)),
        "Mixed_4e": InceptionBlock(512, (112, 144, 288, 32, 64, 64)),
        "Mixed_4f": InceptionBlock(528, (256, 160, 320, 32, 128, 128)),
        "MaxPool3d_5a_2x2": MaxPool((2, 2, 2), (2, 2, 2)),
        "Mixed_5b": InceptionBlock(832, (256, 160, 320, 32, 128, 128)),
        "Mixed_5c": InceptionBlock(832, (384, 192, 384, 48, 128, 128)),
    }


class InceptionI3D(VideoNetwork):
    """Inception I3D for clips of 224 x 224 pixels and at least 9 frames."""

    def __init__(self, num_classes: int) -> None:
        """Make the layers, for a classifier of ``num_classes``."""
        super().__init__()
        trunk = _trunk()
        self._layer_names = tuple(trunk)
        for name, layer in trunk.items():
            self.add_module(name, layer)
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(FEATURE_DIM, num_classes, _ONE)})

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb=1024"]:
        """Average pool (2, 7, 7) of Mixed_5c, averaged over the positions that this leaves.

        A clip of 16 frames leaves one position.
        """
        x: Tensor = clips
        for name in self._layer_names:
            x = self.get_submodule(name)(x)
        return F.avg_pool3d(x, (2, 7, 7), stride=1).mean(dim=(2, 3, 4))

    def class_logits(self, features: Float[Tensor, "clip rgb=1024"]) -> Float[Tensor, "clip klass"]:
        """The published 1x1x1 convolution, which is a linear layer on averaged positions."""
        return self.logits["conv3d"](features[:, :, None, None, None]).flatten(1)

    def fold_batch_norms(self) -> None:
        """Moves every batch norm into its convolution: a twentieth less time, the same values."""
        for module in self.modules():
            if isinstance(module, ConvolutionUnit):
                module.fold_batch_norm()
