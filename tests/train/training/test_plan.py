from torch import nn
from training_stand_in import StandInModel

from train.settings import LearningRates
from train.training.plan import parameter_rows


def test_parameters_are_counted_part_by_part():
    model = StandInModel()
    rates = LearningRates(text=1e-5, streams=2e-5, pose_encoder=1e-4, fusion=3e-4)
    model.text[0].requires_grad_(False)
    rows = parameter_rows(model, rates)
    assert rows["text"] == "72 parameters, learning rate 1e-05, 240 frozen"
    assert rows["fusion"] == "72 parameters, learning rate 0.0003"
    assert rows["logit_scale"] == "1 parameters, learning rate 2e-05"
    total = sum(p.numel() for p in model.parameters())
    assert rows["in all"] == f"{total:,} parameters"


def test_a_part_that_is_frozen_has_no_rate():
    model = nn.ModuleDict({"text": nn.Linear(2, 2).requires_grad_(False)})
    assert parameter_rows(model, LearningRates())["text"] == "6 frozen"
