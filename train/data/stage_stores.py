"""The stores that a stage trains on, and whether they fit together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from seds_core.clip_plan import timeline_step
from seds_core.errors import UsageError
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from train.batches import ClipLayout
from train.data.rgb_stores import RgbChoice, RgbStores, first_frames_of, open_rgb, open_store
from train.settings import KeypointSettings, Stage


@dataclass(frozen=True)
class StorePair:
    """The videos of two stores whose rows share one timeline."""

    video_ids: tuple[str, ...]
    """Videos that both stores hold, made from the same source, in the RGB store's order."""
    only_in_one: frozenset[str]
    """Videos that one of the stores lacks."""
    from_other_sources: frozenset[str]
    """Videos whose source changed between the two extractions, or was read to another end: their
    rows do not belong together."""
    warnings: tuple[str, ...]
    """What the user must know before training: marks of the stores, unusable videos."""


def open_pair(rgb: StoreLocation, pose: StoreLocation) -> StorePair:
    """Opens two stores and compares them.

    Raises like :func:`pair_stores`, and for a store of another kind.
    """
    return pair_stores(open_store("rgb", rgb), open_store("pose", pose))


def pair_stores(rgb: StoreReader, pose: StoreReader) -> StorePair:
    """Finds the videos whose rows in both stores belong together.

    Raises :class:`StoreMismatchError`, naming both, when it is not known which frames the clips
    are made of, and when the pose store leaves out frames of the clips' timeline.
    """
    if (first_frames_of(rgb) < 0).any():
        raise StoreMismatchError(
            f"{rgb.url} does not say which frames its clips are made of, so the keypoints of "
            f"{pose.url} cannot be matched with them: import the features again with --pose "
            f"{pose.url}, or train --stage rgb, which needs no keypoints"
        )

    # Imported rows tell at most how long their video was.
    is_imported = any(store.provenance.imported_from for store in (rgb, pose))
    columns = ("num_frames",) if is_imported else ("content_hash", "num_frames")
    from_other_sources = set()
    for video_id in rgb.videos.keys() & pose.videos.keys():
        ours, theirs = (store.videos.values_of(video_id, columns) for store in (rgb, pose))
        is_unknown = is_imported and min(ours[0], theirs[0]) < 1
        if ours != theirs and not is_unknown:
            from_other_sources.add(video_id)

    usable = tuple(v for v in rgb.videos if v in pose.videos and v not in from_other_sources)
    # A pose store of every frame fits any timeline; one of every k-th frame needs a multiple of k.
    lacking = first_without_rows(usable, pose, lambda video: clip_timeline_step(rgb, video))
    if lacking is not None:
        rules = [store.provenance.timeline.recorded() for store in (rgb, pose)]
        raise StoreMismatchError(
            f"the timelines differ: {rgb.url} was made with frames {rules[0]}, {pose.url} with "
            f"{rules[1]}, and lacks frames of the video '{lacking}' that are needed; extract one "
            "of them again with the other's pipeline"
        )

    # These videos are left out; nothing else is wrong with the stores.
    only_in_one = frozenset(rgb.videos.keys() ^ pose.videos.keys())
    warnings = [store.provenance.warning for store in (rgb, pose)]
    if only_in_one:
        warnings.append(f"{len(only_in_one):,} videos are in one store only and are left out")
    if from_other_sources:
        changed = f"{len(from_other_sources):,} videos changed between the extractions"
        warnings.append(f"{changed} and are left out")
    return StorePair(
        usable, only_in_one, frozenset(from_other_sources), tuple(filter(None, warnings))
    )


def clip_timeline_step(rgb: StoreReader, video_id: str) -> int:
    """Returns the k of a clip timeline of every k-th frame, before frames without hands go."""
    entry = rgb.videos.rows(video_id)
    if rgb.provenance.clips.drops_frames:
        return timeline_step(entry.num_frames, rgb.provenance.timeline.max_frames)
    return entry.frame_step


def first_without_rows(
    video_ids: Iterable[str], pose: StoreReader, step: Callable[[str], int]
) -> str | None:
    """Returns the first video that lacks keypoints of one of every ``step(video)``-th frame."""
    return next((v for v in video_ids if step(v) % pose.videos.rows(v).frame_step), None)


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
            found["pose"] = {"path": str(self.pose.url), **self.pose.provenance.to_attributes()}
        return found


