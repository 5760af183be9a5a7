"""Reads videos from the stores into batches; what is wrong with one costs no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int32

from seds_core.clip_plan import clip_frames
from train.batches import ClipLayout, SignBatch
from train.data.collation import NOT_FINITE, collate_signs
from train.data.sign_reader import LocatedVideo, SignExample, SignReader

UNKNOWN_BOUNDS = np.empty((0, 2), np.int32)


@dataclass(frozen=True, eq=False)
class ReadVideo:
    """A video or window as the model sees it, and which frames its clips are."""

    example: SignExample
    clip_bounds: Int32[np.ndarray, "clip 2"]
    """Numbers, in the video, of each clip's first and last frame; empty where not known."""


class NobodySignsError(ValueError):
    """A window that has fewer frames with a usable hand than a clip needs."""


@dataclass(frozen=True)
class Unreadable:
    """A request of which it is known before that it cannot be read."""

    reason: str


@runtime_checkable
class RowsReader(Protocol):
    """Reads what is asked for from the stores, in any process."""

    @property
    def layout(self) -> ClipLayout:
        """Sizes of a batch."""
        ...

    def read(self, request: Any) -> ReadVideo:  # noqa: ANN401 - what identifies it
        """Reads a video or window.

        Raises :class:`NobodySignsError` for a window to leave out, and ``ValueError`` with the
        reason for what cannot be encoded.
        """
        ...


@dataclass(frozen=True, eq=False)
class ReadBatch:
    """What has been read of some requests."""

    signs: SignBatch | None
    """Those that can be encoded, in order; ``None`` where there is none."""
    positions: list[int]
    """Of these among the requests."""
    clip_bounds: list[np.ndarray]
    """Of these."""
    problems: dict[int, str]
    """Position -> why it cannot be encoded."""
    num_unsigned: int
    """Windows left out because nobody signs in them, which is no problem."""


def read_batch(reader: RowsReader, requests: Sequence[Any]) -> ReadBatch:
    """Reads into a batch; called in reading processes."""
    read: dict[int, ReadVideo] = {}
    problems: dict[int, str] = {}
    num_unsigned = 0
    for position, request in enumerate(requests):
        if isinstance(request, Unreadable):
            problems[position] = request.reason
            continue
        try:
            video = reader.read(request)
        except NobodySignsError:
            num_unsigned += 1
            continue
        except ValueError as error:
            problems[position] = str(error)
            continue
        if is_finite(video.example):
            read[position] = video
        else:
            problems[position] = f"its rows {NOT_FINITE}: extract it again"
    examples = [video.example for video in read.values()]
    return ReadBatch(
        collate_signs(examples, reader.layout) if examples else None,
        list(read),
        [video.clip_bounds for video in read.values()],
        problems,
        num_unsigned,
    )


def is_finite(example: SignExample) -> bool:
    """Whether all numbers that the model would see are finite."""
    arrays = [] if example.rgb is None else [example.rgb]
    if example.pose is not None:
        arrays += [example.pose.right, example.pose.left, example.pose.body]
    return all(np.isfinite(values).all() for values in arrays)


@dataclass(frozen=True)
class WholeVideos:
    """Reads whole videos; may be sent to another process."""

    signs: SignReader

    @property
    def layout(self) -> ClipLayout:
        """Sizes of a batch."""
        return self.signs.layout

    def read(self, video: LocatedVideo) -> ReadVideo:
        """Reads a video. Raises like :meth:`SignReader.read`."""
        example = self.signs.read(video)
        if example.clip_starts is None or example.frames is None:
            return ReadVideo(example, self._bounds_of_features(video))
        if not len(example.frames):  # no frame shows a hand, and its one clip nothing
            return ReadVideo(example, UNKNOWN_BOUNDS)
        starts = example.clip_starts.astype(np.int32)
        frames = clip_frames(example.frames, starts, self.layout.clip_length)
        return ReadVideo(example, frames[:, [0, -1]])

    def _bounds_of_features(self, video: LocatedVideo) -> Int32[np.ndarray, "clip 2"]:
        store = self.signs.rgb[0]
        if self.signs.names_clip_frames:
            frames: Int32[np.ndarray, "clip frame"] = store.read(video, "frames")
            return frames[:, [0, -1]]
        first, entry = store.read(video, "first_frame"), store.entry(video)
        if (first < 0).any():
            return UNKNOWN_BOUNDS
        last = first + np.int32((self.layout.clip_length - 1) * entry.frame_step)
        # A clip that reaches beyond a short video repeats its last frame.
        if entry.num_frames > 0:
            last = np.minimum(last, np.int32(entry.num_frames - 1))
        return np.stack([first, last], axis=1)
