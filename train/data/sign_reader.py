"""Reads one video from the stores, as the model's streams see it, in any process."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from seds_core.clip_plan import (
    clip_frames,
    clip_starts,
    positions_of,
    timeline_frames,
    timeline_step,
)
from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.block_cache import BlockCache
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.place import Place
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import OTHER_ROWS, StoreReader, VideoRows, VideoTable
from seds_core.store.records import rows_checksum
from train.batches import ClipLayout
from train.data.encoder_input import PoseInput, at_frames, at_least, encoder_input
from train.settings import KeypointSettings

_ALL = slice(None)


class UnreadableVideoError(UsageError):
    """Rows that are damaged, or that the system cannot read; the message names the video."""


class LocatedVideo(NamedTuple):
    """All that a process must be told to read a video: it needs no tables of videos."""

    video_id: str
    rows: Mapping[str, VideoRows]
    """URL of a store -> which of its rows are the video's."""


@dataclass(frozen=True)
class StoreRows:
    """The rows of a store as they were when it was opened.

    It may be sent to another process: the table of videos stays behind, and arrays in memory are
    shared. Each process opens the store for itself, at its first read; rows that were committed
    once never change.
    """

    place: Place
    videos: VideoTable | None
    """``None`` in another process."""
    in_memory: dict[str, Tensor]
    """Small arrays that were read whole: every read of the store has its cost, however small."""
    _checked: set[str] = field(default_factory=set, repr=False, compare=False)
    """Videos of which this process knows that their rows are those that were written."""

    @classmethod
    def of(
        cls, store: StoreReader, *in_memory: str, cache: BlockCache | None = None
    ) -> "StoreRows":
        """All videos of an opened store; reads the named arrays at once.

        The others are read through ``cache``, if the store lies in a bucket.
        """
        arrays = {
            name: torch.from_numpy(store.arrays.read_rows(name, 0, store.num_rows))
            for name in in_memory
        }
        place = store.place.with_cache(cache) if cache else store.place
        return cls(place, store.videos, arrays)

    @property
    def url(self) -> str:
        """Where the store lies, as messages name it."""
        return self.place.url

    def entry(self, video: LocatedVideo) -> VideoRows:
        """Returns what is known of a video's rows."""
        return video.rows[self.url]

    def read(self, video: LocatedVideo, array: str, part: slice = _ALL) -> np.ndarray:
        """Reads the video's rows of one array, or a part of them, counted from its first.

        Raises ``DamagedStoreError`` for rows that are not those that were written.
        """
        entry = self.entry(video)
        if video.video_id not in self._checked:
            # Once a video and process, as hashing costs about as much as reading: damage that
            # decodes would otherwise train as well as any rows.
            names = [spec.name for spec in self._arrays.row_specs]
            if rows_checksum({n: self._read(n, entry.rows) for n in names}) != entry.rows_checksum:
                raise DamagedStoreError(self.url, OTHER_ROWS.format(video.video_id))
            self._checked.add(video.video_id)
        wanted = range(entry.rows.start, entry.rows.stop)[part]
        return self._read(array, slice(wanted.start, wanted.stop))

    def _read(self, array: str, rows: slice) -> np.ndarray:
        if array in self.in_memory:
            return self.in_memory[array][rows].numpy()
        return self._arrays.read_rows(array, rows.start, rows.stop)

    @cached_property
    def _arrays(self) -> StoreArrays:
        return StoreArrays(self.place)

    def __reduce__(self) -> tuple[type["StoreRows"], tuple[object, ...]]:
        # The opened store and its table stay behind; torch shares the tensors.
        return StoreRows, (self.place, None, self.in_memory)


def locate(video_id: str, stores: Iterable[StoreRows]) -> LocatedVideo:
    """Finds a video's rows, in the process that opened the stores."""
    rows = {store.url: store.videos.rows(video_id) for store in stores if store.videos is not None}
    return LocatedVideo(video_id, rows)


def mixed_features(
    features: list[np.ndarray], mix: tuple[float, ...]
) -> Float32[np.ndarray, "clip rgb"]:
    """Sums weight times features, in float32. CiCo (arXiv 2303.12793), section 3.2."""
    weighted = (
        np.float32(weight) * part.astype(np.float32)
        for weight, part in zip(mix, features, strict=True)
    )
    return reduce(np.add, weighted)


@dataclass(frozen=True)
class SignExample:
    """One video with the streams that are used; both have the same clips."""

    pose: PoseInput | None
    clip_starts: Int64[np.ndarray, " clip"] | None
    """Where the clips begin in ``pose``; ``None`` without it."""
    rgb: Float32[np.ndarray, "clip rgb"] | None
    frames: Int32[np.ndarray, " frame"] | None = None
    """Numbers, in the video, of its timeline's frames; ``None`` without ``pose``."""

    @property
    def num_clips(self) -> int:
        """Clips of the video."""
        clips = self.rgb if self.clip_starts is None else self.clip_starts
        assert clips is not None, "a video has at least one stream"
        return len(clips)


