"""The RGB stream: a decoded video becomes one feature vector a clip.

Memory does not grow with a video's length: a frame goes to the device once, as bytes, is prepared
there once, however many clips share it, and is kept only until the last of them has been computed.
What is computed in one pass depends on nothing but the video, so that an interrupted run gives the
same bits when it is repeated.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from extract.batched_inference import BatchedInference
from extract.rgb.backbones import Backbone, check_ascending, load_backbone
from extract.rgb.provenance import KeptFrames, KeptTimeline, rgb_provenance
from extract.settings import ExtractSettings, Precision
from extract.stream import Rows, UnusableRowsError
from extract.videos.decoding import DecodedVideo, confirmed_frames, expected_frames
from extract.videos.frame import FrameFit, Frames
from extract.videos.part import FrameCountChanged, VideoError
from seds_core.clip_plan import ClipPlan, plan_clips
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance, device_kind
from seds_core.store.reader import VideoNotInStoreError

_AUTOCAST_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}

FrameChunk = UInt8[np.ndarray, "_ height width channel=3"]


class DeviceFrames:
    """Consecutive frames on the network's device, prepared by the thread that first needs them."""

    def __init__(self, backbone: Backbone, frames: FrameChunk) -> None:
        """Copies the frames to a card; elsewhere they stay where they are."""
        # torch takes no negative strides, and warns of memory that may not be written to.
        pixels = torch.from_numpy(np.require(frames, requirements=("C", "W")))
        if backbone.device.type == "cuda":  # Copies from pinned memory overlap with the network.
            pixels = pixels.pin_memory().to(backbone.device, non_blocking=True)
        self._pixels = pixels
        self._backbone = backbone

    @cached_property
    def prepared(self) -> Float32[Tensor, "channel=3 frame height=224 width=224"]:
        """The network's input, computed once; takes twelve times the memory of the pixels."""
        prepared = self._backbone.prepare(self._pixels)
        del self._pixels
        return prepared


class DeviceFrame(NamedTuple):
    """One frame on the network's device."""

    frames: DeviceFrames
    number: int
    """Which of them it is."""


@dataclass(frozen=True)
class ClipGroup:
    """Clips that go through the network together, with each of their frames once."""

    frames: tuple[DeviceFrame, ...]
    """Frames between clips are left out."""
    starts: tuple[int, ...]
    """Where each clip begins among ``frames``."""

    def part(self, starts: Sequence[int], clip_length: int) -> "ClipGroup":
        """The group of some consecutive clips, with only their frames."""
        first, end = starts[0], starts[-1] + clip_length
        return ClipGroup(self.frames[first:end], tuple(start - first for start in starts))

    def prepared(self) -> Float32[Tensor, "channel=3 frame height=224 width=224"]:
        """The network's input."""
        return torch.stack([one.frames.prepared[:, one.number] for one in self.frames], dim=1)


def clip_groups(
    backbone: Backbone,
    frame_chunks: Iterable[FrameChunk],
    clip_starts: Sequence[int],
    group_size: int,
) -> Iterator[ClipGroup]:
    """The clips of a timeline, ``group_size`` at a time, each as soon as its last frame has come.

    ``frame_chunks`` are the timeline's frames in order, resized to ``backbone.fit``, in chunks of
    any length; they are read only as far as the last clip. ``clip_starts`` ascend; clip i is the
    ``backbone.clip_length`` timeline frames from ``clip_starts[i]`` on. A timeline shorter than
    that repeats its last frame.

    Raises ``ValueError`` for starts that do not ascend or do not fit the timeline.
    """
    check_ascending(clip_starts)
    frames = _at_least(_device_frames(backbone, frame_chunks), backbone.clip_length)
    # ``frames`` is one iterator, read on from group to group; ``num_read`` numbers its next frame.
    remaining, num_read = iter(clip_starts), 0
    held: dict[int, DeviceFrame] = {}  # by their number in the timeline
    while starts := tuple(islice(remaining, group_size)):
        # Number of every frame of these clips, ascending -> its index among them.
        numbers = sorted({start + n for start in starts for n in range(backbone.clip_length)})
        index_of = {number: index for index, number in enumerate(numbers)}
        for frame in islice(frames, starts[-1] + backbone.clip_length - num_read):
            if num_read in index_of:
                held[num_read] = frame
            num_read += 1
        for start in starts:
            if (end := start + backbone.clip_length) > num_read:
                raise ValueError(
                    f"the clip at timeline frame {start} needs {end} frames, "
                    f"the video gave {num_read}"
                )
        yield ClipGroup(
            tuple(held[number] for number in numbers),
            tuple(index_of[start] for start in starts),
        )
        # The next clips start later, and need no frame up to the last start.
        held = {number: frame for number, frame in held.items() if number > starts[-1]}


