"""A video while it is being decoded, as those who use its frames see it."""

import time
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from extract.videos.decode_job import (
    DecodeEvent,
    DecodeJob,
    FrameChunk,
    VideoEnded,
    VideoOpened,
)
from extract.videos.frame import Frames
from extract.videos.part import FrameCountChanged, VideoProperties
from extract.videos.source_identity import SourceIdentity


@runtime_checkable
class VideoEvents(Iterator[DecodeEvent], Protocol):
    """The events of one video, and a way to stop them."""

    def close(self) -> None:
        """Stops decoding; may be called at any time."""


class DecodedVideo:
    """One video: what its container says, then its frames, then what decoding has established."""

    def __init__(self, job: DecodeJob, events: VideoEvents) -> None:
        """Wraps the events that decoding ``job`` gives; nothing is waited for yet."""
        self.job = job
        self.seconds_waited = 0.0
        """Of the reader, for the decoder."""
        self._events = events
        self._opened: VideoOpened | None = None
        self._ended: VideoEnded | None = None

    @property
    def properties(self) -> VideoProperties:
        """What the container says. Raises ``VideoError`` for what cannot be opened."""
        return self._open().properties

    @property
    def frame_step(self) -> int:
        """Frames of the video from one timeline frame to the next. Raises like ``properties``."""
        return self._open().frame_step

    def chunks(self) -> Iterator[FrameChunk]:
        """The timeline's frames, once, in order. A chunk is valid until the next one is asked for.

        Raises ``VideoError`` when the video is damaged or its decoder crashes or hangs, and at the
        end ``FrameCountChanged`` when these were not the frames of its timeline.
        """
        self._open()
        while self._ended is None:
            event = self._next_event()
            if isinstance(event, FrameChunk):
                yield event
            else:
                assert isinstance(event, VideoEnded)
                self._ended = event

    @property
    def num_frames(self) -> int:
        """Frames that decoding gave, those beside the timeline included; known after the last."""
        return self._end().num_frames

    @property
    def identity(self) -> SourceIdentity:
        """What the source was; known after the last chunk."""
        return self._end().identity

    def close(self) -> None:
        """Stops decoding what has not been read."""
        self._events.close()

    def _open(self) -> VideoOpened:
        if self._opened is None:
            event = self._next_event()
            assert isinstance(event, VideoOpened)
            self._opened = event
        return self._opened

    def _next_event(self) -> DecodeEvent:
        began = time.monotonic()
        try:
            event = next(self._events, None)
        finally:
            self.seconds_waited += time.monotonic() - began
        if event is None:
            raise RuntimeError(f"{self.job.path}: decoding has failed before, or was stopped")
        return event

    def _end(self) -> VideoEnded:
        if self._ended is None:
            raise RuntimeError(f"{self.job.path}: read all chunks first")
        return self._ended


def expected_frames(video: DecodedVideo) -> int:
    """Frames that the video should have: as counted before, or as its container says."""
    return video.job.num_frames or video.properties.num_frames


def confirmed_frames(video: DecodedVideo) -> Iterator[Frames]:
    """The timeline's frames in order; each array is valid until the next one is asked for.

    Raises ``FrameCountChanged`` at the end when there were not as many frames as expected, and
    whatever :meth:`DecodedVideo.chunks` raises.
    """
    for chunk in video.chunks():
        yield chunk.frames
    if video.num_frames != expected_frames(video):
        raise FrameCountChanged(video.num_frames)
