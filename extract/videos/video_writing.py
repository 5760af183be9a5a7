"""Writes frames as an H.264 video that any player opens."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av

from extract.videos.frame import Frame
from seds_core.files import whole_file

# Visually close to lossless.
QUALITY = 18


def write_video(
    path: Path, frames: Iterable[Frame], frame_rate: float, *, quality: int = QUALITY
) -> None:
    """Writes the file as a whole or not at all. Frames have one size, of even width and height.

    ``quality`` is x264's constant rate factor: the smaller, the better and the larger.
    """
    # A denominator of up to 1001 keeps the rates of NTSC, such as 30000/1001.
    rate = Fraction(frame_rate).limit_denominator(1001)
    with whole_file(path, durable=False) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.pix_fmt = "yuv420p"
        # One thread: x264's output depends on how many there are, and so on the machine.
        stream.options = {"crf": str(quality), "preset": "veryfast", "threads": "1"}
        for number, frame in enumerate(frames):
            # The encoder needs the size before its first frame opens it.
            if not number:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        # The encoder holds the last frames back until it is flushed.
        container.mux(stream.encode())
