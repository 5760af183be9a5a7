"""The batches of a training run and of an evaluation."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from itertools import cycle, islice
from typing import Any, Generic, TypeVar

import torch

from train.batches import SignBatch, TrainingBatch, map_tensors
from train.data.collation import (
    ExampleKey,
    ExampleReader,
    SignBatchReader,
    TrainingBatchReader,
    tokenised,
)
from train.data.reading_process import ReadingProcess
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.data.sampler import EpochBatches
from train.data.sign_reader import SignReader
from train.data.store_rows import LocatedVideo
from train.settings import AugmentationSettings
from train.text.text_encoder import Tokenizer

# FROM train/data/keyed_loader.py
# Reads batches ahead of their use, in processes of its own.
#
# These have no part in what the batches are: all that is random in an example comes from its key.


BATCHES_AHEAD = 2
"""Batches that each process keeps ready."""

Key = TypeVar("Key")
Batch = TypeVar("Batch")


class KeyedLoader(Generic[Key, Batch]):
    """Reads batches; its processes live until it is closed. One pass at a time."""

    def __init__(
        self,
        read: Callable[[list[Key]], Any],
        finish: Callable[[Any], Batch],
        workers: int,
        *,
        pin_memory: bool,
    ) -> None:
        """Starts nothing yet.

        ``read`` is sent to ``workers`` processes, or called here where there are none; ``finish``
        makes a batch of what it gives, here. Pinned memory needs a CUDA device.
        """
        self._read = read
        self._finish = finish
        self._num_workers = workers
        self._pin_memory = pin_memory
        self._workers: list[ReadingProcess] = []
        self._thread: ThreadPoolExecutor | None = None
        self._asked: deque[ReadingProcess] = deque()
        self._coming: Future[Batch] | None = None

    def batches(self, keys: Iterable[list[Key]]) -> Iterator[Batch]:
        """One batch for each list of keys. A pass that was not read to its end is over with it.

        Raises what reading raises, wherever it is done, and ``UnavailableError`` for a process
        that was ended by somebody else.
        """
        requests = iter(keys)
        if not self._num_workers:
            yield from (self._finished(self._read(request)) for request in requests)
            return
        thread = self._start()
        self._drop_the_rest()
        ahead = islice(requests, BATCHES_AHEAD * self._num_workers)
        for worker, request in zip(cycle(self._workers), ahead, strict=False):
            worker.ask(request)
            self._asked.append(worker)
        if self._asked:
            self._coming = thread.submit(self._receive, requests)
        while self._coming is not None:
            batch = self._coming.result()
            # The next one is fetched while this one is used.
            self._coming = thread.submit(self._receive, requests) if self._asked else None
            yield batch

    def close(self) -> None:
        """Ends the processes, whatever they do. A later pass starts others."""
        for worker in self._workers:
            worker.kill()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()
        self._workers, self._thread, self._coming = [], None, None
        self._asked.clear()

    def _start(self) -> ThreadPoolExecutor:
        if self._thread is None:
            device = torch.cuda.current_device() if self._pin_memory else None
            self._workers = [ReadingProcess(self._read) for _ in range(self._num_workers)]
            self._thread = ThreadPoolExecutor(1, "batches", _use, (device,))
        return self._thread

    def _drop_the_rest(self) -> None:
        """Of a pass that was not read to its end."""
        if self._coming is not None:
            wait([self._coming])
            self._coming = None
        while self._asked:
            with suppress(Exception):  # nobody wants it any more
                self._asked.popleft().answer()

    def _receive(self, requests: Iterator[list[Key]]) -> Batch:
        """The oldest batch that was asked for; its process is asked for another at once."""
        worker = self._asked.popleft()
        found = worker.answer()
        for request in islice(requests, 1):
            worker.ask(request)
            self._asked.append(worker)
        return self._finished(found)

    def _finished(self, found: Any) -> Batch:  # noqa: ANN401 - what the reading function gave
        batch = self._finish(found)
        return map_tensors(torch.Tensor.pin_memory, batch) if self._pin_memory else batch


def _use(device: int | None) -> None:
    """A thread has a current CUDA device of its own."""
    if device is not None:
        torch.cuda.set_device(device)


class TrainingBatches:
    """The batches of one training process, epoch by epoch; made by :func:`training_batches`.

    Whoever is done with them closes them: their processes end with it.
    """

    def __init__(
        self,
        loader: KeyedLoader[ExampleKey, TrainingBatch],
        sampler: EpochBatches,
        reader: SignReader,
        split: SplitVideos,
    ) -> None:
        """Reads nothing yet."""
        self._loader = loader
        self._sampler = sampler
        self._reader = reader
        self._split = split

    def epoch(self, epoch: int, *, first_step: int = 0) -> Iterator[TrainingBatch]:
        """The batches of an epoch, from a step on. Raises what :meth:`KeyedLoader.batches` does."""
        batches = self._sampler.batches(epoch, first_step=first_step)
        return self._loader.batches([self._key(epoch, p) for p in batch] for batch in batches)

    def close(self) -> None:
        """Ends the processes that read ahead."""
        self._loader.close()

    def _key(self, epoch: int, place: int) -> ExampleKey:
        video = self._split[place]
        return ExampleKey(epoch, place, self._reader.locate(video.video_id), video.text)


class SignBatches:
    """The videos of a split in order, as often as they are asked for; made by
    :func:`sign_batches`. To be closed like :class:`TrainingBatches`."""

    def __init__(
        self,
        loader: KeyedLoader[LocatedVideo, SignBatch],
        reader: SignReader,
        split: SplitVideos,
        batch_size: int,
    ) -> None:
        """Reads nothing yet."""
        self._loader = loader
        self._reader = reader
        self._split = split
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self._split) // self._batch_size)

    def __iter__(self) -> Iterator[SignBatch]:
        """The batches, from the first one on."""
        size, locate = self._batch_size, self._reader.locate
        return self._loader.batches(
            [locate(video.video_id) for video in self._split[start : start + size]]
            for start in range(0, len(self._split), size)
        )

    def close(self) -> None:
        """Ends the processes that read ahead."""
        self._loader.close()


def training_batches(
    data: RetrievalData,
    split: SplitVideos,
    tokenizer: Tokenizer,
    *,
    settings: AugmentationSettings,
    sampler: EpochBatches,
    seed: int,
    workers: int,
    pin_memory: bool = False,
) -> TrainingBatches:
    """Batches of a split's examples; the same ones for any number of workers.

    ``sampler`` must have been made of the sentences of this split. ``pin_memory`` makes copies to
    a CUDA device faster, and needs one.
    """
    read = TrainingBatchReader(ExampleReader(data.reader, settings, seed), data.layout)
    loader: KeyedLoader[ExampleKey, TrainingBatch] = KeyedLoader(
        read, partial(tokenised, tokenizer=tokenizer), workers, pin_memory=pin_memory
    )
    return TrainingBatches(loader, sampler, data.reader, split)


def sign_batches(
    data: RetrievalData,
    split: SplitVideos,
    batch_size: int,
    workers: int,
    *,
    pin_memory: bool = False,
) -> SignBatches:
    """All videos of a split in its order; the last batch may be smaller."""
    loader: KeyedLoader[LocatedVideo, SignBatch] = KeyedLoader(
        SignBatchReader(data.reader, data.layout), _as_read, workers, pin_memory=pin_memory
    )
    return SignBatches(loader, data.reader, split, batch_size)


def _as_read(batch: SignBatch) -> SignBatch:
    return batch
