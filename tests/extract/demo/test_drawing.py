"""Shapes lie where they should, with soft edges."""

import numpy as np

from extract.demo.drawing import (
    capsules,
    ellipse,
    fill_convex,
    shaded,
    stroke,
)


def test_shapes_are_anti_aliased_and_in_place():
    image = np.zeros((20, 20, 3), dtype=np.uint8)
    points = np.array([[5.0, 10.0]]), np.array([[15.0, 10.0]])
    fill_convex(
        image, capsules(*points, np.array([3.0]), np.array([3.0]))[0], (200.0, 200.0, 200.0)
    )
    assert image[10, 5:16, 0].min() == 200
    assert image[4].max() == 0
    assert len(np.unique(image)) > 2


def test_shades_stay_colours():
    assert shaded((200.0, 100.0, 50.0), 2.0) == (255.0, 200.0, 100.0)


def test_an_ellipse_has_its_half_axes():
    outline = ellipse(np.array([10.0, 20.0]), 4.0, 2.0)
    np.testing.assert_allclose(np.ptp(outline, axis=0), [8, 4], rtol=0.02)
    np.testing.assert_allclose(outline.mean(axis=0), [10, 20])


def test_a_closed_line_returns_to_its_start():
    square = np.array([[2.0, 2.0], [12.0, 2.0], [12.0, 12.0], [2.0, 12.0]])
    images = [np.zeros((16, 16, 3), dtype=np.uint8) for _ in range(2)]
    stroke(images[0], square, (255.0, 255.0, 255.0), 1)
    stroke(images[1], square, (255.0, 255.0, 255.0), 1, is_closed=True)
    assert images[0][7, 2, 0] == 0
    assert images[1][7, 2, 0] > 200
