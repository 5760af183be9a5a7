"""Stills and short previews of videos, as data that stands in the page itself."""

import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from extract.videos.frame import Frame
from extract.videos.frame_source import FrameSource, open_frames
from extract.videos.part import SHORTEST_STEP, VideoError, read_part
from extract.videos.video_writing import write_video
from search.report.markup import Markup, element
from search.report.page import problem
from search.results import Span

STILL_WIDTH = 168
JPEG_QUALITY = 78

PREVIEW_WIDTH = 240
PREVIEW_SECONDS = 6.0
PREVIEW_RATE = 15.0
"""Frames a second at most."""
PREVIEW_QUALITY = 30
"""x264's constant rate factor: small, and signs can still be read."""

FOLDER_RATE = 25.0
"""Frames a second of a folder of images; only the times beside the stills depend on it."""


@dataclass(frozen=True)
class Still:
    """One frame of a video."""

    seconds: float
    """Of the video."""
    uri: str
    """A JPEG as ``data:``."""


def opened(path: Path, columns: Mapping[str, str], span: Span | None = None) -> FrameSource:
    """Opens a video, or a span of it.

    ``columns`` are those of its data set's index: they may say that it is a part of the recording
    at ``path``. Raises ``VideoError`` for what cannot be read.
    """
    try:
        part = read_part(columns)
    except ValueError as error:
        raise VideoError(path, str(error)) from None
    if span is not None and not path.is_dir():
        start = part.start or 0.0
        part = replace(part, start=start + span.start, end=start + span.end)
    return open_frames(path, FOLDER_RATE, part=part)


def chosen_frames(source: FrameSource, seconds: Sequence[float]) -> Iterator[tuple[int, Frame]]:
    """Yields the number and content of the frame at each time, each frame once, in order.

    Raises ``VideoError`` where the video cannot be read so far.
    """
    known = source.properties
    last = max(0, known.num_frames - 1)
    # A frame is shown from its time on; differences of times are rounded.
    wanted = {min(last, max(0, int(time * known.fps + 1e-4))) for time in seconds}
    # Read in order: seeking would not hit frames exactly.
    for index, frame in enumerate(source.frames()):
        if index in wanted:
            yield index, frame
        if index >= max(wanted):
            return


def stills_at(source: FrameSource, seconds: Sequence[float], offset: float = 0.0) -> list[Still]:
    """Returns the frames at some times; ``offset`` is where the source begins in its video.

    Raises ``VideoError`` where the video cannot be read.
    """
    fps = source.properties.fps
    return [
        Still(offset + index / fps, jpeg_uri(scaled(frame, STILL_WIDTH)))
        for index, frame in chosen_frames(source, seconds)
    ]


def evenly(duration: float, count: int) -> list[float]:
    """Returns the middles of ``count`` equal stretches of a duration.

    >>> evenly(8.0, 4)
    [1.0, 3.0, 5.0, 7.0]
    """
    return [duration * (n + 0.5) / count for n in range(count)]


def moment_stills(
    path: Path, columns: Mapping[str, str], span: Span | None, count: int
) -> list[Still]:
    """Returns evenly spaced stills of a video or of a span. Raises ``VideoError``."""
    source = opened(path, columns, span)
    times = evenly(source.properties.duration, count)
    return stills_at(source, times, span.start if span else 0.0)


def preview_uri(path: Path, columns: Mapping[str, str], span: Span | None) -> str:
    """Returns the first seconds of a video or span as a small film. Raises ``VideoError``."""
    source = opened(path, columns, span)
    known = source.properties
    step = max(1, round(known.fps / PREVIEW_RATE))
    num_frames = min(known.num_frames, max(SHORTEST_STEP, int(PREVIEW_SECONDS * known.fps)))
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "preview.mp4"
        write_video(
            film,
            (
                even_sided(scaled(frame, PREVIEW_WIDTH))
                for index, frame in zip(range(num_frames), source.frames(), strict=False)
                if index % step == 0
            ),
            known.fps / step,
            quality=PREVIEW_QUALITY,
        )
        return f"data:video/mp4;base64,{b64encode(film.read_bytes()).decode()}"


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
