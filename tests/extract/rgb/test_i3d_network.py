"""Inception I3D pads as TensorFlow does, has the published names, and folds without a change."""

import json

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from shared_data import golden_path

from extract.rgb.i3d_network import (
    ConvolutionUnit,
    Extent,
    InceptionI3D,
    MaxPool,
    same_padding,
)


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