def open_stage_stores(
    stage: Stage, settings: KeypointSettings, *, rgb: RgbChoice | None, pose: StoreLocation | None
) -> StageStores:
    """Opens the stores of a stage.

    ``rgb`` does not look at the pose store. ``pose`` takes its clips from the RGB store where one
    is given, so that the model fits a later fusion; without one the settings decide.

    Raises :class:`StageStoresError` for a store that is missing or does not fit the settings, and
    ``StoreMismatchError`` for two that do not fit each other.
    """
    for kind, named in (("pose", pose), ("rgb", rgb)):
        if named is None and stage in (kind, "fusion"):
            raise StageStoresError(
                f"stage {stage} needs a store of kind {kind}, and none is named: give --{kind} "
                f"STORE, or set data.{kind} in the pipeline"
            )
    pose_store = None if stage == "rgb" or pose is None else open_store("pose", pose)
    if rgb is None:
        assert pose_store is not None
        return _pose_only(pose_store, settings)

    stores = open_rgb(rgb)
    _refuse_other_frames(settings, stores.clips)
    # The RGB store decides the clips, and with them the timeline and the model's sizes.
    video_ids, warnings = stores.video_ids, stores.warnings
    if pose_store is not None:
        pair = pair_stores(stores.clips, pose_store)
        video_ids = video_ids.intersection(pair.video_ids)
        # Both tell the marks of the RGB store: each warning is kept once, in order.
        warnings = tuple(dict.fromkeys((*warnings, *pair.warnings)))
        settings = _with_max_frames(settings, stores.clips)
    layout = _layout_of(stores.clips, with_features=stage != "pose")
    return StageStores(stores, pose_store, video_ids, layout, settings, warnings)


def _pose_only(store: StoreReader, settings: KeypointSettings) -> StageStores:
    held, wanted = store.provenance.timeline.max_frames, settings.max_frames
    if held is not None and (wanted is None or wanted >= held):
        # The store has no more frames.
        settings = _with_max_frames(settings, store)
    # A store of every third frame has no timeline of every second one.
    lacking = first_without_rows(
        store.videos,
        store,
        lambda video: timeline_step(store.videos.rows(video).num_frames, settings.max_frames),
    )
    if lacking is not None:
        raise StageStoresError(
            f"the pipeline's keypoints.max_frames is {wanted}, but {store.url} was made with "
            f"frames.max_frames {held} and lacks frames of '{lacking}' that are needed: set "
            f"keypoints.max_frames to {held}, or extract with frames.max_frames {wanted}"
        )
    layout = ClipLayout(settings.max_clips, settings.clip_length, None)
    warnings = tuple(filter(None, [store.provenance.warning]))
    return StageStores(None, store, frozenset(store.videos), layout, settings, warnings)


def _refuse_other_frames(settings: KeypointSettings, rgb: StoreReader) -> None:
    """Raises :class:`StageStoresError` unless both streams leave out the same frames."""
    rules = rgb.provenance.clips.hand_rules
    match settings.frames, rgb.provenance.clips.drops_frames:
        case "hands", False:
            raise StageStoresError(
                "the pipeline's keypoints.frames is 'hands', which leaves out frames without "
                f"hands, but the clips of {rgb.url} are windows over all frames: set "
                "keypoints.frames to 'all', or extract the features again with --frames hands "
                "--pose STORE"
            )
        case "all", True:
            raise StageStoresError(
                f"the pipeline's keypoints.frames is 'all', but the clips of {rgb.url} leave out "
                f"frames without hands: set keypoints.frames to 'hands' and keypoints.rules to "
                f"'{rules}', or extract the features again with --frames all"
            )
        case "hands", True if settings.rules != rules:
            raise StageStoresError(
                f"the pipeline's keypoints.rules are '{settings.rules}', but the frames of "
                f"{rgb.url} were chosen by '{rules}': set keypoints.rules to '{rules}', or "
                f"extract the features again with rgb.hand_rules '{settings.rules}'"
            )


def _with_max_frames(settings: KeypointSettings, store: StoreReader) -> KeypointSettings:
    return settings.model_copy(update={"max_frames": store.provenance.timeline.max_frames})


def _layout_of(store: StoreReader, *, with_features: bool) -> ClipLayout:
    """Returns as many slots as the RGB store's settings allow a video clips."""
    num_slots = store.provenance.clip_slots
    if num_slots is None:
        raise StageStoresError(
            f"{store.url} has a clip for every window of videos of any length (rgb.clips 'all', "
            "frames.max_frames null), and a model needs a limit: extract with one of the two"
        )
    rgb_dim = store.provenance.feature_dim if with_features else None
    return ClipLayout(num_slots, store.provenance.clips.clip_length, rgb_dim)
