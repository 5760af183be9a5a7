import torch
from torch import nn

from train.model.normalisation import still_statistics


def test_statistics_stand_still_and_the_batch_is_normalised_all_the_same():
    norm, values = nn.BatchNorm1d(3), 5 + torch.randn(10, 3)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with still_statistics(norm):
        quiet = norm(values)
    assert all(torch.equal(norm.state_dict()[name], before[name]) for name in before)
    assert torch.equal(quiet, norm(values))
    assert not torch.equal(norm.running_mean, before["running_mean"])


def test_evaluation_goes_on_using_running_statistics():
    norm, values = nn.BatchNorm1d(3).eval(), 5 + torch.randn(10, 3)
    with still_statistics(norm):
        inside = norm(values)
    assert torch.equal(inside, norm(values))
