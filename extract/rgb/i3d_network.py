"""Inception I3D, the video network of the published RGB features, and what overlapping clips share.

Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017 (arXiv 1705.07750), Fig. 3. Tensor
names are those of the published PyTorch checkpoints. Padding follows TensorFlow's ``SAME``: an axis
of n positions read with stride s gives ceil(n / s), and what has to be added is split evenly, the
odd one at the end.

An output of a convolution in time is decided by the inputs that it reads and by which of its taps
read the zeros beyond the clip's ends. Inputs are numbered across all clips; outputs of overlapping
clips that read the same numbers with the same taps are equal, and computed once. Only those near a
clip's ends are its own: of the 8 outputs that the first convolution makes of 16 frames, 3 read
zeros.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch users know
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from extract.fast_paths import clip_memory, pays_on

Extent = tuple[int, int, int]
"""Positions along frame, height and width."""

ONE: Extent = (1, 1, 1)
THREE: Extent = (3, 3, 3)

# That of the published network; PyTorch's own is 1e-5.
_BATCH_NORM_EPS = 1e-3


def same_padding_of_axis(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Positions to add before and after one axis under TensorFlow's ``SAME`` rule.

    >>> same_padding_of_axis(16, kernel=7, stride=2)
    (2, 3)
    """
    # From the first input under the first output to the last one under the last, less the inputs.
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def same_padding(size: Extent, kernel: Extent, stride: Extent) -> tuple[Extent, Extent]:
    """Positions to add before and after all three axes."""
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
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn: nn.Module = nn.BatchNorm3d(out_channels, eps=_BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Applies the unit to (clip, channel, frame, height, width)."""
        if self.kernel == self.stride == ONE:
            # A matrix product over the channels, which come last in memory. The convolution's own
            # code does not see that and takes twice the time.
            weight = self.conv3d.weight.flatten(1)
            x = F.linear(x.movedim(1, -1), weight, self.conv3d.bias).movedim(-1, 1)
            return self._activated(x)
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
        taps = taps.contiguous(memory_format=clip_memory(taps.device))
        return self._activated(F.conv3d(x, taps, self.conv3d.bias, self.stride))

    def _activated(self, x: Tensor) -> Tensor:
        # In place, as nothing else reads the value before it.
        return F.relu(self.bn(x), inplace=True)

    def fold_batch_norm(self) -> None:
        """Moves the batch norm's running statistics into the convolution."""
        # A unit that was folded before stays as it is.
        if isinstance(self.bn, nn.BatchNorm3d):
            self.conv3d = fuse_conv_bn_eval(self.conv3d, self.bn)
            self.bn = nn.Identity()


class MaxPool(nn.Module):
    """Max pooling with ``SAME`` padding."""

    def __init__(self, kernel: Extent, stride: Extent) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Applies the pooling to (clip, channel, frame, height, width)."""
        before, _ = same_padding(_extent(x), self.kernel, self.stride)
        # ceil_mode adds the odd position at the end. Padding holds -inf here and zero in the
        # published network: after a ReLU that is the same.
        return F.max_pool3d(x, self.kernel, self.stride, before, ceil_mode=True)


class InceptionBlock(nn.Module):
    """Four parallel branches, joined along the channels."""

    def __init__(self, in_channels: int, widths: tuple[int, int, int, int, int, int]) -> None:
        """``widths`` are the channels of b0, b1a, b1b, b2a, b2b, b3b."""
        super().__init__()
        self.b0 = ConvolutionUnit(in_channels, widths[0], ONE)
        self.b1a = ConvolutionUnit(in_channels, widths[1], ONE)
        self.b1b = ConvolutionUnit(widths[1], widths[2], THREE)
        self.b2a = ConvolutionUnit(in_channels, widths[3], ONE)
        self.b2b = ConvolutionUnit(widths[3], widths[4], THREE)
        self.b3a = MaxPool(THREE, ONE)
        self.b3b = ConvolutionUnit(in_channels, widths[5], ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Applies the block to (clip, channel, frame, height, width)."""
        branches = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))
        # A single clip can leave a convolution with channels first, which is slow to pool.
        return torch.cat(branches, dim=1).contiguous(memory_format=clip_memory(x.device))


