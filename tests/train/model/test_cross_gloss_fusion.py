import math

import torch

from train.model.cross_gloss_fusion import CrossGlossFusion, sinusoidal_positions
from train.settings import CgafSettings


def test_positions_by_hand():
    positions = sinusoidal_positions(3, 4)
    slow = 10_000**-0.5
    expected = [math.sin(2), math.cos(2), math.sin(2 * slow), math.cos(2 * slow)]
    torch.testing.assert_close(positions[2], torch.tensor(expected))
    assert positions[0].tolist() == [0, 1, 0, 1]


def test_a_batch_of_one_and_a_video_of_one_clip():
    fusion = CrossGlossFusion(16, CgafSettings(heads=2, hidden=32)).eval()
    real = torch.tensor([[True, True, False, False]])
    fused = fusion(torch.randn(1, 4, 16), torch.randn(1, 4, 16), real)
    assert fused.shape == (1, 4, 16)
    assert fused.isfinite().all()


def test_branches_do_not_share_weights_and_read_each_other():
    torch.manual_seed(0)
    fusion = CrossGlossFusion(16, CgafSettings(heads=2, hidden=32)).eval()
    real = torch.ones(1, 4, dtype=torch.bool)
    pose, rgb = torch.randn(1, 4, 16, requires_grad=True), torch.randn(1, 4, 16)
    rgb.requires_grad_()
    assert not torch.allclose(fusion(pose, rgb, real), fusion(rgb, pose, real))
    fusion(pose, rgb, real)[0, 0].square().sum().backward()
    assert pose.grad.abs().sum(dim=-1).count_nonzero() > 1
    assert rgb.grad.abs().sum(dim=-1).count_nonzero() > 1
