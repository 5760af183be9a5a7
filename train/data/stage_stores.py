"""Opens the stores that a stage needs, and refuses those that do not fit the pipeline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind
from seds_core.store.reader import StoreReader
from train.batches import ClipLayout
from train.data.store_pair import open_pair, open_store
from train.settings import KeypointSettings, Stage


class StageStoresError(UsageError):
    """Stores that are missing or cannot serve a stage; the message says what to change."""


@dataclass(frozen=True)
class StageStores:
    """The stores that a stage uses, the videos that all of them hold, and the clips' sizes."""

    rgb: StoreReader | None
    """Decides the clips where it is there; only some stages also use its features."""
    pose: StoreReader | None
    video_ids: frozenset[str]
    layout: ClipLayout
    warnings: tuple[str, ...]

    @property
    def provenance(self) -> dict[str, Any]:
        """Store -> path and everything that decides its rows; only what JSON can hold."""
        stores = {"rgb": self.rgb, "pose": self.pose}
        return {
            kind: {"path": str(store.path), **store.provenance.to_attributes()}
            for kind, store in stores.items()
            if store is not None
        }


def open_stage_stores(
    stage: Stage, settings: KeypointSettings, *, rgb: Path | None, pose: Path | None
) -> StageStores:
    """The stores of a stage.

    ``rgb`` does not look at the pose store. ``pose`` takes its clips from the RGB store where one
    is given, so that the model fits a later fusion; without one, and for ``frames: hands``, the
    settings decide.

    Raises :class:`StageStoresError` for a store that is missing or does not fit the settings, and
    ``StoreMismatchError`` for two that do not fit each other.
    """
    if stage == "rgb":
        return _rgb_only(_needed(rgb, "rgb", stage))
    pose = _needed(pose, "pose", stage)
    if stage == "fusion":
        rgb = _needed(rgb, "rgb", stage)
        _refuse_dropped_frames(settings, rgb)
    if rgb is None or settings.frames == "hands":
        return _pose_only(pose, settings)
    pair = open_pair(rgb, pose)
    layout = _layout_of(pair.rgb, rgb_dim=_feature_dim(pair.rgb) if stage == "fusion" else None)
    return StageStores(pair.rgb, pair.pose, frozenset(pair.video_ids), layout, pair.warnings)


def _rgb_only(path: Path) -> StageStores:
    store = open_store("rgb", path)
    layout = _layout_of(store, rgb_dim=_feature_dim(store))
    return StageStores(store, None, frozenset(store.videos), layout, _marks(store))


def _pose_only(path: Path, settings: KeypointSettings) -> StageStores:
    store = open_store("pose", path)
    layout = ClipLayout(settings.max_clips, settings.clip_length, None)
    return StageStores(None, store, frozenset(store.videos), layout, _marks(store))


def _needed(path: Path | None, kind: StoreKind, stage: Stage) -> Path:
    if path is None:
        raise StageStoresError(
            f"stage {stage} needs a store of kind {kind}, and none is named: give --{kind} STORE, "
            f"or set data.{kind} in the pipeline"
        )
    return path


def _refuse_dropped_frames(settings: KeypointSettings, rgb: Path) -> None:
    if settings.frames == "hands":
        raise StageStoresError(
            "the pipeline's keypoints.frames is 'hands', which leaves out frames without hands, "
            f"but the clips of {rgb} are windows over all frames: set keypoints.frames to 'all', "
            "or train --stage pose"
        )


def _layout_of(store: StoreReader, *, rgb_dim: int | None) -> ClipLayout:
    """As many slots as the RGB store's settings allow a video clips."""
    frames, rgb = (store.provenance.settings[part] for part in ("frames", "rgb"))
    if rgb["clips"] == "planned":
        return ClipLayout(rgb["max_clips"], rgb["clip_length"], rgb_dim)
    if frames["max_frames"] is None:
        raise StageStoresError(
            f"{store.path} has a clip for every window of videos of any length (rgb.clips 'all', "
            "frames.max_frames null), and a model needs a limit: extract with one of the two"
        )
    num_slots = max(1, frames["max_frames"] - rgb["clip_length"] + 1)
    return ClipLayout(num_slots, rgb["clip_length"], rgb_dim)


def _feature_dim(store: StoreReader) -> int:
    return store.provenance.feature_dim


def _marks(store: StoreReader) -> tuple[str, ...]:
    mark = store.provenance.warning
    return (mark,) if mark else ()
