"""Measures every fast path on a GPU in five minutes, and says which of them to keep there.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --device cpu --quick

Both extraction networks, the training step and the loader get made-up input and random weights: no
videos and no downloads. Each fast path takes turns with the plain way in one process; a path is
kept where it is faster and gives the same, or takes less memory at about the same speed. What a
part needs beyond torch is numpy, pydantic, PyYAML, zarr, jaxtyping, einops, rich, typer, filelock
and open-clip-torch; the RGB network also torchvision and opencv-python, the pose network mmpose,
mmcv-lite and mmengine, the tests marked ``gpu`` pytest and beartype. A part that lacks something is
named and left out. A path that loses on a device is switched off there in
``extract/fast_paths.py``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

# Before numpy and torch are imported, from the repository's root or from anywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from measurement import ratios, spread, take_turns
from torch import Tensor

from extract.fast_paths import SLOWER_ON, FastPath
from train.precision import use_arithmetic
from train.settings import ArithmeticSettings

PLAIN = "plain"
SAME_SPEED = 0.95
LESS_MEMORY = 1.05
"""Times less, from which on a path is kept at about the same speed."""
SAME = 1e-3
"""Relative difference of float32 results; sums in another order stay far below."""
SAME_IN_HALF = 5e-2
SAME_GRADIENTS = 2e-2
"""Of the gradients' length: float32 alone moves them by 5e-3; the tests compare in float64."""
REPOSITORY = Path(__file__).resolve().parents[1]


Ways: TypeAlias = Mapping[str, Callable[[], Tensor]]
"""Name -> what computes the features or tokens."""


@dataclass(frozen=True)
class Finding:
    """One fast path against the plain way."""

    path: str
    against: str
    faster: list[float]
    """Times, turn by turn."""
    memory: float | None
    """Times less at the peak; unknown without CUDA."""
    difference: float
    allowed: float

    @property
    def is_kept(self) -> bool:
        """Whether the path pays on this device."""
        speed, memory = statistics.median(self.faster), self.memory or 1.0
        pays = speed > 1 or (speed >= SAME_SPEED and memory >= LESS_MEMORY)
        return pays and self.difference <= self.allowed

    def row(self) -> str:
        """The finding as a row of the table."""
        memory = "-" if self.memory is None else f"{self.memory:.2f}"
        equal = f"{self.difference:.1e}" + " (too far)" * (self.difference > self.allowed)
        cells = [
            self.path, self.against, f"{statistics.median(self.faster):.2f}", spread(self.faster),
            memory, equal, "yes" if self.is_kept else "no",
        ]  # fmt: skip
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Conditions:
    """Where and how much is measured."""

    device: torch.device
    is_quick: bool

    @property
    def is_cuda(self) -> bool:
        """Whether the device measures its memory and computes half precision in hardware."""
        return self.device.type == "cuda"

    @property
    def turns(self) -> int:
        """Turns of each way."""
        return 1 if self.is_quick else 7

    def wait(self) -> None:
        """Returns when the device has done what it was asked to do."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def compare(
        self, plain: Callable[[], object], fast: Mapping[str, Callable[[], object]]
    ) -> dict[str, tuple[list[float], float | None]]:
        """Fast way -> times faster, turn by turn, and times less memory."""
        ways = {PLAIN: plain, **fast}
        peaks = {name: self.peak(way) for name, way in ways.items()}
        timed = {name: (lambda way=way: (way(), self.wait())) for name, way in ways.items()}
        seconds = take_turns(timed, self.turns, warm_up=not self.is_quick)
        return {
            name: (
                ratios(seconds[PLAIN], seconds[name]),
                peaks[PLAIN] / max(peaks[name], 1) if self.is_cuda else None,
            )
            for name in fast
        }

    def peak(self, way: Callable[[], object]) -> float:
        """Bytes that a way needs beyond what is there; 0 without CUDA."""
        if not self.is_cuda:
            return 0.0
        self.wait()
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        way()
        self.wait()
        return torch.cuda.max_memory_allocated(self.device) - before


def main() -> None:
    """Prints one table, a verdict a fast path, and what was not measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small networks, one turn, no tests")
    parser.add_argument("--minutes", type=float, default=5.0, help="no part begins later")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(f"torch {torch.__version__} sees no GPU; try --device cpu --quick")
    end = time.monotonic() + 60 * options.minutes
    use_arithmetic(ArithmeticSettings())
    device = torch.device(options.device)
    on = Conditions(device, options.quick)
    name = torch.cuda.get_device_name(device) if on.is_cuda else "this processor"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}, {os.cpu_count()} CPUs\n")
    titles = ["fast path", "against", "times faster", "turns", "memory, times less", "difference",
              f"keep on {device.type}"]  # fmt: skip
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    left_out = []
    for title, part in PARTS.items():
        if time.monotonic() > end:
            left_out.append(f"{title}: no time left, see --minutes")
            continue
        try:
            # Row by row, so that a part that is interrupted leaves what it has found.
            with all_switched_on():
                for finding in part(on):
                    print(finding.row(), flush=True)
        except ImportError as error:
            left_out.append(f"{title}: needs {error.name or error}")
        except (RuntimeError, ValueError, AssertionError) as error:
            left_out.append(f"{title}: failed, {type(error).__name__}: {error}")
    print()
    for line in left_out:
        print(f"Not measured: {line}")
    print(f"Tests marked gpu: {gpu_tests(on, end)}")
    if any("failed" in line for line in left_out):
        raise SystemExit(1)


