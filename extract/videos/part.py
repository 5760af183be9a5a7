"""A video as the rest of the project sees it: a part of a recording, its properties, its errors.

Sets such as How2Sign publish long recordings, and the times and the signer's box of each sentence.
So a video is a part of a recording: its seconds, its crop, and its frames' size.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

import numpy as np
from jaxtyping import Float64

from seds_core.errors import UnavailableError
from seds_core.video_id import is_text


class VideoError(UnavailableError):
    """A video that cannot be read to its end; ``reason`` says why and how far it got."""

    def __init__(self, path: Path, reason: str) -> None:
        """The reason is a sentence without the path."""
        # Pickling makes an error anew from the arguments that it hands to its base class.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class FrameCountChanged(Exception):  # noqa: N818 - not an error: the video is fine, decode it anew
    """A video does not have the frames it was said to have, and so has another timeline.

    The frames handed over belong to the wrong timeline; decoding again with ``num_frames`` in the
    job gives the right one.
    """

    def __init__(self, num_frames: int) -> None:
        super().__init__(num_frames)
        self.num_frames = num_frames

    def __str__(self) -> str:
        return f"decoding gave {self.num_frames} frames, which makes another timeline"


MAX_PIXELS = 8192 * 8192
"""Pixels of the largest frame that is read; a larger one is refused before memory is taken."""

FileDecoder: TypeAlias = Literal["pyav", "decord"]
"""What may be asked to decode video files; both give the same frames, to the bit."""

Decoder: TypeAlias = FileDecoder | Literal["pillow"]


@dataclass(frozen=True)
class VideoProperties:
    """A video as its container describes it, upright, its pixels square."""

    width: int
    """Pixels, after scaling to square pixels and rotation."""
    height: int
    """Pixels, after scaling to square pixels and rotation."""
    fps: float
    """Average frames per second."""
    num_frames: int
    """Frames that the container promises; decoding may give one or two fewer."""
    duration: float
    """Seconds."""
    decoder: Decoder
    """What reads the frames; ``pyav`` finishes what ``decord`` cannot."""
    notes: tuple[str, ...] = ()
    """What the user should know of the frames, in sentences without the video's name."""


def over_limit(what: str, limit: str, setting: str) -> str:
    """Says why a video is refused, and what to change if it is meant to be read."""
    return f"{what}, over the limit of {limit}: a larger extract.run.{setting} would allow it"


def over_size_limit(width: int, height: int, max_pixels: int) -> str:
    """Says why a video with frames of this size, or of an unknown one, is refused."""
    size = f"has frames of {width}x{height} pixels" if width * height else "tells no size of frames"
    return over_limit(size, f"{max_pixels:,} pixels", "max_pixels")


PART_COLUMNS = ("start", "end", "crop", "size")
"""Columns of an index that say which part of its ``path`` a video is; an empty one says nothing."""

SHORTEST_STEP = 3
"""Frames from the first frame of a part to its last, at least; shorter ones are left out of the
published How2Sign clips."""

_MILLISECOND = 0.001

# The path is greedy, so that it may hold a ``#`` itself; a ``#`` at the very end is the path's
# too. Names of files may hold line breaks, hence DOTALL.
_FRAGMENT = re.compile(
    r"(?P<path>.+)#(?=.)"
    r"(?:t=(?P<start>[\d.e+-]+)?(?:,(?P<end>[\d.e+-]+))?)?"
    r"(?:&?xywh=pixel:(?P<crop>\d+,\d+,\d+,\d+))?"
    r"(?:&?size=(?P<size>\d+x\d+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Crop:
    """A rectangle of upright frames, in pixels; what of it lies beyond the frame is left out."""

    left: int
    top: int
    width: int
    height: int

    def rows(self) -> slice:
        """The rows of a frame that it covers."""
        return slice(self.top, self.top + self.height)

    def columns(self) -> slice:
        """The columns of a frame that it covers."""
        return slice(self.left, self.left + self.width)

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"


@dataclass(frozen=True)
class VideoPart:
    """A part of a recording; what is ``None`` is not cut."""

    start: float | None = None
    """Seconds of the recording at which the part begins."""
    end: float | None = None
    """Seconds of the recording at which the part ends."""
    crop: Crop | None = None
    size: tuple[int, int] | None = None
    """Width and height, in pixels, that the crop is resized to."""

    @property
    def has_times(self) -> bool:
        """Whether the part is shorter than the recording."""
        return self.start is not None or self.end is not None

    @property
    def fragment(self) -> str:
        """The part as a W3C media fragment (https://www.w3.org/TR/media-frags/), plus the size.

        >>> VideoPart(7.27, 20.0, Crop(10, 0, 700, 700), (256, 256)).fragment
        't=7.27,20&xywh=pixel:10,0,700,700&size=256x256'
        """
        dimensions = []
        if self.has_times:
            # ``repr`` is the shortest text that is read as the same number.
            start, end = (repr(time or 0.0).removesuffix(".0") for time in (self.start, self.end))
            dimensions.append(f"t={start}" if self.end is None else f"t={start},{end}")
        if self.crop:
            dimensions.append(f"xywh=pixel:{self.crop}")
        if self.size:
            dimensions.append(f"size={self.size[0]}x{self.size[1]}")
        return "&".join(dimensions)


WHOLE = VideoPart()
"""All of a recording, as it is."""


def part_name(path: Path, part: VideoPart) -> str:
    """Names a part of the recording at ``path``: the path, with a fragment unless whole.

    A path that is not text becomes a URI, ``file:///...``, with its bytes as ``%FC``.
    """
    name = str(path) if is_text(str(path)) else path.absolute().as_uri()
    return f"{name}#{part.fragment}" if part != WHOLE else name


def read_part_name(name: str) -> tuple[Path, VideoPart]:
    """Returns the path and the part that :func:`part_name` made the name of."""
    part = WHOLE
    if found := _FRAGMENT.fullmatch(name):
        name = found["path"]
        part = read_part({key: found[key] or "" for key in PART_COLUMNS})
    if name.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(name.removeprefix("file://")))), part
    return Path(name), part


