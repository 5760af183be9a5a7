"""Decodes a video file with decord, in order, where decord is known to do that well.

What was found out about decord 0.6.0, and why :func:`suits` is a list of what it may read:

- Reading in order is exact; random access is not (HEVC, edit lists), so ``next`` is all that is
  used. It is also faster than ``get_batch``.
- Where packets give no frame (hidden by an edit list, VP8 references, damage) decord repeats the
  last frame instead, without a word.
- Rotation is applied in MP4 and QuickTime files and ignored in Matroska.
- Of several video streams it takes another one than ffmpeg does.
- It mirrors no frame, and turns those whose matrix mirrors them upside down.
- Its colours differ from those of FFmpeg's own converter for more than 8 bits, for interlaced
  frames, and for 4:2:0 frames with an odd side: by up to 87 of 255.
- MPEG transport streams and AV1 cannot be read, nor animated GIFs.
- It decodes ahead without bound: where frames are taken slowly, the whole video ends up in memory.
- Loaded before OpenCV it brings along a zlib of its own, and OpenCV then writes broken PNG files.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2  # noqa: F401 - has to be loaded before decord
import decord
from decord import DECORDError

from extract.videos.frame import UPRIGHT, Frame, Picture
from extract.videos.pyav_file import ContainerFacts
from extract.videos.recording import FrameTimes

_EXACT_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")
_EXACT_CODECS = ("h264", "hevc", "mpeg4", "vp8", "vp9", "mjpeg")

_EXACT_PIXEL_FORMATS = ("yuv420p", "yuvj420p")

# Memory that the frames of a whole video may take: 1,300 of 256x256 pixels, 90 of 1280x720.
_MAX_DECODED_BYTES = 256 << 20

# PyAV says what is wrong with a file; what decord prints besides would only repeat it.
decord.logging.set_level(decord.logging.QUIET)


class DecordGaveUpError(Exception):
    """decord cannot read a file, or not further; a stricter decoder says what is wrong with it."""


def suits(facts: ContainerFacts, picture: Picture, times: FrameTimes) -> bool:
    """Whether decord gives the frames of such a file as PyAV does, and in bounded memory."""
    is_mirrored = picture.orientation.is_mirrored
    applies_rotation = facts.format_name.startswith("mov")
    return (
        facts.format_name in _EXACT_FORMATS
        and facts.codec in _EXACT_CODECS
        and facts.num_video_streams == 1
        and times.every_packet_is_a_frame
        and 3 * picture.width * picture.height * times.num_frames <= _MAX_DECODED_BYTES
        and facts.pixel_format in _EXACT_PIXEL_FORMATS
        and not picture.is_interlaced
        and picture.square_width == picture.width
        and not picture.width % 2
        and not picture.height % 2
        and not is_mirrored
        and (picture.orientation == UPRIGHT or applies_rotation)
    )


def decord_frames(path: Path, num_frames: int, size: tuple[int, int]) -> Iterator[Frame]:
    """Decodes the first ``num_frames`` frames, upright; where decord lacks one it repeats the last.

    Raises :class:`DecordGaveUpError`, at the start or on the way, and for frames that are not of
    ``size``, which is width and height.
    """
    try:
        # One thread: the other cores decode other videos, each in a process of its own.
        reader = decord.VideoReader(os.fspath(path.absolute()), num_threads=1)
        for _ in range(num_frames):
            frame = reader.next().asnumpy()
            if frame.shape[1::-1] != size:
                raise DecordGaveUpError(f"its frames are {frame.shape[1]}x{frame.shape[0]}")
            yield frame
    # decord ends with StopIteration, which must not leave a generator, and passes names on as
    # UTF-8, which some are not.
    except (DECORDError, RuntimeError, StopIteration, UnicodeEncodeError) as error:
        raise DecordGaveUpError(str(error)) from error
