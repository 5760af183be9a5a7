"""Batch norm of rows that each stand for several equal ones."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Int64
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
