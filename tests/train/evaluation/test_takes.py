"""Motions of takes, and how far apart they are."""

import numpy as np
import pytest

from seds_core.errors import UsageError
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND
from train.evaluation.evaluate import evaluate
from train.evaluation.metrics import SplitScores, build_gallery
from train.evaluation.report import report
from train.evaluation.takes import (
    BONE_WEIGHT,
    MOTION_FRAMES,
    WIDEST_WARP,
    mirrored,
    motion_of,
    take_scores,
    warped_distances,
    with_takes,
)


def slow_distance(first, second):
    """The textbook's table, cell by cell."""
    rows, columns = len(first), len(second)
    reached = np.full((rows + 1, columns + 1), np.inf)
    reached[0, 0] = 0
    for r in range(rows):
        for c in range(columns):
            if abs(r / rows - c / columns) > WIDEST_WARP:
                continue
            cost = np.linalg.norm(first[r] - second[c])
            reached[r + 1, c + 1] = min(
                reached[r, c] + 2 * cost, reached[r, c + 1] + cost, reached[r + 1, c] + cost
            )
    return reached[rows, columns] / (rows + columns)


@pytest.mark.parametrize("costs_at_once", [1, 1 << 24])
def test_distances_are_those_of_the_table_filled_cell_by_cell(costs_at_once, monkeypatch):
    monkeypatch.setattr("train.evaluation.takes._COSTS_AT_ONCE", costs_at_once)
    generator = np.random.default_rng(0)
    motions = [generator.normal(size=(length, 5)) for length in (1, 2, 9, 17, 30, 31)]
    for motion in motions:
        expected = [slow_distance(motion, other) for other in motions]
        np.testing.assert_allclose(warped_distances(motion, motions), expected, atol=1e-6)


def keypoints_of(num_frames):
    """A signer whose shoulders are 100 pixels apart, and whose hands change in every frame."""
    generator = np.random.default_rng(1)
    keypoints = np.zeros((num_frames, 133, 3), np.float32)
    keypoints[:, 5], keypoints[:, 6] = (250, 200, 1), (150, 200, 1)
    for joint in (0, 7, 8, 9, 10):
        keypoints[:, joint] = (200 + 10 * joint, 100 + 10 * joint, 0.9)
    for hand in (LEFT_HAND, RIGHT_HAND):
        keypoints[:, hand, :2] = generator.uniform(100, 200, (num_frames, 21, 2))
        keypoints[:, hand, 2] = 0.9
    return keypoints


def test_a_motion_is_told_in_units_of_the_signer():
    keypoints = keypoints_of(4)
    motion = motion_of(keypoints)
    assert motion.shape == (4, 2 * (7 + 20 + 20))
    arms = motion[:, :14].reshape(4, 7, 2)
    np.testing.assert_allclose(arms[:, 1], 4 * [(0.5, 0)])
    np.testing.assert_allclose(arms[:, 5], 4 * [(0.9, -0.1)])
    directions = motion[:, 14:].reshape(4, 40, 2)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), BONE_WEIGHT)
    # The thumb's first bone, of the left hand.
    along = keypoints[:, 92, :2] - keypoints[:, 91, :2]
    expected = BONE_WEIGHT * along / np.linalg.norm(along, axis=1, keepdims=True)
    np.testing.assert_allclose(directions[:, 0], expected, rtol=1e-5)
    # Nearer to the camera, and elsewhere in the picture.
    moved = keypoints.copy()
    moved[..., :2] = 2 * moved[..., :2] + (30, -5)
    np.testing.assert_allclose(motion_of(moved), motion, atol=1e-5)


def test_rest_is_left_out_and_a_hand_that_is_lost_is_zeros():
    keypoints = keypoints_of(8)
    expected = motion_of(keypoints)
    keypoints[[0, 1, 7], LEFT_HAND.start :] = 0
    keypoints[4, LEFT_HAND] = np.nan
    motion = motion_of(keypoints)
    assert len(motion) == 5
    assert not motion[2, 14:54].any()
    np.testing.assert_allclose(motion[2, 54:], expected[4, 54:])
    np.testing.assert_allclose(motion[[0, 1, 3, 4]], expected[[2, 3, 5, 6]])


def test_without_any_hand_the_arms_are_left():
    keypoints = keypoints_of(6)
    keypoints[:, LEFT_HAND.start :] = np.nan
    motion = motion_of(keypoints)
    assert len(motion) == 6
    assert motion[:, :14].any()
    assert not motion[:, 14:].any()


def test_long_motions_are_thinned_out_evenly():
    keypoints = keypoints_of(200)
    motion = motion_of(keypoints)
    assert len(motion) == MOTION_FRAMES
    np.testing.assert_allclose(motion[[0, -1]], motion_of(keypoints[[0, -1]]), atol=1e-6)


