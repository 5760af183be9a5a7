"""Features of a video's clips, from a stream of its frames; memory does not grow with its length.

A frame is prepared once, however many clips share it, and kept only until the last of them has
been put together. What is computed in one batch depends on nothing but the video, so that an
interrupted run gives the same bits when it is repeated.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from extract.rgb.backbones import Backbone

Precision = Literal["float32", "float16", "bfloat16"]
_AUTOCAST_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}

FrameChunk = UInt8[np.ndarray, "_ height width channel=3"]
PreparedFrame = Float32[Tensor, "channel=3 height=224 width=224"]
PreparedClip = Float32[Tensor, "channel=3 frame height=224 width=224"]


def clip_features(
    backbone: Backbone,
    frame_chunks: Iterable[FrameChunk],
    clip_starts: Sequence[int],
    *,
    batch_size: int,
    precision: Precision = "float32",
) -> Float32[np.ndarray, "clip rgb"]:
    """One vector for each clip of a timeline.

    ``frame_chunks`` are the timeline's frames in order, resized to ``backbone.fit``, in chunks of
    any length; they are read only as far as the last clip. ``clip_starts`` ascend; clip i is the
    ``backbone.clip_length`` timeline frames from ``clip_starts[i]`` on. A timeline shorter than
    that repeats its last frame. ``precision`` is the arithmetic on a GPU; a CPU uses float32.

    Raises ``ValueError`` for starts that do not ascend or do not fit the timeline, and for
    features that are not finite.
    """
    if any(following <= start for start, following in pairwise([-1, *clip_starts])):
        raise ValueError(f"clip starts must ascend from 0 on, got {list(clip_starts)}")
    frames = _prepared_frames(backbone, frame_chunks)
    clips = _clips(frames, clip_starts, backbone.clip_length)
    features = [torch.empty(0, backbone.feature_dim, device=backbone.device)]
    with ExitStack() as arithmetic:
        _enter_arithmetic(arithmetic, backbone.device, precision)
        while batch := list(islice(clips, batch_size)):
            features.append(backbone.features(torch.stack(batch)).float())
        return _finite(torch.cat(features).cpu().numpy(), precision)


def _enter_arithmetic(stack: ExitStack, device: torch.device, precision: Precision) -> None:
    """Inference, in the precision that was asked for; float32 means float32, without TF32."""
    stack.enter_context(torch.inference_mode())
    if device.type != "cuda":
        return
    stack.enter_context(
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
    )
    if precision in _AUTOCAST_TYPES:
        stack.enter_context(torch.autocast("cuda", dtype=_AUTOCAST_TYPES[precision]))


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


def _clips(
    frames: Iterable[PreparedFrame], starts: Sequence[int], clip_length: int
) -> Iterator[PreparedClip]:
    """The clips at ``starts``, each as soon as its last frame has come."""
    window: deque[PreparedFrame] = deque(maxlen=clip_length)
    frames = _at_least(frames, clip_length)
    num_read = 0
    for start in starts:
        end = start + clip_length
        for frame in islice(frames, end - num_read):
            window.append(frame)
            num_read += 1
        if num_read < end:
            raise ValueError(
                f"the clip at timeline frame {start} needs {end} frames, the video gave {num_read}"
            )
        yield torch.stack(tuple(window), dim=1)


def _at_least(frames: Iterable[PreparedFrame], count: int) -> Iterator[PreparedFrame]:
    """The frames, the last one repeated until there are ``count``; none stay none."""
    num_frames = 0
    frame = None
    for frame in frames:
        num_frames += 1
        yield frame
    if frame is not None:
        yield from [frame] * (count - num_frames)


def _finite(
    features: Float32[np.ndarray, "clip rgb"], precision: Precision
) -> Float32[np.ndarray, "clip rgb"]:
    if not np.isfinite(features).all():
        hint = "; bfloat16 has a wider range" if precision == "float16" else ""
        raise ValueError(f"the features are not finite in {precision} arithmetic{hint}")
    return features
