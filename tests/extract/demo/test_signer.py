"""Drawn signers: arms, face, and every point of them in the picture."""

import numpy as np
import pytest

from extract.demo import signer as parts
from extract.demo.motion import sign
from extract.demo.signer import bend_arm, face_points, sample_signer, skull_points
from extract.demo.skeleton import ground_truth, pose_signer, signer_heights
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND

SIGNERS = [sample_signer(seed) for seed in range(200)]


def test_a_seed_is_a_person():
    assert sample_signer(7) == SIGNERS[7]
    assert len({signer.look.cloth for signer in SIGNERS}) == len(SIGNERS)


def test_all_kinds_of_people_occur():
    assert {signer.look.hair_style for signer in SIGNERS} == {"none", "short", "long", "bun"}
    assert {signer.habits.is_left_handed for signer in SIGNERS} == {True, False}
    assert any(signer.look.sleeve < 0.7 for signer in SIGNERS)
    assert any(signer.look.sleeve > 1.8 for signer in SIGNERS)
    brightness = [sum(signer.look.skin) for signer in SIGNERS]
    assert max(brightness) > 2.5 * min(brightness)


def test_colours_are_colours():
    for signer in SIGNERS:
        look = signer.look
        for colour in (look.skin, look.hair, look.cloth, look.cloth_detail, look.lips):
            assert all(0 <= value <= 255 for value in colour)


UPPER, LOWER = 0.85, 0.7
SHOULDER = np.array([[0.5, 0.0, 0.0]])


def bend(target):
    elbow, wrist = bend_arm(SHOULDER, np.array([target], dtype=float), UPPER, LOWER)
    return elbow[0], wrist[0]


def test_reaches_targets_in_signing_space_with_constant_bones():
    targets = np.random.default_rng(0).uniform((-0.3, -0.7, 0.2), (1.0, 1.0, 0.9), (200, 3))
    shoulders = np.repeat(SHOULDER, len(targets), axis=0)
    reachable = np.linalg.norm(targets - shoulders, axis=1) < UPPER + LOWER - 0.02
    elbow, wrist = bend_arm(shoulders, targets, UPPER, LOWER)
    assert reachable.sum() > 150
    np.testing.assert_allclose(wrist[reachable], targets[reachable], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(elbow - shoulders, axis=1), UPPER)
    np.testing.assert_allclose(np.linalg.norm(wrist - elbow, axis=1), LOWER)


def test_a_target_out_of_reach_is_approached_in_a_straight_line():
    elbow, wrist = bend((0.5, 5.0, 0.0))
    assert np.linalg.norm(wrist - SHOULDER[0]) > 0.99 * (UPPER + LOWER)
    np.testing.assert_allclose(wrist[[0, 2]], [0.5, 0.0], atol=1e-9)
    assert elbow[1] > 0


def test_the_elbow_hangs_below_and_outside():
    elbow, wrist = bend((0.5, -0.3, 0.5))
    assert elbow[1] > max(wrist[1], 0)
    assert elbow[0] > 0.5


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


SIZE = 256


def pose(seed, glosses=("MOTHER", "BOOK", "GIVE")):
    signer = sample_signer(seed)
    return signer, pose_signer(sign(glosses, signer, 0), signer, 0, SIZE, SIZE)


def seed_of(*, is_left_handed):
    return next(s for s in range(99) if sample_signer(s).habits.is_left_handed == is_left_handed)


def test_the_signers_left_is_on_the_pictures_right():
    _, posed = pose(0)
    truth = ground_truth(posed)
    assert np.all(truth[:, 5, 0] > truth[:, 6, 0])
    assert np.all(truth[:, 1, 0] > truth[:, 2, 0])


@pytest.mark.parametrize("is_left_handed", [False, True])
def test_one_handed_signs_are_made_with_the_signers_own_hand(is_left_handed):
    _, posed = pose(seed_of(is_left_handed=is_left_handed), ("MOTHER", "WATER"))
    travelled = {
        name: np.linalg.norm(np.diff(hand[:, 0, :2], axis=0), axis=1).sum()
        for name, hand in (("left", posed.left_hand), ("right", posed.right_hand))
    }
    assert max(travelled, key=travelled.__getitem__) == ("left" if is_left_handed else "right")


def test_hands_are_joined_to_the_arms():
    _, posed = pose(4)
    np.testing.assert_allclose(posed.left_hand[:, 0], posed.body[:, 9])
    np.testing.assert_allclose(posed.right_hand[:, 0], posed.body[:, 10])


def test_limbs_keep_their_length_within_the_perspective():
    """Bones in shoulder widths, after taking the camera's perspective back."""
    signer, posed = pose(3)
    depth = posed.body[..., 2]
    flat = (posed.body[..., :2] - (SIZE / 2, 0)) * (1 - depth[..., None] / 9.0) / posed.unit
    for elbow, wrist in ((7, 9), (8, 10)):
        # The camera's centre is a common shift, which depth scales a little: hence 3 %.
        bone = np.concatenate(
            [flat[:, wrist] - flat[:, elbow], (depth[:, wrist] - depth[:, elbow])[:, None]], axis=1
        )
        lengths = np.linalg.norm(bone, axis=1)
        assert np.ptp(lengths) < 0.12 * signer.proportions.forearm


def test_what_is_not_drawn_or_outside_is_not_visible():
    _, posed = pose(0)
    truth = ground_truth(posed)
    assert truth.dtype == np.float32
    assert not truth[:, 13:23].any()
    shown = truth[..., 2] == 1
    assert np.all((truth[shown][:, :2] >= 0) & (truth[shown][:, :2] <= SIZE - 1))
    inside = np.all((truth[..., :2] >= 0) & (truth[..., :2] <= SIZE - 1), axis=-1)
    np.testing.assert_array_equal(shown[:, 23:], inside[:, 23:])
    assert truth[:, LEFT_HAND, 2].mean() > 0.9
    assert truth[:, RIGHT_HAND, 2].mean() > 0.9


def test_a_signers_height_is_most_of_the_picture():
    for seed in range(20):
        _, posed = pose(seed)
        heights = signer_heights(posed)
        assert np.all((heights > 0.7 * SIZE) & (heights < SIZE)), seed
