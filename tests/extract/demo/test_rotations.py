"""Orientations of hands."""

import numpy as np
import pytest

from extract.demo.hand_shape import (
    align_signs,
    direction,
    matrices,
    orientation,
)
from extract.demo.language import GLOSSES

FORMS = [form for gloss in GLOSSES for form in (gloss.start, gloss.end, gloss.base) if form]


def test_directions_have_length_one_and_add_up():
    np.testing.assert_allclose(direction("up+in"), [-(0.5**0.5), -(0.5**0.5), 0])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_fingers_and_palm_point_where_the_words_say(form):
    turn = matrices(orientation(form.fingers, form.palm)[None])[0]
    np.testing.assert_allclose(turn @ [0, 1, 0], direction(form.fingers), atol=1e-9)
    assert (turn @ [0, 0, 1]) @ direction(form.palm) > 0.5
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_raised_palm_to_the_camera_has_its_thumb_towards_the_body():
    turn = matrices(orientation("up", "forward")[None])[0]
    np.testing.assert_allclose(turn @ [1, 0, 0], direction("in"), atol=1e-9)


def test_aligning_keeps_the_orientation():
    turns = np.array([[1.0, 0, 0, 0], [-0.8, 0.6, 0, 0]])
    aligned = align_signs(turns)
    assert aligned[0] @ aligned[1] > 0
    np.testing.assert_allclose(matrices(aligned), matrices(turns))
