"""A video that a user sends: received within limits, and deleted whatever happens."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from extract.videos.frame_source import VideoFile
from extract.videos.part import VideoError
from search.results import Span
from search.serve.errors import ApiError
from search.serve.serve_settings import MEGABYTE, ServeSettings

# FFmpeg looks into the file; the ending only helps a person who sees one.
_ENDINGS = {"video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov"}


@asynccontextmanager
async def received_video(request: Request, settings: ServeSettings) -> AsyncIterator[Path]:
    """The request's body as a file, which only this process's user may read, until the block ends.

    Raises :class:`ApiError` for another content type, a body that is too large, too slow or empty.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith("video/") and media_type != "application/octet-stream":
        raise ApiError(415, "send the bytes of a video, with a content type such as video/mp4")
    stated = request.headers.get("content-length", "0")
    if not stated.isdecimal() or int(stated[:20]) > settings.upload_bytes:
        raise _too_large(settings)
    with tempfile.TemporaryDirectory(prefix="seds-upload-") as folder:
        path = Path(folder) / f"video{_ENDINGS.get(media_type, '.video')}"
        try:
            async with asyncio.timeout(settings.body_seconds):
                await _receive(request, path, settings)
        except TimeoutError:
            raise ApiError(408, "the video did not arrive in time") from None
        except ClientDisconnect:
            raise ApiError(400, "the connection was closed before the video was there") from None
        yield path


async def _receive(request: Request, path: Path, settings: ServeSettings) -> None:
    num_bytes, chunks = 0, request.stream()
    async with await anyio.open_file(path, "xb") as file:
        while True:
            async with asyncio.timeout(settings.stall_seconds):
                chunk = await anext(chunks, None)
            if chunk is None:
                break
            num_bytes += len(chunk)
            if num_bytes > settings.upload_bytes:
                raise _too_large(settings)
            await file.write(chunk)
    if not num_bytes:
        raise ApiError(422, "the upload is empty (0 bytes)")


def _too_large(settings: ServeSettings) -> ApiError:
    limit = f"{settings.upload_bytes / MEGABYTE:g} MB"
    return ApiError(413, f"the video is larger than {limit}: trim it, or make its picture smaller")


def check_length(path: Path, trim: Span | None, settings: ServeSettings) -> None:
    """Refuses a video that stage one would work on for too long, before it begins.

    Raises :class:`ApiError`, and ``VideoError`` for what is no whole video.
    """
    # The packets are counted: a header may claim anything.
    properties = VideoFile(path, settings.upload_pixels).properties
    start, end = trim or Span(0.0, properties.duration)
    seconds = min(end, properties.duration) - start
    if start >= properties.duration:
        raise VideoError(path, f"the trim begins after its end ({properties.duration:.2f} s)")
    if seconds > settings.upload_seconds:
        raise ApiError(
            413,
            f"the video has {seconds:.0f} s, and at most {settings.upload_seconds:g} s are "
            "searched with: trim it to the sign or sentence",
        )