class Field(NamedTuple):
    """What one output reads."""

    first_tap: int
    """The first tap that reads an input; those before it, and after the last input, read zeros."""
    inputs: tuple[int, ...]
    """The numbers of its inputs, one for each tap."""

    @property
    def taps(self) -> tuple[int, int]:
        """The first tap that reads an input, and one past the last."""
        return self.first_tap, self.first_tap + len(self.inputs)


def fields_of(inputs: Sequence[int], kernel: int, stride: int) -> list[Field]:
    """What each output of a clip reads; ``inputs`` are the clip's, in order; ``SAME`` padding.

    >>> fields_of([5, 6, 7], kernel=3, stride=1)[0]
    Field(first_tap=1, inputs=(5, 6))
    """
    before, _ = same_padding_of_axis(len(inputs), kernel, stride)
    # The first input under each output's kernel; below 0 it reads the padding.
    firsts = range(-before, len(inputs) - before, stride)
    return [
        Field(max(-first, 0), tuple(inputs[max(first, 0) : first + kernel])) for first in firsts
    ]


def distinct_fields(clips: Sequence[Sequence[Field]]) -> tuple[list[Field], list[list[int]]]:
    """The distinct outputs, those with the same taps side by side, and each clip's indices."""
    # Sorted by taps, so that outputs of one kernel length form one batch.
    distinct = sorted(
        {field for clip in clips for field in clip}, key=lambda field: (field.taps, field.inputs)
    )
    index = {field: number for number, field in enumerate(distinct)}
    return distinct, [[index[field] for field in clip] for clip in clips]


def shared_part(
    starts: Sequence[int], clip_length: int, layers: Sequence[tuple[int, int]]
) -> float:
    """The fraction of work that sharing leaves of convolutions in time, given as (kernel, stride).

    Counted in taps that read an input, the layers weighing alike.

    >>> shared_part([0], 16, [(7, 2), (3, 1)])
    1.0
    """
    clips: list[Sequence[int]] = [range(start, start + clip_length) for start in starts]
    parts = []
    for kernel, stride in layers:
        fields = [fields_of(clip, kernel, stride) for clip in clips]
        distinct, indices = distinct_fields(fields)
        alone = sum(len(field.inputs) for clip in fields for field in clip)
        parts.append(sum(len(field.inputs) for field in distinct) / alone)
        # The outputs of this layer are the inputs of the next.
        clips = list(indices)
    return sum(parts) / len(parts)


_OUTPUTS_AT_ONCE_CPU = 4
"""Buffers then stay under 32 MiB; malloc hands larger ones back each time, which costs a tenth."""
_OUTPUTS_AT_ONCE = 32


