"""Hands and face move as the glosses say."""

from itertools import combinations

import numpy as np
import pytest

from extract.demo.language import GLOSS_BY_NAME, GLOSSES, choose_sentences
from extract.demo.motion import (
    FRAME_RATE,
    HAND_SHAPES,
    HandTrack,
    Stroke,
    align_signs,
    direction,
    hand_joints,
    hand_track,
    matrices,
    orientation,
    sign,
)
from extract.demo.signer import sample_signer
from seds_core.keypoints import HAND_LINES

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


TIMES = np.linspace(0, 2, 201)
BEGIN, END = 0.8, 1.4
NO_JITTER = np.zeros(3)


def track(name, *, is_signing_hand=True, amplitude=1.0) -> HandTrack:
    stroke = Stroke(GLOSS_BY_NAME[name], BEGIN, END)
    signer = sample_signer(0)
    return hand_track(
        [stroke], TIMES, signer, amplitude, NO_JITTER, is_signing_hand=is_signing_hand
    )


def at(moment):
    return int(np.argmin(np.abs(TIMES - moment)))


def test_a_gloss_begins_and_ends_in_its_forms():
    hand, gloss = track("GIVE"), GLOSS_BY_NAME["GIVE"]
    for moment, form in ((BEGIN, gloss.start), (END, gloss.end)):
        np.testing.assert_allclose(hand.angles[at(moment)], HAND_SHAPES[form.shape], atol=1e-6)
        turned = matrices(hand.turn[at(moment)][None])[0] @ [0, 1, 0]
        np.testing.assert_allclose(turned, direction(form.fingers), atol=1e-6)


def test_a_signer_of_large_amplitude_reaches_further():
    reach = [track("YOU", amplitude=size).centre[at(END), 2] for size in (0.8, 1.2)]
    assert reach[1] > reach[0] + 0.3


def test_the_other_hand_rests_mirrors_or_holds():
    resting = track("MOTHER", is_signing_hand=False)
    assert np.ptp(resting.centre, axis=0).max() < 1e-9
    mirrored = track("WANT", is_signing_hand=False)
    np.testing.assert_allclose(mirrored.centre, track("WANT").centre)
    held = track("SCHOOL", is_signing_hand=False).centre[at(BEGIN) : at(END)]
    assert np.ptp(held, axis=0).max() < 1e-9
    assert held[0, 1] < resting.centre[0, 1]


@pytest.mark.parametrize(("name", "turns"), [("MOTHER", 2), ("EAT", 3), ("SCHOOL", 3)])
def test_a_tap_meets_its_place_as_often_as_it_says(name, turns):
    hand = track(name)
    contact = direction(GLOSS_BY_NAME[name].start.palm)
    along = hand.centre[at(BEGIN) : at(END)] @ contact
    peaks = (along[1:-1] > along[:-2]) & (along[1:-1] >= along[2:])
    assert peaks.sum() == turns


def test_a_strokes_phase_goes_from_nothing_to_all():
    phase = Stroke(GLOSS_BY_NAME["I"], 1.0, 2.0).phase(np.array([0.0, 1.0, 1.5, 3.0]))
    np.testing.assert_allclose(phase, [0, 0, 0.5, 1])


def joints(name):
    return hand_joints(HAND_SHAPES[name][None])[0]


def bone_lengths(hand):
    return np.array([np.linalg.norm(hand[end] - hand[begin]) for begin, end in HAND_LINES])


@pytest.mark.parametrize("name", HAND_SHAPES)
def test_bending_changes_no_bone(name):
    np.testing.assert_allclose(bone_lengths(joints(name)), bone_lengths(joints("flat")))


def test_a_flat_hand_is_one_hand_long_and_nearly_flat():
    flat = joints("flat")
    assert np.linalg.norm(flat[12]) == pytest.approx(1, abs=0.02)
    assert np.abs(flat[5:, 2]).max() < 0.15


def test_a_bent_finger_ends_on_the_side_of_the_palm():
    assert joints("bent")[8, 2] > 0.4
    assert np.linalg.norm(joints("fist")[8]) < 0.65


def test_the_thumb_is_on_its_own_side():
    spread = joints("spread")
    assert spread[4, 0] > spread[8, 0] > spread[12, 0] > spread[16, 0] > spread[20, 0]


def test_no_two_shapes_look_alike():
    for first, second in combinations(HAND_SHAPES, 2):
        furthest = np.linalg.norm(joints(first) - joints(second), axis=1).max()
        assert furthest > 0.1, (first, second)


FORMS = [form for gloss in GLOSSES for form in (gloss.start, gloss.end, gloss.base) if form]


def test_directions_have_length_one_and_add_up():
    np.testing.assert_allclose(direction("up+in"), [-(0.5**0.5), -(0.5**0.5), 0])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_fingers_and_palm_point_where_the_words_say(form):
    turn = matrices(orientation(form.fingers, form.palm)[None])[0]
    np.testing.assert_allclose(turn @ [0, 1, 0], direction(form.fingers), atol=1e-9)
    assert (turn @ [0, 0, 1]) @ direction(form.palm) > 0.5
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_raised_palm_to_the_camera_has_its_thumb_towards_the_body():
    turn = matrices(orientation("up", "forward")[None])[0]
    np.testing.assert_allclose(turn @ [1, 0, 0], direction("in"), atol=1e-9)


def test_aligning_keeps_the_orientation():
    turns = np.array([[1.0, 0, 0, 0], [-0.8, 0.6, 0, 0]])
    aligned = align_signs(turns)
    assert aligned[0] @ aligned[1] > 0
    np.testing.assert_allclose(matrices(aligned), matrices(turns))
