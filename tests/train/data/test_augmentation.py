"""Random changes of clips, keypoints and sentences."""

import re

import numpy as np
import pytest

from reference.small_stores import SIZE, signer
from train.data.augmentation import (
    change_keypoints,
    drop_clips,
    lose_frames,
    mirror,
    noisy_features,
    shift,
    swap_two_words,
    transform,
    warp_time,
)
from train.data.collation import change_signs
from train.data.encoder_input import encoder_input
from train.data.sign_reader import SignExample
from train.settings import AugmentationSettings


@pytest.fixture
def example():
    frames = encoder_input(signer(30, np.random.default_rng(0)), SIZE, "custom")
    starts = np.arange(10, dtype=np.int64)
    features = np.repeat(starts.astype(np.float32)[:, None], 3, axis=1)
    return SignExample(frames, starts, features)


def test_both_streams_lose_the_same_clips(example):
    for seed in range(20):
        fewer = drop_clips(example, 0.5, np.random.default_rng(seed))
        np.testing.assert_array_equal(fewer.clip_starts, fewer.rgb[:, 0])
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
    for fraction in (0.0, 0.5):
        settings = AugmentationSettings(rgb_noise=fraction)
        changed = change_signs(
            SignExample(None, None, features), settings, np.random.default_rng(0)
        ).rgb
        assert (changed != features).all() == (fraction > 0)


PARTS = ("right", "left", "body")


@pytest.fixture
def keypoints():
    keypoints = signer(12, np.random.default_rng(0))
    keypoints[3] = (np.nan, np.nan, 0)  # nobody
    keypoints[5, 91:112, 2] = 0.2  # no point of the left hand is shown
    keypoints[7, 112:115, 2] = 0.3  # some of the right hand are not
    return keypoints


@pytest.fixture
def pose(keypoints):
    return encoder_input(keypoints, SIZE, "custom")


def changed(pose, **settings):
    return change_keypoints(pose, AugmentationSettings(**settings), np.random.default_rng(1))


def test_nothing_is_changed_by_default(pose):
    same = changed(pose)
    for part in PARTS:
        np.testing.assert_array_equal(getattr(same, part), getattr(pose, part))


@pytest.mark.parametrize(
    "settings",
    [{"rotate_degrees": 20.0}, {"scale": 0.2}, {"jitter": 3.0}, {"mirror": 1.0}, {"shift": 9.0}],
)
def test_what_is_not_seen_stays_zero(pose, settings):
    other = changed(pose, **settings)
    pairs = {part: (getattr(pose, part), getattr(other, part)) for part in PARTS}
    if "mirror" in settings:
        pairs = {"right": (pose.left, other.right), "left": (pose.right, other.left)}
        assert not other.body[3].any()
    for before, after in pairs.values():
        seen = before.any(axis=-1)
        np.testing.assert_array_equal(after.any(axis=-1), seen)
        assert after.dtype == np.float32
    assert not np.array_equal(other.body, pose.body)


def test_a_mirrored_video_gives_the_mirrored_input(keypoints, pose):
    """The same as turning the picture round before the rules are applied."""
    turned = keypoints.copy()
    turned[..., 0] = SIZE[0] - turned[..., 0]
    turned[:, [5, 6, 7, 8, 9, 10]] = turned[:, [6, 5, 8, 7, 10, 9]]
    turned[:, 91:133] = np.concatenate([turned[:, 112:133], turned[:, 91:112]], axis=1)
    expected, got = encoder_input(turned, SIZE, "custom"), mirror(pose)
    np.testing.assert_allclose(got.body, expected.body, atol=1e-3)
    np.testing.assert_array_equal(got.has_hand, expected.has_hand)
    for part in ("right", "left"):  # boxes are whole pixels
        np.testing.assert_allclose(getattr(got, part), getattr(expected, part), atol=256 / 50)


def test_mirroring_twice_changes_nothing(pose):
    twice = mirror(mirror(pose))
    for part in PARTS:
        np.testing.assert_allclose(getattr(twice, part), getattr(pose, part), atol=1e-4)


def test_a_quarter_turn(pose):
    turned = transform(pose, np.pi / 2, 1.0)
    x, y = pose.right[0, 0]
    np.testing.assert_allclose(turned.right[0, 0], (256 - y, x), atol=1e-3)
    x, y = pose.left[0, 0]  # is held mirrored, and turns the other way
    np.testing.assert_allclose(turned.left[0, 0], (y, 256 - x), atol=1e-3)


