import numpy as np
import pytest
from small_stores import SIZE, signer

from train.data.augmentation import (
    change_keypoints,
    lose_frames,
    mirror,
    shift,
    transform,
    warp_time,
)
from train.data.encoder_input import encoder_input
from train.settings import AugmentationSettings

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
    places = [0, 0, 1, 1, 2, 4, 7, 9, 10, 10, 11, 11]
    for part in PARTS:
        expected = getattr(pose, part)[places]
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
