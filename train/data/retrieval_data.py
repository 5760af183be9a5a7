"""A data set for retrieval: the videos that have a sentence and rows, and their reader."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import UsageError, first_names
from seds_core.store.block_cache import shared_cache
from seds_core.store.disk import DiskPlace
from seds_core.store.place import StoreLocation
from train.batches import ClipLayout
from train.data.rgb_stores import RgbChoice
from train.data.sign_reader import SignReader, StoreRows
from train.data.stage_stores import StageStores, open_stage_stores
from train.settings import Stage, TrainSettings

SplitVideos: TypeAlias = tuple[IndexedVideo, ...]
"""Videos with a sentence and with rows in every store that is used, in the order of the index."""


class SplitError(UsageError):
    """A split without usable videos; the message lists the splits that have some."""


@dataclass(frozen=True)
class RetrievalData:
    """What a stage trains on or is evaluated on."""

    index: Path
    videos: SplitVideos
    """Of all splits."""
    layout: ClipLayout
    reader: SignReader
    warnings: tuple[str, ...]
    """To be shown before anything is computed."""
    provenance: dict[str, Any]
    """Of the stores; only what JSON can hold."""

    def split(self, name: str) -> SplitVideos:
        """Returns the usable videos of a split; raises :class:`SplitError` if there are none."""
        videos = tuple(video for video in self.videos if video.split == name)
        if videos:
            return videos
        sizes = Counter(video.split for video in self.videos)
        found = ", ".join(f"'{split}' ({count:,})" for split, count in sizes.items() if split)
        raise SplitError(
            f"{self.index} has no usable videos of the split '{name}'. Splits (videos) with some: "
            f"{found or 'none; the column split names the split of each video'}"
        )


def open_data(
    settings: TrainSettings,
    stage: Stage,
    *,
    index: Path,
    rgb: RgbChoice | None,
    pose: StoreLocation | None,
) -> RetrievalData:
    """Opens what a stage needs and compares it with the pipeline.

    Raises ``UsageError`` for an index or stores that cannot be used, naming what differs.
    """
    stores = open_stage_stores(stage, settings.keypoints, rgb=rgb, pose=pose)
    # Usable are the videos of the index with a sentence and with rows in every store of the stage.
    listed = read_index(index)
    warnings = list(stores.warnings)
    without = {
        "usable rows in the stores": [v for v in listed if v.video_id not in stores.video_ids],
        "a sentence": [v for v in listed if not v.text],
    }
    for lacking, videos in without.items():
        if videos:
            names = first_names([video.video_id for video in videos])
            warnings.append(
                f"videos of the index without {lacking}, left out: {len(videos):,} ({names})"
            )
    return RetrievalData(
        index=index,
        videos=tuple(v for v in listed if v.text and v.video_id in stores.video_ids),
        layout=stores.layout,
        reader=sign_reader(stores),
        warnings=tuple(warnings),
        provenance=stores.provenance,
    )


def sign_reader(stores: StageStores) -> SignReader:
    """Returns the reader of opened stores; reads their small arrays at once."""
    # The clips of several RGB stores are those of the first.
    rgb_rows: tuple[StoreRows, ...] = ()
    opened = (*(stores.rgb.stores if stores.rgb else ()), stores.pose)
    lie_far = any(store and not isinstance(store.place, DiskPlace) for store in opened)
    cache = shared_cache() if lie_far else None
    if stores.rgb is not None:
        first, *others = stores.rgb.stores
        rgb_rows = (
            StoreRows.of(first, "first_frame", cache=cache),
            *(StoreRows.of(other, cache=cache) for other in others),
        )
    return SignReader(
        rgb=rgb_rows,
        pose=StoreRows.of(stores.pose, "frame", cache=cache) if stores.pose else None,
        cache=cache,
        layout=stores.layout,
        keypoints=stores.keypoints,
        mix=stores.rgb.mix if stores.rgb else (),
        names_clip_frames=bool(stores.rgb and stores.rgb.clips.provenance.clip_frames),
    )


@dataclass(frozen=True)
class UnseenHands:
    """Numbers of videos; the model sees zeros where a hand cannot be used."""

    num_videos: int
    without_right: int
    """The right hand can be used in no frame."""
    without_left: int
    without_both: int
    """Counted in both of the above, too."""

    def __str__(self) -> str:
        return (
            f"of {self.num_videos:,} videos, {self.without_right:,} never show a usable right "
            f"hand, {self.without_left:,} a left one, {self.without_both:,} neither"
        )


def count_unseen_hands(data: RetrievalData, split: SplitVideos) -> UnseenHands:
    """Reads the keypoints of all videos of a split. Raises ``UsageError`` without a pose store."""
    reader = data.reader
    if reader.pose is None:
        raise UsageError("hands can only be counted in a stage that uses a pose store")
    seen = []
    for video in split:
        pose = reader.read_keypoints(reader.locate(video.video_id))
        seen.append((pose.right_is_usable.any(), pose.left_is_usable.any()))
    return UnseenHands(
        num_videos=len(seen),
        without_right=sum(not right for right, _ in seen),
        without_left=sum(not left for _, left in seen),
        without_both=sum(not (right or left) for right, left in seen),
    )
