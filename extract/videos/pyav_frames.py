"""Decodes a video file with PyAV, strictly: a frame is right, or the video has failed."""

from collections.abc import Iterator, Mapping
from typing import cast

from av.buffer import Buffer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from extract.videos.container import ContainerFacts, open_container
from extract.videos.frame import (
    UPRIGHT,
    Frame,
    Picture,
    Progress,
    orientation_of,
    unwatched,
)
from extract.videos.part import VideoError

_SAMPLE_PACKETS = 32
"""How many are decoded to see whether a packet holds a frame or a field."""


def pyav_frames(
    facts: ContainerFacts,
    picture: Picture,
    *,
    num_frames: int,
    min_frames: int,
    skip: int = 0,
    progress: Progress = unwatched,
) -> Iterator[Frame]:
    """The ``num_frames`` frames of a video file from ``skip`` on, upright, all of one size.

    Raises ``VideoError`` at the first frame that cannot be decoded whole, and at the end when there
    were fewer than ``min_frames``.
    """
    num_decoded = 0
    upright = Upright(picture)
    for frame in _decoded(facts, num_frames, progress):
        if num_decoded >= skip:
            yield upright(frame)
        num_decoded += 1
    if num_decoded < min_frames:
        raise VideoError(facts.path, f"damaged: only {num_decoded} of {num_frames} frames decode")


def first_frame(
    facts: ContainerFacts, num_promised: int, progress: Progress = unwatched
) -> tuple[Picture, int | None]:
    """Tells how a video's frames are stored, and when the first is shown, in the stream's unit.

    Raises ``VideoError`` when the first frame cannot be decoded.
    """
    for frame in _decoded(facts, num_promised, progress):
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
                if num_packets or packet.is_keyframe:
                    num_packets += 1
                    num_frames += len(packet.decode())
                if num_packets == _SAMPLE_PACKETS:
                    break
            num_frames += len(stream.codec_context.decode(None))
        except FFmpegError:
            return 1  # decoding all of it says what is wrong
    return 2 if 2 * num_frames <= num_packets + 2 else 1


def _decoded(facts: ContainerFacts, num_promised: int, progress: Progress) -> Iterator[VideoFrame]:
    num_decoded = 0
    with open_container(facts.path, stream_index=facts.stream_index) as (container, stream):
        try:
            for packet in container.demux(stream):
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
            where = f"decoding stopped at frame {num_decoded} of {num_promised}"
            raise VideoError(facts.path, f"damaged: {where} ({error.strerror})") from error


class Upright:
    """Converts decoded frames to RGB arrays: upright, of square pixels, all of one size.

    A stream may change its size on the way (browsers record so); players scale back, too.
    """

    def __init__(self, picture: Picture) -> None:
        """``picture`` tells how the video's frames are stored."""
        self._convert = VideoReformatter()  # one for all frames: it keeps FFmpeg's scaler
        self._picture = picture

    def __call__(self, frame: VideoFrame) -> Frame:
        """Converts one frame."""
        width, height = self._picture.square_width, self._picture.height
        rgb = self._convert.reformat(frame, width, height, "rgb24", threads=1)
        return self._picture.orientation(rgb.to_ndarray())
