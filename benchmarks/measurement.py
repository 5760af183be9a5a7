"""What the benchmarks share: taking turns, the machine's matrix rate, peak memory, one table.

Scripts beside this one import it by its bare name. A claim is a ratio: the ways that it compares
take turns in one process, or each in a process of its own, and the ratio is formed turn by turn.
"""

import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

OURS = "ours"
"""The name that a table's ratios refer to."""


def print_conditions(options: Mapping[str, object]) -> None:
    """Prints what a reader needs to know of the run: options, machine, and who else is on it."""
    asked = ", ".join(f"{name} {value}" for name, value in options.items())
    print(
        f"{asked}; torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), "
        f"{torch.get_num_threads()} threads, {os.cpu_count()} CPUs ({processor()}), "
        f"load average {os.getloadavg()[0]:.1f}\n"
    )


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def take_turns(
    ways: Mapping[str, Callable[[], object]], turns: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Way -> seconds of each of its turns; every other round begins with the last way.

    ``warm_up`` lets every way run once before, uncounted: the first run also allocates.
    """
    if warm_up:
        for way in ways.values():
            way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns):
        order = list(ways) if turn % 2 == 0 else list(reversed(ways))
        for name in order:
            seconds[name].append(seconds_of(ways[name]))
    return seconds


def seconds_of(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def print_table(
    seconds: Mapping[str, Sequence[float]],
    *,
    amount: float = 1.0,
    unit: str = "runs",
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """One row a way: its median, its spread, and how many times :data:`OURS` is as fast.

    ``amount`` of ``unit`` is done in one turn. ``more`` adds columns: title -> way -> text.
    """
    columns = more or {}
    titles = ["way", "median s", "least - most", f"{unit}/s", "ours is faster", "turn by turn"]
    print("| " + " | ".join([*titles, *columns]) + " |")
    print("|---" * (len(titles) + len(columns)) + "|")
    for name, taken in seconds.items():
        faster = ratios(taken, seconds[OURS])
        median = statistics.median(taken)
        cells = [
            name, f"{median:.3g}", spread(taken), f"{amount / median:.4g}",
            f"{statistics.median(faster):.2f}", spread(faster),
            *(of_way.get(name, "") for of_way in columns.values()),
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |")


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """How many times as long the first took, turn by turn."""
    return [first / second for first, second in zip(slow, fast, strict=True)]


def spread(values: Sequence[float]) -> str:
    """The least and the largest."""
    return f"{min(values):.3g} - {max(values):.3g}"


def matrix_rate(repeats: int = 10) -> float:
    """Operations a second of a float32 matrix product with the threads at hand; two a multiply-add.

    The floor of a way is the operations that it counts over this rate.
    """
    one, other = torch.randn(1024, 1536), torch.randn(1536, 1536)
    one @ other  # the first product also starts the threads
    taken = statistics.median(seconds_of(lambda: one @ other) for _ in range(repeats))
    return 2 * one.numel() * other.shape[1] / taken


def peak_memory(trial: Callable[..., object], *arguments: Any) -> float:  # noqa: ANN401
    """MiB that a trial needs above what is there before it, in a process of its own.

    ``trial(*arguments)`` prepares everything and returns the function to be measured; it must be
    importable by name.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_memory_of, (torch.get_num_threads(), trial, *arguments))


def _memory_of(threads: int, trial: Callable[..., Any], *arguments: object) -> float:
    torch.set_num_threads(threads)
    action = trial(*arguments)
    before = largest_resident()
    action()
    return largest_resident() - before


def largest_resident() -> float:
    """MiB that this process has had in memory at once; Linux keeps the figure."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
