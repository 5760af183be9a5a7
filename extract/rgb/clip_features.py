"""Features of a video's clips, from a stream of its frames; memory does not grow with its length.

A frame is prepared once, however many clips share it, and kept only until the last of them has
been put together. What is computed in one pass depends on nothing but the video, so that an
interrupted run gives the same bits when it is repeated.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from extract.rgb.backbones import Backbone, check_ascending
from extract.stream import UnusableRowsError

Precision = Literal["float32", "float16", "bfloat16"]
_AUTOCAST_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}

FrameChunk = UInt8[np.ndarray, "_ height width channel=3"]
PreparedFrame = Float32[Tensor, "channel=3 height=224 width=224"]


@dataclass(frozen=True)
class ClipGroup:
    """Clips that go through the network together, with each of their frames once."""

    frames: Float32[Tensor, "channel=3 frame height=224 width=224"]
    """Prepared, on the network's device; frames between clips are left out."""
    starts: tuple[int, ...]
    """Where each clip begins among ``frames``."""

    def part(self, starts: Sequence[int], clip_length: int) -> "ClipGroup":
        """Some of the clips, which follow one another, with no more than their frames."""
        first, end = starts[0], starts[-1] + clip_length
        return ClipGroup(self.frames[:, first:end], tuple(start - first for start in starts))


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
    frames = _at_least(_prepared_frames(backbone, frame_chunks), backbone.clip_length)
    remaining, num_read = iter(clip_starts), 0
    held: dict[int, PreparedFrame] = {}  # by their number in the timeline
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
            torch.stack([held[number] for number in numbers], dim=1),
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
        features = backbone.window_features(group.frames, group.starts).float().cpu().numpy()
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


def _prepared_frames(backbone: Backbone, chunks: Iterable[FrameChunk]) -> Iterator[PreparedFrame]:
    """Prepared frames one by one, on the backbone's device."""
    for chunk in chunks:
        frames = torch.from_numpy(np.require(chunk, requirements=("C", "W")))
        if backbone.device.type == "cuda":  # Copies from pinned memory overlap with the network.
            frames = frames.pin_memory().to(backbone.device, non_blocking=True)
        # A prepared frame takes three times the memory of a decoded one: not a whole chunk at once.
        for piece in torch.split(frames, backbone.clip_length):
            yield from backbone.prepare(piece).unbind(dim=1)


def _at_least(frames: Iterable[PreparedFrame], count: int) -> Iterator[PreparedFrame]:
    """The frames, the last one repeated until there are ``count``; none stay none."""
    num_frames = 0
    frame = None
    for frame in frames:
        num_frames += 1
        yield frame
    if frame is not None:
        yield from [frame] * (count - num_frames)