@dataclass(frozen=True)
class SharedPositions:
    """Positions in time, distinct across clips, and those that each clip is made of."""

    images: Float[Tensor, "position height width _"]
    clips: Sequence[Sequence[int]]
    """For each clip, indices into ``images`` in order; equally many for all."""

    @classmethod
    def of_frames(
        cls,
        frames: Float[Tensor, "channel frame height width"],
        starts: Sequence[int],
        clip_length: int,
    ) -> "SharedPositions":
        """The clips ``frames[:, start : start + clip_length]``; ``starts`` ascend."""
        first, end = starts[0], starts[-1] + clip_length
        images = frames[:, first:end].permute(1, 2, 3, 0).contiguous()
        return cls(images, [range(start - first, start - first + clip_length) for start in starts])

    def through(self, layers: Sequence[nn.Module]) -> "SharedPositions":
        """Applies a convolution unit, and layers after it that do not mix positions in time.

        A few outputs at once go through all of them, so that only what the last layer gives is
        kept of every output.
        """
        # The layers after the convolution see one position in time each, and may come in any batch.
        convolution, *pointwise = layers
        assert isinstance(convolution, ConvolutionUnit)
        kernel, stride = convolution.kernel[0], convolution.stride[0]
        distinct, clips = distinct_fields([fields_of(clip, kernel, stride) for clip in self.clips])
        images = convolution.padded_images(self.images)
        at_once = _OUTPUTS_AT_ONCE_CPU if images.device.type == "cpu" else _OUTPUTS_AT_ONCE
        outputs = []
        # Outputs with the same taps stand side by side and go through the layers together.
        for (first_tap, _), alike in groupby(distinct, key=lambda field: field.taps):
            numbers = torch.tensor([field.inputs for field in alike], device=images.device)
            for some in numbers.chunk(-(-len(numbers) // at_once)):
                x = convolution.of_taps(images[some].movedim(-1, 1), first_tap)
                for layer in pointwise:
                    x = layer(x)
                # Each output is one position in time; channels come last again, as in ``images``.
                outputs.append(x[:, :, 0].movedim(1, -1))
        return SharedPositions(torch.cat(outputs), clips)

    def unshared(self) -> Float[Tensor, "clip _ position height width"]:
        """Each clip with all of its positions, channels last in memory."""
        return self.images[torch.tensor(self.clips, device=self.images.device)].movedim(-1, 1)


class VideoNetwork(nn.Module, ABC):
    """A network that turns clips into one feature vector each."""

    @abstractmethod
    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The vectors that the network's own classifier reads."""

    def window_features(
        self,
        frames: Float[Tensor, "channel=3 frame height width"],
        starts: Sequence[int],
        clip_length: int,
    ) -> Float[Tensor, "clip rgb"]:
        """``features`` of each clip ``frames[:, start : start + clip_length]``.

        ``starts`` ascend, and every clip lies inside the frames. A network that can shares what
        overlapping clips have in common; this is the plain way.
        """
        clips = [frames[:, start : start + clip_length] for start in starts]
        return self.features(
            torch.stack(clips).contiguous(memory_format=clip_memory(frames.device))
        )


def freeze(network: VideoNetwork, device: torch.device) -> None:
    """Puts a network into evaluation mode on its device, without gradients.

    Channels come last in memory: Inception I3D is then 1.5 times as fast on a CPU.
    """
    network.eval().requires_grad_(requires_grad=False)
    network.to(device=device, memory_format=clip_memory(device))  # type: ignore[call-overload]


FEATURE_DIM = 1024

_SHARED_STAGES = (0, 3, 5)
"""Where the layers of a stage begin that clips share: a convolution in time, then layers that mix
no frames. The stages end at Mixed_3b: half of the arithmetic, and later clips share little."""
_SHARED_KERNELS = ((7, 2), (3, 1))
"""Kernel and stride in time of the stages' convolutions."""
_WORTH_SHARING = 0.95
"""Sharing must save more than this: putting the inputs together costs a few per cent."""


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
        super().__init__()
        # By their published names, in order.
        trunk: dict[str, nn.Module] = {
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
        # Clips that hardly overlap go the plain way, which puts no inputs together.
        shares = pays_on("shared windows", frames.device) and sharing_pays(starts, clip_length)
        if not shares:
            return super().window_features(frames, starts, clip_length)
        layers = list(self._layers())
        positions = SharedPositions.of_frames(frames, starts, clip_length)
        # Up to Mixed_3b each distinct position once, then every clip for itself.
        for first, end in pairwise(_SHARED_STAGES):
            positions = positions.through(layers[first:end])
        return _pooled_features(positions.unshared(), layers[_SHARED_STAGES[-1] :])

    def _layers(self) -> Iterator[nn.Module]:
        return map(self.get_submodule, self._layer_names)

    def fold_batch_norms(self) -> None:
        """Moves every batch norm into its convolution: a twentieth less time, the same values."""
        for module in self.modules():
            if isinstance(module, ConvolutionUnit):
                module.fold_batch_norm()
