"""Batch norm in steps of several forward passes and runs of several processes."""

import copy

import pytest
import torch
from torch import nn
from training_stand_in import random_batch, small_model

from train.batches import on_device
from train.model.normalisation import (
    average_running_statistics,
    micro_batch_momentum,
    restore_statistics,
    saved_statistics,
    synchronise,
)
from train.processes import Processes

ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_micro_batches_weigh_the_same_and_the_past_as_always(count):
    norm = nn.BatchNorm1d(2, momentum=0.3)
    norm.running_mean.fill_(10.0)
    pieces = [torch.randn(5, 2) for _ in range(count)]
    for number, piece in enumerate(pieces):
        with micro_batch_momentum(norm, number, count):
            norm(piece)
    mean = torch.stack([piece.mean(dim=0) for piece in pieces]).mean(dim=0)
    torch.testing.assert_close(norm.running_mean, 0.7 * torch.full((2,), 10.0) + 0.3 * mean)
    assert norm.momentum == 0.3


def test_statistics_are_put_back():
    norm = nn.BatchNorm1d(2)
    before, saved = copy.deepcopy(norm.state_dict()), saved_statistics(norm)
    norm(torch.randn(4, 2))
    assert not torch.equal(norm.running_mean, before["running_mean"])
    restore_statistics(norm, saved)
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_one_process_has_nothing_to_average():
    norm = nn.BatchNorm1d(2)
    norm(torch.randn(4, 2))
    before = norm.running_mean.clone()
    average_running_statistics(norm, ALONE)
    assert torch.equal(norm.running_mean, before)


def test_synchronised_norms_are_the_same_network():
    model, batch = small_model(), random_batch(4)
    model.encode_signs(batch.signs)  # statistics other than the first ones
    expected = model.eval().encode_signs(batch.signs).fusion
    names = set(model.state_dict())
    synchronise(model)
    norms = [p for p in model.modules() if isinstance(p, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    assert set(model.state_dict()) == names
    # In evaluation mode they also run on a CPU.
    assert torch.equal(model.encode_signs(batch.signs).fusion, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_synchronised_norms_train_on_a_gpu():
    model, batch = small_model().cuda(), random_batch(4)
    synchronise(model)
    tokens = model.cuda().encode_signs(on_device(batch.signs, torch.device("cuda")))
    tokens.fusion.square().sum().backward()
    assert model.pose_encoder.hand.data_norm.weight.grad is not None
