"""Measures the temporal block of clips against the published order of computation.

    python benchmarks/clip_block.py

Ours computes once a frame what overlapping clips share; the published order cuts every clip out
and computes it alone (``tests/naive_clip_block.py``, which the tests compare ours with). One trial
is a forward and a backward pass with the gradients of frames and parameters; trials of both take
turns in one process. Peak memory is measured in a process of its own for each.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from train.model.clip_block import NUM_ENDS, clip_means
from train.model.temporal_block import TemporalBlock

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from naive_clip_block import naive_clip_means

CLIP_LENGTH = 16
PRODUCTS = 5 + 3 + 3 + 2
"""Of width x width matrices, for one output: all taps, and the last convolution of two inputs."""

WAYS = {"published order": naive_clip_means, "ours": clip_means}

Means = Callable[[TemporalBlock, Tensor, Tensor, int], Tensor]


def main() -> None:
    """Prints one row a way, and what the operations would take at the measured matrix rate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    operations = {
        "published order": options.batch * options.clips * CLIP_LENGTH * PRODUCTS,
        "ours": options.batch * (options.frames * PRODUCTS + options.clips * clip_products()),
    }
    seconds, rates = take_turns(options)
    rate = statistics.median(rates)
    print(f"{vars(options)}, torch {torch.__version__}")
    print(f"matrix products {rate / 1e9:.0f} GFLOP/s ({spread([r / 1e9 for r in rates])})\n")
    print("| way | median s | least - most | GFLOP | floor s | peak MiB |")
    print("|---|---|---|---|---|---|")
    for name, taken in seconds.items():
        counted = 3 * 2 * options.width**2 * operations[name]  # forward, and two gradients
        print(
            f"| {name} | {statistics.median(taken):.2f} | {spread(taken)} | {counted / 1e9:.0f} "
            f"| {counted / rate:.2f} | {peak_memory(name, options):.0f} |"
        )
    ratios = [slow / fast for slow, fast in zip(*seconds.values(), strict=True)]
    fewer = operations["published order"] / operations["ours"]
    print(
        f"\n{statistics.median(ratios):.1f} times faster ({spread(ratios)} turn by turn), ", end=""
    )
    print(f"{fewer:.1f} times fewer operations")


def clip_products() -> int:
    """What is left clip by clip: two taps at both ends, and the last convolution's end outputs."""
    return 2 * 2 + NUM_ENDS * 2


def take_turns(options: argparse.Namespace) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each way's trials, and the operations a second of matrix products between them."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    rates = []
    trial = Trial(options)
    trial(clip_means)  # The first pass also allocates.
    for _ in range(options.trials):
        for name, means_of in WAYS.items():
            seconds[name].append(trial(means_of))
        rates.append(matrix_rate(options))
    return seconds, rates


class Trial:
    """A block, frames and clips; the clips lie as evenly as whole frames allow."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Random frames that are never negative, as those of the encoder."""
        torch.manual_seed(0)
        self.block = TemporalBlock(options.width)
        self.frames = torch.randn(options.batch, options.frames, options.width).relu_()
        last = options.frames - CLIP_LENGTH
        self.starts = torch.linspace(0, last, options.clips).long().repeat(options.batch, 1)
        self.direction = torch.randn(options.batch, options.clips, options.width)

    def __call__(self, means_of: Means) -> float:
        """Seconds of a forward and a backward pass."""
        self.block.zero_grad()
        frames = self.frames.clone().requires_grad_()
        start = time.perf_counter()
        means = means_of(self.block, frames, self.starts, CLIP_LENGTH)
        means.backward(self.direction)
        return time.perf_counter() - start


def matrix_rate(options: argparse.Namespace) -> float:
    """Operations a second of a product of all frames with one tap."""
    frames = torch.randn(options.batch * options.frames, options.width)
    weights = torch.randn(options.width, options.width)
    start = time.perf_counter()
    for _ in range(10):
        frames @ weights
    return 10 * 2 * frames.numel() * options.width / (time.perf_counter() - start)


def peak_memory(name: str, options: argparse.Namespace) -> float:
    """MiB that a trial needs above what is there before it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(memory_of_trial, (name, options))


def memory_of_trial(name: str, options: argparse.Namespace) -> float:
    """MiB by which the process's largest resident size grows in one trial."""
    torch.set_num_threads(options.threads)
    trial = Trial(options)
    before = largest_resident()
    trial(WAYS[name])
    return largest_resident() - before


def largest_resident() -> float:
    """MiB that this process has had in memory at once; Linux keeps the figure."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def spread(values: list[float]) -> str:
    """The least and the largest."""
    return f"{min(values):.2f} - {max(values):.2f}"


if __name__ == "__main__":
    main()
