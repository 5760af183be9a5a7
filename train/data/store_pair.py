"""The RGB and the pose store of one data set, opened together and held against each other."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seds_core.store.layout import StoreKind
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoEntry


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
        """Videos whose source, or the frames read from it, changed between the two extractions:
        their rows do not belong together."""
        return frozenset(
            video_id
            for video_id in self.rgb.videos.keys() & self.pose.videos.keys()
            if _timeline(self.rgb.videos[video_id]) != _timeline(self.pose.videos[video_id])
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
    """Opens two stores that fit each other.

    Raises :class:`StoreMismatchError`, naming both sides, when one is of the wrong kind or when
    their timelines are made by different rules.
    """
    pair = StorePair(open_store("rgb", rgb_path), open_store("pose", pose_path))
    rgb_rule, pose_rule = (s.provenance.settings["frames"] for s in (pair.rgb, pair.pose))
    if rgb_rule != pose_rule:
        raise StoreMismatchError(
            f"the timelines differ: {rgb_path} was made with frames {rgb_rule}, "
            f"{pose_path} with {pose_rule}; extract one of them again with the other's pipeline"
        )
    return pair


def open_store(kind: StoreKind, path: Path) -> StoreReader:
    """Opens a store; raises :class:`StoreMismatchError` when it is not one of this kind."""
    store = StoreReader(path)
    if store.provenance.kind != kind:
        raise StoreMismatchError(
            f"{path} is a {store.provenance.kind} store where a {kind} store is needed"
        )
    return store


def _timeline(video: VideoEntry) -> tuple[str, int, int]:
    """What two extractions of one video must agree on."""
    return video.content_hash, video.num_frames, video.frame_step
