"""The arithmetic of the forward pass: float32, or half precision where it is safe."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Inside, matrix products and convolutions are computed in ``precision``.

    Weights stay in float32, and so do the operations that need it.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def loss_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Scales losses so that float16 gradients do not vanish; does nothing for the others."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
