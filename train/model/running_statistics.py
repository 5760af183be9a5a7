"""Keeps batch norm's running statistics still while values are computed a second time."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def still_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, a training forward pass uses its batch's statistics and records none of them.

    A momentum of zero does it, because gradient checkpointing demands the same operations again.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    before = [None if count is None else count.clone() for count in counts]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for count, number in zip(counts, before, strict=True):
            if count is not None and number is not None:
                count.copy_(number)
