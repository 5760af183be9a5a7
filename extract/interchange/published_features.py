"""Published RGB features: ``I3D_features/<split>/<video>.pkl`` = {'name', 'feature'}."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Num

from extract.interchange.imported import ImportedFiles, ImportedVideo, ImportItem, as_float32
from extract.interchange.published_files import LOOKED_AT, PublishedFiles, entry
from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from seds_core.clip_plan import plan_clips
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.provenance import ClipRules, ImportedFrom, Provenance, TimelineRules
from seds_core.store.reader import VideoNotInStoreError


def open_published_features(
    files: PublishedFiles,
    settings: ExtractSettings,
    kept_frames: KeptFrames | None,
    *,
    folder_fps: float,
) -> ImportedFiles:
    """Opens one pickle a video; every clip becomes a row.

    The files do not say which frames their clips are made of. A pose store does, by the rules that
    the publication chose them by; then a file must hold just as many clips. Without one, features
    can be trained with alone, but not beside keypoints. How wide and how precise features are is
    learnt from the first file that can be read. Raises ``UsageError`` when there is none.
    """
    items = files.items()
    form = _first_form(files, items)

    def read(item: ImportItem) -> ImportedVideo:
        values, content_hash = files.read(item)
        features, num_rounded = _features(item, values)
        if _form(features) != form:
            found, first = (f"{dim} {dtype} numbers" for dim, dtype in (_form(features), form))
            raise ImportedFileError(item.path, f"has {found} a clip, and the first file {first}")
        if kept_frames is None:
            clips = unknown_clips(len(features))
        else:
            clips = _checked_clips(item, len(features), kept_frames, settings)
        rows = {"features": features} | clips.rows
        return replace(clips, rows=rows, content_hash=content_hash, num_rounded=num_rounded)

    rgb = settings.rgb
    provenance = Provenance.imported(
        files.source,
        ImportedFrom(format="published-features", clip_frames_known=kept_frames is not None),
        timeline=TimelineRules(max_frames=settings.frames.max_frames, folder_fps=folder_fps),
        rgb=ClipRules(
            clip_length=rgb.clip_length,
            clips=rgb.clips,
            max_clips=rgb.max_clips,
            frames=rgb.frames,
            hand_rules=rgb.hand_rules,
        ),
        feature_dim=form[0],
        feature_dtype=form[1],
        # Where frames without hands are left out, every clip's row names its frames.
        clip_frames=rgb.clip_length if kept_frames and rgb.frames == "hands" else 0,
        pose_store_sha256=kept_frames.identity if kept_frames else None,
    )
    return ImportedFiles(provenance, items, read)


def unknown_clips(num_clips: int) -> ImportedVideo:
    """Clips of unknown frames: they begin with frame -1, with a step of 0, in a video of 0s."""
    rows = {
        "first_frame": np.full(num_clips, -1, np.int32),
        "frame_step": np.zeros(num_clips, np.int32),
    }
    return ImportedVideo(rows, num_frames=0, frame_step=0, fps=0.0, width=0, height=0)


def planned_clips(
    kept_frames: KeptFrames, settings: ExtractSettings, video_id: str
) -> ImportedVideo:
    """The clips that a video's features are made of, by its keypoints and the settings.

    As published, frames in which no hand can be used are left out first, unless ``rgb.frames`` is
    ``all``. Its rows lack the features only. Raises ``VideoNotInStoreError`` for a video without
    keypoints.
    """
    rgb, max_frames = settings.rgb, settings.frames.max_frames
    store = kept_frames.pose
    if rgb.frames == "hands":
        timeline = kept_frames.of(video_id, max_frames)
        clips = timeline.clips(rgb.clip_length, rgb.clip_limit)
        frame_step = timeline.frame_step
        rows = {
            "first_frame": clips[:, 0],
            "frame_step": np.zeros(len(clips), np.int32),
            "frames": clips,
        }
    else:
        plan = plan_clips(
            store.entry(video_id).num_frames,
            max_frames=max_frames,
            clip_length=rgb.clip_length,
            max_clips=rgb.clip_limit,
        )
        frame_step = plan.frame_step
        rows = {
            "first_frame": plan.first_frames,
            "frame_step": np.full(len(plan.starts), plan.frame_step, np.int32),
        }
    video = store.videos[video_id]
    return ImportedVideo(rows, video.num_frames, frame_step, video.fps, video.width, video.height)


def _checked_clips(
    item: ImportItem, num_found: int, kept_frames: KeptFrames, settings: ExtractSettings
) -> ImportedVideo:
    """The planned clips of a video, which must be as many as were found."""
    try:
        clips = planned_clips(kept_frames, settings, item.video_id)
    except VideoNotInStoreError as error:
        raise ImportedFileError(
            item.path, f"which frames its clips are made of is not known: {error}"
        ) from None
    num_planned = len(clips.rows["first_frame"])
    if num_planned != num_found:
        raise ImportedFileError(
            item.path,
            f"has {num_found} clips, but by the keypoints of {kept_frames.pose.path} and the "
            f"settings there are {num_planned}: look at rgb.frames, rgb.hand_rules and "
            "frames.max_frames",
        )
    return clips


def _first_form(files: PublishedFiles, items: list[ImportItem]) -> tuple[int, str]:
    problem = ""
    for item in items[:LOOKED_AT]:
        try:
            return _form(_features(item, files.read(item)[0])[0])
        except ImportedFileError as error:
            problem = problem or str(error)
    raise UsageError(f"no features can be read below {files.source}: {problem}")


def _features(
    item: ImportItem, values: Mapping[str, Any]
) -> tuple[Float32[np.ndarray, "clip rgb"] | Float16[np.ndarray, "clip rgb"], int]:
    """The features, and how many numbers changed when they became float32."""
    features: Num[np.ndarray, "clip rgb"] = entry(item, values, "feature")
    if not isinstance(features, np.ndarray) or features.dtype.kind not in "fiu":
        raise ImportedFileError(item.path, "its 'feature' is no array of numbers")
    if features.ndim != 2 or not features.size:
        raise ImportedFileError(
            item.path, f"its 'feature' has shape {features.shape}, not (clips, numbers)"
        )
    return (features, 0) if features.dtype == np.float16 else as_float32(features)


def _form(features: Num[np.ndarray, "clip rgb"]) -> tuple[int, str]:
    """Numbers of a clip, and their type."""
    return features.shape[1], features.dtype.name
