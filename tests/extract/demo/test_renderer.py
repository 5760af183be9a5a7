"""What is drawn lies where the truth says, and drawing is a function of its seeds."""

import numpy as np
import pytest

from extract.demo.renderer import SignedVideo, draw_signer
from extract.demo.signer import sample_signer
from extract.demo.skeleton import ground_truth
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND

GLOSSES = ("TEACHER", "BOOK", "READ")
BACKGROUND = (0, 0, 255)


def video(seed=2, take=0):
    return SignedVideo(GLOSSES, sample_signer(seed), take, 256, 256)


def test_same_seeds_same_pixels():
    np.testing.assert_array_equal(video().frame(7), video().frame(7))


def test_takes_and_signers_differ():
    frame = video().frame(7).astype(int)
    assert np.abs(frame - video(take=1).frame(7)).mean() > 1
    assert np.abs(frame - video(seed=3).frame(7)).mean() > 10


def flat_scene(signed, signer, frame):
    image = np.full((256, 256, 3), BACKGROUND, dtype=np.uint8)
    draw_signer(image, signed.posed, frame, signer)
    return image


@pytest.mark.parametrize("seed", range(6))
def test_hand_joints_lie_on_skin(seed):
    """In a flat scene the pixels under the fingertips have the hue of the signer's skin."""
    signer, signed = sample_signer(seed), video(seed)
    skin = np.array(signer.look.skin) / np.linalg.norm(signer.look.skin)
    truth = ground_truth(signed.posed)
    matches = []
    for frame in range(0, len(signed), 3):
        image = flat_scene(signed, signer, frame).astype(float)
        for hand in (LEFT_HAND, RIGHT_HAND):
            x, y, shown = truth[frame, hand].T
            pixels = image[np.round(y[shown > 0]).astype(int), np.round(x[shown > 0]).astype(int)]
            matches += list(pixels @ skin / np.linalg.norm(pixels, axis=1) > 0.985)
    assert np.mean(matches) > 0.97


def test_moving_the_truth_would_be_noticed():
    """The check above fails for points that are 12 pixels off: they often miss the hand."""
    signer, signed = sample_signer(1), video(1)
    skin = np.array(signer.look.skin) / np.linalg.norm(signer.look.skin)
    image = flat_scene(signed, signer, len(signed) // 2).astype(float)
    x, y, _ = ground_truth(signed.posed)[len(signed) // 2, RIGHT_HAND].T
    pixels = image[np.clip(y + 12, 0, 255).astype(int), np.clip(x + 12, 0, 255).astype(int)]
    assert np.mean(pixels @ skin / np.linalg.norm(pixels, axis=1) > 0.985) < 0.9


def test_nothing_is_drawn_outside_the_signers_height():
    signer, signed = sample_signer(5), video(5)
    image = flat_scene(signed, signer, 0)
    is_person = np.any(image != BACKGROUND, axis=-1)
    top = signed.posed.skull[0, :, 1].min()
    drawn_top = np.flatnonzero(is_person.any(axis=1))[0]
    assert drawn_top >= top - 0.35 * signed.posed.unit  # a bun may be higher than the head
    assert is_person[-1].any()
