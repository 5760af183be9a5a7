"""The videos of an index, as browsers play them: by id, in ranges, and never by path."""

import os
import stat
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from extract.videos.part import WHOLE, VideoError, VideoPart
from extract.videos.pyav_file import open_container
from search.index.records import EntryRecord
from search.serve.errors import ApiError
from search.serve.previews import PreviewCache
from search.serve.work_queue import WorkQueue

_MP4, _WEBM = "video/mp4", "video/webm"

# What every current browser plays. Others, such as HEVC, some do on some machines.
_PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": (_MP4, {"h264", "vp9", "av1", "libdav1d"}),
    "matroska,webm": (_WEBM, {"vp8", "vp9", "av1", "libdav1d"}),
}
_PIXELS = ("yuv420p", "yuvj420p")


class MediaFiles:
    """Answers requests for the videos of an index."""

    def __init__(self, previews: PreviewCache, queue: WorkQueue) -> None:
        """Copies that browsers can play are made in ``queue``."""
        self._previews, self._queue = previews, queue

    async def respond(self, request: Request, record: EntryRecord) -> Response:
        """Answers with a video of the index, or a copy of it: time 0 is the video's beginning.

        Raises ``ApiError`` where it is gone or cannot be shown, ``BusyError`` where too many copies
        wait to be made.
        """
        part, duration = WHOLE, record.duration
        # Of a recording that was cut by an index, only the video itself is shown.
        if record.start:
            part = VideoPart(record.start, record.start + duration if duration else None)
        try:
            file, media_type = await self._playable(record.path, part, duration)
            status = await anyio.to_thread.run_sync(os.stat, file)
        except (FileNotFoundError, NotADirectoryError):
            raise ApiError(410, GONE) from None
        except OSError as error:
            raise ApiError(410, f"the video cannot be read: {error.strerror}") from None
        except VideoError as error:
            raise ApiError(422, f"the video cannot be shown: {error.reason}") from None
        response = FileResponse(
            file,
            media_type=media_type,
            stat_result=status,
            # Asked for again each time, and then mostly answered with 304.
            headers={"cache-control": "private, no-cache"},
        )
        if _is_unchanged(request, response):
            kept = ("etag", "last-modified", "cache-control", "accept-ranges")
            return Response(None, 304, {name: response.headers[name] for name in kept})
        return response

    async def _playable(
        self, path: Path, part: VideoPart, duration: float | None
    ) -> tuple[Path, str]:
        def look() -> tuple[Path | None, str]:
            status = path.stat()
            if part == WHOLE and stat.S_ISREG(status.st_mode):
                played = played_as(path, status.st_mtime_ns, status.st_size)
                if played:
                    return path, played
            return self._previews.kept(path, part, duration), _MP4

        file, media_type = await anyio.to_thread.run_sync(look)
        if file is None:
            file = await self._queue.run(lambda: self._previews.make(path, part, duration))
        return file, media_type


GONE = "the video is no longer where the index found it; build the index again to leave it out"


def is_there(path: Path) -> bool:
    """Whether a video that an index has recorded still exists."""
    try:
        return path.exists()
    except OSError:
        return False


@lru_cache(maxsize=4096)
def played_as(path: Path, mtime_ns: int, num_bytes: int) -> str | None:
    """Returns the content type under which browsers play a file as it is, if they do.

    Time and size belong to the key of what is remembered: a file may be replaced. Raises
    ``VideoError`` for what is no video.
    """
    with open_container(path) as (container, stream):
        media_type, codecs = _PLAYED.get(container.format.name, (None, set[str]()))
        # Matroska and WebM are one format to FFmpeg, and two to browsers.
        if media_type == _WEBM and path.suffix.lower() != ".webm":
            return None
        codec = stream.codec_context
        return media_type if codec.name in codecs and codec.pix_fmt in _PIXELS else None


def _is_unchanged(request: Request, response: Response) -> bool:
    """Whether a browser holds the video as it is now (RFC 9110, 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in known or response.headers["etag"] in known
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        modified = parsedate_to_datetime(response.headers["last-modified"])
        return modified <= parsedate_to_datetime(since)
    except (ValueError, TypeError):  # no date; or one without a zone, which does not compare
        return False
