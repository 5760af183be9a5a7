"""From the lengths of some videos to the frames and clips of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from extract.settings import ExtractSettings
from seds_core.clip_plan import plan_clips


@dataclass(frozen=True)
class VideoSample:
    """What was found in some of the videos that are to be extracted."""

    source: str
    """Where the videos are from."""
    num_videos: int
    """All of them."""
    lengths: tuple[int, ...]
    """Frames of the videos that were looked into and can be read."""
    num_unreadable: int
    """Videos that were looked into and cannot be opened."""
    mean_fps: float
    raw_bytes: int | None
    """Bytes of all sources; ``None`` where that is not known."""

    @property
    def num_seen(self) -> int:
        """Videos that were looked into."""
        return len(self.lengths) + self.num_unreadable

    @property
    def is_whole(self) -> bool:
        """Whether these are all videos, so that nothing was extrapolated."""
        return self.num_seen == self.num_videos


@dataclass(frozen=True)
class Counts:
    """What an extraction has to get through; estimates unless every video was looked into."""

    videos: int
    """Those that can be read, as far as the sample tells."""
    frames: int
    """All frames: each has to be decoded."""
    timeline_frames: int
    """Rows of the pose store."""
    clips: int
    """Rows of the RGB store; fewer where frames without hands are left out."""


def count(sample: VideoSample, settings: ExtractSettings) -> Counts:
    """The sample's frames and clips, scaled to all videos; the sample has a readable video."""
    plans = [
        plan_clips(
            length,
            max_frames=settings.frames.max_frames,
            clip_length=settings.rgb.clip_length,
            max_clips=settings.rgb.clip_limit,
        )
        for length in sample.lengths
    ]
    share = sample.num_videos / sample.num_seen
    return Counts(
        videos=round(share * len(sample.lengths)),
        frames=round(share * sum(sample.lengths)),
        timeline_frames=round(share * sum(plan.num_timeline_frames for plan in plans)),
        clips=round(share * sum(len(plan.starts) for plan in plans)),
    )


def evenly_chosen(count: int, limit: int) -> Sequence[int]:
    """Places of at most ``limit`` of ``count`` things, spread evenly.

    >>> list(evenly_chosen(10, 4)), list(evenly_chosen(3, 4))
    ([0, 2, 5, 7], [0, 1, 2])
    """
    return [place * count // limit for place in range(limit)] if count > limit else range(count)
