"""The arithmetic of a run: float32 or half precision, and how exact and repeatable a GPU is."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from train.settings import ArithmeticSettings, Precision, TrainSettings


def use_arithmetic(settings: ArithmeticSettings) -> None:
    """Makes this process's GPU compute as the settings say, until the next call.

    Must be called before the first product on the GPU.
    """
    torch.backends.cuda.matmul.allow_tf32 = settings.tf32
    torch.backends.cudnn.allow_tf32 = settings.tf32
    if settings.deterministic:
        # cuBLAS reads its environment once, at its first product.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(settings.deterministic)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Inside, matrix products and convolutions are computed in ``precision``.

    Weights stay in float32, and so do operations that need it.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def loss_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Returns what scales losses so that float16 gradients do not vanish; idle for the others."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")


def changed_arithmetic(
    saved: Mapping[str, Any], settings: TrainSettings, device: torch.device
) -> str | None:
    """Says how a run with the settings ``saved`` computed before some settings existed.

    ``None`` where the settings of today compute the same.
    """
    # Only what the settings of an older run cannot say: what they do say is compared elsewhere.
    changes = []
    precision = saved["optimisation"]["precision"]
    if "precision" not in saved["evaluation"] and precision != settings.evaluation.precision:
        changes.append(f"evaluated in {precision} and now does in {settings.evaluation.precision}")
    if "arithmetic" not in saved and device.type == "cuda" and not settings.arithmetic.tf32:
        changes.append("computed float32 convolutions in TF32 and now does in float32")
    return " and ".join(changes) or None
