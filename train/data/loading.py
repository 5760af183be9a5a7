"""The batches of a training run and of an evaluation, read ahead of their use by processes.

The processes have no part in what the batches are: all that is random in an example comes from its
key.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from functools import partial
from itertools import cycle, islice
from typing import Any, Generic, TypeVar

import torch

from train.batches import SignBatch, TrainingBatch, map_tensors
from train.data.collation import ExampleKey, read_signs, read_training_batch, tokenised
from train.data.reading_process import ReadingProcess
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.data.sampler import EpochBatches
from train.data.sign_reader import LocatedVideo
from train.settings import AugmentationSettings
from train.text.text_encoder import Tokenizer

BATCHES_AHEAD = 2
"""Batches that each process keeps ready."""

Key = TypeVar("Key")
Batch = TypeVar("Batch")


class KeyedLoader(Generic[Key, Batch]):
    """Reads batches, one pass at a time; its processes live until it is closed."""

    def __init__(
        self,
        read: Callable[[list[Key]], Any],
        finish: Callable[[Any], Batch],
        workers: int,
        *,
        pin_memory: bool,
    ) -> None:
        """Starts nothing yet.

        ``read`` is sent to ``workers`` processes, or called in this one if there are none;
        ``finish`` turns its results into batches in this process. Pinned memory needs a CUDA
        device.
        """
        self._read = read
        self._finish = finish
        self._num_workers = workers
        self._pin_memory = pin_memory
        self._workers: list[ReadingProcess] = []
        self._thread: ThreadPoolExecutor | None = None
        # The processes that owe a batch, in the order of the batches; one may owe several.
        self._asked: deque[ReadingProcess] = deque()
        # The next batch, which the thread receives, finishes and pins.
        self._coming: Future[Batch] | None = None

    def batches(self, keys: Iterable[list[Key]]) -> Iterator[Batch]:
        """Yields one batch for each list of keys. An unfinished earlier pass ends with it.

        Raises what reading raises, in whichever process, and ``UnavailableError`` for a process
        that was killed from outside.
        """
        requests = iter(keys)
        if not self._num_workers:
            yield from (self._finished(self._read(request)) for request in requests)
            return
        if self._thread is None:
            self._workers = [ReadingProcess(self._read) for _ in range(self._num_workers)]
            # A single thread keeps the order of batches, and never two threads talk to one process.
            self._thread = ThreadPoolExecutor(1, "batches")
            if self._pin_memory:
                # A thread has a current CUDA device of its own.
                self._thread.submit(torch.cuda.set_device, torch.cuda.current_device())
        thread = self._thread
        self._drop_the_rest()
        ahead = islice(requests, BATCHES_AHEAD * self._num_workers)
        # Every process gets its first requests; each answer is then followed by another request.
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
        """Ends the processes, whatever they are doing. A later pass starts new ones."""
        # Killed first: the thread may wait for one of their answers.
        for worker in self._workers:
            worker.kill()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()
        self._workers, self._thread, self._coming = [], None, None
        self._asked.clear()

    def _drop_the_rest(self) -> None:
        """Discards what is left of a pass that was not read to its end."""
        if self._coming is not None:
            wait([self._coming])
            self._coming = None
        while self._asked:
            with suppress(Exception):  # An error has no reader any more.
                self._asked.popleft().answer()

    def _receive(self, requests: Iterator[list[Key]]) -> Batch:
        """Takes the oldest batch that was asked for, and asks its process for another at once."""
        worker = self._asked.popleft()
        found = worker.answer()
        for request in islice(requests, 1):
            worker.ask(request)
            self._asked.append(worker)
        return self._finished(found)

    def _finished(self, found: Any) -> Batch:  # noqa: ANN401 - what the reading function gave
        batch = self._finish(found)
        return map_tensors(torch.Tensor.pin_memory, batch) if self._pin_memory else batch


class TrainingBatches:
    """The batches of one training process, epoch by epoch.

    They are the same for any number of workers, which live until the batches are closed.
    """

    def __init__(
        self,
        data: RetrievalData,
        split: SplitVideos,
        tokenizer: Tokenizer,
        *,
        settings: AugmentationSettings,
        sampler: EpochBatches,
        seed: int,
        workers: int,
        pin_memory: bool = False,
    ) -> None:
        """Reads nothing yet.

        ``sampler`` must have been made of the sentences of this split. ``pin_memory`` makes copies
        to a CUDA device faster, and needs one.
        """
        read = partial(read_training_batch, data.reader, settings, seed)
        finish = partial(tokenised, tokenizer=tokenizer)
        self._loader = KeyedLoader[ExampleKey, TrainingBatch](
            read, finish, workers, pin_memory=pin_memory
        )
        self._sampler = sampler
        self._reader = data.reader
        self._split = split

    def epoch(self, epoch: int, *, first_step: int = 0) -> Iterator[TrainingBatch]:
        """Yields an epoch's batches from a step on. Raises like :meth:`KeyedLoader.batches`."""
        batches = self._sampler.batches(epoch, first_step=first_step)
        return self._loader.batches(
            [self._key(epoch, position) for position in batch] for batch in batches
        )

    def video_ids(self, epoch: int, step: int) -> list[str]:
        """Returns the videos of the batch in an epoch's step, in their order."""
        positions, *_ = self._sampler.batches(epoch, first_step=step)
        return [self._split[position].video_id for position in positions]

    def close(self) -> None:
        """Ends the processes that read ahead."""
        self._loader.close()

    def _key(self, epoch: int, position: int) -> ExampleKey:
        video = self._split[position]
        return ExampleKey(epoch, position, self._reader.locate(video.video_id), video.text)


def sign_batches(
    data: RetrievalData,
    split: SplitVideos,
    batch_size: int,
    workers: int,
    *,
    pin_memory: bool = False,
) -> Generator[SignBatch, None, None]:
    """Yields all videos of a split in its order; the last batch may be smaller.

    Closing the generator ends the processes that read ahead.
    """
    loader = KeyedLoader[LocatedVideo, SignBatch](
        partial(read_signs, data.reader), lambda batch: batch, workers, pin_memory=pin_memory
    )
    with closing(loader):
        yield from loader.batches(
            [data.reader.locate(video.video_id) for video in split[start : start + batch_size]]
            for start in range(0, len(split), batch_size)
        )
