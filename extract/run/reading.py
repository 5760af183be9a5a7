"""The reading thread: videos, one after the other, become pieces for the network."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from queue import Full, Queue
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar

from extract.run.report import RunProfile
from extract.stream import Rows, Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo, DecodeJob
from extract.videos.part import FrameCountChanged, VideoError, part_name
from seds_core.store.staging import VideoSource


@dataclass(eq=False)
class VideoAtWork:
    """A video between its first piece and its last row."""

    job: DecodeJob
    parts: list[Rows] = field(default_factory=list)
    """Rows of its pieces so far, in order."""
    num_waiting: int = 0
    """Pieces that the network has not seen yet."""
    outcome: VideoSource | Exception | None = None
    """What was read, or what prevented it; ``None`` as long as it is being read."""
    notes: tuple[str, ...] = ()
    """What a person should know of its frames."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.outcome is not None and not self.num_waiting

    def fail(self, error: Exception) -> None:
        """Gives it up for its first reason, and what has been computed of it."""
        if not isinstance(self.outcome, Exception):
            self.outcome = error
        self.parts.clear()


@dataclass(frozen=True)
class Begun:
    """A video's turn has come."""

    video: VideoAtWork


@dataclass(frozen=True)
class Piece:
    """Something of it for the network."""

    video: VideoAtWork
    value: Any


@dataclass(frozen=True)
class Restarted:
    """Its pieces so far are not those of its timeline; it is read again."""

    video: VideoAtWork


@dataclass(frozen=True)
class Ended:
    """Nothing more comes of it."""

    video: VideoAtWork
    outcome: VideoSource | Exception


ReadingStep: TypeAlias = Begun | Piece | Restarted | Ended


def read_videos(
    jobs: Iterable[DecodeJob], stream: Stream, pool: DecodePool, profile: RunProfile
) -> Generator[ReadingStep, None, None]:
    """Everything of all videos, in order. What goes wrong with one ends only that one."""
    for decoded in pool.stream(jobs):
        video = VideoAtWork(decoded.job)
        yield Begun(video)
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
        except Exception as error:  # whosever it is: the run goes on
            yield Ended(video, error)
        else:
            video.notes = decoded.properties.notes
            yield Ended(video, _source(decoded))


def _pieces(
    video: VideoAtWork, decoded: DecodedVideo, stream: Stream, profile: RunProfile
) -> Iterator[Piece]:
    """Pieces, while the time is taken: part of it is spent waiting for the decoder."""
    pieces = iter(stream.pieces(decoded))
    while True:
        waited = decoded.seconds_waited
        with profile.spent("prepare"):
            value = next(pieces, None)
        waited = decoded.seconds_waited - waited
        profile.frames += waited
        profile.prepare -= waited
        if value is None:
            return
        yield Piece(video, value)


def _source(decoded: DecodedVideo) -> VideoSource:
    properties, identity = decoded.properties, decoded.identity
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


Item = TypeVar("Item")

_SECONDS_BETWEEN_LOOKS = 0.05


class Ahead(Generic[Item]):
    """Gives the items of a generator, in order, while later ones are being made.

    Use as a context manager: leaving it closes the generator in its own thread and waits for that.
    What the generator raises is raised to whoever takes its items.

    >>> with Ahead((number * number for number in range(4)), depth=2) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """

    def __init__(
        self,
        items: Iterator[Item],
        depth: int,
        *,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """At most ``depth`` items wait to be taken.

        ``hurry`` makes a generator give up what it is waiting for, when nobody wants its items.
        """
        self._items = items
        self._hurry = hurry
        self._made: Queue[Item | _End] = Queue(depth)
        self._is_wanted = True
        self._has_ended = False
        self._thread = threading.Thread(target=self._make, name="ahead", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        """Starts the thread; the iterator serves one thread."""
        self._thread.start()
        return self._taken()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the thread."""
        self._is_wanted = False
        if not self._has_ended:
            self._hurry()
        self._thread.join()

    def _taken(self) -> Iterator[Item]:
        while not isinstance(item := self._made.get(), _End):
            yield item
        self._has_ended = True
        if item.error is not None:
            raise item.error

    def _make(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as raised:  # a thread has nobody else to tell
            error = raised
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, item: "Item | _End") -> bool:
        """Waits for a place; whether anybody wants the item."""
        while self._is_wanted:
            try:
                self._made.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
            except Full:
                continue
            return True
        return False


class _End:
    """The generator is at its end, or failed."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
