"""The published optimiser, its parameter groups and its schedule."""

import copy
import math

import numpy as np
import pytest
import torch
from shared_data import golden_path
from torch import nn
from training_stand_in import StandInModel

from train.optimisation import published_adam as module
from train.optimisation.optimiser import (
    build_optimiser,
    current_rates,
    learning_rate_factor,
    parameter_groups,
    set_rates,
)
from train.optimisation.published_adam import PublishedAdam, pieces
from train.settings import LearningRates, OptimisationSettings

RATES = LearningRates(text=1.0, streams=2.0, pose_encoder=3.0, fusion=4.0)


def group_of(groups, parameter):
    (found,) = [g for g in groups if any(p is parameter for p in g["params"])]
    return found


def test_every_part_has_its_rate():
    model = StandInModel()
    groups = parameter_groups(model, RATES, 0.5)
    rates = {name: group_of(groups, p)["lr"] for name, p in model.named_parameters()}
    assert {name.split(".")[0]: rate for name, rate in rates.items()} == {
        "text": 1.0,
        "logit_scale": 2.0,
        "pose_stream": 2.0,
        "rgb_stream": 2.0,
        "pose_encoder": 3.0,
        "fusion": 4.0,
    }


def test_biases_do_not_decay():
    model = StandInModel()
    groups = parameter_groups(model, RATES, 0.5)
    for name, parameter in model.named_parameters():
        decay = 0.0 if name.endswith("bias") else 0.5
        assert group_of(groups, parameter)["weight_decay"] == decay, name


def test_frozen_parameters_are_left_out():
    model = StandInModel()
    model.text.requires_grad_(False)
    groups = parameter_groups(model, RATES, 0.5)
    assert {g["rate"] for g in groups} == {"streams", "pose_encoder", "fusion"}
    assert sum(len(g["params"]) for g in groups) == sum(p.requires_grad for p in model.parameters())


def test_a_part_that_nobody_knows_is_an_error():
    with pytest.raises(KeyError, match="decoder"):
        parameter_groups(nn.ModuleDict({"decoder": nn.Linear(1, 1)}), RATES, 0.5)


@pytest.mark.parametrize(
    ("name", "kind"), [("published", PublishedAdam), ("adamw", torch.optim.AdamW)]
)
def test_rates_follow_the_schedule(name, kind):
    settings = OptimisationSettings(optimiser=name, learning_rates=RATES)
    optimiser = build_optimiser(StandInModel(), settings)
    assert isinstance(optimiser, kind)
    set_rates(optimiser, 0.5)
    assert current_rates(optimiser) == {
        "text": 0.5,
        "streams": 1.0,
        "pose_encoder": 1.5,
        "fusion": 2.0,
    }


def test_rates_rise_linearly_and_then_follow_a_cosine_of_all_steps():
    factors = [learning_rate_factor(step, 40, 0.1) for step in range(41)]
    assert factors[:4] == pytest.approx([0.0, 0.25, 0.5, 0.75])
    expected = [0.5 * (1 + math.cos(math.pi * step / 40)) for step in range(4, 41)]
    assert factors[4:] == pytest.approx(expected)


def test_without_warm_up_the_first_step_has_the_highest_rate():
    assert learning_rate_factor(0, 10, 0.0) == 1.0


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
        set_rates(optimiser, learning_rate_factor(step, total, 0.1))
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
