"""A ``DataLoader`` that is told for each pass which examples to put into which batch.

Workers have no part in what the batches are: all that is random in an example comes from its key.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from types import FrameType
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from train.tensor_tree import map_tensors

BATCHES_AHEAD = 2
"""Batches that each worker keeps ready."""

Key = TypeVar("Key")
Batch = TypeVar("Batch")


class KeyedLoader(Generic[Key, Batch]):
    """Reads batches, ahead of their use where there are workers. These live as long as it does."""

    def __init__(
        self,
        dataset: Dataset[Any],
        collate: Callable[[Sequence[Any]], Batch],
        workers: int,
        *,
        pin_memory: bool,
    ) -> None:
        """Starts no worker yet. Pinned memory needs a CUDA device."""
        self._keys: _Keys[Key] = _Keys()
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=self._keys,
            collate_fn=_PinnableCollation(collate),
            num_workers=workers,
            prefetch_factor=BATCHES_AHEAD if workers else None,
            persistent_workers=workers > 0,
            multiprocessing_context=_worker_context() if workers else None,
            worker_init_fn=_leave_signals_to_the_main_process,
            pin_memory=pin_memory,
            # Its own, so that reading leaves torch's global random state as it is.
            generator=torch.Generator(),
        )

    def batches(self, keys: list[list[Key]]) -> Iterator[Batch]:
        """One batch for each list of keys. A pass that was not read to its end is over with it."""
        self._keys.batches = keys
        for pinnable in self._loader:
            yield pinnable.batch


class _Keys(Generic[Key]):
    """The batches of the pass that begins next."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)


@dataclass(frozen=True)
class _Pinnable(Generic[Batch]):
    """A batch as ``DataLoader`` can pin it."""

    batch: Batch

    def pin_memory(self) -> "_Pinnable[Batch]":
        return _Pinnable(map_tensors(torch.Tensor.pin_memory, self.batch))


@dataclass(frozen=True)
class _PinnableCollation(Generic[Batch]):
    collate: Callable[[Sequence[Any]], Batch]

    def __call__(self, examples: Sequence[Any]) -> _Pinnable[Batch]:
        return _Pinnable(self.collate(examples))


def _worker_context() -> ForkServerContext:
    """Workers are forks of a fresh process that has loaded the libraries and has no threads.

    A fork of the training process would take over locks that its threads hold; an entirely new
    process would take seconds to load torch.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train.data.loading"])
    return context


def _leave_signals_to_the_main_process(_worker: int) -> None:
    """Ctrl-C, and the SIGTERM that a cluster sends to all processes of a job, are for the main
    process to answer: it still saves its state, and a lost worker would raise an error there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_once)


def _ignore_once(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
