"""Which of the listed videos a run takes, and in which order."""

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from extract.videos.listing import ListedVideo
from seds_core.errors import UsageError
from seds_core.store.records import video_key

_PART = re.compile(r"([0-9]+)/([0-9]+)", re.ASCII)

# Sizes are asked for side by side, because each may be an answer from a network disk.
_THREADS = 16

# What a video file is taken to hold, to compare it with one whose length is known. Only the order
# of the videos depends on it.
_BYTES_A_SECOND = 100_000


@dataclass(frozen=True)
class Part:
    """One of several parts into which a list of videos is divided, as for a Slurm array."""

    number: int
    """Counted from 1."""
    num_parts: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Reads ``3/8``; raises ``UsageError`` for anything that is no such part."""
        found = _PART.fullmatch(text)
        number, num_parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= num_parts:
            raise UsageError(
                f"--part {text}: expected I/N, part I of N, with I from 1 to N, such as 3/8"
            )
        return cls(number, num_parts)

    def holds(self, video_id: str) -> bool:
        """Whether a video is in this part: the same on every machine, whatever else is listed."""
        return int(video_key(video_id), 16) % self.num_parts == self.number - 1


def longest_first(videos: Iterable[ListedVideo], folder_fps: float) -> list[ListedVideo]:
    """The videos by falling length, as far as it can be told without opening one.

    What takes long shall not begin last, when all other workers are done.
    """
    listed = list(videos)

    def seconds(video: ListedVideo) -> float:
        return approximate_seconds(video, folder_fps)

    with ThreadPoolExecutor(_THREADS) as pool:
        lengths = dict(zip((v.video_id for v in listed), pool.map(seconds, listed), strict=True))
    # Sorting keeps the order of the list where lengths are equal.
    return sorted(listed, key=lambda video: -lengths[video.video_id])


def approximate_seconds(video: ListedVideo, folder_fps: float) -> float:
    """A guess at a video's length: by its part, the number of its images, or the file's size.

    0 where there is no such file.
    """
    start, end = video.part.start or 0.0, video.part.end
    if end is not None:
        return end - start
    try:
        if video.path.is_dir():
            with os.scandir(video.path) as images:
                whole = sum(1 for _ in images) / folder_fps
        else:
            whole = video.path.stat().st_size / _BYTES_A_SECOND
    except (OSError, ValueError):
        return 0.0
    return max(0.0, whole - start)
