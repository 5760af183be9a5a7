"""The first layers of a video network over overlapping clips: each distinct output once.

:mod:`extract.rgb.receptive_fields` says which outputs are equal. Each is computed by itself, from
the inputs of its own taps; sums of what only some of its taps read are not shared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor, nn

from extract.rgb.i3d_layers import ConvolutionUnit
from extract.rgb.receptive_fields import Field, distinct_fields, fields_of

_OUTPUTS_AT_ONCE_CPU = 4
"""Buffers then stay under 32 MiB; malloc hands larger ones back each time, which costs a tenth."""
_OUTPUTS_AT_ONCE = 32


@dataclass(frozen=True)
class SharedPositions:
    """Positions in time, distinct across clips, and those that each clip is made of."""

    images: Float[Tensor, "position height width _"]
    clips: Sequence[Sequence[int]]
    """Places in ``images``, in order, as many for every clip."""

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
        convolution, *pointwise = layers
        assert isinstance(convolution, ConvolutionUnit)
        kernel, stride = convolution.kernel[0], convolution.stride[0]
        distinct, clips = distinct_fields([fields_of(clip, kernel, stride) for clip in self.clips])
        outputs = []
        for first_tap, inputs in _inputs(convolution.padded_images(self.images), distinct):
            x = convolution.of_taps(inputs, first_tap)
            for layer in pointwise:
                x = layer(x)
            outputs.append(x[:, :, 0].movedim(1, -1))
        return SharedPositions(torch.cat(outputs), clips)

    def unshared(self) -> Float[Tensor, "clip _ position height width"]:
        """Each clip with all of its positions, channels last in memory."""
        return self.images[torch.tensor(self.clips, device=self.images.device)].movedim(-1, 1)


def _inputs(
    images: Float[Tensor, "position height width _"], fields: Sequence[Field]
) -> Iterator[tuple[int, Float[Tensor, "position _ tap height width"]]]:
    """The first tap of some outputs, and what they read, channels last in memory."""
    at_once = _OUTPUTS_AT_ONCE_CPU if images.device.type == "cpu" else _OUTPUTS_AT_ONCE
    for (first_tap, _), alike in groupby(fields, key=lambda field: field.taps):
        numbers = torch.tensor([field.inputs for field in alike], device=images.device)
        for some in numbers.chunk(-(-len(numbers) // at_once)):
            yield first_tap, images[some].movedim(-1, 1)
