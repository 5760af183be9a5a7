"""Which fast paths a device takes: the one place that switches one off where it loses.

``benchmarks/gpu.py`` measures each of them against the plain way on the device at hand. All of them
give the same values up to the order of sums, so that a switch changes time and memory only.
"""

from typing import Literal

import torch

FastPath = Literal["shared windows", "folded RGB norms", "RGB channels last", "folded pose norms"]

SLOWER_ON: dict[FastPath, set[str]] = {
    "shared windows": set(),
    "folded RGB norms": set(),
    "RGB channels last": set(),
    "folded pose norms": set(),
}
"""Path -> kinds of device (``cpu``, ``cuda``) that take the plain way instead."""


def pays_on(path: FastPath, device: torch.device) -> bool:
    """Whether a device takes the fast path."""
    return device.type not in SLOWER_ON[path]


def clip_memory(device: torch.device) -> torch.memory_format:
    """How clips and the weights of video networks lie in the device's memory."""
    if pays_on("RGB channels last", device):
        return torch.channels_last_3d
    return torch.contiguous_format
