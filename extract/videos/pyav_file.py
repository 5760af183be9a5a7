"""A video file as PyAV (FFmpeg) reads it: its container, and its frames, decoded strictly.

PyAV reads the container, whichever library decodes the frames. Counting the packets costs 1-5% of
decoding them and settles what headers only claim: how many frames there are, when they are shown,
and whether the file is whole. When PyAV decodes, a frame is right, or the video has failed.
"""

import re
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from extract.videos.frame import UPRIGHT, Frame, Picture, Progress, orientation_of, unwatched
from extract.videos.packet_count import AnyPacket, PacketCount
from extract.videos.part import MAX_PIXELS, VideoError, over_size_limit

# Titles that are not UTF-8 make a video unreadable to PyAV before version 19.
_FORGIVING: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)

# Formats that make FFmpeg open other files and addresses.
_PLAYLISTS = frozenset({"concat", "dash", "hls", "imf", "sdp"})


# FFmpeg's AVFieldOrder: 0 is unknown, numbers above 1 are the orders of two fields.
_PROGRESSIVE = 1

# Pixels that the mark "default" is worth when ffmpeg chooses among video streams.
_FFMPEG_DEFAULT_BONUS = 5_000_000

# Packets of one file that wait to be decoded: minutes of an ordinary recording.
_MAX_KEPT_BYTES = 32 << 20

# Packets that are decoded to see whether one holds a frame or a field.
_SAMPLE_PACKETS = 32


@dataclass(frozen=True)
class ContainerFacts:
    """A container's description of its video stream, as stored: not yet upright."""

    path: Path
    format_name: str
    stream_index: int
    """Which of the container's streams is read; every decoder takes this one."""
    num_video_streams: int
    """Attached pictures included."""
    codec: str
    pixel_format: str
    width: int
    height: int
    pixel_shape: Fraction
    """Width of a pixel divided by its height, as the container or else the codec states it."""
    is_interlaced: bool
    """Whether container or codec say that a picture holds two fields, of two times."""
    time_base: Fraction
    """Seconds of the unit in which the stream tells times."""
    stated_rate: Fraction | None
    """Mean frames per second as the header says or FFmpeg guesses."""


