"""The face has iBUG's order and moves."""

import numpy as np

from extract.demo import signer as parts
from extract.demo.signer import face_points, skull_points

CLOSED, OPEN = np.array([0.0]), np.array([1.0])


def test_parts_are_where_a_face_has_them():
    face = face_points(CLOSED, OPEN, CLOSED)[0]
    assert face[parts.RIGHT_EYE, 0].max() < 0 < face[parts.LEFT_EYE, 0].min()
    assert face[parts.RIGHT_BROW, 1].max() < face[parts.RIGHT_EYE, 1].min()
    assert face[parts.NOSE_TIP, 1] < face[parts.OUTER_LIPS, 1].min() < face[8, 1]
    assert np.all(np.diff(face[parts.JAW, 0]) > 0)


def test_the_right_side_mirrors_the_left():
    face = face_points(OPEN, OPEN, OPEN)[0]
    np.testing.assert_allclose(face[17:22] * (-1, 1, 1), face[26:21:-1], atol=1e-12)


def test_the_mouth_opens_and_the_eyes_close():
    shut, wide = face_points(CLOSED, CLOSED, CLOSED)[0], face_points(OPEN, OPEN, OPEN)[0]
    inner = parts.INNER_LIPS
    assert np.ptp(wide[inner, 1]) > 3 * np.ptp(shut[inner, 1])
    assert np.ptp(shut[parts.LEFT_EYE, 1]) == 0
    assert wide[8, 1] > shut[8, 1]


def test_the_skull_joins_the_jaw():
    skull, jaw = skull_points(), face_points(CLOSED, OPEN, CLOSED)[0, parts.JAW]
    assert np.linalg.norm(skull[0, :2] - jaw[-1, :2]) < 0.1
    assert np.linalg.norm(skull[-1, :2] - jaw[0, :2]) < 0.1
    assert skull[:, 1].min() == -1
