"""Batch norm where a step has several forward passes and a run several processes.

Its running statistics move once a step, as if all of a process's videos were encoded at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from train.model.graph_convolution import PointNorm
from train.processes import Processes


class SynchronisedPointNorm(nn.SyncBatchNorm):
    """:class:`~train.model.graph_convolution.PointNorm` over the points of all processes."""

    def forward(self, features: Float[Tensor, "row joint dim"]) -> Float[Tensor, "row joint dim"]:
        """Normalised features."""
        flat = super().forward(rearrange(features, "n v c -> (n v) c"))
        return rearrange(flat, "(n v) c -> n v c", v=features.shape[1])


def synchronise(model: nn.Module) -> None:
    """Makes batch statistics those of all processes' videos; only GPUs can compute them."""
    point_norms = [name for name, part in model.named_modules() if isinstance(part, PointNorm)]
    nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    # The conversion knows torch's own classes only, and forgets how these arrange their input.
    for name in point_norms:
        plain = model.get_submodule(name)
        assert isinstance(plain, nn.SyncBatchNorm)
        norm = SynchronisedPointNorm(plain.num_features, plain.eps, plain.momentum)
        norm.load_state_dict(plain.state_dict())
        model.set_submodule(name, norm.train(plain.training))


def average_running_statistics(model: nn.Module, processes: Processes) -> None:
    """Gives all processes the mean of their running statistics, before they are used or saved."""
    if processes.size == 1:
        return
    statistics = [s for s in _statistics(model) if s.is_floating_point()]
    processes.sum_in_place(statistics)
    for statistic in statistics:
        statistic /= processes.size


@contextmanager
def share_of_momentum(model: nn.Module, number: int, count: int) -> Iterator[None]:
    """Inside, the ``number``-th of ``count`` micro-batches (from 0) is encoded.

    With momentum m, the k-th gets m / (count - (count - k) m), k = 1 ... count: after the last,
    old statistics weigh 1 - m and every micro-batch's m / count.
    """
    norms = [norm for norm in _norms(model) if norm.momentum is not None]
    momenta = [norm.momentum or 0.0 for norm in norms]
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum / (count - (count - number - 1) * momentum)
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def saved_statistics(model: nn.Module) -> list[Tensor]:
    """Copies of the running statistics, for :func:`restore_statistics`."""
    return [statistic.clone() for statistic in _statistics(model)]


@torch.no_grad()
def restore_statistics(model: nn.Module, saved: list[Tensor]) -> None:
    """Undoes what forward passes have done to the running statistics since."""
    for statistic, old in zip(_statistics(model), saved, strict=True):
        statistic.copy_(old)


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def _statistics(model: nn.Module) -> list[Tensor]:
    return [statistic for norm in _norms(model) for statistic in norm.buffers(recurse=False)]
