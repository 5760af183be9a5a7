"""Inception I3D pads as TensorFlow does, has the published names, and folds without a change."""

import json
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from shared_data import golden_path
from torch import Tensor

from extract.rgb.backbones import Backbone, load_backbone
from extract.rgb.i3d_network import (
    ConvolutionUnit,
    Extent,
    Field,
    InceptionI3D,
    MaxPool,
    SharedPositions,
    distinct_fields,
    fields_of,
    freeze,
    same_padding,
    same_padding_of_axis,
    shared_part,
    sharing_pays,
)
from seds_core.clip_plan import plan_clips


@pytest.mark.parametrize("size", [(16, 224, 224), (10, 112, 112), (5, 57, 14), (3, 7, 7)])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((7, 7, 7), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
        ((1, 3, 3), (1, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
    ],
)
def test_same_padding_gives_the_size_over_the_stride(
    size: Extent, kernel: Extent, stride: Extent
) -> None:
    before, after = same_padding(size, kernel, stride)
    for n, k, s, b, a in zip(size, kernel, stride, before, after, strict=True):
        assert (n + b + a - k) // s + 1 == -(-n // s)
        assert a - b in (0, 1)


@pytest.mark.parametrize("size", [(8, 56, 56), (5, 15, 13), (3, 7, 7)])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
    ],
)
def test_pooling_equals_explicit_padding_with_zeros(
    size: Extent, kernel: Extent, stride: Extent
) -> None:
    x = torch.rand(1, 2, *size)
    before, after = same_padding(size, kernel, stride)
    sides = [side for axis in (2, 1, 0) for side in (before[axis], after[axis])]
    expected = F.max_pool3d(F.pad(x, sides), kernel, stride)
    assert torch.equal(MaxPool(kernel, stride)(x), expected)


@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 2, 2)])
def test_a_folded_unit_gives_the_same(stride: Extent) -> None:
    torch.manual_seed(0)
    unit = ConvolutionUnit(3, 4, (3, 3, 3), stride).eval()
    for tensor in (unit.bn.running_mean, unit.bn.running_var, unit.bn.weight, unit.bn.bias):
        torch.nn.init.uniform_(tensor, 0.5, 2.0)
    x = torch.randn(2, 3, 6, 10, 10)
    with torch.inference_mode():
        expected = unit(x)
        unit.fold_batch_norm()
        folded = unit(x)
    assert isinstance(unit.bn, torch.nn.Identity)
    assert expected.max() > 0.1
    torch.testing.assert_close(folded, expected)


@pytest.mark.golden
def test_tensors_have_the_published_names_and_shapes() -> None:
    layout = json.loads(golden_path("reference_layout_i3d.json").read_text())
    num_classes = layout["module.logits.conv3d.weight"][0]
    state = InceptionI3D(num_classes).state_dict()
    assert {f"module.{name}": list(tensor.shape) for name, tensor in state.items()} == layout


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
    distinct, indices = distinct_fields(clips)
    assert [[distinct[index] for index in clip] for clip in indices] == clips
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


STAGES = (
    ("Conv3d_1a_7x7", "MaxPool3d_2a_3x3", "Conv3d_2b_1x1"),
    ("Conv3d_2c_3x3", "MaxPool3d_3a_3x3"),
)
STARTS = {
    "neighbours": [0, 1, 2, 3, 4, 5],
    "uneven, both parities": [1, 2, 5, 7, 12, 13],
    "even steps": [0, 4, 8],
    "one": [3],
    "none overlap": [0, 21, 50],
    "far apart in pairs": [0, 1, 40, 42],
}


@pytest.fixture(scope="module")
def network() -> InceptionI3D:
    """Random weights in float64, with batch norms that do something."""
    torch.manual_seed(0)
    network = InceptionI3D(num_classes=3)
    for name, buffer in network.named_buffers():
        if "running" in name:
            torch.nn.init.uniform_(buffer, *((0.5, 2.0) if "var" in name else (-0.2, 0.2)))
    for name, parameter in network.named_parameters():
        if "bn" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    freeze(network, torch.device("cpu"))
    return network.double()


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("i3d", "random")


def plain(network: InceptionI3D, clips: Tensor) -> Tensor:
    """The first layers of each clip for itself."""
    for name in sum(STAGES, ()):
        clips = network.get_submodule(name)(clips)
    return clips


