"""Windows of long recordings, read from stores that hold every frame and every clip.

A window is planned as training plans a video of its length: which of its frames are kept, where its
clips begin. Their rows are in the stores already, because the clip that begins with a frame is the
same in every window that holds it whole. So overlapping windows cost no extraction.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from search.index.identity import IndexIdentity, Windows
from search.index.reading import NobodySignsError, ReadVideo
from seds_core.clip_plan import clip_frames, clip_starts, positions_of
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance, StoreMismatchError
from train.batches import ClipLayout
from train.data.encoder_input import PoseInput, at_frames, at_least, encoder_input
from train.data.rgb_stores import RgbChoice, open_rgb, open_store
from train.data.sign_reader import LocatedVideo, SignExample, SignReader, StoreRows, mixed_features
from train.data.stage_stores import StageStores, StageStoresError, pair_stores

WHAT_TO_EXTRACT = (
    "extract the recordings with 'frames: {max_frames: null}' in the pipeline, and their features "
    "with --clips all"
)


class WindowRequest(NamedTuple):
    """Which window of which video."""

    video: LocatedVideo
    first: int
    """Frame of the video."""
    stop: int
    """Frame after the last one."""
    is_whole: bool
    """Whether these are all frames of the video."""


def windows_of(
    num_frames: int, fps: float, windows: Windows, *, clip_length: int, max_frames: int | None
) -> Iterator[range]:
    """Yields the frames of each window; the last one ends with the video.

    Raises ``ValueError`` where a window is shorter than a clip, or longer than the model's videos.

    >>> list(windows_of(250, 25.0, Windows(4.0, 2.0), clip_length=16, max_frames=300))
    [range(0, 100), range(50, 150), range(100, 200), range(150, 250)]
    """
    length = round(windows.length * fps)
    if max_frames is not None and min(length, num_frames) > max_frames:
        raise ValueError(
            f"a window of {windows.length:g} s has {length} frames, and the model was trained on "
            f"{max_frames} consecutive ones at most: take windows of {max_frames / fps:.1f} s"
        )
    if length < min(clip_length, num_frames):
        raise ValueError(
            f"a window of {windows.length:g} s has {length} frames, and a clip {clip_length}: take "
            f"windows of {clip_length / fps:.2f} s or more"
        )
    last = max(0, num_frames - length)
    number = 0
    while (first := round(number * windows.step * fps)) < last:
        yield range(first, first + length)
        number += 1
    yield range(last, num_frames)


@dataclass(frozen=True)
class WindowReader:
    """Reads windows of videos; may be sent to another process."""

    signs: SignReader
    """Of stores with every frame and every clip."""

    @property
    def layout(self) -> ClipLayout:
        """Sizes of a batch."""
        return self.signs.layout

    def read(self, window: WindowRequest) -> ReadVideo:
        """Reads a window.

        Raises ``NobodySignsError`` for one without a clip, and ``StoreMismatchError`` for stores
        that lack rows of it.
        """
        length, pose = self.layout.clip_length, None
        if self.signs.pose is not None:
            pose, frames = self._timeline(self.signs.pose, window)
        else:
            frames = self._frames_of_clips(window)
        # A window with fewer frames has no clip: that of the store goes on behind the window. Only
        # where the video ends with it, the clip repeats the last frame.
        if not len(frames) or (len(frames) < length and not window.is_whole):
            raise NobodySignsError(f"fewer than {length} frames show a usable hand")
        starts = clip_starts(len(frames), length, self.layout.num_slots)
        clips = clip_frames(frames, starts, length)
        example = SignExample(
            pose=None if pose is None else at_least(pose, length),
            clip_starts=None if pose is None else starts.astype(np.int64),
            rgb=self._features(window, clips) if self.layout.rgb_dim is not None else None,
        )
        return ReadVideo(example, clips[:, [0, -1]])

    def _timeline(
        self, store: StoreRows, window: WindowRequest
    ) -> tuple[PoseInput, Int32[np.ndarray, " frame"]]:
        """The frames of a window, as published only those with a hand, and their numbers."""
        frames = np.arange(window.first, window.stop, dtype=np.int32)
        part = slice(window.first, window.stop)
        if not np.array_equal(store.read(window.video, "frame", part), frames):
            raise _lacking(store.url, window)
        entry = store.entry(window.video)
        settings = self.signs.keypoints
        pose = encoder_input(
            store.read(window.video, "keypoints", part),
            (entry.width, entry.height),
            settings.rules,
            settings.body,
        )
        if settings.frames == "all":
            return pose, frames
        kept = np.flatnonzero(pose.has_hand)
        return at_frames(pose, kept), frames[kept]

    def _frames_of_clips(self, window: WindowRequest) -> Int32[np.ndarray, " frame"]:
        """The frames of a window that a store of features knows: those that its clips show."""
        frames = np.arange(window.first, window.stop, dtype=np.int32)
        if not self.signs.names_clip_frames:
            return frames
        store = self.signs.rgb[0]
        # Each kept frame begins a clip, but for the last ones, which the last clip shows.
        first_frames = store.read(window.video, "first_frame")
        rows = store.entry(window.video).num_rows
        last = store.read(window.video, "frames", slice(rows - 1, rows))[0]
        return frames[np.isin(frames, first_frames) | np.isin(frames, last)]

    def _features(
        self, window: WindowRequest, clips: Int32[np.ndarray, "clip frame"]
    ) -> Float32[np.ndarray, "clip rgb"]:
        # Mixed stores have the same clips.
        first = self.signs.rgb[0]
        rows = positions_of(clips[:, 0], first.read(window.video, "first_frame"))
        if rows is None:
            raise _lacking(first.url, window)
        begin, end = int(rows[0]), int(rows[-1]) + 1
        if self.signs.names_clip_frames:
            frames = first.read(window.video, "frames", slice(begin, end))
            if not np.array_equal(frames[rows - begin], clips):
                raise _lacking(first.url, window)
        parts = [
            store.read(window.video, "features", slice(begin, end))[rows - begin]
            for store in self.signs.rgb
        ]
        mixed = parts[0] if len(parts) == 1 else mixed_features(parts, self.signs.mix)
        return mixed.astype(np.float32, copy=False)


def _lacking(store: str, window: WindowRequest) -> StoreMismatchError:
    return StoreMismatchError(
        f"{store} lacks rows of the video '{window.video.video_id}' between its frames "
        f"{window.first} and {window.stop}: {WHAT_TO_EXTRACT}"
    )


def open_window_stores(
    identity: IndexIdentity, *, rgb: RgbChoice | None, pose: StoreLocation | None
) -> tuple[StageStores, dict[str, Any]]:
    """Opens stores of long recordings, and tells how they were made as if they were no longer.

    The second value is for ``refuse_other_stores``: what has to differ from the stores of training,
    every frame and every clip, is as it was there. Raises ``UsageError`` for stores that lack some.
    """
    stage = identity.stage
    for kind, named in (("pose", pose), ("rgb", rgb)):
        if named is None and stage in (kind, "fusion"):
            raise StageStoresError(f"stage {stage} needs a store of kind {kind}: give --{kind}")
    features = open_rgb(rgb) if rgb is not None and stage != "pose" else None
    keypoints = open_store("pose", pose) if pose is not None and stage != "rgb" else None
    held: list[frozenset[str]] = []
    warnings: list[str] = []
    if features is not None:
        held.append(features.video_ids)
        warnings += features.warnings
    if keypoints is not None:
        held.append(frozenset(keypoints.videos))
        warnings += filter(None, [keypoints.provenance.warning])
    if features is not None and keypoints is not None:
        pair = pair_stores(features.clips, keypoints)
        held.append(frozenset(pair.video_ids))
        warnings = list(dict.fromkeys((*warnings, *pair.warnings)))
    stores = StageStores(
        rgb=features,
        pose=keypoints,
        video_ids=frozenset.intersection(*held),
        layout=identity.layout,
        keypoints=identity.settings.keypoints,
        warnings=tuple(warnings),
    )
    return stores, _as_trained(stores, identity.trained_on)


def _as_trained(stores: StageStores, trained_on: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, attributes in stores.provenance.items():
        ours = Provenance.from_attributes(attributes)
        lacks_clips = ours.rgb is not None and ours.rgb.clips != "all"
        if ours.timeline.max_frames is not None or lacks_clips:
            raise StoreMismatchError(
                f"{attributes['path']} lacks {'clips' if lacks_clips else 'frames'} of long "
                f"recordings, which windows need: {WHAT_TO_EXTRACT}"
            )
        if name not in trained_on:
            found[name] = attributes
            continue
        theirs = Provenance.from_attributes(trained_on[name])
        made = replace(ours, timeline=replace(ours.timeline, max_frames=theirs.timeline.max_frames))
        if ours.rgb is not None and theirs.rgb is not None:
            rgb = replace(ours.rgb, clips=theirs.rgb.clips, max_clips=theirs.rgb.max_clips)
            made = replace(made, rgb=rgb)
        # The frames with a hand are those of the keypoints that are read with the features.
        by = ours.weights.pose_store_sha256
        if by and stores.pose is not None and by == stores.pose.provenance.rows_identity:
            known = theirs.weights.pose_store_sha256
            made = replace(made, weights=replace(made.weights, pose_store_sha256=known))
        kept = {key: attributes[key] for key in ("path", "mix") if key in attributes}
        found[name] = made.to_attributes() | kept
    return found
