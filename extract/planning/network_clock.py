"""Measures a piece of work: its seconds, those within networks, and its operations."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.flop_counter import FlopCounterMode

_MATRIX_SIDE = {"cpu": 1024, "cuda": 4096}
_PRODUCTS = 5

TIMED_RUNS = 2
"""The fastest one counts: another program may hold up the others."""


@dataclass(frozen=True)
class Measured:
    """One call of a function, at its fastest."""

    seconds: float
    host_seconds: float
    """Of the calling thread outside modules of PyTorch; what other programs take does not count."""
    operations: int
    """Multiplications and additions of convolutions, matrix products and attention."""


def measure(work: Callable[[], object], device: torch.device) -> Measured:
    """Calls ``work`` to warm up and to count its operations, and then for its time."""
    with FlopCounterMode(display=False, custom_mapping=_uncounted()) as counter:
        work()
    runs = [_timed(work, device) for _ in range(TIMED_RUNS)]
    return Measured(
        seconds=min(seconds for seconds, _ in runs),
        host_seconds=min(host_seconds for _, host_seconds in runs),
        operations=counter.get_total_flops(),
    )


def _uncounted() -> dict[Any, Callable[..., int]]:
    """Formulas for what PyTorch's counter passes over: oneDNN's convolution with its activation."""
    packet = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    return {} if packet is None else {packet: _convolution_operations}


def _convolution_operations(
    _images: torch.Size, weight: torch.Size, *_: object, out_shape: torch.Size, **__: object
) -> int:
    """Two for every weight that an output reads."""
    return 2 * out_shape.numel() * weight[1:].numel()


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the product of two large square matrices."""
    side = _MATRIX_SIDE[device.type]
    matrix = torch.ones(side, side, device=device, dtype=dtype)
    torch.mm(matrix, matrix)
    begin = _now(device)
    for _ in range(_PRODUCTS):
        torch.mm(matrix, matrix)
    return _PRODUCTS * 2 * side**3 / (_now(device) - begin)


def _timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of one call, and those that this thread worked outside networks."""
    with _NetworkClock(device) as clock:
        begin, begin_of_thread = _now(device), time.thread_time()
        work()
        seconds = _now(device) - begin
        of_thread = time.thread_time() - begin_of_thread
    return seconds, of_thread - clock.thread_seconds


@dataclass
class _NetworkClock:
    """Adds up this thread's time between beginning and end of every outermost module's call."""

    device: torch.device
    thread_seconds: float = 0.0
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
            _wait(self.device)
            self._begin = time.thread_time()
        self._depth += 1

    def _leave(self, _module: nn.Module, _inputs: object, _output: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            _wait(self.device)
            self.thread_seconds += time.thread_time() - self._begin


def _now(device: torch.device) -> float:
    """Seconds, once the device has done what it was told to."""
    _wait(device)
    return time.perf_counter()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
