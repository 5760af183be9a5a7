"""Stills and short previews of videos, as data that stands in the page itself."""

import tempfile
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from extract.videos.frame import Frame
from extract.videos.frame_source import FrameSource, open_frames
from extract.videos.part import VideoError, VideoPart
from extract.videos.video_writing import write_video
from search.index.records import EntryRecord
from search.report.markup import Markup, element
from search.report.page import problem
from search.results import Hit

STILL_WIDTH = 168
JPEG_QUALITY = 78

PREVIEW_WIDTH = 240
PREVIEW_SECONDS = 6.0
PREVIEW_RATE = 15.0
"""Frames a second at most."""
PREVIEW_QUALITY = 30
"""x264's constant rate factor: small, and signs can still be read."""

Shown: TypeAlias = Hit | EntryRecord
"""What a page shows: a video, or a moment of it."""

MUCH_LONGER = 1.0
"""Seconds by which a file is longer than its video, which then is a part of it."""

FOLDER_RATE = 25.0
"""Frames a second of a folder of images; only the times beside the stills depend on it."""


@dataclass(frozen=True)
class Still:
    """One frame of a video."""

    seconds: float
    """Of the video."""
    uri: str
    """A JPEG as ``data:``."""


def opened(shown: Shown) -> FrameSource:
    """Opens what is to be shown: a video, which may be a part of a recording, or its moment.

    Raises ``VideoError`` for what cannot be read.
    """
    start, duration, span = shown.start, shown.duration, shown.span
    if shown.path.is_dir():
        return open_frames(shown.path, FOLDER_RATE)
    if span is not None:
        part = VideoPart(start + span.start, start + span.end)
        return open_frames(shown.path, FOLDER_RATE, part=part)
    part = VideoPart(start, None if duration is None else start + duration)
    if start:
        return open_frames(shown.path, FOLDER_RATE, part=part)
    whole = open_frames(shown.path, FOLDER_RATE)
    # The beginning of a recording is a part too.
    if duration is not None and whole.properties.duration > duration + MUCH_LONGER:
        return open_frames(shown.path, FOLDER_RATE, part=part)
    return whole


def stills_at(shown: Shown, seconds: Sequence[float]) -> list[Still]:
    """Returns the frames at some times of the video. Raises ``VideoError``."""
    source, first = opened(shown), shown.span.start if shown.span else 0.0
    known = source.properties
    last = max(0, known.num_frames - 1)
    # A frame is shown from its time on; differences of times are rounded.
    wanted = {min(last, max(0, int((time - first) * known.fps + 1e-4))) for time in seconds}
    return [
        Still(first + index / known.fps, jpeg_uri(scaled(frame, STILL_WIDTH)))
        for index, frame in zip(range(max(wanted) + 1), source.frames(), strict=False)
        if index in wanted
    ]


def moment_pictures(
    shown: Shown, num_stills: int, *, with_film: bool
) -> tuple[list[Still], str | None]:
    """Returns evenly spaced stills, and the first seconds as a small film where one is wanted.

    Raises ``VideoError`` for what cannot be read.
    """
    source, first = opened(shown), shown.span.start if shown.span else 0.0
    known = source.properties
    wanted = {int(number) for number in evenly(float(known.num_frames), num_stills)}
    step = max(1, round(known.fps / PREVIEW_RATE))
    num_filmed = min(known.num_frames, int(PREVIEW_SECONDS * known.fps)) if with_film else 0
    stills: list[Still] = []
    film: list[Frame] = []
    # Read in order, and once: seeking would not hit frames exactly.
    for index, frame in zip(range(max(*wanted, num_filmed) + 1), source.frames(), strict=False):
        if index in wanted:
            stills.append(Still(first + index / known.fps, jpeg_uri(scaled(frame, STILL_WIDTH))))
        if index < num_filmed and not index % step:
            film.append(even_sided(scaled(frame, PREVIEW_WIDTH)))
    return stills, film_uri(film, known.fps / step) if film else None


def film_uri(frames: Sequence[Frame], frame_rate: float) -> str:
    """Returns an H.264 film as ``data:``."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_video(film, frames, frame_rate, quality=PREVIEW_QUALITY)
        return f"data:video/mp4;base64,{b64encode(film.read_bytes()).decode()}"


def evenly(duration: float, count: int) -> list[float]:
    """Returns the middles of ``count`` equal stretches of a duration.

    >>> evenly(8.0, 4)
    [1.0, 3.0, 5.0, 7.0]
    """
    return [duration * (n + 0.5) / count for n in range(count)]


def scaled(frame: Frame, width: int) -> Frame:
    """Returns the frame at a width in pixels, no larger than it was."""
    width = min(width, frame.shape[1])
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def even_sided(frame: Frame) -> Frame:
    """Drops the last row or column of an odd number: H.264 stores one colour for two of them."""
    height, width = frame.shape[:2]
    return np.ascontiguousarray(frame[: height // 2 * 2 or 1, : width // 2 * 2 or 1])


def jpeg_uri(frame: Frame) -> str:
    """Returns the picture as ``data:``."""
    _, content = cv2.imencode(
        ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return f"data:image/jpeg;base64,{b64encode(content.tobytes()).decode()}"


def still_list(stills: Sequence[Still]) -> Markup:
    """Returns the stills side by side, each with its time."""
    items = [
        element(
            "li",
            element("img", src=still.uri, alt=f"Still at {still.seconds:.2f} seconds"),
            element("span", f"{still.seconds:.2f} s", aria_hidden="true"),
        )
        for still in stills
    ]
    return element("ol", *items, class_="stills")


def gone(error: VideoError) -> Markup:
    """Says that a video cannot be shown, and why."""
    return problem(f"No pictures: {error.reason}")