def test_a_slower_take_is_nearer_than_another_motion():
    way, slower = (np.linspace(0, 1, length)[:, None] * [1.0, 2.0] for length in (20, 31))
    same, backwards = warped_distances(way, [slower, way[::-1]])
    assert same < 0.2 * backwards


def test_a_mirrored_motion_is_that_of_the_mirrored_signer():
    keypoints = keypoints_of(7)
    keypoints[:3, LEFT_HAND] = 0
    other = keypoints.copy()
    other[..., 0] = 640 - other[..., 0]
    for left, right in ((5, 6), (7, 8), (9, 10), (LEFT_HAND, RIGHT_HAND)):
        other[:, left], other[:, right] = other[:, right].copy(), other[:, left].copy()
    np.testing.assert_allclose(mirrored(motion_of(keypoints)), motion_of(other), atol=1e-5)


def test_a_take_is_found_whichever_hand_signs():
    sign, another = motion_of(keypoints_of(9)), motion_of(keypoints_of(9)[::-1])
    scores = take_scores([mirrored(sign)], [another, sign], np.array([0, 1]), 2)
    assert scores[0, 1] == pytest.approx(0, abs=1e-6)
    assert scores[0, 0] < -0.1


def test_a_sentence_scores_as_its_nearest_take():
    def still(value):
        # Only the nose is seen, that many shoulders' widths above their middle.
        motion = np.zeros((5, 94))
        motion[:, 1] = value
        return motion

    learned = [still(4), still(0), still(10), still(3)]
    # Of three sentences the last has no take; the take at 3 is one of none of them.
    scores = take_scores([still(3), still(9)], learned, np.array([0, 0, 1, -1]), 3)
    # Steps along both motions count twice, and are divided by the sum of the lengths.
    np.testing.assert_allclose(scores[:, :2], [[-1, -7], [-5, -1]])
    np.testing.assert_array_equal(scores[:, 2], -8)


def test_without_any_take_all_is_tied():
    scores = take_scores([np.zeros((3, 94))], [np.zeros((3, 94))], np.array([-1]), 2)
    assert scores.tolist() == [[-1, -1]]


RIGHT = np.eye(4)
WRONG = np.roll(np.eye(4), 1, axis=1)


def scores_of(**streams):
    return SplitScores(build_gallery("test", [*"abcd"], [*"abcd"]), streams)


@pytest.mark.parametrize(("of_another", "is_right"), [(0.4, True), (0.6, False)])
def test_model_and_takes_count_the_same_however_large_their_scores(of_another, is_right):
    model = WRONG + 0.5 * RIGHT
    # Small distances, far below zero.
    takes = 0.001 * (RIGHT + of_another * WRONG) - 7
    both = with_takes(scores_of(fusion=3 * model, pose=model), takes)
    assert (both.argmax(axis=1) == np.arange(4)).all() == is_right


def test_rgb_alone_is_not_added_to_the_takes():
    with_rgb = scores_of(fusion=RIGHT, pose=3 * RIGHT, rgb=9 * WRONG)
    both = with_takes(with_rgb, WRONG)
    np.testing.assert_allclose(both, with_takes(scores_of(pose=RIGHT), WRONG))


def test_takes_that_are_all_as_near_change_no_ranking():
    both = with_takes(scores_of(fusion=RIGHT, pose=RIGHT), np.full((4, 4), -1.0))
    assert (both.argmax(axis=1) == np.arange(4)).all()


def test_an_evaluation_stands_beside_what_the_takes_say(make_run, capsys):
    run = make_run("run", stage="fusion")
    (plain,) = evaluate([run], split="dev", device="cpu")
    models = evaluate([run], split="dev", device="cpu", takes=True, normalise=True)
    report(models)
    assert "takes" in capsys.readouterr().out
    (model,) = models
    scores = model.scores
    assert scores.streams == ("fusion", "pose", "rgb", "takes", "model and takes")
    fusion, takes = scores.scores["fusion"], scores.scores["takes"]
    np.testing.assert_allclose(fusion, plain.scores.scores["fusion"], atol=1e-6)
    assert takes.shape == fusion.shape
    assert np.isfinite(takes).all()
    both = scores.scores["model and takes"]
    np.testing.assert_allclose(both, with_takes(plain.scores, takes), rtol=1e-4)


def test_takes_of_the_split_that_is_asked_would_find_themselves(make_run):
    with pytest.raises(UsageError, match="--takes fits to the split 'train'"):
        evaluate([make_run("run", stage="pose")], split="train", device="cpu", takes=True)


def test_takes_need_keypoints(make_run):
    with pytest.raises(UsageError, match="stages fusion and pose"):
        evaluate([make_run("run")], split="dev", device="cpu", takes=True)
