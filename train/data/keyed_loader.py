"""Reads batches ahead of their use, in processes of its own.

These have no part in what the batches are: all that is random in an example comes from its key.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import cycle, islice
from typing import Any, Generic, TypeVar

import torch

from train.data.reading_process import ReadingProcess
from train.tensor_tree import map_tensors

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
