"""One hand's track: it is at the gloss's places in the gloss's forms."""

import numpy as np
import pytest

from extract.demo.hand_shape import HAND_SHAPES, direction, matrices
from extract.demo.language import GLOSS_BY_NAME
from extract.demo.motion import HandTrack, Stroke, hand_track
from extract.demo.signer import sample_signer

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