def relative(one: Tensor, other: Tensor) -> float:
    """Largest difference, as a part of the largest value."""
    one, other = one.float(), other.float()
    return float((one - other).abs().max() / other.abs().max())


@contextmanager
def switched_off(path: FastPath, device: torch.device) -> Iterator[None]:
    """Inside, the program takes the plain way on the device."""
    before = SLOWER_ON[path]
    SLOWER_ON[path] = before | {device.type}
    try:
        yield
    finally:
        SLOWER_ON[path] = before


@contextmanager
def all_switched_on() -> Iterator[None]:
    """Inside, every fast path is taken, also where an earlier measurement has switched it off."""
    before = dict(SLOWER_ON)
    for path in SLOWER_ON:
        SLOWER_ON[path] = set()
    try:
        yield
    finally:
        SLOWER_ON.update(before)


def rgb_network(on: Conditions) -> Iterator[Finding]:
    """Inception I3D: shared windows, folded norms, channels last, half precision."""
    from rgb_windows import CLIP, made_up_frames

    from extract.rgb.backbones import Backbone, load_backbone

    def load() -> Backbone:
        return load_backbone("i3d", "random", device=str(on.device))

    backbone = load()
    with switched_off("folded RGB norms", on.device):
        unfolded = load()
    with switched_off("RGB channels last", on.device):
        channels_first = load()

    starts = [0, 2] if on.is_quick else list(range(18))
    frames = backbone.prepare(made_up_frames(starts[-1] + CLIP).to(on.device))
    clips = torch.stack([frames[:, start : start + CLIP] for start in starts])
    some = clips[:1] if on.is_quick else clips

    def clips_apart() -> Tensor:
        with switched_off("shared windows", on.device):
            return backbone.window_features(frames, starts)

    def with_channels_first() -> Tensor:
        with switched_off("RGB channels last", on.device):
            return channels_first.features(some)

    def ours() -> Tensor:
        return backbone.features(some)

    with torch.inference_mode():
        shared: Ways = {"shared windows": lambda: backbone.window_features(frames, starts)}
        yield from findings(on, "clips apart", clips_apart, shared)
        yield from findings(
            on, "norms apart", lambda: unfolded.features(some), {"folded RGB norms": ours}
        )
        yield from findings(on, "channels first", with_channels_first, {"RGB channels last": ours})
        yield from in_half(on, "RGB", ours)


def pose_network(on: Conditions) -> Iterator[Finding]:
    """A network of MMPose: folded norms, and half precision."""
    from pose_frames import with_measured_norms

    from extract.pose.mmpose_model import (
        known_warnings_silenced,
        load_mmpose_model,
        ready_for_inference,
    )
    from extract.pose.provenance import RANDOM, find_model

    source = find_model("demo" if on.is_quick else "rtmpose-l-384", RANDOM)
    with known_warnings_silenced():
        model = load_mmpose_model(source, torch.device("cpu"), flip_test=False)
        network = with_measured_norms(model.network).to(on.device).eval()
    folded = ready_for_inference(network, on.device)
    with switched_off("folded pose norms", on.device):
        unfolded = ready_for_inference(network, on.device)
    width, height = network.head.decoder.input_size
    made = torch.Generator().manual_seed(0)
    images = torch.randn(2 if on.is_quick else 64, 3, height, width, generator=made).to(on.device)
    if not on.is_cuda:  # as the estimator lays them out
        images = images.contiguous(memory_format=torch.channels_last)

    def features(network: Any) -> Tensor:  # noqa: ANN401 - mmpose's
        with known_warnings_silenced():
            return network.extract_feat(images)[-1]

    with torch.inference_mode():
        yield from findings(
            on,
            "norms apart",
            lambda: features(unfolded),
            {"folded pose norms": lambda: features(folded)},
        )
        yield from in_half(on, "pose", lambda: features(folded))