def shared(
    network: InceptionI3D, frames: Tensor, starts: Sequence[int], clip_length: int
) -> Tensor:
    positions = SharedPositions.of_frames(frames, starts, clip_length)
    for stage in STAGES:
        positions = positions.through([network.get_submodule(name) for name in stage])
    return positions.unshared()


def clips_of(frames: Tensor, starts: Sequence[int], clip_length: int) -> Tensor:
    return torch.stack([frames[:, start : start + clip_length] for start in starts])


def largest_difference(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize("clip_length", range(9, 21))
@pytest.mark.parametrize("starts", STARTS.values(), ids=STARTS)
@torch.inference_mode()
def test_shared_layers_give_what_each_clip_gives(
    network: InceptionI3D, starts: list[int], clip_length: int
) -> None:
    frames = torch.rand(3, starts[-1] + clip_length + 2, 13, 10, dtype=torch.float64) - 0.5
    expected = plain(network, clips_of(frames, starts, clip_length))
    assert expected.std() > 0.01
    assert largest_difference(shared(network, frames, starts, clip_length), expected) < 1e-12


@torch.inference_mode()
def test_window_features_are_the_features_of_the_clips(network: InceptionI3D) -> None:
    starts = [1, 3]
    assert sharing_pays(starts, 16)
    frames = torch.rand(3, 19, 193, 193, dtype=torch.float64) - 0.5
    expected = network.features(clips_of(frames, starts, 16))
    assert expected.std() > 0.01
    assert largest_difference(network.window_features(frames, starts, 16), expected) < 1e-9


@torch.inference_mode()
def test_a_backbone_shares_in_float32(backbone: Backbone) -> None:
    starts = [0, 1, 3]
    frames = torch.rand(3, 19, 224, 224) - 0.5
    expected = backbone.features(clips_of(frames, starts, 16))
    assert largest_difference(backbone.window_features(frames, starts), expected) < 1e-5


@torch.inference_mode()
def test_shared_layers_follow_autocast(network: InceptionI3D) -> None:
    frames = torch.rand(3, 20, 21, 18) - 0.5
    single = InceptionI3D(num_classes=3).eval()
    single.load_state_dict(network.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = plain(single, clips_of(frames, [0, 1, 3], 16))
        values = shared(single, frames, [0, 1, 3], 16)
    assert values.dtype == expected.dtype
    assert largest_difference(values, expected) < 0.01  # bfloat16 has 8 bits


def test_stages_are_the_first_layers_of_the_network(
    network: InceptionI3D, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def through(positions: SharedPositions, layers: Sequence[torch.nn.Module]) -> SharedPositions:
        seen.append(tuple(layers))
        return positions

    monkeypatch.setattr(SharedPositions, "through", through)
    with pytest.raises(RuntimeError):  # The layers after it cannot read frames.
        network.window_features(torch.rand(3, 18, 8, 8), [0, 2], 16)
    assert seen == [tuple(network.get_submodule(name) for name in stage) for stage in STAGES]


@pytest.mark.parametrize("num_frames", [20, 48, 120, 300])
def test_sharing_pays_for_the_published_plan(num_frames: int) -> None:
    plan = plan_clips(num_frames, max_frames=300, clip_length=16, max_clips=64)
    assert sharing_pays(plan.starts.tolist()[:16], 16)


@pytest.mark.parametrize("starts", [[7], [0, 16], [0, 15, 30, 45], [0, 30, 31 + 30]])
def test_clips_that_share_little_go_the_plain_way(
    network: InceptionI3D, monkeypatch: pytest.MonkeyPatch, starts: list[int]
) -> None:
    assert not sharing_pays(starts, 16)
    frames = torch.rand(3, starts[-1] + 20, 4, 4)
    given: list[Tensor] = []
    monkeypatch.setattr(
        network, "features", lambda clips: given.append(clips) or torch.zeros(len(clips), 1024)
    )
    network.window_features(frames, starts, 16)
    assert torch.equal(given[0], clips_of(frames, starts, 16))


@pytest.mark.parametrize(
    ("starts", "problem"),
    [
        ([], "must ascend"),
        ([0, 2, 2], "must ascend"),
        ([-1, 2], "must ascend"),
        ([0, 5], "a clip of 16 frames at 5 does not fit 20 frames"),
    ],
)
def test_starts_must_ascend_inside_the_frames(
    backbone: Backbone, starts: list[int], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        backbone.window_features(torch.rand(3, 20, 224, 224), starts)
