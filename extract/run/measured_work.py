"""Runs a pipeline's own networks on a few frames, to learn what a row costs here.

The weights are random: they change nothing about the speed, and nothing has to be downloaded. A
person detector with random weights finds no one, so it is measured beside the keypoint model, which
sees whole frames.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.flop_counter import FlopCounterMode

from extract.pose.person_boxes import WholeFrameBoxes
from extract.pose.person_detector import TorchvisionPersonDetector, empty_detector
from extract.pose.pose_stream import PoseStream, pose_pieces, pose_rows
from extract.rgb.rgb_stream import RgbStream, clip_features
from extract.run.hours import Arithmetic, Work
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Rows
from seds_core.pipeline_file import with_changes

Frames = UInt8[np.ndarray, "frame height width channel=3"]

CLIPS_ON_CPU = 2
FRAMES_ON_CPU = 4
"""Rows that are measured without a GPU, where they take a second each; with one, whole batches."""

TIMED_RUNS = 2
"""The fastest one counts: another program may hold up the others."""

_MATRIX_SIDE = {"cpu": 1024, "cuda": 4096}
_PRODUCTS = 5


def measurable(settings: ExtractSettings, device: torch.device) -> ExtractSettings:
    """The settings with random weights, all frames as clips, and whole frames as boxes.

    Without a GPU also with small batches.
    """
    settings = with_changes(settings, "rgb", {"weights": "random", "frames": "all"})
    clips, frames = settings.run.rgb_batch, settings.pose.batch_size
    if device.type == "cpu":
        clips, frames = min(clips, CLIPS_ON_CPU), min(frames, FRAMES_ON_CPU)
    # A detector or a file of boxes would find no one, or not these videos.
    without_box_file = settings.pose.model_copy(
        update={
            "person_box": "whole_frame", "person_box_file": None, "checkpoint": "random",
            "batch_size": frames,
        }
    )  # fmt: skip
    run = settings.run.model_copy(update={"rgb_batch": clips})
    return settings.model_copy(update={"pose": without_box_file, "run": run})


def rgb_work(stream: RgbStream, frames: Frames) -> Work:
    """A clip's cost; ``frames`` are as the decoder resizes them for the stream."""
    backbone, settings = stream.backbone, stream.settings
    batch, precision = settings.run.rgb_batch, settings.rgb.precision
    enough = _repeated(frames, backbone.clip_length + batch - 1)

    def features() -> object:
        return clip_features(
            backbone, [enough], range(batch), batch_size=batch, precision=precision
        )

    # Frames are cropped and scaled on the network's device, so nothing stays on the host.
    measured = measure(features, backbone.device)
    return _work("video network", measured, batch, precision, backbone.device, host_seconds=0.0)


def keypoint_work(stream: PoseStream, frames: Frames, device: torch.device) -> Work:
    """A frame's cost in the keypoint model; ``frames`` are as they are decoded."""
    settings = stream.settings.pose
    batch = settings.batch_size
    enough = _repeated(frames, batch)
    boxes = WholeFrameBoxes(settings.person_threshold)

    def rows() -> list[Rows]:
        size = enough.shape[2], enough.shape[1]
        pieces = pose_pieces(stream.estimator, boxes, [enough], size)
        return pose_rows(stream.estimator, list(pieces))

    measured = measure(rows, device)
    return _work(
        "keypoint model",
        measured,
        batch,
        settings.precision,
        device,
        host_seconds=measured.host_seconds,
    )


def detector_work(settings: PoseSettings, frames: Frames, device: torch.device) -> Work | None:
    """The person detector's cost, spread over all frames; ``None`` for pipelines without one."""
    if settings.person_box != "detector":
        return None
    network = empty_detector(settings.person_detector.network).to(device).eval()
    detect = TorchvisionPersonDetector(network, settings.person_detector.score_threshold, device)
    measured = measure(lambda: detect(frames[0]), device)
    # It looks at every n-th frame only, so a frame costs an n-th of a look.
    step = settings.person_detector.every_nth_frame
    return _work(
        "person detector", measured, step, "float32", device, host_seconds=0.0, reduced="float32"
    )


def _work(
    name: str,
    measured: "Measured",
    num_rows: int,
    arithmetic: Arithmetic,
    device: torch.device,
    *,
    host_seconds: float,
    reduced: Arithmetic = "float16",
) -> Work:
    dtype = torch.float32 if device.type == "cpu" else getattr(torch, arithmetic)
    return Work(
        name=name,
        seconds=measured.seconds / num_rows,
        host_seconds=host_seconds / num_rows,
        operations=measured.operations / num_rows,
        arithmetic=arithmetic,
        reduced=reduced,
        matrix_rate=matrix_rate(device, dtype),
    )


def _repeated(
    frames: UInt8[np.ndarray, "_ height width channel=3"], count: int
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    """``count`` frames, from the beginning again where there are fewer."""
    return frames[np.arange(count) % len(frames)]


@dataclass(frozen=True)
class Measured:
    """One call of a function, at its fastest."""

    seconds: float
    host_seconds: float
    """Time that the calling thread worked outside PyTorch's modules, on this program alone."""
    operations: int
    """Multiplications and additions of convolutions, matrix products and attention."""


def measure(work: Callable[[], object], device: torch.device) -> Measured:
    """Calls ``work`` to warm up and to count its operations, and then for its time."""
    # PyTorch's counter passes over oneDNN's convolution with its activation.
    packet = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    formulas: dict[Any, Callable[..., int]] = {packet: _convolution_operations} if packet else {}
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        work()
    seconds, host_seconds = [], []
    for _ in range(TIMED_RUNS):
        with _NetworkClock(device) as clock:
            began, thread_began = _now(device), time.thread_time()
            work()
            seconds.append(_now(device) - began)
            host_seconds.append(time.thread_time() - thread_began - clock.thread_seconds)
    return Measured(min(seconds), min(host_seconds), counter.get_total_flops())


def _convolution_operations(
    _images: torch.Size, weight: torch.Size, *_: object, out_shape: torch.Size, **__: object
) -> int:
    """Two for every weight that an output reads."""
    return 2 * out_shape.numel() * weight[1:].numel()


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the product of two large square matrices."""
    # Large enough that the device is busy, small enough for a moment on a CPU.
    side = _MATRIX_SIDE[device.type]
    matrix = torch.ones(side, side, device=device, dtype=dtype)
    # The first product is not timed: it loads the library's kernels.
    torch.mm(matrix, matrix)
    begin = _now(device)
    for _ in range(_PRODUCTS):
        torch.mm(matrix, matrix)
    return _PRODUCTS * 2 * side**3 / (_now(device) - begin)


@dataclass
class _NetworkClock:
    """Adds up this thread's time between beginning and end of every outermost module's call."""

    device: torch.device
    thread_seconds: float = 0.0
    # How many modules' calls are nested now, and when the outermost one began.
    _depth: int = 0
    _begin: float = 0.0
    _hooks: list[torch.utils.hooks.RemovableHandle] = field(default_factory=list)

    def __enter__(self) -> "_NetworkClock":
        self._hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        return self

    def __exit__(self, *_error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _enter(self, _module: nn.Module, _inputs: object) -> None:
        if self._depth == 0:
            # What was queued before is waited for before the clock starts, not within it.
            _now(self.device)
            self._begin = time.thread_time()
        self._depth += 1

    def _leave(self, _module: nn.Module, _inputs: object, _output: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            _now(self.device)
            self.thread_seconds += time.thread_time() - self._begin


def _now(device: torch.device) -> float:
    """Seconds, once the device has done what it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
