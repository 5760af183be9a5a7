"""Batch norm and dropout for padded batches, micro-batches and several processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from train.processes import Processes


class PointNorm(nn.BatchNorm1d):
    """Batch norm of channels over all points of all rows: (row, joint, channel) in and out."""

    def forward(self, features: Float[Tensor, "row joint dim"]) -> Float[Tensor, "row joint dim"]:
        """Returns normalised features."""
        flat = super().forward(rearrange(features, "n v c -> (n v) c"))
        return rearrange(flat, "(n v) c -> n v c", v=features.shape[1])


def weighted_batch_norm(
    norm: _BatchNorm, values: Float[Tensor, "row dim"], counts: Int64[Tensor, " row"]
) -> Float[Tensor, "row dim"]:
    """Applies ``norm`` to each row, where row r is in its batch ``counts[r]`` times.

    In training mode the running statistics move as they would, and the statistics are those of all
    processes if the norm is synchronised. Half precision becomes the norm's own, as in any norm.
    """
    values = values.to(norm.weight.dtype)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if not norm.training:
        deviations, variance = values - norm.running_mean, norm.running_var
    else:
        # Mean and variance as if row r were repeated counts[r] times.
        weights = counts.to(values.dtype)[:, None]
        total = _over_processes(norm, weights.sum())
        mean = _over_processes(norm, (weights * values).sum(dim=0)) / total
        # Not the mean of squares less the square of the mean, which would lose digits.
        deviations = values - mean
        variance = _over_processes(norm, (weights * deviations.square()).sum(dim=0)) / total
        assert norm.momentum is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean.detach(), norm.momentum)
        # As in torch's norms, the running variance is the unbiased one, and the batch's is not.
        norm.running_var.lerp_(variance.detach() * total / (total - 1), norm.momentum)
    return deviations * (norm.weight * torch.rsqrt(variance + norm.eps)) + norm.bias


def _over_processes(norm: _BatchNorm, values: Tensor) -> Tensor:
    """The sum over the processes that a synchronised norm shares its statistics with."""
    if not isinstance(norm, nn.SyncBatchNorm) or not dist.is_initialized():
        return values
    return _SumOverProcesses.apply(values, norm.process_group)


class _SumOverProcesses(torch.autograd.Function):
    """Every process's loss depends on the sum, so its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: dist.ProcessGroup | None) -> Tensor:  # noqa: ANN401
        ctx.group = group
        total = values.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        # An incoming gradient may be an expanded view, and belongs to autograd: it is not changed.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, a training forward pass uses its batch's statistics but does not record them.

    The momentum is zero there: gradient checkpointing demands the same operations as before.
    """
    norms = _norms(module)
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
    """Zeros values with probability p and divides the others by 1 - p.

    On a CPU, torch's own draws a double for every value, one after another, and keeps a float mask.
    """

    def forward(self, values: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Returns the values, some of them zeroed in training mode."""
        if values.device.type != "cpu" or not self.training or self.p == 0:
            return super().forward(values)
        kept = random_mask(values.shape, 1 - self.p)
        return torch.where(kept, values, 0.0).mul_(1 / (1 - self.p))


def random_mask(shape: torch.Size, probability: float) -> Bool[Tensor, "*_"]:
    """True with a probability below 1, from 32 bits of torch's generator a value."""
    count = shape.numel()
    # Two 32-bit numbers from each 64-bit draw.
    pairs = torch.empty((count + 1) // 2, dtype=torch.int64).random_(-(2**63), None)
    # The 32 bits are read as signed numbers, which begin at -2^31.
    smallest_dropped = round(probability * 2**32) - 2**31
    return (pairs.view(torch.int32)[:count] < smallest_dropped).view(shape)


class SynchronisedPointNorm(nn.SyncBatchNorm):
    """:class:`~train.model.graph_convolution.PointNorm` over the points of all processes."""

    def forward(self, features: Float[Tensor, "row joint dim"]) -> Float[Tensor, "row joint dim"]:
        """Returns normalised features."""
        flat = super().forward(rearrange(features, "n v c -> (n v) c"))
        return rearrange(flat, "(n v) c -> n v c", v=features.shape[1])


def synchronise(model: nn.Module) -> None:
    """Turns the norms into ones over the videos of all processes, which only GPUs can compute."""
    point_norms = [name for name, part in model.named_modules() if isinstance(part, PointNorm)]
    nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    # The conversion knows torch's own classes only, and drops the way these arrange their input.
    for name in point_norms:
        plain = model.get_submodule(name)
        assert isinstance(plain, nn.SyncBatchNorm)
        norm = SynchronisedPointNorm(plain.num_features, plain.eps, plain.momentum)
        norm.load_state_dict(plain.state_dict())
        model.set_submodule(name, norm.train(plain.training))


def average_running_statistics(model: nn.Module, processes: Processes) -> None:
    """Averages running statistics over the processes, before they are used or saved."""
    if processes.size == 1:
        return
    # Counts of batches are the same everywhere.
    statistics = [s for s in _statistics(model) if s.is_floating_point()]
    processes.sum_in_place(statistics)
    for statistic in statistics:
        statistic /= processes.size


@contextmanager
def micro_batch_momentum(model: nn.Module, number: int, count: int) -> Iterator[None]:
    """Inside, micro-batch ``number`` (from 0) of the ``count`` of a step is encoded.

    With momentum m, the k-th gets m / (count - (count - k) m), k = 1 ... count: after the last, the
    old statistics weigh 1 - m and those of every micro-batch m / count, as if they had been one.
    """
    norms = [norm for norm in _norms(model) if norm.momentum is not None]
    # A norm without momentum averages all batches by itself, and is left alone.
    momenta = [norm.momentum or 0.0 for norm in norms]
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum / (count - (count - number - 1) * momentum)
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def saved_statistics(model: nn.Module) -> list[Tensor]:
    """Copies the running statistics, for :func:`restore_statistics`."""
    return [statistic.clone() for statistic in _statistics(model)]


@torch.no_grad()
def restore_statistics(model: nn.Module, saved: list[Tensor]) -> None:
    """Resets the running statistics to what they were."""
    for statistic, old in zip(_statistics(model), saved, strict=True):
        statistic.copy_(old)


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def _statistics(model: nn.Module) -> list[Tensor]:
    return [statistic for norm in _norms(model) for statistic in norm.buffers(recurse=False)]
