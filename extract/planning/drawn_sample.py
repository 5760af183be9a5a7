"""A drawn video in the form of a data set that is not here yet, to measure decoding with."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from extract.planning.counts import VideoSample
from extract.planning.releases import Release
from extract.videos.listing import VideoList, videos_of_index
from extract.videos.video_writing import write_video

NUM_FRAMES = 96


def sample_of(release: Release) -> VideoSample:
    """The published size of a data set, in place of what looking into its videos would tell."""
    return VideoSample(
        source=release.title,
        num_videos=release.videos,
        lengths=release.lengths,
        num_unreadable=0,
        mean_fps=release.fps,
        raw_bytes=release.raw_bytes,
    )


def draw_sample(release: Release, folder: Path) -> VideoList:
    """Writes one video into ``folder``, with an index as the data set's would be."""
    path = folder / "drawn.mp4" if release.suffix == ".mp4" else folder / "drawn"
    frames = moving_picture(NUM_FRAMES, release.height, release.width)
    if release.suffix == ".mp4":
        write_video(path, frames, release.fps)
    else:
        path.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{number:06d}{release.suffix}")
    index = folder / "index.csv"
    size = "256x256" if release.crop else ""
    with index.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("video_id", "path", "crop", "size"), ("drawn", path.name, release.crop, size)]
        )
    return videos_of_index(index)


def moving_picture(
    num_frames: int, height: int, width: int
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    """A soft pattern that moves by two pixels a frame, with a camera's noise: as much to decode as
    a person before a wall."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 40.0
    waves = (np.sin(x) * np.cos(y))[..., None] * np.array([60, 50, 40])
    soft = (128 + waves).astype(np.uint8)
    noise = generator.integers(0, 10, (height, width, 3), np.uint8)
    frames = [
        np.roll(soft, 2 * number, axis=1) + np.roll(noise, 31 * number, axis=0)
        for number in range(num_frames)
    ]
    return np.stack(frames)
