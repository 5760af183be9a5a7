"""Clips that contradict themselves or their features are refused."""

from pathlib import Path

import numpy as np
import pytest

from extract.interchange.npy_features import MappedClips, check_clips
from seds_core.clip_plan import plan_clips
from seds_core.errors import ImportedFileError


def column(numbers):
    return np.array(numbers, np.int32)


def even(first_frame, *, step=1, num_frames=100, clip=None):
    count = len(first_frame)
    steps = [step] * count if isinstance(step, int) else step
    frames = [num_frames] * count if isinstance(num_frames, int) else num_frames
    clip = list(range(count)) if clip is None else clip
    no_names = np.empty((count, 0), np.int32)
    return MappedClips(column(clip), column(frames), column(first_frame), column(steps), no_names)


def named(frames, num_frames=100):
    frames = column(frames)
    count = len(frames)
    return MappedClips(
        np.arange(count, dtype=np.int32), column([num_frames] * count), frames[:, 0],
        column([0] * count), frames,
    )  # fmt: skip


def check(clips, num_rows=None, clip_length=16):
    rows = len(clips.clip) if num_rows is None else num_rows
    check_clips(Path("v.npy"), clips, rows, clip_length)


@pytest.mark.parametrize("num_frames", [1, 15, 16, 17, 100, 301, 1000])
def test_the_clips_of_every_plan_are_right(num_frames):
    plan = plan_clips(num_frames, max_frames=300, clip_length=16, max_clips=64)
    clips = even(plan.first_frames.tolist(), step=plan.frame_step, num_frames=num_frames)
    check(clips)


def test_named_frames_may_leave_some_out_and_repeat_the_last():
    check(named([[0, 3, 4, 9], [3, 4, 9, 99]]), clip_length=4)
    check(named([[5, 6, 6, 6]], num_frames=7), clip_length=4)


@pytest.mark.parametrize(
    ("clips", "reason"),
    [
        (even([0, 1], clip=[0, 2]), "not numbered 0, 1, ..."),
        (even([0, 1], clip=[1, 0]), "not numbered 0, 1, ..."),
        (even([0, 1], num_frames=[99, 100]), "several num_frames"),
        (even([0, 5, 5]), "begin later"),
        (even([5, 0]), "begin later"),
        (even([-1, 5]), "before frame 0"),
        (even([0, 4], step=[2, 4]), "frame_step is not one number"),
        (even([0], step=0), "frame_step is not one number"),
        (even([0, 3], step=2), "no multiple of its frame_step 2"),
        (even([0, 85]), "16 frames from frame 85 on, ends after its 100 frames"),
        (even([0, 70], step=2), "from frame 70 on, ends after"),
        (even([1], num_frames=16), "ends after its 16 frames"),
        (even([0], num_frames=0), "ends after its 0 frames"),
        (named([[0, 2, 1]]), "do not ascend"),
        (named([[0, 1, 100]]), "names frame 100 of 100"),
        (named([[-1, 0, 1]]), "before frame 0"),
    ],
)
def test_contradictions_are_named(clips, reason):
    with pytest.raises(ImportedFileError, match=rf"v\.npy: .*{reason}"):
        check(clips)


def test_there_are_as_many_clips_as_rows():
    check(even([0, 84]))
    with pytest.raises(ImportedFileError, match="has 3 rows, and the frame map has 2 clips"):
        check(even([0, 84]), num_rows=3)
