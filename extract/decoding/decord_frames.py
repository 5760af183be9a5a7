"""Decodes a video file with decord, in order, where decord is known to do that well.

What was found out about decord 0.6.0, and why :func:`suits` is a list of what it may read:

- Reading in order is exact; random access is not (HEVC, edit lists), so ``next`` is all that is
  used. It is also faster than ``get_batch``.
- Where packets give no frame (hidden by an edit list, VP8 references, damage) decord repeats the
  last frame instead, without a word.
- Rotation is applied in MP4 and QuickTime files and ignored in Matroska.
- MPEG transport streams and AV1 cannot be read, nor animated GIFs.
- It decodes ahead without bound: whoever takes frames slowly finds the whole video in memory.
- Loaded before OpenCV it lends it a zlib of its own, and OpenCV then writes broken PNG files.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2  # noqa: F401 - has to be loaded before decord
import decord
from decord import DECORDError

from extract.decoding.frame import Frame
from extract.decoding.video_container import ContainerFacts

_EXACT_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")
_EXACT_CODECS = ("h264", "hevc", "mpeg4", "vp8", "vp9", "mjpeg")

_MAX_DECODED_BYTES = 256 << 20
"""Memory that the frames of a whole video may take: 1,300 of 256x256 pixels, 90 of 1280x720."""

decord.logging.set_level(decord.logging.QUIET)


class DecordGaveUpError(Exception):
    """decord cannot read a file, or not further; what is wrong is for a stricter decoder to say."""


def suits(facts: ContainerFacts, rotation: int) -> bool:
    """Whether decord gives the frames of such a file as they are, and in bounded memory."""
    applies_rotation = facts.format_name.startswith("mov")
    return (
        facts.format_name in _EXACT_FORMATS
        and facts.codec in _EXACT_CODECS
        and not facts.has_edits
        and (rotation == 0 or applies_rotation)
        and 3 * facts.width * facts.height * facts.num_frames <= _MAX_DECODED_BYTES
    )


def decord_frames(path: Path, num_frames: int) -> Iterator[Frame]:
    """The first ``num_frames`` frames, upright; frames that decord lacks repeat the one before.

    Raises :class:`DecordGaveUpError`, at the start or on the way.
    """
    try:
        reader = decord.VideoReader(os.fspath(path.absolute()), num_threads=1)
        for _ in range(num_frames):
            yield reader.next().asnumpy()
    except (DECORDError, RuntimeError, StopIteration, UnicodeEncodeError) as error:
        raise DecordGaveUpError(str(error)) from error
