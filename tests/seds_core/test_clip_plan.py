import numpy as np
import pytest
from shared_data import golden_path

from seds_core.clip_plan import clip_frames, clip_starts, plan_clips, positions_of, timeline_frames

PUBLISHED = {"max_frames": 300, "clip_length": 16, "max_clips": 64}


@pytest.mark.golden
def test_starts_and_slots_equal_the_published_ones():
    golden = np.load(golden_path("clip_plan.npz"))
    for length in golden["lengths"].tolist():
        plan = plan_clips(length, **PUBLISHED)
        num_clips = len(plan.starts)
        starts = np.full(64, -1)
        starts[:num_clips] = plan.starts
        padding = np.arange(65) > num_clips
        np.testing.assert_array_equal(starts, golden[f"starts_{length}"], f"{length} frames")
        np.testing.assert_array_equal(padding, golden[f"mask_{length}"], f"{length} frames")


@pytest.mark.parametrize(("num_frames", "step"), [(1, 1), (300, 1), (301, 2), (10_000, 34)])
def test_timeline_is_bounded(num_frames, step):
    plan = plan_clips(num_frames, **PUBLISHED)
    assert plan.frame_step == step
    assert plan.num_timeline_frames == len(range(0, num_frames, step)) <= 300
    last_clip = plan.first_frames[-1] + step * (np.arange(16))
    assert num_frames < 16 or last_clip[-1] < num_frames


def test_every_window_when_nothing_bounds_the_clips():
    plan = plan_clips(100, max_frames=None, clip_length=16, max_clips=None)
    assert plan.starts.tolist() == list(range(85))


def test_a_video_without_frames_has_no_plan():
    with pytest.raises(ValueError, match="0 frames"):
        plan_clips(0, **PUBLISHED)


@pytest.mark.parametrize("num_frames", [1, 5, 16, 17, 90])
def test_the_frames_of_clips_are_those_of_their_windows(num_frames):
    timeline = timeline_frames(3 * num_frames, 3)
    starts = clip_starts(num_frames, 16, 8)
    padded = [*timeline, *[timeline[-1]] * 16]
    expected = [padded[start : start + 16] for start in starts]
    np.testing.assert_array_equal(clip_frames(timeline, starts, 16), expected)


def test_places_are_those_of_a_search_one_by_one():
    held = np.array([2, 3, 7, 20], np.int32)
    for wanted in ([], [2], [20, 3], [2, 3, 7, 20]):
        found = positions_of(np.array(wanted, np.int32), held)
        assert found.tolist() == [held.tolist().index(frame) for frame in wanted]
    for missing in ([0], [21], [2, 4], [-1]):
        assert positions_of(np.array(missing, np.int32), held) is None
    assert positions_of(np.array([-1], np.int32), held[:0]) is None
