"""Light stays the same over a video, noise does not."""

import numpy as np

from extract.demo.renderer import sample_effects


def random(seed):
    return np.random.Generator(np.random.PCG64(seed))


def test_noise_changes_from_frame_to_frame_but_light_does_not():
    effects = next(
        found
        for found in (sample_effects(random(seed), 64, 64) for seed in range(40))
        if found.noise.std() > 2 and found.blur == 0
    )
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    first, second = (effects.apply(grey, frame).astype(int) for frame in (0, 1))
    assert np.abs(first - second).mean() > 1
    np.testing.assert_allclose(first.mean(axis=(0, 1)), second.mean(axis=(0, 1)), atol=0.5)
    np.testing.assert_array_equal(first, effects.apply(grey, 0))
