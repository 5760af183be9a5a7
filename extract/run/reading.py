"""The reading thread's work: videos, one after the other, become pieces for the network."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from extract.run.profile import RunProfile
from extract.stream import Rows, Stream
from extract.videos.decode_job import DecodeJob
from extract.videos.decode_pool import DecodePool
from extract.videos.decoded_video import DecodedVideo
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
