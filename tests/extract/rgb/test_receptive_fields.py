"""Outputs of a convolution in time are described by what they read, and equal ones are found."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from extract.rgb.i3d_network import (
    Field,
    distinct_fields,
    fields_of,
    same_padding_of_axis,
    shared_part,
)

I3D = ((7, 2), (3, 1))


@pytest.mark.parametrize("size", range(1, 21))
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 1), (1, 1), (4, 3)])
def test_summing_over_fields_is_the_padded_convolution(size: int, kernel: int, stride: int) -> None:
    torch.manual_seed(size)
    values, weight = torch.rand(size, dtype=torch.float64), torch.rand(kernel, dtype=torch.float64)
    padded = F.pad(values, same_padding_of_axis(size, kernel, stride))
    expected = F.conv1d(padded[None, None], weight[None, None], stride=stride).flatten()
    fields = fields_of(range(size), kernel, stride)
    sums = [weight[slice(*field.taps)] @ values[list(field.inputs)] for field in fields]
    torch.testing.assert_close(torch.stack(sums), expected)


def test_a_field_names_its_inputs() -> None:
    assert fields_of([4, 9, 2, 7], kernel=3, stride=2) == [
        Field(0, (4, 9, 2)),
        Field(0, (2, 7)),
    ]


def test_distinct_fields_lead_back_to_the_clips() -> None:
    clips = [fields_of(range(start, start + 16), 7, 2) for start in (0, 1, 4, 30)]
    distinct, places = distinct_fields(clips)
    assert [[distinct[place] for place in clip] for clip in places] == clips
    assert len(set(distinct)) == len(distinct)


def test_fields_with_the_same_taps_lie_side_by_side() -> None:
    clips = [fields_of(range(start, start + 16), 7, 2) for start in (0, 1, 4, 30)]
    taps = [field.taps for field in distinct_fields(clips)[0]]
    assert taps == sorted(taps)
    assert len(set(taps)) == 4  # whole, cut at the start by 2, cut at the end by 1 and by 3


def test_only_the_same_parity_shares_the_first_convolution() -> None:
    """Of 5 outputs that read no zeros, a clip two frames later has 4 and one a frame later none."""
    two_later, one_later = ([range(16), range(start, start + 16)] for start in (2, 1))
    distinct = [
        len(distinct_fields([fields_of(clip, 7, 2) for clip in clips])[0])
        for clips in (two_later, one_later)
    ]
    assert distinct == [16 - 4, 16]


def test_clips_that_do_not_overlap_leave_all_the_work() -> None:
    assert shared_part([0, 16, 40], 16, I3D) == 1
    assert shared_part([7], 16, I3D) == 1


def test_the_closer_the_clips_the_less_work_is_left() -> None:
    parts = [shared_part(range(0, 16 * step, step), 16, I3D) for step in (2, 4, 6, 8, 20)]
    assert parts == sorted(parts)
    assert parts[0] < 0.65 < parts[2] < parts[-1] == 1
