"""The loop: claim a video, decode it, make its rows, keep them; a failure costs only itself.

Decoders are processes of their own. In this one three threads work at the same time, with bounded
queues between them: one reads videos and prepares them for the network (``read_videos``), the main
one has the network compute (``Computing``), and one writes (``_Keeping``).
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from extract.batched_inference import BatchedInference, is_out_of_memory
from extract.run.desk import StoreDesk
from extract.run.engine import VideoDesk
from extract.run.profile import RunProfile
from extract.run.threads import Prefetch, WritingThread
from extract.settings import FrameSettings, RunSettings
from extract.stream import Rows, Stream, UnusableRowsError, joined
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo, DecodeJob
from extract.videos.limits import DecodeRules
from extract.videos.listing import ListedVideo
from extract.videos.part import FrameCountChanged, VideoError, part_name
from seds_core.console import messages
from seds_core.store.records import FailedVideo, FinishedVideo, VideoSource

MAX_OWN_ERRORS = 3
"""Videos in a row at which the program itself may fail before the run gives up."""

SECONDS_BETWEEN_LOOKS = 1.0
"""At what other processes are doing, while there is nothing else to do."""

_BATCHES_AHEAD = 2
"""Batches whose pieces are prepared ahead of the network."""

_NO_MEMORY = (
    "no memory for it, not even in the smallest batch: end other programs that use the device, or "
    "take a smaller model or another --device"
)


def decode_job(video: ListedVideo, stream: Stream, frames: FrameSettings) -> DecodeJob:
    """What the decoder must know of a video."""
    return DecodeJob(
        video_id=video.video_id,
        path=video.path,
        part=video.part,
        problem=video.problem,
        folder_fps=frames.folder_fps,
        max_frames=frames.max_frames,
        cut=stream.cut(video.video_id),
    )


def decode_pool(run: RunSettings, num_workers: int | None = None) -> DecodePool:
    """The decoders that the settings ask for; with ``num_workers``, another number of processes."""
    rules = DecodeRules(**{rule.name: getattr(run, rule.name) for rule in fields(DecodeRules)})
    return DecodePool(
        run.decode_workers if num_workers is None else num_workers, run.decode_timeout, rules
    )


def extract_videos(
    desk: VideoDesk,
    stream: Stream,
    pool: DecodePool,
    frames: FrameSettings,
    profile: RunProfile,
) -> None:
    """Extracts the videos that a desk gives, in order, until it has none at present."""

    def claimed() -> Iterator[DecodeJob]:
        # The pool asks for a job when a decoder is free: only then is the video claimed.
        while (video := desk.claim()) is not None:
            yield decode_job(video, stream, frames)

    events = read_videos(claimed(), stream, pool, profile)
    # Room for the pieces of two batches, and for the start and end of a video.
    depth = _BATCHES_AHEAD * stream.batch_size + 2
    with (
        WritingThread() as writing,
        Prefetch(events, depth, size=_room, hurry=pool.abandon) as prefetched,
    ):
        keeping = _Keeping(desk, writing, profile)
        for video in Computing(stream, profile).videos(keeping.announced(prefetched)):
            keeping.keep(video)
        keeping.finish()


def until_done(turn: Callable[[], None], desk: StoreDesk, *, wait: bool = False) -> None:
    """Takes one turn after the other, each until nothing is left to claim, as long as one did any.

    With ``wait`` it ends only when no other process holds any of the videos.
    """
    report = desk.report
    # Other processes die, and leave videos: look again as long as there was something to do.
    num_done = -1
    while num_done != report.num_done or (wait and report.in_other_hands):
        # The last turn did nothing: what is left is in other hands.
        if num_done == report.num_done:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        num_done, held = report.num_done, report.in_other_hands
        turn()
        report.in_other_hands = desk.num_in_other_hands
        if wait and report.in_other_hands not in (0, held):
            messages.print(f"waiting for {report.in_other_hands} videos of other processes")


# Compared by identity, so that a video whose fields change can be a key of a dictionary.
@dataclass(eq=False)
class VideoAtWork:
    """A video between its first piece and its last row."""

    job: DecodeJob
    parts: list[Rows] = field(default_factory=list)
    """Rows of its pieces so far, in order."""
    num_waiting: int = 0
    """Pieces that the network has not seen yet."""
    outcome: VideoSource | Exception | None = None
    """What was read, or what prevented it; ``None`` while it is being read."""
    notes: tuple[str, ...] = ()
    """What the user should know of its frames."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.outcome is not None and not self.num_waiting

    def fail(self, error: Exception) -> None:
        """Gives it up for its first error, and the rows computed so far."""
        if not isinstance(self.outcome, Exception):
            self.outcome = error
        self.parts.clear()


