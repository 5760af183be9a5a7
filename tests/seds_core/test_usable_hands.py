import numpy as np
import pytest

from reference.keypoint_rules import box, slow_frame
from seds_core.hands import only_finite, usable_hands

SIZE = (320, 240)


def keypoints_of_every_kind(num_frames):
    """Hands and arms seen or not in all combinations, at any height; some frames not finite."""
    generator = np.random.default_rng(4)
    keypoints = np.empty((num_frames, 133, 3), np.float32)
    keypoints[..., :2] = generator.uniform(0, 1, (num_frames, 133, 2)) * SIZE
    for points in (slice(0, 91), slice(91, 112), slice(112, 133)):
        level = generator.choice([0.02, 0.1, 0.5, 0.9], (num_frames, 1))
        noise = generator.normal(0, 0.05, (num_frames, 133))[:, points]
        keypoints[:, points, 2] = np.clip(level + noise, 0, 1)
    keypoints[generator.random(num_frames) < 0.1, 95] = np.nan
    return keypoints


@pytest.mark.parametrize("rules", ["phoenix-2014t", "csl-daily", "how2sign", "custom"])
def test_hands_are_those_of_the_frame_by_frame_rules(rules):
    keypoints = keypoints_of_every_kind(120)
    hands = usable_hands(keypoints, SIZE, rules)
    expected = [slow_frame(frame, SIZE, rules) is not None for frame in keypoints]
    assert hands.has_hand.tolist() == expected
    assert 0 < sum(expected) < 120
    finite = only_finite(keypoints)
    for side, points, arm in (
        (hands.right, slice(112, 133), [6, 8, 10]),
        (hands.left, slice(91, 112), [5, 7, 9]),
    ):
        for frame, found in enumerate(finite.tolist()):
            slow = box(found[points], [found[i] for i in arm], SIZE, rules)
            assert side.is_usable[frame] == (slow is not None)
            if slow is not None:
                assert (*side.origin[frame], side.side[frame]) == slow


def test_points_that_are_not_finite_are_not_seen():
    keypoints = np.ones((2, 133, 3), np.float32)
    keypoints[1, 7, 2] = np.inf
    cleaned = only_finite(keypoints)
    assert cleaned[1, 7].tolist() == [0, 0, 0]
    assert cleaned.sum() == 2 * 133 * 3 - 3