def in_half(on: Conditions, network: str, way: Callable[[], Tensor]) -> Iterator[Finding]:
    """Half precision against float32, where the device has it in hardware."""
    if not on.is_cuda:
        return

    def reduced(dtype: torch.dtype) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with torch.autocast(on.device.type, dtype):
                return way()

        return run

    halves = {f"{network} in {name}": reduced(dtype) for name, dtype in HALVES.items()}
    yield from findings(on, "float32", way, halves, SAME_IN_HALF)


HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def findings(
    on: Conditions,
    against: str,
    plain: Callable[[], Tensor],
    fast: Ways,
    allowed: float = SAME,
) -> Iterator[Finding]:
    """Compares ways that return what they compute."""
    expected = plain()
    apart = {name: relative(way(), expected) for name, way in fast.items()}
    for name, (faster, memory) in on.compare(plain, fast).items():
        yield Finding(name, against, faster, memory, apart[name], allowed)


def step_options(on: Conditions) -> argparse.Namespace:
    """Size of the step's model and batch, as ``training_step.py`` takes them."""
    if on.is_quick:
        return argparse.Namespace(small=True, batch=2, frames=(20, 30))
    return argparse.Namespace(small=False, batch=32, frames=(60, 180))


def training_step(on: Conditions) -> Iterator[Finding]:
    """A step of the fusion stage in three precisions, against the published order."""
    from training_step import PUBLISHED, Trial

    trial = Trial(step_options(on), on.device)
    ours, theirs, gradients = trial.both_losses()
    plain = trial.way(PUBLISHED)
    losses = {"float32": ours}
    for precision in ("bfloat16", "float16"):
        losses[precision] = trial.loss(precision)
    steps = {name: trial.our_step(name) for name in losses}
    ways = {
        f"step: ours, {name}": (lambda step=step: step(trial.batch, 100))
        for name, step in steps.items()
    }
    found = on.compare(plain, ways)
    for name, loss in losses.items():
        faster, memory = found[f"step: ours, {name}"]
        apart = gradients if name == "float32" else abs(loss - theirs) / abs(theirs)
        allowed = SAME_GRADIENTS if name == "float32" else SAME_IN_HALF
        yield Finding(f"step: ours, {name}", PUBLISHED, faster, memory, apart, allowed)


def loader(on: Conditions) -> Iterator[Finding]:
    """How many times as fast batches are read as a step of ours consumes them."""
    from loader import opened, our_loader, write_videos
    from training_step import Trial

    from train.batches import on_device
    from train.text.openai_clip import OpenAIClipTokenizer

    options = step_options(on)
    trial = Trial(options, on.device)
    step = trial.our_step("float32" if on.is_quick else "bfloat16")
    workers = 0 if on.is_quick else min(8, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_videos(folder, 4 * options.batch)
        batches = our_loader(
            *opened(folder, options.batch),
            OpenAIClipTokenizer(32),
            workers=workers,
            pin_memory=on.is_cuda,
        )
        try:
            seconds = []
            for epoch in range(2 if on.is_quick else 4):
                start = time.perf_counter()
                for batch in batches.epoch(epoch):
                    last = on_device(batch, on.device)
                on.wait()
                seconds.append((time.perf_counter() - start) / 4)
        finally:
            batches.close()
    taken = take_turns({"step": lambda: (step(last, 100), on.wait())}, len(seconds) - 1)["step"]
    # The first epoch also starts the processes.
    yield Finding(
        f"loader: {workers} processes", "a step's time", ratios(taken, seconds[1:]), None, 0.0, SAME
    )


PARTS: Mapping[str, Callable[[Conditions], Iterator[Finding]]] = {
    "RGB network": rgb_network,
    "pose network": pose_network,
    "training step": training_step,
    "loader": loader,
}


def gpu_tests(on: Conditions, end: float) -> str:
    """Runs the tests that need a GPU, in the time that is left; returns the last line."""
    if on.is_quick or not on.is_cuda:
        return "not run here"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests"]
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=max(30.0, end - time.monotonic()),
        )
    except subprocess.TimeoutExpired:
        return "no time left, see --minutes"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


if __name__ == "__main__":
    main()