def read_part(columns: Mapping[str, str]) -> VideoPart:
    """Reads the part that an index names in its :data:`PART_COLUMNS`.

    Raises ``ValueError`` with a sentence that says what is wrong with a value.
    """
    start, end = (_seconds(name, columns.get(name, "")) for name in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"end is {end:g}, not after start ({start or 0.0:g})")
    crop: Crop | None = None
    if text := columns.get("crop", ""):
        found = re.fullmatch(r"(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)", text, re.ASCII)
        # What is no rectangle gets one without area, and both are refused by one message.
        crop = Crop(*map(int, found.groups())) if found else Crop(0, 0, 0, 0)
        if not crop.width * crop.height:
            raise ValueError(f"crop is '{text}'; expected left,top,width,height in whole pixels")
    size: tuple[int, int] | None = None
    if text := columns.get("size", ""):
        found = re.fullmatch(r"(\d+)x(\d+)", text, re.ASCII)
        size = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 0 < size[0] * size[1] <= MAX_PIXELS:
            raise ValueError(f"size is '{text}'; expected WIDTHxHEIGHT in pixels, such as 256x256")
    return VideoPart(start, end, crop, size)


def _seconds(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        # NaN fails every comparison, so that one message serves all that is wrong.
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name} is '{text}'; expected seconds, such as 7.27")
    return seconds


Edges: TypeAlias = Float64[np.ndarray, " _"]
"""Seconds at which the frames of a recording begin, in order, and the last one ends."""


def frame_bounds(part: VideoPart, fps: float, edges: Edges | None = None) -> tuple[int, int | None]:
    """Returns the numbers of a part's first and last frame; the last may lie beyond the end.

    The first is the frame that is shown at the part's start, the last is the first that begins at
    its end or later: the published How2Sign clips keep floor(start fps) to ceil(end fps). Without
    ``edges`` frames come evenly, else the edges decide, to the millisecond, as finely as containers
    and indices write times.
    """
    start, end = part.start or 0.0, part.end
    # At an even rate this is the arithmetic of the published clips, to the bit.
    if edges is None:
        return math.floor(start * fps), None if end is None else math.ceil(end * fps)
    first = int(np.searchsorted(edges, start + _MILLISECOND, side="right")) - 1
    return first, None if end is None else int(np.searchsorted(edges, end - _MILLISECOND))


def part_frames(
    part: VideoPart, path: Path, fps: float, num_frames: int, edges: Edges | None = None
) -> range:
    """Returns which of the ``num_frames`` frames of the recording at ``path`` a part has.

    Raises ``VideoError`` for a part that begins after the end or is too short.
    """
    # A whole recording is never too short, nor is a crop of one.
    if not part.has_times:
        return range(num_frames)
    first, last = frame_bounds(part, fps, edges)
    last = num_frames if last is None else min(last, num_frames)
    if first >= num_frames:
        seconds = f"{num_frames} frames, {num_frames / fps:.2f} s"
        raise VideoError(path, f"the part begins at {part.start:g} s, the recording has {seconds}")
    if last - first < SHORTEST_STEP:
        where = f"from frame {first} to {last} of {num_frames}, at {fps:g} frames a second"
        raise VideoError(path, f"the part is too short: {where}")
    return range(first, min(last + 1, num_frames))
