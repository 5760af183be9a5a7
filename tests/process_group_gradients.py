"""Run by two processes: each saves the loss and all gradients of one global batch.

Arguments: the folder to save into; a file with the model, the global batch and the size of
micro-batches, as pickled by the test.
"""

import sys
from pathlib import Path

import torch

from train.batches import rows_of
from train.precision import loss_scaler
from train.processes import joined_processes
from train.settings import LossSettings, SimilaritySettings
from train.training.gradients import GradientPass


def main(folder, case_path):
    case = torch.load(case_path, weights_only=False)
    model, batch = case["model"], case["batch"]
    with joined_processes("cpu") as processes:
        share = batch.signs.num_videos // processes.size
        own = rows_of(batch, slice(processes.rank * share, (processes.rank + 1) * share))
        settings = (SimilaritySettings(), LossSettings())
        gradient_pass = GradientPass(model, processes, *settings, micro_batch=case["micro_batch"])
        losses = gradient_pass(own, loss_scaler(processes.device, "float32"))
        gradients = {name: p.grad for name, p in model.named_parameters()}
        result = {"loss": losses.total, "gradients": gradients}
        torch.save(result, Path(folder) / f"{processes.rank}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
