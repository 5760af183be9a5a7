import pytest
import torch

from train.model.graph_convolution import BODY, GraphBlock, PointNorm


def test_a_norm_counts_every_point_of_every_row():
    values = torch.randn(6, 7, 3)
    normed = PointNorm(3)(values).reshape(-1, 3)
    torch.testing.assert_close(normed.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(normed.var(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("in_dim", "has_shortcut"), [(8, True), (4, True), (8, False)])
def test_a_shortcut_carries_the_input_past_silent_convolutions(in_dim, has_shortcut):
    block = GraphBlock(in_dim, 8, BODY.points, 0.0, has_shortcut=has_shortcut).eval()
    torch.nn.init.zeros_(block.mix_norm.weight)
    features = torch.rand(2, 7, in_dim)
    expected = block.shortcut(features).relu() if has_shortcut else torch.zeros(2, 7, 8)
    torch.testing.assert_close(block(features), expected)
    assert sum(1 for _ in block.shortcut.parameters()) == (4 if in_dim != 8 else 0)
