import numpy as np
import pytest
from shared_data import golden_path

from reference.keypoint_rules import slow_frame
from seds_core.clip_plan import timeline_step
from train.data.encoder_input import at_frames, at_least, encoder_input

RULES = {
    "phoenix": "phoenix-2014t",
    "phoenix_long": "phoenix-2014t",
    "csl": "csl-daily",
    "how2sign": "how2sign",
    "how2sign_long": "how2sign",
    "short": "phoenix-2014t",
}


def hand_frames(pose):
    return at_frames(pose, np.flatnonzero(pose.has_hand))


@pytest.mark.golden
@pytest.mark.parametrize("case", RULES)
def test_published_input(case):
    with np.load(golden_path("pose_preprocess.npz")) as golden:
        width, height = map(int, golden[f"{case}_size"])
        keypoints = golden[f"{case}_keypoints"]
        step = timeline_step(len(keypoints), 300)
        pose = encoder_input(keypoints[::step], (width, height), RULES[case])
        np.testing.assert_array_equal(step * np.flatnonzero(pose.has_hand), golden[f"{case}_kept"])
        kept = hand_frames(pose)
        np.testing.assert_allclose(kept.right, golden[f"{case}_right"], atol=1e-3, rtol=0)
        np.testing.assert_allclose(kept.left, golden[f"{case}_left"], atol=1e-3, rtol=0)
        np.testing.assert_allclose(kept.body, golden[f"{case}_body"], atol=1e-3, rtol=0)


def random_keypoints(num_frames, size, seed):
    """Every way for a hand to be seen or not: hands inside, beside and across the image's edges,
    of any size, of any confidence; some frames without anybody."""
    generator = np.random.default_rng(seed)
    keypoints = np.empty((num_frames, 133, 3), np.float32)
    centre = generator.uniform(-0.2, 1.2, (num_frames, 1, 2))
    spread = generator.choice([0.001, 0.05, 0.2, 0.8], (num_frames, 1, 1))
    keypoints[..., :2] = np.array(size) * (
        centre + spread * generator.normal(size=(num_frames, 133, 2))
    )
    level = generator.choice([0.05, 0.1, 0.2, 0.5, 0.8], (num_frames, 1))
    keypoints[..., 2] = np.clip(level + generator.normal(0, 0.2, (num_frames, 133)), 0, 1)
    keypoints[:, 5:11, 2] = np.maximum(
        keypoints[:, 5:11, 2], generator.choice([0.0, 0.6], (num_frames, 1))
    )
    keypoints[generator.random(num_frames) < 0.05] = (np.nan, np.nan, 0)
    return keypoints


@pytest.mark.parametrize("rules", ["phoenix-2014t", "csl-daily", "how2sign", "custom", "seen"])
@pytest.mark.parametrize("size", [(210, 260), (1280, 720), (48, 64)])
def test_equals_the_plain_rules_frame_by_frame(rules, size):
    keypoints = random_keypoints(300, size, seed=size[0])
    pose = encoder_input(keypoints, size, rules)
    frames = [slow_frame(frame, size, rules) for frame in keypoints]
    assert pose.has_hand.tolist() == [frame is not None for frame in frames]
    assert 30 < pose.has_hand.sum() < 290
    nothing = [(0.0, 0.0)] * 21, [(0.0, 0.0)] * 21, [(0.0, 0.0)] * 7
    parts = zip(*(frame or nothing for frame in frames), strict=True)
    for name, expected in zip(("right", "left", "body"), parts, strict=True):
        got = getattr(pose, name)
        # A side of one pixel makes large numbers.
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-4, err_msg=name)


def test_nobody_at_all_is_zeros():
    keypoints = np.full((3, 133, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    pose = encoder_input(keypoints, (320, 240), "custom")
    assert not pose.has_hand.any()
    assert not pose.right.any()
    assert not pose.left.any()
    assert not pose.body.any()
    kept = at_least(hand_frames(pose), 16)
    assert kept.num_frames == 16
    assert not kept.body.any()


def test_a_hand_never_seen_is_zeros_beside_the_other_one():
    keypoints = random_keypoints(1, (320, 240), seed=1)
    keypoints[:] = np.nan_to_num(keypoints)
    keypoints[..., 2] = 0.9
    keypoints[:, [5, 7, 9, *range(91, 112)], 2] = 0
    pose = encoder_input(keypoints, (320, 240), "custom")
    assert pose.right_is_usable.all()
    assert not pose.left_is_usable.any()
    assert pose.right.any()
    assert pose.body.any()
    assert not pose.left.any()


def test_points_with_a_missing_number_do_not_spread():
    keypoints = random_keypoints(4, (320, 240), seed=2)
    keypoints[..., 2] = 0.9
    keypoints[:, 112:120, 0] = np.nan
    keypoints[:, 9, 1] = np.inf
    pose = encoder_input(keypoints, (320, 240), "custom")
    assert all(np.isfinite(part).all() for part in (pose.right, pose.left, pose.body))
    assert not pose.right[:, :8].any()
    assert pose.right[:, 8:].any()


def test_last_frame_is_repeated():
    pose = encoder_input(random_keypoints(5, (320, 240), seed=3), (320, 240), "custom")
    longer = at_least(pose, 8)
    assert longer.num_frames == 8
    np.testing.assert_array_equal(longer.right[:5], pose.right)
    np.testing.assert_array_equal(longer.body[5:], pose.body[[4, 4, 4]])
    assert at_least(pose, 3).num_frames == 5


def test_measured_by_the_signer_place_and_size_do_not_matter():
    keypoints = random_keypoints(40, (640, 480), seed=5)
    keypoints[..., 2] = np.where(np.isfinite(keypoints[..., 0]), 0.9, 0)
    moved = keypoints.copy()
    moved[..., :2] = 1.7 * keypoints[..., :2] + (130, -40)
    near, far = (
        encoder_input(points, (640, 480), "custom", "signer").body for points in (moved, keypoints)
    )
    assert near.any()
    np.testing.assert_allclose(near, far, atol=1e-2)


def test_the_shoulders_are_a_quarter_of_the_box_apart_and_in_its_middle():
    keypoints = np.zeros((3, 133, 3), np.float32)
    keypoints[..., 2] = 0.9
    keypoints[:, 5], keypoints[:, 6] = (300, 200, 0.9), (200, 200, 0.9)
    keypoints[:, 9] = (250, 300, 0.9)
    # One frame's shoulders are wrong, and another frame does not show them.
    keypoints[1, 5] = (900, 900, 0.9)
    body = encoder_input(
        np.concatenate([keypoints, keypoints[[0, 2]]]), (640, 480), "custom", "signer"
    ).body
    left, right, left_wrist = body[0, 1], body[0, 4], body[0, 3]
    np.testing.assert_allclose((left, right), [(160, 128), (96, 128)])
    np.testing.assert_allclose(left_wrist, (128, 192))


def test_measured_by_the_signer_points_that_are_not_seen_stay_at_zero():
    keypoints = np.full((2, 133, 3), 50, np.float32)
    keypoints[..., 2] = 0.9
    keypoints[:, 5, 0] = 90
    keypoints[0, 9, 2] = 0
    body = encoder_input(keypoints, (100, 100), "custom", "signer").body
    assert (body[0, 3] == 0).all()
    assert (body[1, 3] != 0).any()
    keypoints[:, 5, 2] = 0
    assert not encoder_input(keypoints, (100, 100), "custom", "signer").body.any()