def group_features(
    backbone: Backbone, group: ClipGroup, precision: Precision = "float32"
) -> Float32[np.ndarray, "clip rgb"]:
    """One vector for each clip. ``precision`` is the arithmetic on a GPU; a CPU uses float32.

    Raises ``UnusableRowsError`` for features that are not finite.
    """
    is_reduced = backbone.device.type == "cuda" and precision in _AUTOCAST_TYPES
    reduced = torch.autocast("cuda", _AUTOCAST_TYPES[precision]) if is_reduced else nullcontext()
    with torch.inference_mode(), reduced:
        features = backbone.window_features(group.prepared(), group.starts).float().cpu().numpy()
    if not np.isfinite(features).all():
        hint = "; bfloat16 has a wider range" if precision == "float16" else ""
        raise UnusableRowsError(f"the features are not finite in {precision} arithmetic{hint}")
    return features


def clip_features(
    backbone: Backbone,
    frame_chunks: Iterable[FrameChunk],
    clip_starts: Sequence[int],
    *,
    batch_size: int,
    precision: Precision = "float32",
) -> Float32[np.ndarray, "clip rgb"]:
    """One vector for each clip of a timeline: :func:`clip_groups`, then :func:`group_features`."""
    groups = clip_groups(backbone, frame_chunks, clip_starts, batch_size)
    nothing = np.empty((0, backbone.feature_dim), np.float32)
    return np.concatenate([nothing, *(group_features(backbone, g, precision) for g in groups)])


def _device_frames(backbone: Backbone, chunks: Iterable[FrameChunk]) -> Iterator[DeviceFrame]:
    """The frames one by one, on the backbone's device."""
    for chunk in chunks:
        # What is prepared together is forgotten together: not a whole chunk.
        for first in range(0, len(chunk), backbone.clip_length):
            frames = chunk[first : first + backbone.clip_length]
            together = DeviceFrames(backbone, frames)
            yield from (DeviceFrame(together, index) for index in range(len(frames)))


def _at_least(frames: Iterable[DeviceFrame], count: int) -> Iterator[DeviceFrame]:
    """Repeats the last frame until there are ``count``; no frames stay no frames."""
    num_frames = 0
    frame = None
    for frame in frames:
        num_frames += 1
        yield frame
    if frame is not None:
        # Where there were enough, the list is empty: a negative number of times is none.
        yield from [frame] * (count - num_frames)


@dataclass(frozen=True)
class RgbPiece:
    """Clips that follow one another in a video."""

    clips: ClipGroup
    row_frames: Rows
    """Their rows without the features: which frames each is made of."""