@dataclass(frozen=True)
class Started:
    """A video's turn has come."""

    video: VideoAtWork


@dataclass(frozen=True)
class Pieces:
    """The next inputs for the network, at most a batch of them."""

    video: VideoAtWork
    values: Sequence[Any]


@dataclass(frozen=True)
class Restarted:
    """The pieces so far are not those of the video's timeline: it is read again."""

    video: VideoAtWork


@dataclass(frozen=True)
class Ended:
    """The last piece has been read, or reading failed."""

    video: VideoAtWork
    outcome: VideoSource | Exception


ReadingEvent: TypeAlias = Started | Pieces | Restarted | Ended


def read_videos(
    jobs: Iterable[DecodeJob], stream: Stream, pool: DecodePool, profile: RunProfile
) -> Generator[ReadingEvent, None, None]:
    """Everything of all videos, in order. What goes wrong with one ends only that one."""
    for decoded in pool.stream(jobs):
        video = VideoAtWork(decoded.job)
        yield Started(video)
        try:
            try:
                yield from _pieces(video, decoded, stream, profile)
            except FrameCountChanged as change:
                # The container lied about its length; what decoding counted is the truth.
                yield Restarted(video)
                decoded = pool.decode(replace(decoded.job, num_frames=change.num_frames))
                yield from _pieces(video, decoded, stream, profile)
        except FrameCountChanged as change:
            first, second = decoded.job.num_frames, change.num_frames
            reason = f"decoding gave {first} frames, and {second} when it was read again"
            yield Ended(video, VideoError(decoded.job.path, reason))
        except Exception as error:  # the video's or our own: the run goes on
            yield Ended(video, error)
        else:
            video.notes = decoded.properties.notes
            yield Ended(video, source_of(decoded))


def source_of(decoded: DecodedVideo) -> VideoSource:
    """What a store keeps of a video that has been read to its end."""
    properties, identity = decoded.properties, decoded.identity
    # The store records the length that decoding counted, not what the container said.
    return VideoSource(
        video_id=decoded.job.video_id,
        path=part_name(decoded.job.path.resolve(), decoded.job.part),
        size_bytes=identity.size_bytes,
        mtime_ns=identity.mtime_ns,
        content_hash=identity.content_hash,
        num_frames=decoded.num_frames,
        frame_step=decoded.frame_step,
        fps=properties.fps,
        duration=properties.duration,
        width=properties.width,
        height=properties.height,
    )


def _pieces(
    video: VideoAtWork, decoded: DecodedVideo, stream: Stream, profile: RunProfile
) -> Iterator[Pieces]:
    pieces = iter(stream.pieces(decoded))
    while True:
        waited = decoded.seconds_waited
        with profile.spent("prepare"):
            values = list(islice(pieces, stream.batch_size))
        # Part of that time was spent waiting for the decoder.
        waited = decoded.seconds_waited - waited
        profile.frames += waited
        profile.prepare -= waited
        if not values:
            return
        yield Pieces(video, values)


def _room(event: ReadingEvent) -> int:
    """What an event takes of the room for those that wait."""
    return len(event.values) if isinstance(event, Pieces) else 1


