"""The stores that a stage trains on, and whether they fit together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seds_core.clip_plan import timeline_step
from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoTable
from train.batches import ClipLayout
from train.data.rgb_stores import RgbChoice, RgbStores, first_frames_of, open_rgb, open_store
from train.settings import KeypointSettings, Stage


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
        imported = any(store.provenance.imported_from for store in (self.rgb, self.pose))
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
        rules = [store.provenance.timeline.recorded() for store in (rgb, pose)]
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
    if rgb.provenance.clips.drops_frames:
        return timeline_step(entry.num_frames, rgb.provenance.timeline.max_frames)
    return entry.frame_step


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


class StageStoresError(UsageError):
    """Stores that are missing or cannot serve a stage; the message says what to change."""


@dataclass(frozen=True)
class StageStores:
    """The stores that a stage uses, the videos that all of them hold, and the clips' sizes."""

    rgb: RgbStores | None
    """Decides the clips where it is there; only some stages also use its features."""
    pose: StoreReader | None
    video_ids: frozenset[str]
    layout: ClipLayout
    keypoints: KeypointSettings
    """The pipeline's, with the ``max_frames`` that the stores decide."""
    warnings: tuple[str, ...]

    @property
    def provenance(self) -> dict[str, Any]:
        """Store -> path and everything that decides its rows; only what JSON can hold."""
        found: dict[str, Any] = {} if self.rgb is None else dict(self.rgb.provenance)
        if self.pose is not None:
            found["pose"] = {"path": str(self.pose.path), **self.pose.provenance.to_attributes()}
        return found


def open_stage_stores(
    stage: Stage, settings: KeypointSettings, *, rgb: RgbChoice | None, pose: Path | None
) -> StageStores:
    """The stores of a stage.

    ``rgb`` does not look at the pose store. ``pose`` takes its clips from the RGB store where one
    is given, so that the model fits a later fusion; without one the settings decide.

    Raises :class:`StageStoresError` for a store that is missing or does not fit the settings, and
    ``StoreMismatchError`` for two that do not fit each other.
    """
    if stage == "rgb":
        return _rgb_only(rgb, settings)
    if pose is None:
        raise _missing("pose", stage)
    pose_store = open_store("pose", pose)
    if rgb is None and stage == "fusion":
        raise _missing("rgb", stage)
    if rgb is None:
        return _pose_only(pose_store, settings)
    stores = open_rgb(rgb)
    _refuse_other_frames(settings, stores.clips)
    pair = pair_stores(stores.clips, pose_store)
    return StageStores(
        stores,
        pose_store,
        stores.video_ids.intersection(pair.video_ids),
        _layout_of(stores.clips, with_features=stage == "fusion"),
        _with_max_frames(settings, stores.clips),
        tuple(dict.fromkeys((*stores.warnings, *pair.warnings))),
    )


def _rgb_only(rgb: RgbChoice | None, settings: KeypointSettings) -> StageStores:
    if rgb is None:
        raise _missing("rgb", "rgb")
    stores = open_rgb(rgb)
    _refuse_other_frames(settings, stores.clips)
    layout = _layout_of(stores.clips, with_features=True)
    return StageStores(stores, None, stores.video_ids, layout, settings, stores.warnings)


def _pose_only(store: StoreReader, settings: KeypointSettings) -> StageStores:
    held, wanted = store.provenance.timeline.max_frames, settings.max_frames
    if held is not None and (wanted is None or wanted >= held):
        settings = _with_max_frames(settings, store)  # more frames than there are cannot be had
    lacking = first_without_rows(
        store.videos,
        store,
        lambda video: timeline_step(store.videos.rows(video).num_frames, settings.max_frames),
    )
    if lacking is not None:
        raise StageStoresError(
            f"the pipeline's keypoints.max_frames is {wanted}, but {store.path} was made with "
            f"frames.max_frames {held} and lacks frames of '{lacking}' that are needed: set "
            f"keypoints.max_frames to {held}, or extract with frames.max_frames {wanted}"
        )
    layout = ClipLayout(settings.max_clips, settings.clip_length, None)
    mark = store.provenance.warning
    marks = (mark,) if mark else ()
    return StageStores(None, store, frozenset(store.videos), layout, settings, marks)


def _missing(kind: StoreKind, stage: Stage) -> StageStoresError:
    return StageStoresError(
        f"stage {stage} needs a store of kind {kind}, and none is named: give --{kind} STORE, "
        f"or set data.{kind} in the pipeline"
    )


def _refuse_other_frames(settings: KeypointSettings, rgb: StoreReader) -> None:
    """Both streams must leave out the same frames."""
    rules = rgb.provenance.clips.hand_rules
    match settings.frames, rgb.provenance.clips.drops_frames:
        case "hands", False:
            raise StageStoresError(
                "the pipeline's keypoints.frames is 'hands', which leaves out frames without "
                f"hands, but the clips of {rgb.path} are windows over all frames: set "
                "keypoints.frames to 'all', or extract the features again with --frames hands "
                "--pose STORE"
            )
        case "all", True:
            raise StageStoresError(
                f"the pipeline's keypoints.frames is 'all', but the clips of {rgb.path} leave out "
                f"frames without hands: set keypoints.frames to 'hands' and keypoints.rules to "
                f"'{rules}', or extract the features again with --frames all"
            )
        case "hands", True if settings.rules != rules:
            raise StageStoresError(
                f"the pipeline's keypoints.rules are '{settings.rules}', but the frames of "
                f"{rgb.path} were chosen by '{rules}': set keypoints.rules to '{rules}', or "
                f"extract the features again with rgb.hand_rules '{settings.rules}'"
            )


def _with_max_frames(settings: KeypointSettings, store: StoreReader) -> KeypointSettings:
    return settings.model_copy(update={"max_frames": store.provenance.timeline.max_frames})


def _layout_of(store: StoreReader, *, with_features: bool) -> ClipLayout:
    """As many slots as the RGB store's settings allow a video clips."""
    num_slots = store.provenance.clip_slots
    if num_slots is None:
        raise StageStoresError(
            f"{store.path} has a clip for every window of videos of any length (rgb.clips 'all', "
            "frames.max_frames null), and a model needs a limit: extract with one of the two"
        )
    rgb_dim = store.provenance.feature_dim if with_features else None
    return ClipLayout(num_slots, store.provenance.clips.clip_length, rgb_dim)
