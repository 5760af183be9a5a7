"""The RGB and the pose store of one data set, opened together and held against each other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seds_core.clip_plan import timeline_step
from seds_core.store.layout import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoTable
from train.data.rgb_stores import first_frames_of, open_store


@dataclass(frozen=True)
class StorePair:
    """Two stores whose rows share one timeline."""

    rgb: StoreReader
    pose: StoreReader

    @cached_property
    def video_ids(self) -> tuple[str, ...]:
        """Videos that both stores hold, made from the same source, in the RGB store's order."""
        both = (video_id for video_id in self.rgb.videos if video_id in self.pose.videos)
        return tuple(video_id for video_id in both if video_id not in self.from_other_sources)

    @cached_property
    def from_other_sources(self) -> frozenset[str]:
        """Videos whose source changed between the two extractions, or was read to another end:
        their rows do not belong together."""
        imported = any("imported" in s.provenance.settings for s in (self.rgb, self.pose))
        same = _same_length if imported else _same_content
        return frozenset(
            video_id
            for video_id in self.rgb.videos.keys() & self.pose.videos.keys()
            if not same(video_id, self.rgb.videos, self.pose.videos)
        )

    @property
    def only_in_one(self) -> frozenset[str]:
        """Videos that one of the stores lacks."""
        return frozenset(self.rgb.videos.keys() ^ self.pose.videos.keys())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be told before anything is trained: marks of the stores, unusable videos."""
        marks = [store.provenance.warning for store in (self.rgb, self.pose)]
        counts = [
            (len(self.only_in_one), "videos are in one store only and are left out"),
            (
                len(self.from_other_sources),
                "videos changed between the extractions and are left out",
            ),
        ]
        return (
            *(mark for mark in marks if mark),
            *(f"{count:,} {text}" for count, text in counts if count),
        )


def open_pair(rgb_path: Path, pose_path: Path) -> StorePair:
    """Opens two stores that fit each other. Raises like :func:`pair_stores`, and for another kind
    of store."""
    return pair_stores(open_store("rgb", rgb_path), open_store("pose", pose_path))


def pair_stores(rgb: StoreReader, pose: StoreReader) -> StorePair:
    """Holds two stores against each other.

    Raises :class:`StoreMismatchError`, naming both, when it is not known which frames the clips
    are made of, and when the pose store leaves out frames of the clips' timeline.
    """
    if (first_frames_of(rgb) < 0).any():
        raise StoreMismatchError(
            f"{rgb.path} does not say which frames its clips are made of, so the keypoints of "
            f"{pose.path} cannot be matched with them: import the features again with --pose "
            f"{pose.path}, or train --stage rgb, which needs no keypoints"
        )
    pair = StorePair(rgb, pose)
    lacking = first_without_rows(pair.video_ids, pose, lambda video: clip_timeline_step(rgb, video))
    if lacking is not None:
        rules = [store.provenance.settings["frames"] for store in (rgb, pose)]
        raise StoreMismatchError(
            f"the timelines differ: {rgb.path} was made with frames {rules[0]}, {pose.path} with "
            f"{rules[1]}, and lacks frames of the video '{lacking}' that are needed; extract one "
            "of them again with the other's pipeline"
        )
    return pair


def clip_timeline_step(rgb: StoreReader, video_id: str) -> int:
    """Frames of a video from one frame of its clips' timeline to the next, before any is dropped
    for want of a hand."""
    entry = rgb.videos.rows(video_id)
    if leaves_out_frames(rgb):
        return timeline_step(entry.num_frames, rgb.provenance.settings["frames"]["max_frames"])
    return entry.frame_step


def leaves_out_frames(rgb: StoreReader) -> bool:
    """Whether clips are windows over the frames with a usable hand, and not over all."""
    return bool(rgb.provenance.settings["rgb"].get("frames", "all") == "hands")


def first_without_rows(
    video_ids: Iterable[str], pose: StoreReader, step: Callable[[str], int]
) -> str | None:
    """The first video of whose every ``step(video)``-th frame there are not always keypoints."""
    return next((v for v in video_ids if step(v) % pose.videos.rows(v).frame_step), None)


def _same_content(video_id: str, first: VideoTable, second: VideoTable) -> bool:
    columns = ("content_hash", "num_frames")
    return first.values_of(video_id, columns) == second.values_of(video_id, columns)


def _same_length(video_id: str, first: VideoTable, second: VideoTable) -> bool:
    """For imported rows, of whose video nothing else is known; sometimes not even that."""
    lengths = {table.rows(video_id).num_frames for table in (first, second)}
    return len(lengths) == 1 or min(lengths) < 1
