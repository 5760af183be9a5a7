"""The loop: claim a video, decode it, make its rows, keep them; a failure costs only itself."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

from extract.batched_inference import BatchedInference, is_out_of_memory
from extract.run.reading import (
    Ahead,
    Begun,
    Ended,
    Piece,
    ReadingStep,
    Restarted,
    VideoAtWork,
    read_videos,
)
from extract.run.report import RunProfile, RunReport
from extract.settings import FrameSettings
from extract.stream import Rows, Stream, UnusableRowsError, joined
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodeJob
from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError
from seds_core.console import messages
from seds_core.store.staging import FailedVideo, FinishedVideo
from seds_core.store.writer import StoreWriter


class Computing:
    """Fills the network's passes with pieces of whatever videos come; gives videos in order."""

    def __init__(self, stream: Stream, profile: RunProfile) -> None:
        """Nothing has come yet."""
        self._stream = stream
        self._profile = profile
        self._batches = BatchedInference(stream.batch_size)
        self._waiting: list[tuple[VideoAtWork, Any]] = []
        self._videos: deque[VideoAtWork] = deque()

    def videos(self, steps: Iterable[ReadingStep]) -> Iterator[VideoAtWork]:
        """The videos in order, each as soon as it is done, failed or not."""
        remaining = iter(steps)
        while True:
            with self._profile.spent("model_waited_for_frames"):
                step = next(remaining, None)
            if step is None:
                break
            self._take(step)
            yield from self._done()
        self._compute()
        yield from self._done()

    def _take(self, step: ReadingStep) -> None:
        video = step.video
        if isinstance(step, Begun):
            self._videos.append(video)
        elif isinstance(step, Piece):
            if video.outcome is None:
                self._waiting.append((video, step.value))
                video.num_waiting += 1
            if len(self._waiting) == self._stream.batch_size:
                self._compute()
        elif isinstance(step, Restarted):
            self._drop(video)
            video.parts.clear()
            video.outcome = None
        elif isinstance(step, Ended):
            if isinstance(step.outcome, Exception):
                self._drop(video)
                video.fail(step.outcome)
            elif video.outcome is None:
                video.outcome = step.outcome

    def _drop(self, video: VideoAtWork) -> None:
        """Forgets what waits of a video."""
        self._waiting = [pair for pair in self._waiting if pair[0] is not video]
        video.num_waiting = 0

    def _done(self) -> Iterator[VideoAtWork]:
        while self._videos and self._videos[0].is_done:
            yield self._videos.popleft()

    def _compute(self) -> None:
        """One pass. Should it fail, the videos go through one by one, and those that fail alone."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._pass(waiting)
        except Exception as error:
            videos = list(dict.fromkeys(video for video, _ in waiting))
            if len(videos) == 1:
                videos[0].fail(error)
                return
            for video in videos:
                try:
                    self._pass([pair for pair in waiting if pair[0] is video])
                except Exception as own_error:
                    video.fail(own_error)
        finally:
            for video, _ in waiting:
                video.num_waiting -= 1

    def _pass(self, waiting: list[tuple[VideoAtWork, Any]]) -> None:
        def compute(some: Sequence[tuple[VideoAtWork, Any]]) -> list[Rows]:
            return self._stream.rows([piece for _, piece in some])

        with self._profile.spent("model"):
            rows = self._batches.run(waiting, compute)
        for (video, _), part in zip(waiting, rows, strict=True):
            video.parts.append(part)


MOST_WAITING = 4
"""Videos that may wait to be written."""


class WritingThread:
    """Does one action after the other; the first that fails is raised to whoever gave it.

    Use as a context manager: leaving it waits for all of them.
    """

    def __enter__(self) -> "WritingThread":
        """Starts the thread."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._waiting: deque[Future[None]] = deque()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for what is left."""
        self._pool.shutdown()
        if error is None:
            self._settle(most_left=0)

    def do(self, action: Callable[[], None]) -> None:
        """Puts an action behind the others, once there are few enough of them."""
        self._settle(most_left=MOST_WAITING - 1)
        self._waiting.append(self._pool.submit(action))

    def finish(self) -> None:
        """Waits until everything is done."""
        self._settle(most_left=0)

    def _settle(self, most_left: int) -> None:
        """Waits for the oldest actions, and raises what they raised."""
        while len(self._waiting) > most_left or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()


# FROM extract/run/loop.py
# The loop: claim a video, decode it, make its rows, keep them; a failure costs only itself.
#
# Three threads do so at the same time: one reads and prepares (``reading``), one has the network
# compute (``computing``), and one writes; the decoders are processes. What one makes for the next
# waits in queues of bounded length.


MAX_UNEXPECTED_ERRORS = 3
"""Videos in a row at which the program may fail, and not they, before the run gives up."""

SECONDS_BETWEEN_LOOKS = 1.0
"""At what other processes are doing, while there is nothing else to do."""

_NO_MEMORY = (
    "no memory for it, not even in the smallest pass: end other programs that use the device, or "
    "take a smaller model or another --device"
)

