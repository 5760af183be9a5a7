"""Glosses become motion: length, rest, determinism, and glosses that can be told apart."""

from itertools import combinations

import numpy as np
import pytest

from extract.demo.hand_shape import hand_joints, matrices
from extract.demo.language import GLOSSES, choose_sentences
from extract.demo.motion import FRAME_RATE, sign
from extract.demo.signer import sample_signer

SIGNER = sample_signer(11)


def test_sentences_last_between_two_and_four_seconds():
    lengths = [
        len(sign(sentence.glosses, sample_signer(number), 0).mouth_open)
        for number, sentence in enumerate(choose_sentences(40, 0))
    ]
    assert min(lengths) >= 16
    assert max(lengths) <= 62
    assert 24 <= np.median(lengths) <= 48


def test_begins_and_ends_at_rest():
    motion = sign(("BOOK", "READ"), SIGNER, 0)
    for hand in (motion.signing_hand, motion.other_hand):
        np.testing.assert_allclose(hand.centre[0], hand.centre[-1], atol=0.05)
        assert hand.centre[0, 1] > 0.9


def test_same_seeds_same_motion_other_take_other_motion():
    first, again, other = (sign(("I", "WATER", "DRINK"), SIGNER, take) for take in (1, 1, 2))
    np.testing.assert_array_equal(first.signing_hand.centre, again.signing_hand.centre)
    assert len(first.mouth_open) != len(other.mouth_open) or not np.allclose(
        first.signing_hand.centre, other.signing_hand.centre
    )


def test_hands_move_smoothly():
    """Between two frames no hand goes much further than the shoulders are wide."""
    for sentence in choose_sentences(30, 1):
        motion = sign(sentence.glosses, SIGNER, 0)
        for hand in (motion.signing_hand, motion.other_hand):
            assert np.linalg.norm(np.diff(hand.centre, axis=0), axis=1).max() < 1.2


@pytest.fixture(scope="module")
def glosses_as_points():
    """Per gloss 8 moments of both hands' points, in shoulder widths."""
    trajectories = {}
    for gloss in GLOSSES:
        motion = sign((gloss.name,), SIGNER, 0)
        moments = np.linspace(0, len(motion.mouth_open) - 1, 12).round().astype(int)[2:-2]
        hands = []
        for hand in (motion.signing_hand, motion.other_hand):
            local = hand_joints(hand.angles[moments])
            turned = local @ np.swapaxes(matrices(hand.turn[moments]), 1, 2)
            hands.append(hand.centre[moments, None] + 0.55 * turned)
        trajectories[gloss.name] = np.stack(hands)
    return trajectories


def test_glosses_differ_more_than_takes_do(glosses_as_points):
    for first, second in combinations(glosses_as_points, 2):
        difference = np.abs(glosses_as_points[first] - glosses_as_points[second])
        assert difference.mean() > 0.035, (first, second, difference.mean())


def test_pace_follows_the_signer():
    by_pace = sorted((sample_signer(seed) for seed in range(30)), key=lambda s: s.habits.pace)
    slow, fast = (
        len(sign(("I", "BOOK", "READ"), signer, 0).mouth_open) / FRAME_RATE
        for signer in (by_pace[0], by_pace[-1])
    )
    assert slow > fast
