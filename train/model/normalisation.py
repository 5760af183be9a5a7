"""Norms, dropout and running statistics that leave padding out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def weighted_batch_norm(
    norm: _BatchNorm, values: Float[Tensor, "row dim"], counts: Int64[Tensor, " row"]
) -> Float[Tensor, "row dim"]:
    """What ``norm`` makes of each row, where row r is in its batch ``counts[r]`` times.

    In training mode the running statistics move as they would, and the statistics are those of all
    processes if the norm is synchronised. Half precision becomes the norm's own, as in any norm.
    """
    values = values.to(norm.weight.dtype)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if not norm.training:
        deviations, variance = values - norm.running_mean, norm.running_var
    else:
        weights = counts.to(values.dtype)[:, None]
        total = _over_processes(norm, weights.sum())
        mean = _over_processes(norm, (weights * values).sum(dim=0)) / total
        deviations = values - mean
        variance = _over_processes(norm, (weights * deviations.square()).sum(dim=0)) / total
        _record(norm, mean.detach(), variance.detach() * total / (total - 1))
    return deviations * (norm.weight * torch.rsqrt(variance + norm.eps)) + norm.bias


def _record(norm: _BatchNorm, mean: Float[Tensor, " dim"], variance: Float[Tensor, " dim"]) -> None:
    assert norm.momentum is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)


def _over_processes(norm: _BatchNorm, values: Tensor) -> Tensor:
    """The sum over the processes that a synchronised norm shares its statistics with."""
    if not isinstance(norm, nn.SyncBatchNorm) or not dist.is_initialized():
        return values
    return _SumOverProcesses.apply(values, norm.process_group)


class _SumOverProcesses(torch.autograd.Function):
    """Every process's loss depends on the sum, and so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: dist.ProcessGroup | None) -> Tensor:  # noqa: ANN401
        ctx.group = group
        total = values.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


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


class Dropout(nn.Dropout):
    """Zeros a share p of the values at random and divides the others by 1 - p.

    On a CPU, torch's own draws a double for every value, one after another, and keeps a float mask.
    """

    def forward(self, values: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The values, or what is left of them in training mode."""
        if values.device.type != "cpu" or not self.training or self.p == 0:
            return super().forward(values)
        kept = random_mask(values.shape, 1 - self.p)
        return torch.where(kept, values, 0.0).mul_(1 / (1 - self.p))


def random_mask(shape: torch.Size, share: float) -> Bool[Tensor, "*_"]:
    """True with the probability ``share`` below 1, from torch's generator: 32 bits a value."""
    count = shape.numel()
    pairs = torch.empty((count + 1) // 2, dtype=torch.int64).random_(-(2**63), None)
    smallest_dropped = round(share * 2**32) - 2**31
    return (pairs.view(torch.int32)[:count] < smallest_dropped).view(shape)
