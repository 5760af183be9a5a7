"""The loop: claim a video, decode it, make its rows, keep them; a failure costs only itself.

Three threads do so at the same time: one reads and prepares (``reading``), one has the network
compute (``computing``), and one writes; the decoders are processes. What one makes for the next
waits in queues of bounded length.
"""

import time
from collections.abc import Iterable, Iterator
from functools import partial

from extract.pass_size import is_out_of_memory
from extract.run.ahead import Ahead
from extract.run.computing import Computing
from extract.run.profile import RunProfile
from extract.run.reading import Begun, ReadingStep, VideoAtWork, read_videos
from extract.run.report import RunReport
from extract.run.writing_thread import WritingThread
from extract.settings import FrameSettings
from extract.stream import Stream, UnusableRowsError, joined
from extract.videos.decode_job import DecodeJob
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError
from seds_core.console import messages
from seds_core.store.staging import FailedVideo, FinishedVideo
from seds_core.store.writer import StoreWriter

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
            Ahead(steps, _PASSES_AHEAD * stream.pass_size + 2, hurry=pool.abandon) as ready,
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
