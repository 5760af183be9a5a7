"""Batch norm with counts and frozen statistics; dropout."""

import copy

import pytest
import torch
from torch import nn

from train.model.normalisation import Dropout, frozen_statistics, random_mask, weighted_batch_norm


@pytest.mark.parametrize("training", [True, False])
def test_rows_count_as_often_as_they_are_said_to(training):
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3, eps=0.1, momentum=0.3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm(torch.randn(9, 3, dtype=torch.float64))
    norm.train(training)
    counts = torch.tensor([2, 0, 1, 5, 1])
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(5, 3, dtype=torch.float64)

    plain = copy.deepcopy(norm)
    repeated = plain(values.repeat_interleave(counts, dim=0))
    expected = torch.autograd.grad(
        (repeated * (direction / counts[:, None]).repeat_interleave(counts, dim=0)).sum(),
        [values, *plain.parameters()],
    )
    direction[counts == 0] = 0  # a row that counts nowhere has no gradient to compare
    found = weighted_batch_norm(norm, values, counts)
    torch.testing.assert_close(found.repeat_interleave(counts, dim=0), repeated)
    gradients = torch.autograd.grad((found * direction).sum(), [values, *norm.parameters()])
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(norm.state_dict(), plain.state_dict())


def test_half_precision_values_are_normalised_in_the_norms_precision():
    norm, values = nn.BatchNorm1d(3), torch.randn(6, 3).bfloat16()
    found = weighted_batch_norm(norm, values, torch.ones(6, dtype=torch.int64))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, nn.BatchNorm1d(3)(values.float()))


def test_statistics_stand_still_and_the_batch_is_normalised_all_the_same():
    norm, values = nn.BatchNorm1d(3), 5 + torch.randn(10, 3)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with frozen_statistics(norm):
        quiet = norm(values)
    assert all(torch.equal(norm.state_dict()[name], before[name]) for name in before)
    assert torch.equal(quiet, norm(values))
    assert not torch.equal(norm.running_mean, before["running_mean"])


def test_evaluation_goes_on_using_running_statistics():
    norm, values = nn.BatchNorm1d(3).eval(), 5 + torch.randn(10, 3)
    with frozen_statistics(norm):
        inside = norm(values)
    assert torch.equal(inside, norm(values))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.75, 0.999])
def test_a_mask_is_true_as_often_as_asked(share):
    torch.manual_seed(0)
    mask = random_mask(torch.Size([1001, 333]), share)
    deviation = (share * (1 - share) / mask.numel()) ** 0.5
    assert mask.float().mean().item() == pytest.approx(share, abs=4 * deviation)
    # Neither rows nor neighbours, of which two come from one draw, know of each other.
    flat = mask.flatten()
    for distance in (1, 2, 333):
        both = (flat[distance:] & flat[:-distance]).float().mean().item()
        assert both == pytest.approx(share**2, abs=4 * deviation)


def test_what_is_kept_is_scaled_and_so_is_its_gradient():
    torch.manual_seed(0)
    values = torch.rand(50, 7).add_(1).requires_grad_()
    found = Dropout(0.25)(values)
    kept = found != 0
    assert 0 < kept.float().mean() < 1
    torch.testing.assert_close(found, torch.where(kept, values / 0.75, 0.0))
    (found * 3).sum().backward()
    torch.testing.assert_close(values.grad, kept * 3 / 0.75)


def test_a_generator_state_decides():
    values, dropout = torch.ones(31), Dropout(0.5)
    torch.manual_seed(1)
    first, state, second = dropout(values), torch.get_rng_state(), dropout(values)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout(values), second)


@pytest.mark.parametrize("dropout", [Dropout(0.5).eval(), Dropout(0.0)], ids=["evaluation", "none"])
def test_nothing_is_dropped(dropout):
    values = torch.rand(9)
    assert torch.equal(dropout(values), values)


def test_half_precision_stays():
    assert Dropout(0.5)(torch.ones(4, dtype=torch.bfloat16)).dtype == torch.bfloat16