class Computing:
    """Fills the network's batches with pieces of whatever videos come; gives videos in order."""

    def __init__(self, stream: Stream, profile: RunProfile) -> None:
        self._stream = stream
        self._profile = profile
        # It remembers how large a batch the memory allowed.
        self._batches = BatchedInference(stream.batch_size)
        # Pieces of the batch that is being filled, and the videos not given yet, in their order.
        self._waiting: list[tuple[VideoAtWork, Any]] = []
        self._videos: deque[VideoAtWork] = deque()

    def videos(self, events: Iterable[ReadingEvent]) -> Iterator[VideoAtWork]:
        """The videos in order, each as soon as it is done, failed or not."""
        remaining = iter(events)
        while True:
            with self._profile.spent("model_waited_for_frames"):
                event = next(remaining, None)
            if event is None:
                self._compute()
            else:
                self._take(event)
            while self._videos and self._videos[0].is_done:
                yield self._videos.popleft()
            if event is None:
                return

    def _take(self, event: ReadingEvent) -> None:
        video = event.video
        match event:
            case Started():
                self._videos.append(video)
            # A video that has failed before is read on, but not computed.
            case Pieces() if video.outcome is None:
                self._waiting += [(video, piece) for piece in event.values]
                video.num_waiting += len(event.values)
                if len(self._waiting) >= self._stream.batch_size:
                    self._compute()
            # Rows of the first reading belong to other frames.
            case Restarted():
                self._drop(video)
                video.parts.clear()
                video.outcome = None
            case Ended(outcome=Exception() as error):
                self._drop(video)
                video.fail(error)
            case Ended() if video.outcome is None:
                video.outcome = event.outcome

    def _drop(self, video: VideoAtWork) -> None:
        """Forgets the pieces of a video that wait."""
        self._waiting = [pair for pair in self._waiting if pair[0] is not video]
        video.num_waiting = 0

    def _compute(self) -> None:
        """Computes one batch. Should it fail, each video alone, and those fail that fail alone."""
        size = self._stream.batch_size
        waiting, self._waiting = self._waiting[:size], self._waiting[size:]
        if not waiting:
            return
        try:
            self._add_rows(waiting)
        except Exception as error:
            # Which video is to blame is found out by computing each without the others.
            videos = list(dict.fromkeys(video for video, _ in waiting))
            if len(videos) == 1:
                videos[0].fail(error)
                return
            for video in videos:
                try:
                    self._add_rows([pair for pair in waiting if pair[0] is video])
                except Exception as own_error:
                    video.fail(own_error)
        finally:
            for video, _ in waiting:
                video.num_waiting -= 1

    def _add_rows(self, waiting: list[tuple[VideoAtWork, Any]]) -> None:
        def compute(batch: Sequence[tuple[VideoAtWork, Any]]) -> list[Rows]:
            return self._stream.rows([piece for _, piece in batch])

        with self._profile.spent("model"):
            rows = self._batches.run(waiting, compute)
        # One piece's rows each; the pieces of a video wait in their order.
        for (video, _), part in zip(waiting, rows, strict=True):
            video.parts.append(part)


class _Keeping:
    """Has the writing thread tell the desk what becomes of videos."""

    def __init__(self, desk: VideoDesk, writing: WritingThread, profile: RunProfile) -> None:
        self._desk = desk
        self._writing = writing
        self._profile = profile
        # Videos at which the program itself has failed since the last one that was finished.
        self._num_own_errors = 0

    def announced(self, events: Iterable[ReadingEvent]) -> Iterator[ReadingEvent]:
        """The same events; the desk is told of those that start a video."""
        for event in events:
            if isinstance(event, Started):
                self._writing.do(partial(self._desk.started, event.video.job))
            yield event

    def keep(self, video: VideoAtWork) -> None:
        """Has a video's rows written, or why there are none.

        After an error of the program's own, the video is left to a later run; the third such error
        in a row is raised.
        """
        job, outcome = video.job, video.outcome
        assert outcome is not None
        if not isinstance(outcome, Exception):
            self._num_own_errors = 0
            for note in video.notes:
                self._do(partial(self._desk.noted, job, note))
            self._do(partial(self._write, FinishedVideo(outcome, joined(video.parts))))
        elif (reason := _reason_in_video(outcome)) is not None:
            failure = FailedVideo.now(job.video_id, job.source_name, reason)
            self._do(partial(self._write_failure, failure))
        else:
            self._do(partial(self._desk.give_up, job, outcome))
            self._num_own_errors += 1
            # An error at every video, such as a driver's, would only take hours to be told.
            if self._num_own_errors >= MAX_OWN_ERRORS:
                raise outcome

    def finish(self) -> None:
        """Waits until everything is written."""
        with self._profile.spent("model_waited_for_store"):
            self._writing.finish()

    def _do(self, action: partial[None]) -> None:
        with self._profile.spent("model_waited_for_store"):
            self._writing.do(action)

    def _write(self, video: FinishedVideo) -> None:
        with self._profile.spent("write"):
            self._desk.finish(video)

    def _write_failure(self, failure: FailedVideo) -> None:
        with self._profile.spent("write"):
            self._desk.fail(failure)


def _reason_in_video(error: Exception) -> str | None:
    """Why a video has no rows; ``None`` where that is the program's fault."""
    if isinstance(error, VideoError):
        return error.reason
    if isinstance(error, UnusableRowsError):
        return str(error)
    return _NO_MEMORY if is_out_of_memory(error) else None
