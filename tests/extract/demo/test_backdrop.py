"""Backgrounds of the asked size, of every kind."""

import numpy as np

from extract.demo.renderer import draw_backdrop


def random(seed):
    return np.random.Generator(np.random.PCG64(seed))


def test_backgrounds_have_the_asked_size_and_follow_the_seed():
    backgrounds = [draw_backdrop(random(seed), 120, 90) for seed in range(12)]
    assert {image.shape for image in backgrounds} == {(90, 120, 3)}
    np.testing.assert_array_equal(backgrounds[3], draw_backdrop(random(3), 120, 90))
    contrasts = [image.std(axis=(0, 1)).max() for image in backgrounds]
    assert min(contrasts) < 1
    assert max(contrasts) > 30
