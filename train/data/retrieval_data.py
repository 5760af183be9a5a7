"""A data set for retrieval: which videos have sentences and rows, and how they are read."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import UsageError, first_names
from train.batches import ClipLayout
from train.data.encoder_input import PoseInput
from train.data.rgb_stores import RgbChoice
from train.data.sign_reader import SignReader
from train.data.stage_stores import StageStores, open_stage_stores
from train.data.store_rows import StoreRows
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
        """The usable videos of a split; raises :class:`SplitError` when there are none."""
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
    settings: TrainSettings, stage: Stage, *, index: Path, rgb: RgbChoice | None, pose: Path | None
) -> RetrievalData:
    """Opens what a stage needs and holds it against the pipeline.

    Raises ``UsageError`` for an index or stores that cannot be used, naming what differs.
    """
    stores = open_stage_stores(stage, settings.keypoints, rgb=rgb, pose=pose)
    listed = read_index(index)
    usable = tuple(video for video in listed if video.text and video.video_id in stores.video_ids)
    return RetrievalData(
        index=index,
        videos=usable,
        layout=stores.layout,
        reader=SignReader(
            rgb=stores.rgb.rows("first_frame") if stores.rgb else None,
            pose=StoreRows.of(stores.pose, "frame") if stores.pose else None,
            layout=stores.layout,
            keypoints=stores.keypoints,
            names_clip_frames=bool(stores.rgb and stores.rgb.clips.provenance.clip_frames),
        ),
        warnings=(*stores.warnings, *_left_out(listed, stores)),
        provenance=stores.provenance,
    )


def _left_out(listed: Sequence[IndexedVideo], stores: StageStores) -> Iterator[str]:
    """What must be said about videos of the index that are not used."""
    missing = [video.video_id for video in listed if video.video_id not in stores.video_ids]
    if missing:
        yield (
            "videos of the index without usable rows in the stores, left out: "
            f"{len(missing):,} ({first_names(missing)})"
        )
    silent = [video.video_id for video in listed if not video.text]
    if silent:
        yield (
            "videos of the index without a sentence, left out: "
            f"{len(silent):,} ({first_names(silent)})"
        )


@dataclass(frozen=True)
class UnseenHands:
    """Numbers of videos; the model sees zeros in place of what cannot be used."""

    num_videos: int
    without_right: int
    """The right hand can be used in no frame."""
    without_left: int
    without_both: int
    """Counted in both of the above, too."""

    def __str__(self) -> str:
        """The report in one sentence."""
        return (
            f"of {self.num_videos:,} videos, {self.without_right:,} never show a usable right "
            f"hand, {self.without_left:,} a left one, {self.without_both:,} neither"
        )


def count_unseen_hands(data: RetrievalData, split: SplitVideos) -> UnseenHands:
    """Reads the keypoints of all videos of a split. Raises ``UsageError`` without a pose store."""
    pose = data.reader.pose
    if pose is None:
        raise UsageError("hands can only be counted in a stage that uses a pose store")
    reader = data.reader
    return count(reader.read_frames(pose, reader.locate(video.video_id)) for video in split)


def count(videos: Iterable[PoseInput]) -> UnseenHands:
    """Counts videos that were read already."""
    seen = [(video.right_is_usable.any(), video.left_is_usable.any()) for video in videos]
    return UnseenHands(
        num_videos=len(seen),
        without_right=sum(not right for right, _ in seen),
        without_left=sum(not left for _, left in seen),
        without_both=sum(not (right or left) for right, left in seen),
    )
