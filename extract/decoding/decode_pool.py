"""Several videos decoded ahead in worker processes, handed over in order."""

from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType

from extract.decoding.decode_events import OwnMemory, decode_events
from extract.decoding.decode_job import DecodeJob
from extract.decoding.decoded_video import DecodedVideo
from extract.decoding.remote_video import RemoteVideo
from extract.decoding.worker_process import WorkerProcess


class DecodePool:
    """Decodes in ``num_workers`` processes, or without any in this one (to test and to debug).

    A process that crashes, or gives no frame for ``timeout_s`` seconds, costs the video that it was
    decoding; another process takes its place. With ``num_workers=0`` nothing guards against that.
    """

    def __init__(self, num_workers: int, timeout_s: float = 60.0) -> None:
        """Notes what is wanted; entering the pool starts the processes."""
        self._num_workers = num_workers
        self._timeout_s = timeout_s
        self._workers: list[WorkerProcess] = []

    def __enter__(self) -> "DecodePool":
        """Starts the processes; they load their libraries while the caller goes on."""
        self._workers = [self._new_worker() for _ in range(self._num_workers)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends all processes, whatever they are doing."""
        self._stop_workers()

    def stream(self, jobs: Iterable[DecodeJob]) -> Iterator[DecodedVideo]:
        """The videos of the jobs, in order; what of one is unread is dropped when the next is due.

        A job is taken from ``jobs`` only when a process is free for it, and at most ``num_workers``
        are taken beyond the video at hand.
        """
        waiting: deque[DecodedVideo] = deque()
        remaining = iter(jobs)
        try:
            while self._fill(waiting, remaining):
                yield waiting[0]
                waiting.popleft().close()
        finally:
            if waiting:  # left early: nobody will read these
                self._stop_workers()

    def abandon(self) -> None:
        """Ends what the processes are doing, so that a thread that waits for them does no longer.

        May be called from any thread; the stream then gives videos that fail.
        """
        for worker in self._workers:
            worker.abandon()

    def decode(self, job: DecodeJob) -> DecodedVideo:
        """Decodes one video at once, in this process, while the stream stays where it is.

        For the rare video that turned out to have another timeline: it has been decoded to its end
        before, so it neither crashes nor hangs.
        """
        return _decoded_here(job)

    def _fill(self, waiting: deque[DecodedVideo], jobs: Iterator[DecodeJob]) -> bool:
        """Starts jobs as long as there is a place for them; whether any video is waiting."""
        while len(waiting) <= self._num_workers:
            worker = self._free_worker()
            if worker is None and self._num_workers:
                break
            job = next(jobs, None)
            if job is None:
                break
            waiting.append(
                DecodedVideo(job, RemoteVideo(worker, job)) if worker else _decoded_here(job)
            )
        return bool(waiting)

    def _free_worker(self) -> WorkerProcess | None:
        for place, worker in enumerate(self._workers):
            if worker.is_lost:
                self._workers[place] = self._new_worker()
            if self._workers[place].is_free:
                return self._workers[place]
        return None

    def _new_worker(self) -> WorkerProcess:
        return WorkerProcess(self._timeout_s)

    def _stop_workers(self) -> None:
        self.abandon()  # all at once, before any of them is waited for
        for worker in self._workers:
            worker.kill("the decoder was stopped")


def _decoded_here(job: DecodeJob) -> DecodedVideo:
    return DecodedVideo(job, decode_events(job, OwnMemory()))
