"""Reads videos while earlier ones are being written, and gives them in order."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from extract.imports.file_identity import content_hash, quick_identity
from extract.imports.imported import ImportedVideo, ImportFormat, ImportItem
from extract.videos.part import WHOLE, part_name
from seds_core.errors import ImportedFileError
from seds_core.store.staging import FailedVideo, FinishedVideo, VideoSource

READERS = 2
"""Threads. Reading and hashing a file let another run; what a pickle says is found out by Python,
one at a time."""

MAX_AHEAD = 4
"""Videos that are read, or being read, before it is their turn."""


@dataclass(frozen=True)
class ReadVideo:
    """A video as the store takes it."""

    finished: FinishedVideo
    num_rounded: int
    """Values that are others in the store than in the file."""
    num_people: int = 1
    """People in the frame that shows the most."""


def read_ahead(
    items: Sequence[ImportItem], source: ImportFormat
) -> Generator[ReadVideo | FailedVideo, None, None]:
    """Each item's video, or why there is none, in the order of the items.

    Close it when the rest is not wanted: then no more is read, and what is being read is awaited.
    """
    waiting: deque[Future[ReadVideo | FailedVideo]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read_video, item, source))
                if len(waiting) > MAX_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_video(item: ImportItem, source: ImportFormat) -> ReadVideo | FailedVideo:
    """One video, or why it cannot be used."""
    try:
        identity = quick_identity(item.path)  # before it is read: a later change is seen as one
        video = source.read(item)
        finished = FinishedVideo(_source(item, identity, video), video.rows)
    except ImportedFileError as error:
        return FailedVideo.now(item.video_id, part_name(error.path, WHOLE), error.reason)
    except OSError as error:
        name = part_name(item.path, WHOLE)
        return FailedVideo.now(item.video_id, name, f"cannot be read: {error}")
    return ReadVideo(finished, video.num_rounded, video.num_people)


def _source(item: ImportItem, identity: tuple[int, int], video: ImportedVideo) -> VideoSource:
    size_bytes, mtime_ns = identity
    return VideoSource(
        video_id=item.video_id,
        path=part_name(item.path.resolve(), WHOLE),
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        content_hash=video.content_hash or content_hash(item.path),
        num_frames=video.num_frames,
        frame_step=video.frame_step,
        fps=video.fps,
        duration=video.num_frames / video.fps if video.fps else 0.0,
        width=video.width,
        height=video.height,
    )
