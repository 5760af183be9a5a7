"""Writes frames as an H.264 video that any player opens."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

_QUALITY = "18"
"""x264's constant rate factor; 18 is visually close to lossless."""


def write_video(
    path: Path, frames: UInt8[np.ndarray, "frame height width channel=3"], frame_rate: float
) -> None:
    """Writes the file as a whole or not at all; width and height must be even."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(frame_rate).limit_denominator(1000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": _QUALITY, "preset": "veryfast", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    unfinished.replace(path)
