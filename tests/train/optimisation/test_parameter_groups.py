import pytest
import torch
from torch import nn
from training_stand_in import StandInModel

from train.optimisation.optimiser import build_optimiser, current_rates, parameter_groups, set_rates
from train.optimisation.published_adam import PublishedAdam
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