@dataclass(frozen=True)
class RgbStream:
    """A frozen video network and the clips it is shown: an ``extract.stream.Stream``."""

    backbone: Backbone
    settings: ExtractSettings
    kept_frames: KeptFrames | None = None
    """The frames that clips are made of; ``None``: every ``frame_step``-th one."""
    clip_batches: BatchedInference = field(init=False, compare=False)
    """Within a group, whose clips share more computations the more there are."""

    def __post_init__(self) -> None:
        """Starts with all clips of a group; the size shrinks when memory lacks."""
        # The stream is frozen; what it learns of the memory is kept in this one object.
        object.__setattr__(self, "clip_batches", BatchedInference(self.settings.run.rgb_batch))

    @classmethod
    def load(
        cls, settings: ExtractSettings, device: str, pose_store: StoreLocation | None = None
    ) -> "RgbStream":
        """Loads the network; a pose store leaves out frames without a usable hand.

        Raises ``UnavailableError`` when the weights cannot be had, and ``UsageError`` for another
        kind of store.
        """
        rgb = settings.rgb
        kept = KeptFrames.open(pose_store, rgb.hand_rules) if pose_store else None
        backbone = load_backbone(
            rgb.backbone, rgb.weights, clip_length=rgb.clip_length, device=device
        )
        return cls(backbone, settings, kept)

    @property
    def provenance(self) -> Provenance:
        """Everything that decides the rows."""
        backbone = self.backbone
        return rgb_provenance(
            self.settings,
            backbone.weights,
            backbone.feature_dim,
            self.kept_frames,
            device_kind(backbone.device.type),
        )

    def num_rows(self, video: DecodedVideo) -> int:
        """The number of the video's clips."""
        num_frames = expected_frames(video)
        if self.kept_frames is None:
            return len(self._plan(num_frames).starts)
        return len(self._clips(self._kept_timeline(video, self.kept_frames)))

    @property
    def batch_size(self) -> int:
        """One piece, which is already a group of clips."""
        return 1

    def cut(self, _: str) -> FrameFit:
        """The size that the network's frames are cropped from, whatever the video."""
        return self.backbone.fit

    def pieces(self, video: DecodedVideo) -> Iterator[RgbPiece]:
        """The video's clips, ``run.rgb_batch`` at a time."""
        if self.kept_frames is None:
            return self._pieces_of_all(video)
        return self._pieces_of_kept(video, self.kept_frames)

    def rows(self, pieces: Sequence[RgbPiece]) -> list[Rows]:
        """One row a clip: its features and its frames."""
        return [{"features": self._features(piece.clips), **piece.row_frames} for piece in pieces]

    def _pieces_of_all(self, video: DecodedVideo) -> Iterator[RgbPiece]:
        plan = self._plan(expected_frames(video))
        row_frames = {
            "first_frame": plan.first_frames,
            "frame_step": np.full(len(plan.starts), plan.frame_step, np.int32),
        }
        yield from self._pieces(confirmed_frames(video), plan.starts, row_frames)

    def _pieces_of_kept(self, video: DecodedVideo, kept: KeptFrames) -> Iterator[RgbPiece]:
        timeline = self._kept_timeline(video, kept)
        clips = self._clips(timeline)
        # Clips name frames of the video; the network's windows are over the kept frames alone.
        starts = np.searchsorted(timeline.frames, clips[:, 0])
        row_frames = {
            "first_frame": clips[:, 0],
            "frame_step": np.zeros(len(clips), np.int32),
            "frames": clips,
        }
        try:
            if expected_frames(video) != timeline.num_frames:
                deque(confirmed_frames(video), maxlen=0)  # the container may be the one that errs
                raise FrameCountChanged(expected_frames(video))
            yield from self._pieces(timeline.select(confirmed_frames(video)), starts, row_frames)
        except FrameCountChanged as change:
            # The container erred, the decoder agrees with the poses: the video is read again.
            if change.num_frames == timeline.num_frames:
                raise
            raise VideoError(
                video.job.path,
                f"decoding gave {change.num_frames} frames, but {kept.pose.url} was made of "
                f"{timeline.num_frames}: extract its poses again",
            ) from None

    def _pieces(
        self, chunks: Iterator[Frames], starts: Int[np.ndarray, " clip"], row_frames: Rows
    ) -> Iterator[RgbPiece]:
        """The clips of a timeline, all of whose frames are read."""
        # What passes together decides the last bits: groups count from the video's first clip.
        size = self.settings.run.rgb_batch
        for number, group in enumerate(clip_groups(self.backbone, chunks, starts.tolist(), size)):
            of_group = slice(number * size, (number + 1) * size)
            yield RgbPiece(group, {name: values[of_group] for name, values in row_frames.items()})
        deque(chunks, maxlen=0)  # Frames after the last clip count too: they confirm the length.

    def _features(self, clips: ClipGroup) -> Float[np.ndarray, "clip rgb"]:
        # All clips of the group share their overlap; when memory lacks, parts of it do.
        def compute(some: Sequence[int]) -> list[Float[np.ndarray, " rgb"]]:
            group = clips.part(some, self.settings.rgb.clip_length)
            return list(group_features(self.backbone, group, self.settings.rgb.precision))

        features = np.stack(self.clip_batches.run(clips.starts, compute))
        return features.astype(self.settings.rgb.store_dtype)

    def _kept_timeline(self, video: DecodedVideo, kept: KeptFrames) -> KeptTimeline:
        job = video.job
        try:
            timeline = kept.of(job.video_id, self.settings.frames.max_frames)
        except VideoNotInStoreError as error:
            raise VideoError(job.path, f"which frames show a hand is not known: {error}") from None
        if not len(timeline.frames):
            raise VideoError(
                job.path,
                f"no frame shows a usable hand, by {kept.pose.url} and the rules '{kept.rules}'",
            )
        return timeline

    def _clips(self, timeline: KeptTimeline) -> np.ndarray:
        rgb = self.settings.rgb
        return timeline.clips(rgb.clip_length, rgb.clip_limit)

    def _plan(self, num_frames: int) -> ClipPlan:
        rgb = self.settings.rgb
        return plan_clips(
            num_frames,
            max_frames=self.settings.frames.max_frames,
            clip_length=rgb.clip_length,
            max_clips=rgb.clip_limit,
        )
