import torch

from train.model.temporal_block import REACH, TemporalBlock


def test_an_output_sees_two_frames_to_each_side():
    block = TemporalBlock(4).eval()
    frames = torch.randn(1, 4, 11)
    changed = frames.clone()
    changed[:, :, 5] += 1
    differs = (block(frames) != block(changed)).any(dim=1)[0].nonzero().flatten().tolist()
    assert differs
    assert min(differs) == 5 - REACH
    assert max(differs) == 5 + REACH
