"""Measures a training step against the published order of computation.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --small --bf16

A step is a forward and a backward pass, the limits on the gradients, and the optimiser. The
published order (``reference/training_step.py``, which the tests compare ours with in float64)
cuts every clip out and computes it alone, multiplies every joint with the weights of all subsets
of edges, encodes sentences and their twins separately, keeps the scores of every attention, samples
with ``grid_sample``, and takes the optimiser's step tensor by tensor. Both share one model's
weights and moments. Steps take turns in one process; peak memory is measured in a process of its
own for each.
"""

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from measurement import OURS, largest_resident, print_conditions, print_table, take_turns
from torch import nn

from reference.random_videos import random_videos
from reference.training_step import naive_loss, naive_step
from train.batches import ClipLayout, on_device
from train.model.retrieval_model import RetrievalModel
from train.optimisation.optimiser import build_optimiser
from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LossSettings, Precision, SimilaritySettings, TrainSettings
from train.text.text_encoder import build_text_encoder
from train.training.gradients import GradientPass
from train.training.step import TrainingStep

CPU = torch.device("cpu")
PUBLISHED, HALF = "published order", "ours, bfloat16"
LAYOUT = ClipLayout(num_slots=64, clip_length=16, rgb_dim=1024)
SMALL = {
    "text": {"width": 128, "layers": 3},
    "pose_encoder": {"width": 128},
    "streams": {"width": 192, "layers": 3, "initial": "random"},
    "cgaf": {"hidden": 512},
}


def main() -> None:
    """Prints whether both are the same, how long they take, and how much memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, nargs=2, default=(60, 180), help="least and most")
    parser.add_argument("--small", action="store_true", help="a quarter of the published widths")
    parser.add_argument("--bf16", action="store_true", help="our step in bfloat16 too")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    trial = Trial(options)
    count = sum(parameter.numel() for parameter in trial.model.parameters())
    print(f"{count / 1e6:.1f} M parameters; {trial.differences()}\n")
    ways = {name: trial.way(name) for name in (PUBLISHED, OURS)}
    if options.bf16:
        ways[HALF] = trial.way(HALF)
    seconds = take_turns(ways, options.turns, warm_up=False)
    print_table(seconds, amount=options.batch, unit="videos")
    del trial, ways
    print_memory({name: peak_memory(name, options) for name in seconds}, 4 * count / 2**20)


def print_memory(peaks: dict[str, tuple[float, float]], tensors: float) -> None:
    """``tensors``: MiB of the parameters, which is also that of gradients and of each moment."""
    print(f"\nParameters {tensors:.0f} MiB, gradients as much, both moments twice as much.\n")
    columns = [
        {name: whole for name, (whole, _) in peaks.items()},
        {name: beyond for name, (_, beyond) in peaks.items()},
        {name: beyond - tensors for name, (_, beyond) in peaks.items()},
    ]
    titles = ["whole process, MiB", "beyond weights and moments", "beyond gradients too"]
    print("| way | " + " | times less | ".join(titles) + " | times less |")
    print("|---" * (1 + 2 * len(titles)) + "|")
    for name in peaks:
        cells = [f"{of[name]:.0f} | {of[PUBLISHED] / of[name]:.2f}" for of in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")


class Trial:
    """A model, a batch, and both ways to take a step."""

    def __init__(self, options: argparse.Namespace, device: torch.device = CPU) -> None:
        """Random weights, random videos; every moment is in memory already."""
        torch.manual_seed(0)
        self.device = device
        settings = TrainSettings.model_validate(SMALL if options.small else {})
        text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
        self.settings = settings.optimisation
        self.model = RetrievalModel(settings, "fusion", LAYOUT, text).train().to(device)
        frames = np.linspace(*options.frames, options.batch, dtype=int)
        lengths = [int(count) for count in frames]
        self.batch = on_device(random_videos(LAYOUT, lengths), device)
        self.optimiser = build_optimiser(self.model, self.settings)
        self.our_step("float32")(on_device(random_videos(LAYOUT, [16, 17]), device), 0)

    def way(self, name: str) -> Callable[[], object]:
        """A step of one way."""
        if name == PUBLISHED:
            return self.published_step
        step = self.our_step("bfloat16" if name == HALF else "float32")
        return lambda: step(self.batch, 100)

    def published_step(self) -> None:
        """A step in the published order, whose indices must lie where the model does."""
        with self.device:
            naive_step(self.model, self.optimiser, self.batch)

    def our_step(self, precision: Precision) -> TrainingStep:
        """A step of ours, of 1000 that a run is said to have."""
        alone = Processes(0, 1, self.device)
        losses = SimilaritySettings(), LossSettings()
        gradient_pass = GradientPass(self.model, alone, *losses, precision)
        scaler = loss_scaler(alone.device, precision)
        return TrainingStep(gradient_pass, self.optimiser, scaler, self.settings, 1000)

    def differences(self) -> str:
        """Both losses and how far all gradients together are apart, without dropout."""
        ours, theirs, apart = self.both_losses()
        assert abs(ours - theirs) < 1e-4
        return (
            f"losses {theirs:.6f} in the published order and {ours:.6f} ours, "
            f"gradients {apart:.1e} of their length apart"
        )

    def both_losses(self) -> tuple[float, float, float]:
        """Our loss, the published order's, and how far all gradients together are apart, as a part
        of their length; without dropout."""
        with without_dropout(self.model), self.device:
            self.optimiser.zero_grad()
            theirs = naive_loss(self.model, self.batch)
            theirs.backward()
            expected = [parameter.grad for parameter in self.model.parameters()]
            self.optimiser.zero_grad()
            step = self.our_step("float32")
            ours = step.gradient_pass(self.batch, step.scaler).total
        squares = [
            ((parameter.grad - gradient).square().sum().item(), gradient.square().sum().item())
            for parameter, gradient in zip(self.model.parameters(), expected, strict=True)
        ]
        apart, length = (sum(column) ** 0.5 for column in zip(*squares, strict=True))
        return ours.item(), theirs.item(), apart / length

    def loss(self, precision: Precision) -> float:
        """Our loss in a precision, without dropout."""
        with without_dropout(self.model):
            self.optimiser.zero_grad()
            step = self.our_step(precision)
            return step.gradient_pass(self.batch, step.scaler).total.item()


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Inside, nothing is dropped: both orders would draw other random numbers."""
    dropouts = [part for part in model.modules() if isinstance(part, nn.Dropout)]
    shares = [part.p for part in dropouts]
    for part in dropouts:
        part.p = 0.0
    yield
    for part, share in zip(dropouts, shares, strict=True):
        part.p = share


def peak_memory(name: str, options: argparse.Namespace) -> tuple[float, float]:
    """MiB of a process at its largest in a step, and what of it the step itself needs.

    glibc's malloc would keep what was freed before the step, and count it for both ways.
    """
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**20)
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(memory_of_step, (name, options))
    finally:
        del os.environ["MALLOC_MMAP_THRESHOLD_"]


def memory_of_step(name: str, options: argparse.Namespace) -> tuple[float, float]:
    """The same of this process."""
    torch.set_num_threads(options.threads)
    trial = Trial(options)
    trial.optimiser.zero_grad()
    Path("/proc/self/clear_refs").write_text("5")  # the largest size is from now on
    before = largest_resident()
    trial.way(name)()
    return largest_resident(), largest_resident() - before


if __name__ == "__main__":
    main()
