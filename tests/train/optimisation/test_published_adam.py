import copy

import numpy as np
import pytest
import torch
from shared_data import golden_path

from train.optimisation import published_adam as module
from train.optimisation.optimiser import rate_share, set_rates
from train.optimisation.published_adam import PublishedAdam, pieces

SETTINGS = {"betas": (0.9, 0.98), "epsilon": 1e-6, "clip_norm": 1.0}


@pytest.mark.golden
def test_steps_are_the_published_ones():
    golden = np.load(golden_path("optimizer.npz"))
    weight, bias = (torch.from_numpy(golden[name][0].copy()) for name in ("weight", "bias"))
    groups = [
        {"params": [weight], "lr": 0.0, "highest": 1e-2, "weight_decay": 0.001},
        {"params": [bias], "lr": 0.0, "highest": 1e-1, "weight_decay": 0.0},
    ]
    optimiser = PublishedAdam(groups, rate=0.0, weight_decay=0.0, **SETTINGS)
    total = len(golden["grads"])
    for step, gradients in enumerate(golden["grads"]):
        weight.grad = torch.from_numpy(gradients[: weight.numel()].copy()).view_as(weight)
        bias.grad = torch.from_numpy(gradients[weight.numel() :].copy())
        torch.nn.utils.clip_grad_norm_([weight, bias], 1.0)
        set_rates(optimiser, rate_share(step, total, 0.1))
        optimiser.step()
        np.testing.assert_allclose(weight, golden["weight"][step + 1], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(bias, golden["bias"][step + 1], rtol=1e-6, atol=1e-6)


def loop_step(weights, gradients, moments, rate, decay):
    """The same step, tensor by tensor."""
    for weight, gradient, (mean, square) in zip(weights, gradients, moments, strict=True):
        factor = min(1.0, 1.0 / (float(gradient.norm()) + 1e-6))
        mean.mul_(0.9).add_(gradient * factor, alpha=0.1)
        square.mul_(0.98).addcmul_(gradient * factor, gradient * factor, value=0.02)
        weight.sub_(rate * (mean / (square.sqrt() + 1e-6) + decay * weight))


def test_all_tensors_at_once_are_the_same_as_one_by_one():
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 4), (5,), (), (2, 3, 2)]
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    expected = copy.deepcopy(weights)
    moments = [(torch.zeros(shape), torch.zeros(shape)) for shape in shapes]
    optimiser = PublishedAdam(weights, rate=0.01, weight_decay=0.1, **SETTINGS)
    for step in range(5):
        gradients = [torch.randn(shape, generator=generator) * 4.0**-step for shape in shapes]
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.clone()
        optimiser.step()
        loop_step(expected, gradients, moments, 0.01, 0.1)
        for weight, other in zip(weights, expected, strict=True):
            torch.testing.assert_close(weight, other, rtol=1e-6, atol=1e-7)


def test_parameters_without_a_gradient_stay():
    used, unused = torch.ones(2), torch.ones(2)
    used.grad = torch.ones(2)
    PublishedAdam([used, unused], rate=0.1, weight_decay=0.1, **SETTINGS).step()
    assert (used < 1).all()
    assert (unused == 1).all()


def stepped(monkeypatch, numbers_at_once):
    """Weights and moments after steps that go over so many numbers at once."""
    monkeypatch.setattr(module, "CACHED_NUMBERS", numbers_at_once)
    made = torch.Generator().manual_seed(0)
    shapes = [(97, 31), (5,), (), (40, 3, 2), (1, 700), (1001,)]
    weights = [torch.randn(shape, generator=made) for shape in shapes]
    weights[0] = weights[0].T.contiguous().T
    optimiser = PublishedAdam(weights, rate=0.01, weight_decay=0.1, **SETTINGS)
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=made)
        optimiser.step()
    moments = [optimiser.state[weight].values() for weight in weights]
    return [*weights, *(moment for both in moments for moment in both)]


@pytest.mark.parametrize("numbers_at_once", [1, 100, 2**11])
def test_piece_by_piece_is_the_same_to_the_bit(monkeypatch, numbers_at_once):
    at_once = stepped(monkeypatch, 10**9)
    for found, expected in zip(stepped(monkeypatch, numbers_at_once), at_once, strict=True):
        assert torch.equal(found, expected)


def test_pieces_are_small_and_hold_everything_once():
    one = [torch.arange(24.0).view(6, 4), torch.arange(24.0, 27.0), torch.tensor(27.0)]
    other = [tensor + 100 for tensor in one]
    found = list(pieces((one, other), 8))
    assert [sum(part.numel() for part in column) for column, _ in found] == [8, 8, 8, 4]
    assert torch.equal(torch.cat([p.flatten() for c, _ in found for p in c]), torch.arange(28.0))
    for column, like in found:
        assert all(torch.equal(a + 100, b) for a, b in zip(column, like, strict=True))
