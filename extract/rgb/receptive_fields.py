"""What the outputs of a convolution in time read, so that clips can share equal ones.

An output is decided by the inputs that it reads and by which of its taps read the zeros beyond the
clip's ends. Inputs are numbered across all clips; outputs of overlapping clips that read the same
numbers with the same taps are equal. Only those near a clip's ends are its own: of the 8 outputs
that Inception I3D's first convolution makes of 16 frames, 3 read zeros.
"""

from collections.abc import Sequence
from typing import NamedTuple

from extract.rgb.i3d_layers import same_padding_of_axis


class Field(NamedTuple):
    """What one output reads."""

    first_tap: int
    """The taps before it read zeros, and so do those after the last input's."""
    inputs: tuple[int, ...]
    """Numbers of the inputs, one a tap."""

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
    firsts = range(-before, len(inputs) - before, stride)
    return [
        Field(max(-first, 0), tuple(inputs[max(first, 0) : first + kernel])) for first in firsts
    ]


def distinct_fields(clips: Sequence[Sequence[Field]]) -> tuple[list[Field], list[list[int]]]:
    """The distinct outputs, those with the same taps side by side, and each clip's places there."""
    distinct = sorted(
        {field for clip in clips for field in clip}, key=lambda field: (field.taps, field.inputs)
    )
    place = {field: number for number, field in enumerate(distinct)}
    return distinct, [[place[field] for field in clip] for clip in clips]


def shared_part(
    starts: Sequence[int], clip_length: int, layers: Sequence[tuple[int, int]]
) -> float:
    """What sharing leaves of the work of convolutions in time, given as (kernel, stride).

    Counted in taps that read an input, the layers weighing alike.

    >>> shared_part([0], 16, [(7, 2), (3, 1)])
    1.0
    """
    clips: list[Sequence[int]] = [range(start, start + clip_length) for start in starts]
    parts = []
    for kernel, stride in layers:
        fields = [fields_of(clip, kernel, stride) for clip in clips]
        distinct, places = distinct_fields(fields)
        alone = sum(len(field.inputs) for clip in fields for field in clip)
        parts.append(sum(len(field.inputs) for field in distinct) / alone)
        clips = list(places)
    return sum(parts) / len(parts)
