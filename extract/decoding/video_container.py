"""What a video file's container says, read packet by packet and without decoding.

PyAV (FFmpeg) reads it, whichever library decodes the frames. Counting the packets costs 1-5% of
decoding them and settles what headers only claim: how many frames there are, and whether the file
is whole.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from extract.decoding.disguised_file import disguise
from extract.decoding.packet_count import PacketCount
from extract.decoding.video_error import VideoError
from extract.decoding.video_properties import MAX_PIXELS, over_size_limit

_FORGIVING: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)
"""Titles that are no UTF-8 make a video unreadable to PyAV before version 19."""

_PLAYLISTS = frozenset({"concat", "dash", "hls", "imf", "sdp"})
"""Formats that make FFmpeg open other files and addresses."""


@dataclass(frozen=True)
class ContainerFacts:
    """A container's description of its video stream, as stored: not yet rotated."""

    format_name: str
    codec: str
    width: int
    height: int
    fps: float
    duration: float
    num_frames: int
    """Frames that the packets should give when they are decoded."""
    has_edits: bool
    """Whether an edit list hides some of the packets."""


@contextmanager
def open_container(
    path: Path, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a video file and finds its video stream; raises ``VideoError`` when there is none.

    FFmpeg takes no memory for a frame of more than ``max_pixels`` pixels, wherever one occurs.
    """
    check_is_file(path)
    limit = {"max_pixels": str(max_pixels)}
    try:
        container = av.open(str(path.absolute()), options=limit, **_FORGIVING)
    except (FFmpegError, OSError) as error:
        raise VideoError(path, disguise(path) or f"no video that FFmpeg knows: {error}") from error
    with container:
        stream = _video_stream(path, container)
        stream.codec_context.options = limit
        yield container, stream


def check_is_file(path: Path) -> None:
    """Raises ``VideoError`` unless the path is a file with something in it that may be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(path, "is no file but a pipe, socket or device")
        if status.st_size == 0:
            raise VideoError(path, "the file is empty (0 bytes)")
        path.open("rb").close()
    except FileNotFoundError:
        raise VideoError(path, "does not exist") from None
    except PermissionError:
        raise VideoError(path, "permission denied: the file may not be read") from None
    except OSError as error:
        raise VideoError(path, f"cannot be read: {error.strerror}") from error


def container_facts(path: Path, max_pixels: int) -> ContainerFacts:
    """Reads all packets of a video file.

    Raises ``VideoError`` for what is no video, for frames of more than ``max_pixels`` pixels, and
    for a file that is cut off or whose packets are damaged.
    """
    facts, packets = read_packets(path, max_pixels, keep=False)
    if damage := packets.damage():
        raise VideoError(path, damage)
    return facts


def read_packets(path: Path, max_pixels: int, *, keep: bool) -> tuple[ContainerFacts, PacketCount]:
    """Reads a video file's packets up to the first damage, and keeps those of frames if asked to.

    Raises ``VideoError`` for what is no video or has no frames before the damage, and for frames of
    more than ``max_pixels`` pixels.
    """
    with open_container(path, max_pixels) as (container, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > max_pixels or not width * height:
            raise VideoError(path, over_size_limit(width, height, max_pixels))
        packets = PacketCount.of(container, stream, keep_packets=keep)
        rate = stream.average_rate or stream.guessed_rate
        if not rate or not packets.num_frames:
            reason = "holds no frames" if rate else "has no frame rate"
            raise VideoError(path, packets.damage() or reason)
        fps = float(rate)
        facts = ContainerFacts(
            format_name=container.format.name,
            codec=stream.codec_context.name,
            width=width,
            height=height,
            fps=fps,
            duration=_duration(container, stream) or packets.num_frames / fps,
            num_frames=packets.num_frames,
            has_edits=packets.num_hidden > 0,
        )
        return facts, packets


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    name = container.format.name
    if name.endswith("_pipe") or name == "image2":
        raise VideoError(path, disguise(path) or "is a picture, not a video")
    if name in _PLAYLISTS:
        raise VideoError(path, f"is a playlist of other files ({name}), not a video")
    stream = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        sounds = [
            sound.codec_context.name if sound.codec_context else "unknown"
            for sound in container.streams.audio
        ]
        if sounds:
            raise VideoError(path, f"holds sound only ({', '.join(sounds)}), no video")
        raise VideoError(path, disguise(path) or f"holds no video (format {name})")
    assert isinstance(stream, VideoStream)
    if stream.codec_context is None:
        raise VideoError(path, "its codec is unknown to FFmpeg")
    return stream


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
