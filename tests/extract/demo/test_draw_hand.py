"""A drawn hand: fingers apart, palm and back different, near bones over far ones."""

import numpy as np

from extract.demo.drawing import draw_hand
from extract.demo.hand_shape import HAND_SHAPES, hand_joints

SKIN = (200.0, 150.0, 120.0)
LENGTH = 120.0


def drawn(shape, *, shows_palm=True, towards_camera=1.0):
    """A hand pointing up in a black picture, and its joints in pixels."""
    local = hand_joints(HAND_SHAPES[shape][None])[0]
    hand = np.array([100.0, 180.0, 0.0]) + local * (LENGTH, -LENGTH, towards_camera)
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    draw_hand(image, hand, LENGTH, 1.0, SKIN, shows_palm=shows_palm)
    return image, hand


def test_every_joint_is_covered():
    image, hand = drawn("spread")
    x, y = np.round(hand[:, :2]).astype(int).T
    assert np.all(image[y, x].sum(axis=1) > 200)


def test_spread_fingers_have_background_between_them_and_close_ones_an_outline():
    for shape, darkest in (("spread", 0), ("flat", 200)):
        image, hand = drawn(shape)
        between = np.round(0.5 * (hand[8, :2] + hand[12, :2])).astype(int)
        row = image[between[1] + 6, between[0] - 8 : between[0] + 8].astype(int).sum(axis=1)
        assert row.min() <= darkest + 60, shape
    assert drawn("flat")[0].any()


def test_palm_and_back_can_be_told_apart():
    palm, back = (drawn("flat", shows_palm=shows)[0].astype(int) for shows in (True, False))
    assert palm.max() > back.max() or np.abs(palm - back).mean() > 1
    assert np.median(palm[palm > 0]) > np.median(back[back > 0])


def test_folded_fingers_are_drawn_over_the_palm_only_when_they_are_nearer():
    near, _ = drawn("fist", towards_camera=1.0)
    far, _ = drawn("fist", towards_camera=-1.0)
    assert np.abs(near.astype(int) - far).mean() > 1
