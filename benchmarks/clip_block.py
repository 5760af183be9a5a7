"""Measures the temporal block of clips against the published order of computation.

    python benchmarks/clip_block.py

Ours computes once a frame what overlapping clips share; the published order cuts every clip out
and computes it alone (``reference/clip_block.py``, which the tests compare ours with). One trial
is a forward and a backward pass with the gradients of frames and parameters; trials of both take
turns in one process. Peak memory is measured in a process of its own for each.
"""

import argparse
from collections.abc import Callable

import torch
from measurement import OURS, matrix_rate, peak_memory, print_conditions, print_table, take_turns
from torch import Tensor

from reference.clip_block import naive_clip_means
from train.model.clip_block import NUM_ENDS, clip_means
from train.model.temporal_block import TemporalBlock

CLIP_LENGTH = 16
PRODUCTS = 5 + 3 + 3 + 2
"""Of width x width matrices, for one output: all taps, and the last convolution of two inputs."""

CLIP_PRODUCTS = 2 * 2 + NUM_ENDS * 2
"""What is left clip by clip: two taps at both ends, and the last convolution's end outputs."""

WAYS = {"published order": naive_clip_means, OURS: clip_means}


def main() -> None:
    """Prints one row a way, and what the operations would take at the measured matrix rate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    ways = {name: trial(name, options) for name in WAYS}
    means, expected = (ways[name]() for name in (OURS, "published order"))
    print(f"largest difference of a mean {(means - expected).abs().max():.1e}\n")
    seconds = take_turns(ways, options.turns)
    rate = matrix_rate()
    floors = {name: operations(name, options) for name in WAYS}
    print_table(
        seconds,
        amount=options.batch * options.frames,
        unit="frames",
        more={
            "GFLOP": {name: f"{count / 1e9:.0f}" for name, count in floors.items()},
            "floor s": {name: f"{count / rate:.2f}" for name, count in floors.items()},
            "peak MiB": {name: f"{peak_memory(trial, name, options):.0f}" for name in WAYS},
        },
    )
    print(f"\nmatrix products {rate / 1e9:.0f} GFLOP/s")


def trial(name: str, options: argparse.Namespace) -> Callable[[], Tensor]:
    """A forward and a backward pass; the clips lie as evenly as whole frames allow."""
    torch.manual_seed(0)
    block = TemporalBlock(options.width)
    values = torch.randn(options.batch, options.frames, options.width).relu_()
    last = options.frames - CLIP_LENGTH
    starts = torch.linspace(0, last, options.clips).long().repeat(options.batch, 1)
    direction = torch.randn(options.batch, options.clips, options.width)

    def both_passes() -> Tensor:
        block.zero_grad()
        frames = values.clone().requires_grad_()
        means = WAYS[name](block, frames, starts, CLIP_LENGTH)
        means.backward(direction)
        return means.detach()

    return both_passes


def operations(name: str, options: argparse.Namespace) -> int:
    """Of matrix products in a trial: forward, and the gradients of both factors."""
    products = {
        "published order": options.clips * CLIP_LENGTH * PRODUCTS,
        OURS: options.frames * PRODUCTS + options.clips * CLIP_PRODUCTS,
    }
    return 3 * 2 * options.width**2 * options.batch * products[name]


if __name__ == "__main__":
    main()
