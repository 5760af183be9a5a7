"""Points in the picture: sides, lengths, visibility."""

import numpy as np
import pytest

from extract.demo.motion import sign
from extract.demo.signer import sample_signer
from extract.demo.skeleton import ground_truth, pose_signer, signer_heights
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND

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
