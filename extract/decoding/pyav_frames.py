"""Decodes a video file with PyAV, strictly: a frame is right, or the video has failed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.packet_count import OVERSTATED_FRAMES
from extract.decoding.video_container import open_container
from extract.decoding.video_error import VideoError


def pyav_frames(
    path: Path, num_promised: int, *, skip: int = 0, progress: Progress = unwatched
) -> Iterator[Frame]:
    """The frames of a video file from number ``skip`` on, upright, all of the first frame's size.

    ``num_promised`` is what the container lets expect. Raises ``VideoError`` at the first frame
    that cannot be decoded whole, and when more than :data:`OVERSTATED_FRAMES` are missing.
    """
    num_decoded = 0
    upright: Upright | None = None
    for frame in _decoded(path, num_promised):
        progress()
        upright = upright or Upright(frame.width, frame.height, _rotation(frame))
        if num_decoded >= skip:
            yield upright(frame)
        num_decoded += 1
    if num_decoded < max(1, num_promised - OVERSTATED_FRAMES):
        raise VideoError(path, f"damaged: only {num_decoded} of {num_promised} frames decode")


def stored_rotation(path: Path, num_promised: int) -> int:
    """Degrees, counter-clockwise, that the first frame asks to be turned by: 0, 90, 180 or 270.

    Raises ``VideoError`` when the first frame cannot be decoded.
    """
    for frame in _decoded(path, num_promised):
        return _rotation(frame)
    raise VideoError(path, f"damaged: none of {num_promised} frames can be decoded")


def decode_in_one_thread(stream: VideoStream) -> None:
    """Sets up a stream's decoder: several videos are decoded at once, each in its own process."""
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1


def _decoded(path: Path, num_promised: int) -> Iterator[VideoFrame]:
    num_decoded = 0
    with open_container(path) as (container, stream):
        decode_in_one_thread(stream)
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise VideoError(
                        path, f"damaged: frame {num_decoded} of {num_promised} is incomplete"
                    )
                yield frame
                num_decoded += 1
        except FFmpegError as error:
            where = f"decoding stopped at frame {num_decoded} of {num_promised}"
            raise VideoError(path, f"damaged: {where} ({error.strerror})") from error


def _rotation(frame: VideoFrame) -> int:
    """Degrees counter-clockwise; angles between quarter turns are left to the nearest."""
    return 90 * (round(frame.rotation / 90) % 4)


class Upright:
    """Converts decoded frames to RGB arrays of the size and rotation of the video's first one.

    A stream may change its size on the way (browsers record so); players scale back, too.
    """

    def __init__(self, width: int, height: int, rotation: int) -> None:
        """Of a video whose first frame is stored so: pixels, and degrees counter-clockwise."""
        self._convert = VideoReformatter()  # one for all frames: it keeps FFmpeg's scaler
        self._width, self._height, self._turns = width, height, rotation // 90

    def __call__(self, frame: VideoFrame) -> Frame:
        """The frame as a player shows it."""
        rgb = self._convert.reformat(frame, self._width, self._height, "rgb24", threads=1)
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), self._turns))
