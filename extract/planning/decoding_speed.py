"""Measures how fast one process decodes, and keeps a few frames for the networks."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from jaxtyping import UInt8

from extract.run.loop import decode_job
from extract.settings import FrameSettings
from extract.stream import Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.decoded_video import DecodedVideo
from extract.videos.listing import ListedVideo
from extract.videos.part import FrameCountChanged, VideoError
from seds_core.errors import UnavailableError

MEASURED_VIDEOS = 3
MEASURED_CHUNKS = 3
"""Chunks that are decoded of a video, of 64 timeline frames each."""


@dataclass(frozen=True)
class Decoded:
    """What decoding a few videos gave."""

    seconds_a_frame: float
    """Of one process, for every frame of a video, on the timeline or not; opening included."""
    frames: UInt8[np.ndarray, "frame height width channel=3"]
    """The first chunk, as the stream's networks get it."""


def decode_some(videos: Sequence[ListedVideo], stream: Stream, frames: FrameSettings) -> Decoded:
    """Decodes the beginnings of a few of the videos in this process, alone.

    Raises ``UnavailableError`` when none of them can be decoded.
    """
    places = range(0, len(videos), max(1, len(videos) // MEASURED_VIDEOS))
    kept: UInt8[np.ndarray, "_ _ _ channel=3"] | None = None
    num_frames, begin = 0, time.perf_counter()
    with DecodePool(num_workers=0) as pool:
        for place in islice(places, MEASURED_VIDEOS):
            job = replace(decode_job(videos[place], stream, frames), hash=False)
            decoded = pool.decode(job)
            for chunk in _first_chunks(decoded):
                kept = chunk if kept is None else kept
                num_frames += len(chunk) * decoded.frame_step
            decoded.close()
    if kept is None:
        raise UnavailableError(f"no video could be decoded, such as {videos[0].path}")
    return Decoded((time.perf_counter() - begin) / num_frames, kept)


def _first_chunks(
    decoded: DecodedVideo,
) -> Iterator[UInt8[np.ndarray, "frame height width channel=3"]]:
    """The first chunks' frames; fewer of a video that turns out to be damaged."""
    try:
        for chunk in islice(decoded.chunks(), MEASURED_CHUNKS):
            yield chunk.frames.copy()  # its memory is filled again
    except (VideoError, FrameCountChanged):
        return
