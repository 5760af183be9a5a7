"""A worker: loads the network, and extracts the videos that its driver hands to it."""

import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from extract.run.engine import (
    Begin,
    Channel,
    Failed,
    Finished,
    GaveUp,
    Give,
    Noted,
    Ready,
    Slot,
    Started,
    Stop,
    Stopped,
    Taken,
    settle,
)
from extract.run.loop import decode_pool, extract_videos
from extract.run.profile import RunProfile
from extract.settings import ExtractSettings
from extract.stream import Stream
from extract.videos.listing import ListedVideo
from seds_core.store.layout import StoreKind
from seds_core.store.place import StoreLocation
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.writer import RecordWriter

Loader: TypeAlias = Callable[[StoreKind, ExtractSettings, str, StoreLocation | None], Stream]


@dataclass(frozen=True)
class ExtractionWork:
    """What the workers of an extraction do: a :data:`~extract.run.engine.Work`."""

    kind: StoreKind
    settings: ExtractSettings
    pose_store: StoreLocation | None
    load: Loader
    folder: Path
    """Where relative paths begin, also on another machine."""

    def __call__(self, slot: Slot, channel: Channel) -> None:
        """Works until the driver has no more videos."""
        settle(slot, self.folder)
        with decode_pool(self.settings.run, slot.num_decoders) as pool:
            began = time.monotonic()
            stream = self.load(self.kind, self.settings, slot.device, self.pose_store)
            pool.wait_until_started()
            profile = RunProfile(slot.num_decoders, loading=time.monotonic() - began)
            where = slot.name or f"{socket.gethostname()} {slot.device}"
            channel.send(Ready(stream.provenance, where))
            desk = HandedVideos(channel)
            while desk.wait():
                extract_videos(desk, stream, pool, self.settings.frames, profile)
        profile.end()
        channel.send(Stopped(profile))


def forget_program() -> None:
    """Lets the decoders of this process begin without its program, which is Ray's own.

    A new Python of multiprocessing imports the file that the old one was started with, and all
    that this file needs.
    """
    vars(sys.modules["__main__"]).pop("__file__", None)


class HandedVideos:
    """A worker's :class:`~extract.run.engine.VideoDesk`: its driver gives videos, and is told."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._records: RecordWriter | None = None
        # The video that ended the last wait.
        self._next: ListedVideo | None = None
        self._has_ended = False

    def wait(self) -> bool:
        """Waits for a video; returns whether one came, and not the end."""
        while not self._has_ended and self._next is None:
            self._next = self._received()
        return not self._has_ended

    def claim(self) -> ListedVideo | None:
        """The next video, once the driver has given it; ``None`` when it has none at present."""
        video, self._next = self._next, None
        if video is None and not self._has_ended:
            video = self._received()
        if video is not None:
            self._channel.send(Taken(video.video_id))
        return video

    def started(self, video: ListedVideo) -> None:
        """Tells the driver."""
        self._channel.send(Started(video.video_id))

    def noted(self, video: ListedVideo, note: str) -> None:
        """Tells the driver."""
        self._channel.send(Noted(video.video_id, note))

    def finish(self, video: FinishedVideo) -> None:
        """Writes the video's record, and then tells the driver."""
        assert self._records is not None
        self._records.finish(video)
        source = video.source
        self._channel.send(Finished(source.video_id, source.num_frames, video.num_rows))

    def fail(self, failure: FailedVideo) -> None:
        """Writes the failure's record, and then tells the driver."""
        assert self._records is not None
        self._records.fail(failure)
        self._channel.send(Failed(failure))

    def give_up(self, video: ListedVideo, error: Exception) -> None:
        """Tells the driver."""
        trace = "".join(traceback.format_exception(error))
        self._channel.send(GaveUp(video.video_id, f"{type(error).__name__}: {error}", trace))

    def _received(self) -> ListedVideo | None:
        match self._channel.receive():
            case Give(video):
                return video
            case Begin(records):
                self._records = records
            case Stop():
                self._has_ended = True
        return None
