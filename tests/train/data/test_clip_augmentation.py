import numpy as np
import pytest
from small_stores import SIZE, signer

from train.data.augmentation import drop_clips, noisy_features
from train.data.collation import change_signs
from train.data.encoder_input import encoder_input
from train.data.sign_reader import PoseExample, SignExample
from train.settings import AugmentationSettings


@pytest.fixture
def example():
    frames = encoder_input(signer(30, np.random.default_rng(0)), SIZE, "custom")
    starts = np.arange(10, dtype=np.int64)
    features = np.repeat(starts.astype(np.float32)[:, None], 3, axis=1)
    return SignExample(PoseExample(frames, starts), features)


def test_both_streams_lose_the_same_clips(example):
    for seed in range(20):
        fewer = drop_clips(example, 0.5, np.random.default_rng(seed))
        np.testing.assert_array_equal(fewer.pose.clip_starts, fewer.rgb[:, 0])
        assert 1 <= fewer.num_clips <= 10


def test_share_of_clips(example):
    left = [drop_clips(example, 0.3, np.random.default_rng(s)).num_clips for s in range(300)]
    assert 6.8 < np.mean(left) < 7.7  # 0.7 * 10, and the one that always stays
    assert drop_clips(example, 0.0, np.random.default_rng(0)).num_clips == 10


def test_one_always_stays(example):
    kept = [drop_clips(example, 1.0, np.random.default_rng(s)).rgb[:, 0] for s in range(50)]
    assert all(len(clips) == 1 for clips in kept)
    assert len({clips[0] for clips in kept}) > 5


def test_noise_is_relative_to_each_vector():
    features = np.ones((2, 10_000), np.float32) * np.array([[1.0], [100.0]], np.float32)
    noise = noisy_features(features, 0.1, np.random.default_rng(0)) - features
    np.testing.assert_allclose(noise.std(axis=1), (0.1, 10.0), rtol=0.05)
    assert noise.dtype == np.float32


def test_an_example_gets_the_noise_that_the_settings_ask_for():
    features = np.ones((4, 8), np.float32)
    for share in (0.0, 0.5):
        settings = AugmentationSettings(rgb_noise=share)
        changed = change_signs(SignExample(None, features), settings, np.random.default_rng(0)).rgb
        assert (changed != features).all() == (share > 0)