_PASSES_AHEAD = 2
"""Of the network, whose pieces wait to be computed."""


def extract_videos(
    videos: Iterable[ListedVideo],
    stream: Stream,
    writer: StoreWriter,
    pool: DecodePool,
    frames: FrameSettings,
    report: RunReport,
    profile: RunProfile,
    *,
    wait: bool = False,
) -> None:
    """Extracts the videos that no process has done yet, in order, into the writer's store.

    With ``wait`` it ends only when no other process holds any of them.
    """
    jobs = {video.video_id: decode_job(video, stream, frames) for video in videos}
    writer.want(jobs)
    for _ in _looks(writer, report, wait=wait):
        steps = read_videos(_claimed(jobs, writer), stream, pool, profile)
        with (
            WritingThread() as writing,
            Ahead(steps, _PASSES_AHEAD * stream.batch_size + 2, hurry=pool.abandon) as ready,
        ):
            keeping = _Keeping(writer, report, writing, profile)
            computing = Computing(stream, profile)
            for video in computing.videos(keeping.announced(ready)):
                keeping.keep(video)
            keeping.finish()


def _looks(writer: StoreWriter, report: RunReport, *, wait: bool) -> Iterator[None]:
    """Another look for videos to claim as long as there may be some: other processes die."""
    num_done = -1
    while num_done != report.num_done or (wait and report.in_other_hands):
        if num_done == report.num_done:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        num_done, held = report.num_done, report.in_other_hands
        yield
        report.in_other_hands = writer.in_other_hands
        if wait and report.in_other_hands not in (0, held):
            messages.print(f"waiting for {report.in_other_hands} videos of other processes")


def decode_job(video: ListedVideo, stream: Stream, frames: FrameSettings) -> DecodeJob:
    """What the decoder must know of a video."""
    return DecodeJob(
        video_id=video.video_id,
        path=video.path,
        part=video.part,
        problem=video.problem,
        folder_fps=frames.folder_fps,
        max_frames=frames.max_frames,
        fit=stream.fit,
    )


def _claimed(jobs: dict[str, DecodeJob], writer: StoreWriter) -> Iterator[DecodeJob]:
    """Jobs as the pool asks for them: a video is claimed only when a decoder is free for it."""
    while (video_id := writer.claim()) is not None:
        yield jobs[video_id]


class _Keeping:
    """Hands what becomes of videos to the writing thread, and to the report there."""

    def __init__(
        self, writer: StoreWriter, report: RunReport, writing: WritingThread, profile: RunProfile
    ) -> None:
        self._writer = writer
        self._report = report
        self._writing = writing
        self._profile = profile
        self._unexpected = 0

    def announced(self, steps: Iterable[ReadingStep]) -> Iterator[ReadingStep]:
        """The same steps, of which the report hears."""
        for step in steps:
            if isinstance(step, Begun):
                self._writing.do(partial(self._report.started, step.video.job.video_id))
            yield step

    def keep(self, video: VideoAtWork) -> None:
        """Has a video's rows written, or why there are none.

        An error of our own is told, and the video left to a later run. Raises the third in a row.
        """
        outcome = video.outcome
        if isinstance(outcome, Exception):
            self._keep_error(video.job, outcome)
            return
        assert outcome is not None
        self._unexpected = 0
        for note in video.notes:
            self._do(partial(self._report.noted, video.job, note))
        self._do(partial(self._write, FinishedVideo(outcome, joined(video.parts))))

    def finish(self) -> None:
        """Waits until everything is written."""
        with self._profile.spent("model_waited_for_store"):
            self._writing.finish()

    def _keep_error(self, job: DecodeJob, error: Exception) -> None:
        reason = _reason_in_video(error)
        if reason is not None:
            failure = FailedVideo.now(job.video_id, job.source_name, reason)
            self._do(partial(self._write_failure, failure))
            return
        self._do(partial(self._let_go, job, error))
        self._unexpected += 1
        if self._unexpected >= MAX_UNEXPECTED_ERRORS:
            raise error

    def _do(self, action: partial[None]) -> None:
        with self._profile.spent("model_waited_for_store"):
            self._writing.do(action)

    def _write(self, video: FinishedVideo) -> None:
        with self._profile.spent("write"):
            self._writer.finish(video)
        self._report.finished(video)

    def _let_go(self, job: DecodeJob, error: Exception) -> None:
        self._writer.release(job.video_id)
        self._report.broke(job.video_id, job.source_name, error)

    def _write_failure(self, failure: FailedVideo) -> None:
        with self._profile.spent("write"):
            self._writer.fail(failure)
        self._report.failed(failure)


def _reason_in_video(error: Exception) -> str | None:
    """Why a video has no rows; ``None`` where that is the program's fault."""
    if isinstance(error, VideoError):
        return error.reason
    if isinstance(error, UnusableRowsError):
        return str(error)
    return _NO_MEMORY if is_out_of_memory(error) else None
