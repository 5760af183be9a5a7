"""The layers that Inception I3D is made of.

Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017 (arXiv 1705.07750), Fig. 3.
Padding follows TensorFlow's ``SAME``: an axis of n positions read with stride s gives ceil(n / s),
and what has to be added is split evenly, the odd one at the end.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch users know
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Extent = tuple[int, int, int]
"""Positions along frame, height and width."""

ONE: Extent = (1, 1, 1)
THREE: Extent = (3, 3, 3)

_BATCH_NORM_EPS = 1e-3


def same_padding_of_axis(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Positions to add before and after one axis under TensorFlow's ``SAME`` rule.

    >>> same_padding_of_axis(16, kernel=7, stride=2)
    (2, 3)
    """
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def same_padding(size: Extent, kernel: Extent, stride: Extent) -> tuple[Extent, Extent]:
    """The same for all three axes: what to add before them, and after them."""
    frame, height, width = map(same_padding_of_axis, size, kernel, stride)
    return (frame[0], height[0], width[0]), (frame[1], height[1], width[1])


def _extent(x: Tensor) -> Extent:
    _clips, _channels, frames, height, width = x.shape
    return frames, height, width


class ConvolutionUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU; ``SAME`` padding."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Extent, stride: Extent = ONE
    ) -> None:
        """Make the two layers."""
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn: nn.Module = nn.BatchNorm3d(out_channels, eps=_BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to (clip, channel, frame, height, width)."""
        if self.kernel == self.stride == ONE:
            return self._activated(self._of_single_positions(x))
        before, after = same_padding(_extent(x), self.kernel, self.stride)
        if before != after:  # The convolution itself can only pad both ends alike.
            x = F.pad(x, (before[2], after[2], before[1], after[1], before[0], after[0]))
            before = (0, 0, 0)
        weight, bias = self.conv3d.weight, self.conv3d.bias
        return self._activated(F.conv3d(x, weight, bias, self.stride, before))

    def padded_images(self, images: Tensor) -> Tensor:
        """Zeros around the height and width of (frame, height, width, channel)."""
        (_, top, left), (_, bottom, right) = same_padding(
            (1, *images.shape[1:3]), self.kernel, self.stride
        )
        return F.pad(images, (0, 0, left, right, top, bottom))

    def of_taps(self, x: Tensor, first: int) -> Tensor:
        """One output along the frames, from the inputs of the taps from ``first`` on.

        The kernel's other taps read zeros and are left out. ``x`` is (clip, channel, frame, height,
        width), its images padded.
        """
        taps = self.conv3d.weight[:, :, first : first + x.shape[2]]
        taps = taps.contiguous(memory_format=torch.channels_last_3d)
        return self._activated(F.conv3d(x, taps, self.conv3d.bias, self.stride))

    def _of_single_positions(self, x: Tensor) -> Tensor:
        """A 1x1x1 convolution is a matrix product over the channels, which come last in memory.

        The convolution's own code does not see that and takes twice the time.
        """
        weight = self.conv3d.weight.flatten(1)
        return F.linear(x.movedim(1, -1), weight, self.conv3d.bias).movedim(-1, 1)

    def _activated(self, x: Tensor) -> Tensor:
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
        self.b0 = ConvolutionUnit(in_channels, widths[0], ONE)
        self.b1a = ConvolutionUnit(in_channels, widths[1], ONE)
        self.b1b = ConvolutionUnit(widths[1], widths[2], THREE)
        self.b2a = ConvolutionUnit(in_channels, widths[3], ONE)
        self.b2b = ConvolutionUnit(widths[3], widths[4], THREE)
        self.b3a = MaxPool(THREE, ONE)
        self.b3b = ConvolutionUnit(in_channels, widths[5], ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to (clip, channel, frame, height, width)."""
        branches = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))
        # A single clip can leave a convolution with channels first, which is slow to pool.
        return torch.cat(branches, dim=1).contiguous(memory_format=torch.channels_last_3d)
