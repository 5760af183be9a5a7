"""Which hands can be used, and the squares around them."""

from typing import get_args

import numpy as np
import pytest

from reference.keypoint_rules import box, slow_frame
from seds_core.hands import (
    boxes_around_points,
    boxes_beyond_arm,
    hand_boxes,
    lowest_wrist,
    only_finite,
    usable_hands,
)
from train.settings import KeypointSettings


def test_every_rule_of_the_settings_is_known():
    names = get_args(KeypointSettings.model_fields["rules"].annotation)
    limits = {name: lowest_wrist(name, 300) for name in names}
    inf = float("inf")
    assert limits == {
        "phoenix-2014t": inf,
        "csl-daily": 250,
        "how2sign": 250,
        "custom": inf,
        "seen": -inf,
    }


SIZE = (210, 260)
INF = float("inf")


def hand(left, top, right, bottom, num_seen=21):
    points = np.full((1, 21, 3), ((left + right) / 2, (top + bottom) / 2, 0.05))
    points[:, :num_seen, 2] = 0.11
    points[0, 0, :2], points[0, 1, :2] = (left, top), (right, bottom)
    return points


def arm(shoulder, elbow, wrist, confidence=0.5):
    return np.array([[(*point, confidence) for point in (shoulder, elbow, wrist)]], float)


def values(boxes):
    return (*boxes.origin[0].tolist(), boxes.side[0].item())


def test_box_is_a_square_around_the_points_middle():
    # side 2.2 * 40 = 88, middle (100, 110)
    assert values(boxes_around_points(hand(80, 100, 120, 120), SIZE)) == (56, 66, 88)


def test_box_is_moved_into_the_image():
    assert values(boxes_around_points(hand(-10, 240, 30, 270), SIZE)) == (0, 259 - 88, 88)


def test_box_is_at_most_the_shorter_side():
    assert values(boxes_around_points(hand(0, 0, 200, 200), SIZE)) == (0, 0, 209)
    assert values(boxes_around_points(hand(0, 80, 200, 200), SIZE)) == (0, 36, 209)


def test_rounding_is_to_even():
    # side 2.2 * 25 = 55, middle 100, top left 72.5
    assert values(boxes_around_points(hand(87.5, 87.5, 112.5, 112.5), SIZE)) == (72, 72, 55)


def test_points_in_one_place_have_a_box():
    assert values(boxes_around_points(hand(50, 50, 50, 50), SIZE)) == (50, 50, 1)


def test_ten_points_are_needed():
    assert boxes_around_points(hand(80, 100, 120, 120, num_seen=10), SIZE).is_usable.all()
    assert not boxes_around_points(hand(80, 100, 120, 120, num_seen=9), SIZE).is_usable.any()


def test_box_beyond_the_wrist():
    # Forearm 50 down, upper arm 40: side 55; centre 16.5 below the wrist.
    boxes = boxes_beyond_arm(arm((100, 10), (100, 50), (100, 100)), SIZE)
    assert values(boxes) == (int(100 - 27.5), int(116.5 - 27.5), 55)
    # Upper arm 100: side 99.
    assert values(boxes_beyond_arm(arm((0, 100), (100, 100), (100, 120)), SIZE))[2] == 99


def test_box_beyond_the_wrist_is_cut_at_the_edges():
    boxes = boxes_beyond_arm(arm((100, 160), (100, 200), (100, 250)), SIZE)
    assert values(boxes) == (72, 239, 21)  # top 239.0; 260 - 239
    boxes = boxes_beyond_arm(arm((60, 100), (50, 100), (0, 100)), SIZE)
    assert values(boxes) == (0, 72, 55)


def test_wrist_outside_the_image_has_no_box():
    assert not boxes_beyond_arm(arm((100, 160), (100, 300), (100, 400)), SIZE).is_usable.any()


def test_whole_arm_must_be_seen():
    unsure = arm((100, 10), (100, 50), (100, 100))
    unsure[0, 1, 2] = 0.49
    assert not boxes_beyond_arm(unsure, SIZE).is_usable.any()


def test_arm_helps_only_where_points_are_few_and_the_wrist_high_enough():
    unseen, seen = hand(80, 100, 120, 120, num_seen=0), hand(80, 100, 120, 120)
    strong = arm((100, 10), (100, 50), (100, 100))
    assert values(hand_boxes(seen, strong, SIZE, INF)) == (56, 66, 88)
    assert values(hand_boxes(unseen, strong, SIZE, 100.5)) == (72, 89, 55)
    hidden = hand_boxes(unseen, strong, SIZE, 100.0)
    assert not hidden.is_usable.any()
    assert values(hidden) == (0, 0, 1)


VIDEO_SIZE = (320, 240)


def keypoints_of_every_kind(num_frames):
    """Hands and arms seen or not in all combinations, at any height; some frames not finite."""
    generator = np.random.default_rng(4)
    keypoints = np.empty((num_frames, 133, 3), np.float32)
    keypoints[..., :2] = generator.uniform(0, 1, (num_frames, 133, 2)) * VIDEO_SIZE
    for points in (slice(0, 91), slice(91, 112), slice(112, 133)):
        level = generator.choice([0.02, 0.1, 0.5, 0.9], (num_frames, 1))
        noise = generator.normal(0, 0.05, (num_frames, 133))[:, points]
        keypoints[:, points, 2] = np.clip(level + noise, 0, 1)
    keypoints[generator.random(num_frames) < 0.1, 95] = np.nan
    return keypoints


@pytest.mark.parametrize("rules", ["phoenix-2014t", "csl-daily", "how2sign", "custom", "seen"])
def test_hands_are_those_of_the_frame_by_frame_rules(rules):
    keypoints = keypoints_of_every_kind(120)
    hands = usable_hands(keypoints, VIDEO_SIZE, rules)
    expected = [slow_frame(frame, VIDEO_SIZE, rules) is not None for frame in keypoints]
    assert hands.has_hand.tolist() == expected
    assert 0 < sum(expected) < 120
    finite = only_finite(keypoints)
    for side, points, arm in (
        (hands.right, slice(112, 133), [6, 8, 10]),
        (hands.left, slice(91, 112), [5, 7, 9]),
    ):
        for frame, found in enumerate(finite.tolist()):
            slow = box(found[points], [found[i] for i in arm], VIDEO_SIZE, rules)
            assert side.is_usable[frame] == (slow is not None)
            if slow is not None:
                assert (*side.origin[frame], side.side[frame]) == slow


def test_points_that_are_not_finite_are_not_seen():
    keypoints = np.ones((2, 133, 3), np.float32)
    keypoints[1, 7, 2] = np.inf
    cleaned = only_finite(keypoints)
    assert cleaned[1, 7].tolist() == [0, 0, 0]
    assert cleaned.sum() == 2 * 133 * 3 - 3
