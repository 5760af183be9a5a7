"""Makes small videos whose frames carry their number, so that a test knows which frame it has."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "height width channel=3"]

GRID = 4
"""Blocks on a side; the first is always on, the last always off, the others are a number's bits."""

ON = (240, 120, 0)
"""Orange, not grey: exchanged colour channels make the number unreadable."""


def numbered_frame(number: int, width: int = 128, height: int = 96) -> Frame:
    """A picture of blocks that says ``number`` (below 2^14), readable after lossy compression."""
    bits = 1 | number << 1
    blocks = np.array([bits >> i & 1 for i in range(GRID * GRID)], np.uint8).reshape(GRID, GRID, 1)
    rows = np.arange(height) * GRID // height
    columns = np.arange(width) * GRID // width
    return (blocks * np.array(ON, np.uint8))[rows][:, columns]


def numbered_frames(count: int, width: int = 128, height: int = 96) -> list[Frame]:
    """The pictures of the numbers from 0 on."""
    return [numbered_frame(number, width, height) for number in range(count)]


def read_number(frame: Frame) -> int:
    """The number that a picture says; -1 when it is upside down or its colours are exchanged."""
    height, width = frame.shape[:2]
    rows = (2 * np.arange(GRID) + 1) * height // (2 * GRID)
    columns = (2 * np.arange(GRID) + 1) * width // (2 * GRID)
    centres = frame[rows][:, columns].reshape(GRID * GRID, 3).astype(int)
    is_on = centres[:, 0] > ON[0] // 2
    has_right_colours = abs(centres - np.where(is_on[:, None], ON, 0)).max() < 60
    if not has_right_colours or not is_on[0] or is_on[-1]:
        return -1
    return sum(1 << i for i, on in enumerate(is_on[1:]) if on)


def write_video(
    path: Path,
    frames: Iterable[Frame],
    *,
    fps: int = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rotation: int = 0,
    pixel_shape: str = "1/1",
    times: Iterable[int] | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Writes a video; the ending of ``path`` decides the container.

    ``rotation`` is stored as metadata: degrees counter-clockwise that a player turns frames by.
    ``pixel_shape`` is the width of a pixel through its height.
    ``times`` are the frames' times in units of 1/``fps`` s, to make the frame rate vary.
    """
    frames = list(frames)
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=fps, options=dict(options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.sample_aspect_ratio = Fraction(pixel_shape)
        if rotation:
            stream.set_display_rotation(rotation)
        for time, pixels in zip(times or range(len(frames)), frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = time, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbered_video(path: Path, count: int, **how: object) -> Path:
    """Writes a video of the numbers from 0 on; takes what :func:`write_video` takes."""
    return write_video(path, numbered_frames(count), **how)  # type: ignore[arg-type]
