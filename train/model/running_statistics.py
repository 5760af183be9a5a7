"""Keeps batch norm's running statistics still while values are computed a second time."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def still_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, a training forward pass uses its batch's statistics and records none of them."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    tracking = [norm.track_running_stats for norm in norms]
    try:
        for norm in norms:
            # In evaluation mode the flag would choose the batch's statistics, so leave it there.
            norm.track_running_stats = norm.track_running_stats and not norm.training
        yield
    finally:
        for norm, was in zip(norms, tracking, strict=True):
            norm.track_running_stats = was