@contextmanager
def open_container(
    path: Path, max_pixels: int = MAX_PIXELS, stream_index: int | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a video file and one of its video streams; raises ``VideoError`` when there is none.

    Without an index it is the stream that the ``ffmpeg`` command would choose. FFmpeg takes no
    memory for a frame of more than ``max_pixels`` pixels, wherever one occurs.
    """
    check_is_file(path)
    limit = {"max_pixels": str(max_pixels)}
    try:
        container = av.open(str(path.absolute()), options=limit, **_FORGIVING)
    except (FFmpegError, OSError) as error:
        raise VideoError(path, disguise(path) or f"no video that FFmpeg knows: {error}") from error
    with container:
        if stream_index is None:
            stream = _video_stream(path, container)
        else:
            chosen = container.streams[stream_index]
            assert isinstance(chosen, VideoStream)
            stream = chosen
        # One thread: several videos are decoded at once, each in a process of its own.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = limit
        yield container, stream


def check_is_file(path: Path) -> None:
    """Raises ``VideoError`` unless the path is a readable file that is not empty."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(path, "is no file but a pipe, socket or device")
        if status.st_size == 0:
            raise VideoError(path, "the file is empty (0 bytes)")
        # Only opening tells whether the file may be read.
        path.open("rb").close()
    except FileNotFoundError:
        raise VideoError(path, "does not exist") from None
    except PermissionError:
        raise VideoError(path, "permission denied: the file may not be read") from None
    except OSError as error:
        raise VideoError(path, f"cannot be read: {error.strerror}") from error


class KeptPackets:
    """The packets of one file, kept as they are counted, and decoded from here.

    Opening a file and looking through it again, for its first frame and then for all, takes as long
    as decoding twenty of its frames.
    """

    def __init__(self, max_bytes: int = _MAX_KEPT_BYTES) -> None:
        """Of a file with more than ``max_bytes`` none is kept: it is opened again."""
        self._room = max_bytes
        self._packets: deque[AnyPacket] = deque()
        # The file stays open as long as its packets are used.
        self.opened = ExitStack()
        self.begun: Iterator[VideoFrame] | None = None
        """All frames, from the first on, as soon as that is decoded; may be taken once."""

    def keep(self, packet: AnyPacket) -> None:
        """Keeps a packet, or, once they are too large together, none."""
        self._room -= packet.size
        if self._room >= 0:
            self._packets.append(packet)
        else:
            self._packets.clear()

    def packets(self) -> Iterator[AnyPacket] | None:
        """The packets, each of which is forgotten when it has been given; ``None`` for none."""
        return self._taken() if self._packets else None

    def _taken(self) -> Iterator[AnyPacket]:
        while self._packets:
            yield self._packets.popleft()


def read_packets(
    path: Path, max_pixels: int, progress: Progress = unwatched, kept: KeptPackets | None = None
) -> tuple[ContainerFacts, PacketCount]:
    """Reads a video file's packets to the end or to the first damage.

    Raises ``VideoError`` for what is no video or has no frames before the damage, and for frames of
    more than ``max_pixels`` pixels.
    """
    with ExitStack() as closed_here:
        opened = kept.opened if kept is not None else closed_here
        container, stream = opened.enter_context(open_container(path, max_pixels))
        codec = stream.codec_context
        assert stream.time_base is not None
        facts = ContainerFacts(
            path=path,
            format_name=container.format.name,
            stream_index=stream.index,
            num_video_streams=len(container.streams.video),
            codec=codec.name,
            pixel_format=codec.pix_fmt or "unknown",
            width=codec.width,
            height=codec.height,
            pixel_shape=stream.sample_aspect_ratio or Fraction(1),
            is_interlaced=codec.field_order > _PROGRESSIVE,
            time_base=stream.time_base,
            stated_rate=stream.average_rate or stream.guessed_rate,
        )
        # A size of 0 is one that the container does not tell.
        if facts.width * facts.height > max_pixels or not facts.width * facts.height:
            raise VideoError(path, over_size_limit(facts.width, facts.height, max_pixels))
        packets = PacketCount.of(container, stream, progress, kept.keep if kept else None)
        if not packets.num_frames:
            raise VideoError(path, packets.damage() or "holds no frames")
        return facts, packets


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """Chooses as ``ffmpeg`` does. Raises ``VideoError`` for what is not one video of its own."""
    name = container.format.name
    if name.endswith("_pipe") or name == "image2":
        raise VideoError(path, disguise(path) or "is a picture, not a video")
    if name in _PLAYLISTS:
        raise VideoError(path, f"is a playlist of other files ({name}), not a video")
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        sounds = [
            sound.codec_context.name if sound.codec_context else "unknown"
            for sound in container.streams.audio
        ]
        if sounds:
            raise VideoError(path, f"holds sound only ({', '.join(sounds)}), no video")
        raise VideoError(path, disguise(path) or f"holds no video (format {name})")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise VideoError(path, "its codec is unknown to FFmpeg")

    def score(stream: VideoStream) -> int:
        pixels = stream.codec_context.width * stream.codec_context.height
        return pixels + _FFMPEG_DEFAULT_BONUS * bool(stream.disposition & Disposition.default)

    # The command takes the stream of the highest score, of equal ones the first.
    return max(known, key=score)


def pyav_frames(
    facts: ContainerFacts,
    picture: Picture,
    *,
    num_frames: int,
    min_frames: int,
    skip: int = 0,
    progress: Progress = unwatched,
    begun: Iterator[VideoFrame] | None = None,
) -> Iterator[Frame]:
    """Decodes the ``num_frames`` frames of a video file from ``skip`` on, upright, all of one size.

    Where decoding them all has begun already, ``begun`` goes on with it. Raises ``VideoError`` at
    the first frame that cannot be decoded whole, and at the end when there were fewer than
    ``min_frames``.
    """
    num_decoded = 0
    upright = Upright(picture)
    # What is skipped is decoded as well, since later frames refer to it, but not converted.
    for frame in begun or _decoded(facts, num_frames, progress):
        progress()
        if num_decoded >= skip:
            yield upright(frame)
        num_decoded += 1
    if num_decoded < min_frames:
        raise VideoError(facts.path, f"damaged: only {num_decoded} of {num_frames} frames decode")


def first_frame(
    facts: ContainerFacts,
    num_promised: int,
    progress: Progress = unwatched,
    kept: KeptPackets | None = None,
) -> tuple[Picture, int | None]:
    """Tells how a video's frames are stored, and when the first is shown, in the stream's unit.

    Raises ``VideoError`` when the first frame cannot be decoded.
    """
    decoded = _decoded(facts, num_promised, progress, kept.packets() if kept else None)
    for frame in decoded:
        if kept is not None:
            kept.begun = chain([frame], decoded)
        matrix = cast(Mapping[str, Buffer], frame.side_data).get("DISPLAYMATRIX")
        picture = Picture(
            width=frame.width,
            height=frame.height,
            pixel_shape=facts.pixel_shape,
            orientation=orientation_of(bytes(matrix)) if matrix else UPRIGHT,
            is_interlaced=facts.is_interlaced or frame.interlaced_frame,
        )
        return picture, frame.pts
    raise VideoError(facts.path, f"damaged: none of {num_promised} frames can be decoded")


def packets_per_frame(facts: ContainerFacts, progress: Progress = unwatched) -> int:
    """Returns 2 where each packet holds a field of a frame, else 1, as the first packets tell."""
    num_packets = num_frames = 0
    with open_container(facts.path, stream_index=facts.stream_index) as (container, stream):
        try:
            for packet in container.demux(stream):
                progress()
                # What comes before the first keyframe cannot be decoded, and does not count.
                if num_packets or packet.is_keyframe:
                    num_packets += 1
                    num_frames += len(packet.decode())
                if num_packets == _SAMPLE_PACKETS:
                    break
            # Frames that the decoder holds back to order them come out when it is flushed.
            num_frames += len(stream.codec_context.decode(None))
        except FFmpegError:
            # What is wrong is said when all of it is decoded.
            return 1
    # Two packets of slack: the sample may begin or end within a frame.
    return 2 if 2 * num_frames <= num_packets + 2 else 1


def _decoded(
    facts: ContainerFacts,
    num_promised: int,
    progress: Progress,
    packets: Iterator[AnyPacket] | None = None,
) -> Iterator[VideoFrame]:
    """Decodes as far as every frame is whole; raises ``VideoError`` at the first that is not.

    Without ``packets`` the file is opened again.
    """
    num_decoded = 0
    with ExitStack() as opened:
        if packets is None:
            container, stream = opened.enter_context(
                open_container(facts.path, stream_index=facts.stream_index)
            )
            packets = container.demux(stream)
        try:
            for packet in packets:
                progress()
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise VideoError(
                            facts.path,
                            f"damaged: frame {num_decoded} of {num_promised} is incomplete",
                        )
                    yield frame
                    num_decoded += 1
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            where = f"decoding stopped at frame {num_decoded} of {num_promised}"
            raise VideoError(facts.path, f"damaged: {where} ({error.strerror})") from error


class Upright:
    """Converts decoded frames to RGB arrays: upright, of square pixels, all of one size.

    A stream may change its size on the way (browsers record so); players scale back, too.
    """

    def __init__(self, picture: Picture) -> None:
        """``picture`` tells how the video's frames are stored."""
        # One converter serves all frames: it keeps FFmpeg's scaler.
        self._convert = VideoReformatter()
        self._size = picture.square_width, picture.height
        self._orientation = picture.orientation

    def __call__(self, frame: VideoFrame) -> Frame:
        """Converts one frame; the array is a view of FFmpeg's own memory."""
        rgb = self._convert.reformat(frame, *self._size, "rgb24", threads=1)
        # The pixels where they lie: they are copied once, to where they are wanted.
        plane = rgb.planes[0]
        line = plane.line_size
        # A picture that is stored from its last line on has lines of a negative size.
        first = max(0, -line * (rgb.height - 1))
        pixels = np.ndarray(
            (rgb.height, rgb.width, 3), np.uint8, memoryview(plane), first, (line, 3, 1)
        )
        return self._orientation(pixels)


_HEAD_BYTES = 4096
_PICTURE = "looks like a {} picture, not a video"
_ARCHIVE = "looks like a {} archive: unpack it first"

# The first that fits is told: ``ftyp`` alone stands behind the pictures that begin with it.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"\x89PNG\r\n\x1a\n", _PICTURE.format("PNG")),
    (rb"\xff\xd8\xff", _PICTURE.format("JPEG")),
    (rb"RIFF....WEBP", _PICTURE.format("WebP")),
    (rb"GIF8[79]a", _PICTURE.format("GIF")),
    (rb"BM....\0\0\0\0", _PICTURE.format("BMP")),
    (rb"II\*\0|MM\0\*", _PICTURE.format("TIFF")),
    (rb"....ftyp(avif|heic|heix|mif1)", _PICTURE.format("AVIF or HEIC")),
    (
        rb"version https://git-lfs",
        "is a Git LFS pointer: the video itself was never downloaded (git lfs pull)",
    ),
    (
        rb"\s*<(?i:!doctype html|html|head|\?xml)",
        "looks like a web page (HTML): the download failed or needs a login",
    ),
    (rb"PK\x03\x04", _ARCHIVE.format("ZIP")),
    (rb"\x1f\x8b", _ARCHIVE.format("gzip")),
    (rb"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("7z")),
    (rb"Rar!", _ARCHIVE.format("RAR")),
    (rb"%PDF", "looks like a PDF document, not a video"),
    (
        rb"....ftyp",
        "has no index (its 'moov atom'): the file is cut off, or its recording or download was "
        "never finished",
    ),
    (rb"\0{64}", "begins with zeros only: its download or copy was never finished"),
)


def disguise(path: Path) -> str | None:
    """Tells what a file that cannot be opened looks like by its first bytes, if like anything."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for signature, meaning in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return meaning
    text = head.decode("utf-8", errors="ignore")
    # The last character may be cut in two.
    is_utf8 = len(text.encode()) > len(head) - 4
    if is_utf8 and all(c.isprintable() or c in "\t\r\n" for c in text):
        return "looks like text, not a video"
    return None
