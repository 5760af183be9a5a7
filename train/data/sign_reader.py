"""Reads one video from the stores, as the model's streams see it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from seds_core.clip_plan import clip_starts, timeline_step
from seds_core.errors import UsageError, first_names
from seds_core.store.files import DamagedStoreError
from seds_core.store.provenance import StoreMismatchError
from train.batches import ClipLayout, SignBatch
from train.data.encoder_input import PoseInput, PoseTimeline, at_least, read_timeline
from train.data.rgb_stores import RgbRows
from train.data.store_rows import LocatedVideo, StoreRows, locate
from train.settings import KeypointSettings


class UnreadableVideoError(UsageError):
    """Rows that are damaged, or that the system cannot read; the message names the video."""


@dataclass(frozen=True)
class PoseExample:
    """The keypoints of a video, and where its clips begin in them."""

    frames: PoseInput
    clip_starts: Int64[np.ndarray, " clip"]


@dataclass(frozen=True)
class SignExample:
    """One video with the streams that are used; both have the same clips."""

    pose: PoseExample | None
    rgb: Float32[np.ndarray, "clip rgb"] | None

    @property
    def num_clips(self) -> int:
        """Clips of the video."""
        if self.pose is not None:
            return len(self.pose.clip_starts)
        assert self.rgb is not None, "a video has at least one stream"
        return len(self.rgb)


@dataclass(frozen=True)
class SignReader:
    """Where videos are read from; it may be sent to another process."""

    rgb: RgbRows | None
    """Decides the clips where it is there."""
    pose: StoreRows | None
    layout: ClipLayout
    keypoints: KeypointSettings
    names_clip_frames: bool = False
    """Whether the RGB store names every frame of its clips, which are not evenly spaced."""

    def locate(self, video_id: str) -> LocatedVideo:
        """Where a video lies in the stores; only the process that opened them knows."""
        used = [store for store in (self.rgb, self.pose) if store is not None]
        return locate(video_id, (part for store in used for part in store.stores))

    def read(self, video: LocatedVideo) -> SignExample:
        """A video that the stores hold.

        Raises ``StoreMismatchError`` when its clips do not lie within its keypoints, and
        :class:`UnreadableVideoError` for rows that cannot be read.
        """
        with _naming(video):
            pose = None if self.pose is None else self._read_pose(self.pose, video)
            return SignExample(pose, self._read_features(video))

    def read_frames(self, pose: StoreRows, video: LocatedVideo) -> PoseInput:
        """The video's timeline before any frame is repeated."""
        with _naming(video):
            return self._read_timeline(pose, video).frames

    def _read_pose(self, pose: StoreRows, video: LocatedVideo) -> PoseExample:
        timeline = self._read_timeline(pose, video)
        starts = self._clip_starts(timeline, video)
        if starts is None:
            raise StoreMismatchError(
                f"the clips of the video '{video.video_id}' are not made of the frames that "
                f"{pose.path} has of it: its timeline there has {timeline.frames.num_frames} "
                f"frames, by the rules '{self.keypoints.rules}' for frames "
                f"'{self.keypoints.frames}'; extract the features again with this pose store"
            )
        return PoseExample(at_least(timeline.frames, self.layout.clip_length), starts)

    def _read_timeline(self, pose: StoreRows, video: LocatedVideo) -> PoseTimeline:
        if self.rgb is not None and self.keypoints.frames == "all":
            step = self.rgb.entry(video).frame_step
        else:
            step = timeline_step(pose.entry(video).num_frames, self.keypoints.max_frames)
        return read_timeline(pose, video, step, self.keypoints)

    def _clip_starts(
        self, timeline: PoseTimeline, video: LocatedVideo
    ) -> Int64[np.ndarray, " clip"] | None:
        """Where the clips begin on the timeline; ``None`` when they do not lie on it."""
        length = self.layout.clip_length
        if self.rgb is None:
            starts = clip_starts(timeline.frames.num_frames, length, self.layout.num_slots)
            return starts.astype(np.int64)
        found = timeline.starts_of(self.rgb.read(video, "first_frame"), length)
        if found is None or not self.names_clip_frames:
            return found
        return found if timeline.has_clips(self.rgb.read(video, "frames"), found) else None

    def _read_features(self, video: LocatedVideo) -> Float32[np.ndarray, "clip rgb"] | None:
        if self.rgb is None or self.layout.rgb_dim is None:
            return None
        return self.rgb.read(video, "features").astype(np.float32, copy=False)


@contextmanager
def _naming(video: LocatedVideo) -> Iterator[None]:
    """Says which video it was whose rows could not be read."""
    try:
        yield
    except (DamagedStoreError, OSError) as error:
        raise UnreadableVideoError(
            f"the video '{video.video_id}' cannot be read: {error}"
        ) from error


NOT_FINITE = "hold numbers that are not finite"
ADVICE = "extract these videos again, or leave them out of the index"

_NAMES_SHOWN = 10


class UnusableVideosError(UsageError):
    """Videos whose stored numbers are not finite; the message names them."""


def named(video_ids: Sequence[str]) -> str:
    """Some ids, and how many they are where not all are named.

    >>> named(["a", "b"])
    "'a', 'b'"
    """
    return first_names([f"'{video_id}'" for video_id in video_ids], _NAMES_SHOWN)


def refuse_unusable(batch: SignBatch, video_ids: Sequence[str]) -> None:
    """Raises :class:`UnusableVideosError` if some of a batch's videos are not finite."""
    if rows := batch.unusable_rows():
        names = named([video_ids[row] for row in rows])
        raise UnusableVideosError(f"the features of {names} {NOT_FINITE}: {ADVICE}")


def usable_batches(batches: Iterable[SignBatch], video_ids: Sequence[str]) -> Iterator[SignBatch]:
    """The batches, which are all of these videos in their order; raises like
    :func:`refuse_unusable`."""
    first = 0
    for batch in batches:
        refuse_unusable(batch, video_ids[first : first + batch.num_videos])
        first += batch.num_videos
        yield batch
