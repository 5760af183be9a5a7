"""Looks into the containers of some videos, evenly chosen, without decoding them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from extract.planning.counts import VideoSample, evenly_chosen
from extract.run.loop import decode_job
from extract.settings import FrameSettings
from extract.stream import Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import ListedVideo, VideoList
from extract.videos.part import VideoError, VideoProperties
from extract.videos.source_identity import quick_identity
from seds_core.console import track
from seds_core.errors import UsageError


def look_into(
    videos: VideoList, limit: int, stream: Stream, frames: FrameSettings, source: str
) -> tuple[VideoSample, tuple[ListedVideo, ...]]:
    """What at most ``limit`` videos are like, and those of them that can be opened.

    Raises ``UsageError`` when none of them can be.
    """
    chosen = [videos.videos[place] for place in evenly_chosen(len(videos.videos), limit)]
    found = _opened(chosen, stream, frames)
    if not found:
        raise UsageError(
            f"none of the {len(chosen)} videos that were looked into can be opened, such as "
            f"{chosen[0].path}: are the paths of {source} right?"
        )
    sample = VideoSample(
        source=source,
        num_videos=len(videos.videos),
        lengths=tuple(properties.num_frames for _, properties in found),
        num_unreadable=len(chosen) - len(found),
        mean_fps=fmean(properties.fps for _, properties in found),
        raw_bytes=_raw_bytes(videos.videos, [video for video, _ in found]),
    )
    return sample, tuple(video for video, _ in found)


def _opened(
    chosen: Sequence[ListedVideo], stream: Stream, frames: FrameSettings
) -> list[tuple[ListedVideo, VideoProperties]]:
    found = []
    with DecodePool(num_workers=0) as pool:
        for video in track(chosen, "looking into videos"):
            decoded = pool.decode(replace(decode_job(video, stream, frames), hash=False))
            try:
                found.append((video, decoded.properties))
            except VideoError:
                continue  # counted; the extraction tells what is wrong with it
            finally:
                decoded.close()
    return found


def _raw_bytes(videos: Sequence[ListedVideo], seen: Sequence[ListedVideo]) -> int:
    """Bytes of all sources, from those of some; a recording of several videos counts once."""
    sources: set[Path] = {video.path for video in seen}
    of_one = fmean(quick_identity(path)[0] for path in sources)
    return round(of_one * len({video.path for video in videos}))