@dataclass(frozen=True)
class SignReader:
    """Reads videos from the stores of a stage; it may be sent to another process."""

    rgb: tuple[StoreRows, ...]
    """Stores of features, the first of which decides the clips; several are mixed."""
    pose: StoreRows | None
    layout: ClipLayout
    keypoints: KeypointSettings
    mix: tuple[float, ...] = (1.0,)
    """A weight for each store of features."""
    cache: BlockCache | None = None
    """What keeps rows of stores in a bucket; ``None`` where all lie on disks."""
    names_clip_frames: bool = False
    """Whether the RGB store names every frame of its clips, which are not evenly spaced."""

    def locate(self, video_id: str) -> LocatedVideo:
        """Finds a video in the stores, in the process that opened them."""
        return locate(video_id, self.rgb if self.pose is None else (*self.rgb, self.pose))

    def read(self, video: LocatedVideo) -> SignExample:
        """Reads a video that the stores hold.

        Raises ``StoreMismatchError`` when its clips do not lie within its keypoints, and
        :class:`UnreadableVideoError` for rows that cannot be read.
        """
        with _naming(video):
            pose = starts = rgb = numbers = None
            if self.pose is not None:
                pose, numbers = self._read_timeline(self.pose, video)
                starts = self._clip_starts(numbers, self.pose, video)
                pose = at_least(pose, self.layout.clip_length)
            if self.rgb and self.layout.rgb_dim is not None:
                parts = [store.read(video, "features") for store in self.rgb]
                one_store = parts[0].astype(np.float32, copy=False)
                rgb = one_store if len(parts) == 1 else mixed_features(parts, self.mix)
            return SignExample(pose, starts, rgb, numbers)

    def read_keypoints(self, video: LocatedVideo) -> PoseInput:
        """Reads the video's timeline, however short it is; only with a pose store."""
        assert self.pose is not None
        with _naming(video):
            return self._read_timeline(self.pose, video)[0]

    def read_stored_keypoints(self, video: LocatedVideo) -> np.ndarray:
        """Reads all keypoints of the video that the store has: (frame, 133, x y confidence)."""
        assert self.pose is not None
        with _naming(video):
            return self.pose.read(video, "keypoints")

    def _read_timeline(
        self, pose: StoreRows, video: LocatedVideo
    ) -> tuple[PoseInput, Int32[np.ndarray, " frame"]]:
        """Every k-th frame of a video, as published only those with a hand, and their numbers.

        Raises :class:`StoreMismatchError` when the store lacks one of them.
        """
        entry = pose.entry(video)
        if self.rgb and self.keypoints.frames == "all":
            # The clips' timeline has no other frames.
            step = self.rgb[0].entry(video).frame_step
        else:
            step = timeline_step(entry.num_frames, self.keypoints.max_frames)
        numbers = timeline_frames(entry.num_frames, step)
        rows = positions_of(numbers, pose.read(video, "frame"))
        if rows is None:
            raise StoreMismatchError(
                f"{pose.url} lacks keypoints of the video '{video.video_id}': every {step}. of "
                f"its {entry.num_frames} frames is needed; extract its poses again"
            )
        keypoints = pose.read(video, "keypoints")
        # Indexing copies, and is needed only where the store has frames beside the timeline's.
        if len(rows) < len(keypoints):
            keypoints = keypoints[rows]
        frames = encoder_input(
            keypoints, (entry.width, entry.height), self.keypoints.rules, self.keypoints.body
        )
        if self.keypoints.frames == "all":
            return frames, numbers
        kept = np.flatnonzero(frames.has_hand)
        return at_frames(frames, kept), numbers[kept]

    def _clip_starts(
        self, numbers: Int32[np.ndarray, " frame"], pose: StoreRows, video: LocatedVideo
    ) -> Int64[np.ndarray, " clip"]:
        """Where the clips begin on a timeline of these frames."""
        length = self.layout.clip_length
        if not self.rgb:
            return clip_starts(len(numbers), length, self.layout.num_slots).astype(np.int64)
        clips = self.rgb[0]
        starts = positions_of(clips.read(video, "first_frame"), numbers)
        # A timeline shorter than a clip repeats its last frame.
        if starts is not None and starts.max() > max(0, len(numbers) - length):
            starts = None
        if starts is not None and self.names_clip_frames:
            frames = clips.read(video, "frames")
            expected = clip_frames(numbers, starts.astype(np.int32), frames.shape[1])
            starts = starts if np.array_equal(frames, expected) else None
        if starts is None:
            raise StoreMismatchError(
                f"the clips of the video '{video.video_id}' are not made of the frames that "
                f"{pose.url} has of it: its timeline there has {len(numbers)} frames, by the "
                f"rules '{self.keypoints.rules}' for frames '{self.keypoints.frames}'; extract "
                "the features again with this pose store"
            )
        return starts


@contextmanager
def _naming(video: LocatedVideo) -> Iterator[None]:
    """Names the video whose rows cannot be read."""
    try:
        yield
    except (DamagedStoreError, OSError) as error:
        raise UnreadableVideoError(
            f"the video '{video.video_id}' cannot be read: {error}"
        ) from error
