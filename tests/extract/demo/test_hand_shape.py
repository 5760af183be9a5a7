"""The joints of a hand: bone lengths, straightness, and shapes that differ."""

from itertools import combinations

import numpy as np
import pytest

from extract.demo.hand_shape import HAND_SHAPES, hand_joints
from seds_core.keypoints import HAND_LINES


def joints(name):
    return hand_joints(HAND_SHAPES[name][None])[0]


def bone_lengths(hand):
    return np.array([np.linalg.norm(hand[end] - hand[begin]) for begin, end in HAND_LINES])


@pytest.mark.parametrize("name", HAND_SHAPES)
def test_bending_changes_no_bone(name):
    np.testing.assert_allclose(bone_lengths(joints(name)), bone_lengths(joints("flat")))


def test_a_flat_hand_is_one_hand_long_and_nearly_flat():
    flat = joints("flat")
    assert np.linalg.norm(flat[12]) == pytest.approx(1, abs=0.02)
    assert np.abs(flat[5:, 2]).max() < 0.15


def test_a_bent_finger_ends_on_the_side_of_the_palm():
    assert joints("bent")[8, 2] > 0.4
    assert np.linalg.norm(joints("fist")[8]) < 0.65


def test_the_thumb_is_on_its_own_side():
    spread = joints("spread")
    assert spread[4, 0] > spread[8, 0] > spread[12, 0] > spread[16, 0] > spread[20, 0]


def test_no_two_shapes_look_alike():
    for first, second in combinations(HAND_SHAPES, 2):
        furthest = np.linalg.norm(joints(first) - joints(second), axis=1).max()
        assert furthest > 0.1, (first, second)
