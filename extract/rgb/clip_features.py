"""Features of a video's clips, from a stream of its frames; memory does not grow with its length.

A frame is prepared once, however many clips share it, and kept only until the last of them has
been put together. What is computed in one pass depends on nothing but the video, so that an
interrupted run gives the same bits when it is repeated.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
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
    held: dict[int, PreparedFrame] = {}
    while starts := tuple(islice(remaining, group_size)):
        places = _places(starts, backbone.clip_length)
        for frame in islice(frames, starts[-1] + backbone.clip_length - num_read):
            if num_read in places:
                held[num_read] = frame
            num_read += 1
        _check_length(starts, backbone.clip_length, num_read)
        yield ClipGroup(
            torch.stack([held[number] for number in places], dim=1),
            tuple(places[start] for start in starts),
        )
        held = {number: frame for number, frame in held.items() if number > starts[-1]}


def group_features(
    backbone: Backbone, group: ClipGroup, precision: Precision = "float32"
) -> Float32[np.ndarray, "clip rgb"]:
    """One vector for each clip. ``precision`` is the arithmetic on a GPU; a CPU uses float32.

    Raises ``UnusableRowsError`` for features that are not finite.
    """
    with _arithmetic(backbone.device, precision):
        features = backbone.window_features(group.frames, group.starts)
        return _finite(features.float().cpu().numpy(), precision)


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


@contextmanager
def _arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    """Inference, in the precision that was asked for."""
    is_reduced = device.type == "cuda" and precision in _AUTOCAST_TYPES
    reduced = torch.autocast("cuda", _AUTOCAST_TYPES[precision]) if is_reduced else nullcontext()
    with torch.inference_mode(), reduced:
        yield


def _prepared_frames(backbone: Backbone, chunks: Iterable[FrameChunk]) -> Iterator[PreparedFrame]:
    """Prepared frames one by one, on the backbone's device."""
    for chunk in chunks:
        # A prepared frame takes three times the memory of a decoded one: not a whole chunk at once.
        for piece in torch.split(_on_device(chunk, backbone.device), backbone.clip_length):
            yield from backbone.prepare(piece).unbind(dim=1)


def _on_device(
    chunk: FrameChunk, device: torch.device
) -> UInt8[Tensor, "frame height width channel=3"]:
    frames = torch.from_numpy(np.require(chunk, requirements=("C", "W")))
    if device.type == "cuda":  # Copies from pinned memory overlap with the network's work.
        return frames.pin_memory().to(device, non_blocking=True)
    return frames


def _at_least(frames: Iterable[PreparedFrame], count: int) -> Iterator[PreparedFrame]:
    """The frames, the last one repeated until there are ``count``; none stay none."""
    num_frames = 0
    frame = None
    for frame in frames:
        num_frames += 1
        yield frame
    if frame is not None:
        yield from [frame] * (count - num_frames)


def _places(starts: Sequence[int], clip_length: int) -> dict[int, int]:
    """Number of every frame of the clips, ascending -> its place among them."""
    numbers = sorted({number for start in starts for number in range(start, start + clip_length)})
    return {number: place for place, number in enumerate(numbers)}


def _check_length(starts: Sequence[int], clip_length: int, num_read: int) -> None:
    for start in starts:
        if start + clip_length > num_read:
            raise ValueError(
                f"the clip at timeline frame {start} needs {start + clip_length} frames, "
                f"the video gave {num_read}"
            )


def _finite(
    features: Float32[np.ndarray, "clip rgb"], precision: Precision
) -> Float32[np.ndarray, "clip rgb"]:
    if not np.isfinite(features).all():
        hint = "; bfloat16 has a wider range" if precision == "float16" else ""
        raise UnusableRowsError(f"the features are not finite in {precision} arithmetic{hint}")
    return features
