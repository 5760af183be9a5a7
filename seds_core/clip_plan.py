"""From a number of frames to the clips of a video: the only window arithmetic of the project.

A video's *timeline* is every ``frame_step``-th of its frames, or, as published, those of them that
show a usable hand; a *clip* is a run of consecutive timeline frames. SEDS (arXiv 2407.16394),
section 4.1; CiCo (arXiv 2303.12793), section 3.2.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64


@dataclass(frozen=True)
class ClipPlan:
    """Which frames of a video make its clips."""

    frame_step: int
    """Frames of the video between two frames of its timeline."""
    num_timeline_frames: int
    clip_length: int
    """Timeline frames in a clip; a shorter timeline repeats its last frame up to this."""
    starts: Int32[np.ndarray, " clip"]
    """Timeline frame that each clip begins with, ascending."""

    @property
    def first_frames(self) -> Int32[np.ndarray, " clip"]:
        """Frame of the *video* that each clip begins with, counted from 0."""
        return self.starts * np.int32(self.frame_step)


def plan_clips(
    num_frames: int, *, max_frames: int | None, clip_length: int, max_clips: int | None
) -> ClipPlan:
    """Plans the clips of a video of ``num_frames`` frames.

    ``max_frames`` bounds the timeline, ``max_clips`` the clips; ``None`` bounds nothing.

    >>> plan_clips(20, max_frames=300, clip_length=16, max_clips=3).starts.tolist()
    [0, 2, 4]
    >>> plan_clips(601, max_frames=300, clip_length=16, max_clips=2).first_frames.tolist()
    [0, 555]
    """
    if num_frames < 1:
        raise ValueError(f"a video of {num_frames} frames has no clips")
    step = timeline_step(num_frames, max_frames)
    length = timeline_length(num_frames, step)
    starts = clip_starts(length, clip_length, max_clips)
    return ClipPlan(step, length, clip_length, starts)


def timeline_step(num_frames: int, max_frames: int | None) -> int:
    """Frames from one timeline frame to the next, so that at most ``max_frames`` are left.

    >>> [timeline_step(n, 300) for n in (1, 300, 301, 900, 901)]
    [1, 1, 2, 3, 4]
    """
    # Rounded up: rounded down, 301 frames would not shrink to 300.
    return 1 if max_frames is None else -(-num_frames // max_frames)


def timeline_length(num_frames: int, step: int) -> int:
    """Frames that are left when every ``step``-th is kept, from frame 0 on."""
    # Rounded up: a last step that the video's end cuts short has its first frame all the same.
    return -(-num_frames // step)


def timeline_frames(num_frames: int, step: int) -> Int32[np.ndarray, " frame"]:
    """Numbers, in the video, of every ``step``-th frame, from frame 0 on.

    >>> timeline_frames(7, 3).tolist()
    [0, 3, 6]
    """
    return np.arange(0, num_frames, step, dtype=np.int32)


def clip_starts(
    num_timeline_frames: int, clip_length: int, max_clips: int | None
) -> Int32[np.ndarray, " clip"]:
    """Timeline frames that the clips begin with: every window, or ``max_clips`` spread evenly.

    A timeline shorter than a clip still gives one clip.
    """
    # A timeline shorter than a clip has one, whose missing frames repeat the last one.
    count = max(1, num_timeline_frames - clip_length + 1)
    if max_clips is None or count <= max_clips:
        return np.arange(count, dtype=np.int32)
    # Rounded down.
    return np.linspace(0, count - 1, max_clips, dtype=int).astype(np.int32)


def clip_frames(
    frames: Int32[np.ndarray, " row"], starts: Int32[np.ndarray, " clip"], clip_length: int
) -> Int32[np.ndarray, "clip frame"]:
    """Numbers, in the video, of every clip's frames.

    ``frames`` are those of its timeline, whose last one is repeated for a clip that reaches beyond.

    >>> clip_frames(np.array([0, 4, 5], np.int32), np.array([1], np.int32), 4).tolist()
    [[4, 5, 5, 5]]
    """
    positions = starts[:, None] + np.arange(clip_length)
    return frames[np.minimum(positions, len(frames) - 1)]


def positions_of(
    wanted: Int32[np.ndarray, " frame"], held: Int32[np.ndarray, " row"]
) -> Int64[np.ndarray, " frame"] | None:
    """Where each of some frames stands among others, which ascend; ``None`` when one is not there.

    >>> held = np.array([0, 4, 5, 9], np.int32)
    >>> positions_of(np.array([4, 9], np.int32), held).tolist()
    [1, 3]
    """
    # searchsorted alone would give a missing frame the position of the one after it.
    return np.searchsorted(held, wanted) if np.isin(wanted, held).all() else None
