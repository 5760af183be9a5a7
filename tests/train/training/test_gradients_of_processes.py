"""Two processes have the loss and the gradients of one, for the same global batch.

In float64, so that nothing but rounding of 1e-16 may differ; a gradient that is small by
cancellation has a rounding error of up to 1e-4 of itself in float32.
"""

import process_group_gradients
import pytest
import torch
from process_group import run_in_two_processes
from training_stand_in import (
    StandInModel,
    in_float64,
    random_batch,
    small_model,
    without_batch_statistics,
)

from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LossSettings, SimilaritySettings
from train.training.gradients import GradientPass


@pytest.mark.parametrize(
    ("kind", "micro_batch"), [(StandInModel, None), (StandInModel, 3), (small_model, None)]
)
def test_two_processes_are_as_one(tmp_path, kind, micro_batch):
    torch.manual_seed(0)
    model = without_batch_statistics(kind()).double()
    batch = in_float64(random_batch(16))
    case = {"model": model, "batch": batch, "micro_batch": micro_batch}
    torch.save(case, tmp_path / "case.pt")
    run_in_two_processes(process_group_gradients.__file__, tmp_path, tmp_path / "case.pt")

    alone = Processes(0, 1, torch.device("cpu"))
    gradient_pass = GradientPass(model, alone, SimilaritySettings(), LossSettings())
    losses = gradient_pass(batch, loss_scaler(alone.device, "float32"))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found["loss"], losses.total, rtol=1e-10, atol=0)
        for name, parameter in model.named_parameters():
            gradient = found["gradients"][name]
            difference = (gradient - parameter.grad).norm() / (parameter.grad.norm() + 1e-12)
            assert difference < 1e-10, name