def test_size_is_about_the_middle(pose):
    larger = transform(pose, 0.0, 2.0)
    np.testing.assert_allclose(larger.body[0] - 128, 2 * (pose.body[0] - 128), atol=1e-3)


def test_the_body_moves_and_hands_stay_in_their_boxes(pose):
    moved = shift(pose, np.array([10.0, -5.0]))
    seen = pose.body.any(axis=-1)
    np.testing.assert_allclose((moved.body - pose.body)[seen], [(10, -5)] * seen.sum(), atol=1e-4)
    assert moved.right is pose.right
    assert not moved.body[~seen].any()


def test_time_runs_faster_in_the_middle(pose):
    frames = warp_time(pose, np.array([0.0, -2.0, 2.0, 0.0]))
    shown = [0, 0, 1, 1, 2, 4, 7, 9, 10, 10, 11, 11]
    for part in PARTS:
        expected = getattr(pose, part)[shown]
        np.testing.assert_array_equal(getattr(frames, part), expected)


def test_time_never_leaves_the_video(pose):
    still = warp_time(pose, np.array([100.0, 100.0]))
    np.testing.assert_array_equal(still.body, pose.body[[-1] * pose.num_frames])


def test_noise_has_the_asked_deviation(pose):
    noise = (changed(pose, jitter=3.0).body - pose.body)[pose.body.any(axis=-1)]
    assert 2 < noise.std() < 4


def test_lost_frames_show_nothing(pose):
    is_lost = np.arange(pose.num_frames) < 2
    less = lose_frames(pose, is_lost)
    for part in PARTS:
        assert not getattr(less, part)[:2].any()
        np.testing.assert_array_equal(getattr(less, part)[2:], getattr(pose, part)[2:])
    assert not less.has_hand[:2].any()
    assert not changed(pose, drop_frames=1.0).body.any()


SENTENCE = "one two three four"


def swapped(sentence, probability, seed):
    return swap_two_words(sentence, probability, np.random.default_rng(seed))


def test_two_words_change_places():
    for seed in range(20):
        words = swapped(SENTENCE, 1.0, seed).split()
        assert sorted(words) == sorted(SENTENCE.split())
        assert sum(a != b for a, b in zip(words, SENTENCE.split(), strict=True)) == 2


def test_any_two_words():
    assert len({swapped(SENTENCE, 1.0, seed) for seed in range(100)}) == 6


def test_probability():
    unchanged = sum(swapped(SENTENCE, 0.25, seed) == SENTENCE for seed in range(1000))
    assert 700 < unchanged < 800
    assert swapped(SENTENCE, 0.0, 0) == SENTENCE


def test_one_word_stays():
    assert swapped("hello", 1.0, 0) == "hello"
    assert swapped("", 1.0, 0) == ""


def test_words_between_blanks_are_swapped_to_the_same_bits_as_before_characters_were():
    expected = [
        "one four three two", "one two four three", "two one three four", "four two three one",
    ]  # fmt: skip
    assert [swapped(SENTENCE, 1.0, seed) for seed in range(4)] == expected
    assert swapped("今天  天气", 1.0, 0) == "天气 今天"


@pytest.mark.parametrize(
    ("sentence", "units"),
    [
        ("今天天气很好。明天下雨。", list("今天天气很好明天下雨")),
        ("3月12日AI很好", ["3", "月", "12", "日", "AI", "很", "好"]),
        ("カードを見る", ["カー", "ド", "を", "見", "る"]),
        ("ไทยวันนี้", ["ไท", "ย", "วั", "น", "นี้"]),
    ],
    ids=["chinese", "mixed", "japanese", "thai"],
)
def test_without_blanks_two_characters_change_places(sentence, units):
    found = {swapped(sentence, 1.0, seed) for seed in range(300)} - {sentence}
    expected, any_unit = set(), "|".join(sorted(units, key=len, reverse=True))
    for first in range(len(units)):
        for second in range(first):
            changed = list(units)
            changed[first], changed[second] = units[second], units[first]
            rest = iter(changed)
            # Punctuation has stayed where it was.
            expected.add(re.sub(any_unit, lambda _, rest=rest: next(rest), sentence))
    assert found == expected - {sentence}
    assert swapped(sentence, 0.0, 0) == sentence


@pytest.mark.parametrize("sentence", ["rain-cloud", "雨", "雨。", "don't"])
def test_one_word_without_blanks_stays_too(sentence):
    assert {swapped(sentence, 1.0, seed) for seed in range(20)} == {sentence}
