"""Run by two processes: each saves what a synchronised clip block makes of half of the videos.

Argument: the folder with the test's case, and to save into.
"""

import sys
from pathlib import Path

import torch
from torch import nn

from train.model.clip_block import clip_means
from train.processes import joined_processes


def main(folder):
    block, frames, starts, direction, clip_length = torch.load(
        Path(folder) / "case.pt", weights_only=False
    )
    with joined_processes("cpu") as processes:
        nn.SyncBatchNorm.convert_sync_batchnorm(block)
        rows = slice(processes.rank, processes.rank + 1)
        own = frames[rows].clone().requires_grad_()
        means = clip_means(block, own, starts[rows], clip_length)
        (means * direction[rows]).sum().backward()
        gradients = {name: parameter.grad for name, parameter in block.named_parameters()}
        result = {"means": means.detach(), "frames": own.grad, "state": block.state_dict()}
        torch.save(result | gradients, Path(folder) / f"{processes.rank}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
